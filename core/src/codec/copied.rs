//! Codecs of which manifests say no more than the name: nothing but copying is needed to carry them.

use alloc::format;

use super::{Codec, in_config, required, sound, video};
use crate::{
    boxes::{FourCc, quicktime::Pcm, sample_entry::SampleEntry},
    error::Result,
};

/// DTS in its forms (ETSI TS 102 114 Annex E, ETSI TS 103 491 Annex B), and the voice codecs of 3GPP and 3GPP2 (RFC 6381 3.3).
const SOUNDS: [&[u8; 4]; 13] =
    [b"dtsc", b"dtse", b"dtsh", b"dtsl", b"dtsx", b"dtsy", b"dts+", b"dts-", b"samr", b"sawb", b"sawp", b"sevc", b"sqcp"];

/// Whether sound of this coding name is named by it alone.
pub fn is_sound(name: [u8; 4]) -> bool {
    SOUNDS.contains(&&name)
}

/// Describes one of those.
pub fn describe_sound(entry: &SampleEntry<'_>) -> Result<Codec> {
    let audio = entry.audio()?;
    Ok(sound(format!("{}", entry.name), audio.channels, audio.sample_rate))
}

/// Describes PCM (`ipcm`, `fpcm`; ISO/IEC 23003-5 5.2).
pub fn describe_pcm(entry: &SampleEntry<'_>) -> Result<Codec> {
    required(entry, entry.audio()?.find(*b"pcmC"), "pcmC", "ISO/IEC 23003-5 5.2.3")?;
    describe_sound(entry)
}

/// Describes PCM under a name of QuickTime, by the name that it is published under.
pub fn describe_quicktime_pcm(entry: &SampleEntry<'_>, pcm: Pcm) -> Result<Codec> {
    let audio = entry.audio()?;
    Ok(sound(format!("{}", FourCc(*pcm.name())), audio.channels, audio.sample_rate))
}

/// Describes Dolby TrueHD (`mlpa`). The entry has no room for its rates, which stand in `dmlp`.
pub fn describe_true_hd(entry: &SampleEntry<'_>) -> Result<Codec> {
    const CLAUSE: &str = "Dolby TrueHD (MLP) bitstreams within the ISO base media file format, 4";
    let audio = entry.audio()?;
    let mut config = required(entry, audio.find(*b"dmlp"), "dmlp", CLAUSE)?;
    let format = config.u32().map_err(in_config(entry, *b"dmlp"))? >> 28;
    let rate = if format < 8 { 48_000 } else { 44_100 } << (format & 7).min(2);
    Ok(sound(format!("{}", entry.name), audio.channels, rate))
}

/// Describes pictures whose codecs string is their coding name: H.263 (3GPP TS 26.244 6.7).
pub fn describe_video(entry: &SampleEntry<'_>) -> Result<Codec> {
    video(entry, format!("{}", entry.name), None)
}
