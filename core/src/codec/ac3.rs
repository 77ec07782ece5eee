//! AC-3 and Enhanced AC-3: `dac3` and `dec3` (ETSI TS 102 366 Annex F).

use alloc::{format, vec::Vec};

use super::{Codec, Media, bits::Bits, in_config, required, sound, syncframe};
use crate::{
    boxes::sample_entry::{SampleEntry, read_entry},
    coding::{Reader, Writer},
    error::Result,
};

/// Describes a sample entry `ac-3`.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let audio = entry.audio()?;
    let config = required(entry, audio.find(*b"dac3"), "dac3", "ETSI TS 102 366 F.3")?;
    let config = ac3(config).map_err(in_config(entry, *b"dac3"))?;
    Ok(config.codec("ac-3", audio.sample_rate))
}

/// Describes a sample entry `ec-3`.
pub fn describe_enhanced(entry: &SampleEntry<'_>) -> Result<Codec> {
    let audio = entry.audio()?;
    let config = required(entry, audio.find(*b"dec3"), "dec3", "ETSI TS 102 366 F.5")?;
    let config = enhanced(config).map_err(in_config(entry, *b"dec3"))?;
    Ok(config.codec("ec-3", audio.sample_rate))
}

/// What is known of `ac-3` or `ec-3` before a frame has told the configuration that the entry lacks; `None`: it is another, or has it.
pub fn without_configuration(entry: &SampleEntry<'_>) -> Option<Codec> {
    let audio = entry.audio().ok().filter(|_| matches!(&entry.name.0, b"ac-3" | b"ec-3"))?;
    let missing = audio.find(*b"dac3").is_none() && audio.find(*b"dec3").is_none();
    missing.then(|| sound(format!("{}", entry.name), audio.channels, audio.sample_rate))
}

/// The sample entry with the configuration that it lacks, as a frame tells it; `None`: it is no frame of this codec.
pub fn configured(entry: &[u8], frame: &[u8]) -> Option<Vec<u8>> {
    let read = read_entry(&mut Reader::new(entry, 0)).ok()?;
    let (name, frame) = if read.name.0 == *b"ac-3" { (b"dac3", syncframe::ac3(frame)?) } else { (b"dec3", syncframe::enhanced(frame)?) };
    let mut w = Writer::default();
    w.boxed(&read.name.0, |w| {
        w.bytes(read.content.rest());
        w.boxed(name, |w| w.bytes(&frame.config));
    });
    Some(w.into_bytes())
}

/// Where the channels of a stream are heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speakers {
    /// A bit a place, or pair of places: those of `chanmap` (E.1.3.1.8), the first, left, in the highest bit.
    pub places: u16,
    /// Of a stream with Joint Object Coding (Dolby Atmos): its complexity, the number of objects that it can hold at most. The channels
    /// are those that decoders without it give out.
    pub joint_objects: Option<u8>,
}

/// Left, centre, right, left and right surround, of `chanmap`; then the pairs of places, those behind the listener, and of low frequency.
const PAIRS: u16 = 0b0000_0110_0111_0100;
const LOW_FREQUENCY: u16 = 1;
/// By `acmod`: 1+1, 1/0, 2/0, 3/0, 2/1, 3/1, 2/2, 3/2 (4.4.2.3).
const PLACES: [u16; 8] = [0xa000, 0x4000, 0xa000, 0xe000, 0xa100, 0xe100, 0xb800, 0xf800];

/// `acmod`, then `lfeon`.
fn places(bits: &mut Bits<'_>) -> Result<u16> {
    let mode = bits.take(3)?;
    let main = usize::try_from(mode).ok().and_then(|mode| PLACES.get(mode).copied()).unwrap_or(0);
    Ok(main | if bits.take(1)? == 1 { LOW_FREQUENCY } else { 0 })
}

/// `fscod` (4.4.1.3); `None`: not one of the three full rates.
fn sample_rate(bits: &mut Bits<'_>) -> Result<Option<u32>> {
    Ok([48_000, 44_100, 32_000].into_iter().nth(bits.take(2)? as usize))
}

/// What a configuration tells.
#[derive(Debug, PartialEq, Eq)]
struct Config {
    speakers: Speakers,
    sample_rate: Option<u32>,
}

impl Config {
    /// `rate`: that of the sample entry, where the configuration tells none.
    fn codec(&self, string: &str, rate: u32) -> Codec {
        let Speakers { places, .. } = self.speakers;
        let channels = places.count_ones() + (places & PAIRS).count_ones();
        let mut codec = sound(string, channels, self.sample_rate.unwrap_or(rate));
        if let Media::Audio(audio) = &mut codec.media {
            audio.dolby = Some(self.speakers);
        }
        codec
    }
}

