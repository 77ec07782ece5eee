//! AC-3 and Enhanced AC-3: `dac3` and `dec3` (ETSI TS 102 366 Annex F).

use super::{Codec, bits::Bits, in_config, required, sound};
use crate::{boxes::sample_entry::SampleEntry, coding::Reader, error::Result};

/// Describes a sample entry `ac-3`.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let audio = entry.audio()?;
    let config = required(entry, audio.find(*b"dac3"), "dac3", "ETSI TS 102 366 F.3")?;
    let (channels, rate) = ac3(config).map_err(in_config(entry, *b"dac3"))?;
    Ok(sound("ac-3", channels, rate.unwrap_or(audio.sample_rate)))
}

/// Describes a sample entry `ec-3`.
pub fn describe_enhanced(entry: &SampleEntry<'_>) -> Result<Codec> {
    let audio = entry.audio()?;
    let config = required(entry, audio.find(*b"dec3"), "dec3", "ETSI TS 102 366 F.5")?;
    let config = enhanced(config).map_err(in_config(entry, *b"dec3"))?;
    Ok(sound("ec-3", config.channels, config.sample_rate.unwrap_or(audio.sample_rate)))
}

/// Of a sample entry `ec-3` with Joint Object Coding (Dolby Atmos): its complexity, the number of objects that it can hold at most. Manifests
/// signal it beside the channels, which are those that decoders without it give out.
pub fn joint_objects(entry: &SampleEntry<'_>) -> Result<Option<u8>> {
    let Some(config) = entry.audio()?.find(*b"dec3") else { return Ok(None) };
    enhanced(config).map(|config| config.joint_objects).map_err(in_config(entry, *b"dec3"))
}

/// By `acmod`: 1+1, 1/0, 2/0, 3/0, 2/1, 3/1, 2/2, 3/2 (4.4.2.3).
const CHANNELS: [u32; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

/// `acmod`, then `lfeon`.
fn channels(bits: &mut Bits<'_>) -> Result<u32> {
    let mode = bits.take(3)?;
    let main = usize::try_from(mode).ok().and_then(|mode| CHANNELS.get(mode).copied()).unwrap_or(0);
    Ok(main + bits.take(1)?)
}

/// `fscod` (4.4.1.3); `None`: not one of the three full rates.
fn sample_rate(bits: &mut Bits<'_>) -> Result<Option<u32>> {
    Ok([48_000, 44_100, 32_000].into_iter().nth(bits.take(2)? as usize))
}

/// F.4.
fn ac3(config: Reader<'_>) -> Result<(u32, Option<u32>)> {
    let mut bits = Bits::new(config);
    let rate = sample_rate(&mut bits)?;
    bits.skip(5 + 3)?;
    Ok((channels(&mut bits)?, rate))
}

#[derive(Debug, PartialEq, Eq)]
struct Enhanced {
    channels: u32,
    sample_rate: Option<u32>,
    joint_objects: Option<u8>,
}

/// F.6. Further independent substreams are further programmes: what players decode is the first, with its dependent substreams.
fn enhanced(config: Reader<'_>) -> Result<Enhanced> {
    let mut bits = Bits::new(config);
    bits.skip(13)?;
    let last = bits.take(3)?;
    let mut first = None;
    for _ in 0..=last {
        let rate = sample_rate(&mut bits)?;
        bits.skip(5 + 1 + 1 + 3)?;
        let mut count = channels(&mut bits)?;
        bits.skip(3)?;
        if bits.take(4)? > 0 {
            count += dependent_channels(bits.take(9)?);
        } else {
            bits.skip(1)?;
        }
        first.get_or_insert((count, rate));
    }
    let (channels, sample_rate) = first.unwrap_or_default();
    // The extension is what follows, if anything does (ETSI TS 103 420 8.3.2).
    let mut extension = bits.aligned();
    let joint_objects = match (extension.u8(), extension.u8()) {
        (Ok(flags), Ok(complexity)) if flags & 1 == 1 => Some(complexity),
        _ => None,
    };
    Ok(Enhanced { channels, sample_rate, joint_objects })
}

/// `chan_loc` (F.6.2.13): from bit 0 on Lc/Rc, Lrs/Rrs, Cs, Ts, Lsd/Rsd, Lw/Rw, Lvh/Rvh, Cvh, LFE2; the pairs count twice.
fn dependent_channels(locations: u32) -> u32 {
    const PAIRS: u32 = 0b0_0111_0011;
    locations.count_ones() + (locations & PAIRS).count_ones()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ac3_configurations() {
        for (config, expected) in [
            ([0x0c, 0x3d, 0xc0], (6, Some(48_000))), // media3__sample_ac3_fragmented.mp4
            ([0x10, 0x3d, 0xe0], (6, Some(48_000))), // mediabunny__ac3.mp4
            ([0x50, 0x11, 0x40], (2, Some(44_100))),
            ([0x90, 0x08, 0xa0], (1, Some(32_000))),
            ([0xd0, 0x11, 0x40], (2, None)),
        ] {
            assert_eq!(ac3(Reader::new(&config, 0)).unwrap(), expected, "{config:02x?}");
        }
    }

    #[test]
    fn enhanced_configurations() {
        for (config, channels, sample_rate, joint_objects) in [
            (&[0x14, 0x00, 0x20, 0x0f, 0x00, 0x01, 0x10][..], 6, Some(48_000), Some(16)), // media3__sample_eac3joc_fragmented.mp4
            (&[0x08, 0x00, 0x20, 0x0f, 0x00], 6, Some(48_000), None),                     // ffmpeg
            (&[0x08, 0x00, 0x20, 0x04, 0x00], 2, Some(48_000), None),
            // One dependent substream: Lrs/Rrs, so 7.1; no extension, and one that says that there are no objects.
            (&[0x14, 0x00, 0x20, 0x0f, 0x02, 0x02], 8, Some(48_000), None),
            (&[0x14, 0x00, 0x20, 0x0f, 0x02, 0x02, 0x00, 0x00], 8, Some(48_000), None),
            // Two programmes.
            (&[0x14, 0x01, 0x60, 0x0f, 0x00, 0x60, 0x02, 0x00], 6, Some(44_100), None),
        ] {
            let expected = Enhanced { channels, sample_rate, joint_objects };
            assert_eq!(enhanced(Reader::new(config, 0)).unwrap(), expected, "{config:02x?}");
        }
        assert_eq!(enhanced(Reader::new(&[0x08, 0x00, 0x20], 10)).unwrap_err().offset(), Some(13));
    }
}
