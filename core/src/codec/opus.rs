//! Opus: `dOps` (Encapsulation of Opus in ISO Base Media File Format 4.3.2), and what the first byte of a packet tells (RFC 6716 3.1).

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

/// Samples of a packet at 48 kHz (RFC 6716 3.1, 3.2); 0: it is none.
pub fn samples(packet: &[u8]) -> u32 {
    let Some(first) = packet.first() else { return 0 };
    let count = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => packet.get(1).map_or(0, |byte| u32::from(byte & 0x3f)),
    };
    // A packet lasts 120 ms at most.
    frame(*first).saturating_mul(count).min(5760)
}

/// Samples of each frame of a packet that begins with this byte (RFC 6716 table 2).
fn frame(first: u8) -> u32 {
    let lengths: &[u32] = match first >> 3 {
        0..12 => &[480, 960, 1920, 2880],
        12..16 => &[480, 960, 480, 960],
        _ => &[120, 240, 480, 960],
    };
    lengths.get(usize::from(first >> 3 & 3)).copied().unwrap_or(0)
}

/// A packet in place of one that was lost before `packet`, and its samples: a frame of that kind without bytes, which decoders conceal
/// (RFC 6716 3.2.1: "lost or DTX").
pub fn lost(packet: &[u8]) -> Option<([u8; 1], u32)> {
    packet.first().map(|first| ([first & 0xfc], frame(*first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_packets_last() {
        for (packet, expected, clause) in [
            (&[0xfc, 0][..], 960, "CELT, 20 ms, one frame: RFC 6716 table 2"),
            (&[0x78, 0], 960, "hybrid, 20 ms"),
            (&[0x18, 0], 2880, "SILK, 60 ms"),
            (&[0xe5, 0], 240, "CELT, 2.5 ms, two frames"),
            (&[0xff, 3], 2880, "three frames"),
            (&[0xff, 63], 5760, "more than there may be"),
            (&[0xff], 0, "no count"),
            (&[], 0, "nothing"),
        ] {
            assert_eq!(samples(packet), expected, "{clause}");
        }
        assert_eq!(lost(&[0xff, 3]), Some(([0xfc], 960)), "one frame of the same kind");
        assert_eq!(lost(&[]), None);
    }

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
