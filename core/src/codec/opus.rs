//! Opus: `dOps` (Encapsulation of Opus in ISO Base Media File Format 4.3.2).

use super::{Codec, in_config, required, sound};
use crate::{boxes::sample_entry::SampleEntry, coding::Reader, error::Result};

/// Describes a sample entry `Opus`. Decoders give out 48 000 samples a second whatever the rate before encoding was.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let config = required(entry, entry.audio()?.find(*b"dOps"), "dOps", "Opus-ISOBMFF 4.3.1")?;
    Ok(sound("Opus", channels(config).map_err(in_config(entry, *b"dOps"))?, 48_000))
}

fn channels(mut config: Reader<'_>) -> Result<u32> {
    config.skip(1)?;
    config.u8().map(u32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_those_of_the_output() {
        for (config, expected) in [
            ([0, 2, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0], 2),    // media3__sample_opus.mp4
            ([0, 1, 0x9c, 0, 0xc0, 0x5d, 0, 0, 0, 0, 0], 1),    // moz__opus_audioinit.mp4
            ([0, 6, 0x01, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 1], 6), // mapping family 1
        ] {
            assert_eq!(channels(Reader::new(&config, 0)).unwrap(), expected);
        }
    }
}