/// F.4.
fn ac3(config: Reader<'_>) -> Result<Config> {
    let mut bits = Bits::new(config);
    let sample_rate = sample_rate(&mut bits)?;
    bits.skip(5 + 3)?;
    Ok(Config { speakers: Speakers { places: places(&mut bits)?, joint_objects: None }, sample_rate })
}

/// F.6. Further independent substreams are further programmes: what players decode is the first, with its dependent substreams.
fn enhanced(config: Reader<'_>) -> Result<Config> {
    let mut bits = Bits::new(config);
    bits.skip(13)?;
    let last = bits.take(3)?;
    let mut first = None;
    for _ in 0..=last {
        let rate = sample_rate(&mut bits)?;
        bits.skip(5 + 1 + 1 + 3)?;
        let mut heard = places(&mut bits)?;
        bits.skip(3)?;
        if bits.take(4)? > 0 {
            heard |= dependent_places(bits.take(9)?);
        } else {
            bits.skip(1)?;
        }
        first.get_or_insert((heard, rate));
    }
    let (places, sample_rate) = first.unwrap_or_default();
    // The extension is what follows, if anything does (ETSI TS 103 420 8.3.2).
    let mut extension = bits.aligned();
    let joint_objects = match (extension.u8(), extension.u8()) {
        (Ok(flags), Ok(complexity)) if flags & 1 == 1 => Some(complexity),
        _ => None,
    };
    Ok(Config { speakers: Speakers { places, joint_objects }, sample_rate })
}

/// `chan_loc` (F.6.2.13): from bit 0 on Lc/Rc, Lrs/Rrs, Cs, Ts, Lsd/Rsd, Lw/Rw, Lvh/Rvh, Cvh, LFE2, as places.
fn dependent_places(locations: u32) -> u16 {
    const OF_BITS: [u16; 9] = [0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010, 0x0008, 0x0002];
    let told = (0..).zip(OF_BITS).filter(|(bit, _)| (locations >> bit) & 1 == 1);
    told.fold(0, |places, (_, place)| places | place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(config: &Config) -> (u32, u16, Option<u32>) {
        let Media::Audio(audio) = config.codec("", 0).media else { unreachable!("of the other kind") };
        (audio.channels, config.speakers.places, config.sample_rate)
    }

    #[test]
    fn ac3_configurations() {
        for (config, expected) in [
            ([0x0c, 0x3d, 0xc0], (6, 0xf801, Some(48_000))), // media3__sample_ac3_fragmented.mp4
            ([0x10, 0x3d, 0xe0], (6, 0xf801, Some(48_000))), // mediabunny__ac3.mp4
            ([0x50, 0x11, 0x40], (2, 0xa000, Some(44_100))),
            ([0x90, 0x08, 0xa0], (1, 0x4000, Some(32_000))),
            ([0xd0, 0x11, 0x40], (2, 0xa000, None)),
        ] {
            assert_eq!(told(&ac3(Reader::new(&config, 0)).unwrap()), expected, "{config:02x?}");
        }
    }

    #[test]
    fn enhanced_configurations() {
        for (config, expected, joint_objects) in [
            (&[0x14, 0x00, 0x20, 0x0f, 0x00, 0x01, 0x10][..], (6, 0xf801, Some(48_000)), Some(16)), // media3__sample_eac3joc_fragmented.mp4
            (&[0x08, 0x00, 0x20, 0x0f, 0x00], (6, 0xf801, Some(48_000)), None),                     // ffmpeg
            (&[0x08, 0x00, 0x20, 0x04, 0x00], (2, 0xa000, Some(48_000)), None),
            // One dependent substream: Lrs/Rrs, so 7.1; no extension, and one that says that there are no objects.
            (&[0x14, 0x00, 0x20, 0x0f, 0x02, 0x02], (8, 0xfa01, Some(48_000)), None),
            (&[0x14, 0x00, 0x20, 0x0f, 0x02, 0x02, 0x00, 0x00], (8, 0xfa01, Some(48_000)), None),
            // Two programmes.
            (&[0x14, 0x01, 0x60, 0x0f, 0x00, 0x60, 0x02, 0x00], (6, 0xf801, Some(44_100)), None),
        ] {
            let config = enhanced(Reader::new(config, 0)).unwrap();
            assert_eq!((told(&config), config.speakers.joint_objects), (expected, joint_objects));
        }
        assert_eq!(enhanced(Reader::new(&[0x08, 0x00, 0x20], 10)).unwrap_err().offset(), Some(13));
    }
}
