//! MPEG-H 3D audio: `mhaC` (ISO/IEC 23008-3 20.5) and its codecs string (21 there).

use alloc::format;

use super::{Codec, in_config, required, sound};
use crate::{boxes::sample_entry::SampleEntry, error::Result};

/// By the index of a layout of loudspeakers (ISO/IEC 23091-3 6.1.1), from 0 on: how many they are.
const LOUDSPEAKERS: [u32; 21] = [0, 1, 2, 3, 4, 5, 6, 8, 2, 3, 4, 7, 8, 24, 8, 12, 10, 12, 14, 12, 14];

/// Describes a sample entry `mha1`, `mha2`, `mhm1` or `mhm2`. The last two need no configuration, for the samples have it; a string can be
/// told of those alone that have one.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let audio = entry.audio()?;
    let mut config = required(entry, audio.find(*b"mhaC"), "mhaC", "ISO/IEC 23008-3 20.5.2")?;
    let mut read = || {
        config.skip(1)?;
        Ok((config.u8()?, config.u8()?))
    };
    let (profile, layout) = read().map_err(in_config(entry, *b"mhaC"))?;
    let channels = LOUDSPEAKERS.get(usize::from(layout)).copied().filter(|count| *count > 0).unwrap_or(audio.channels);
    Ok(sound(format!("{}.0x{profile:02X}", entry.name), channels, audio.sample_rate))
}
