//! MPEG-4 audio: `esds` (ISO/IEC 14496-14 5.6), AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1) and the codecs string (RFC 6381 3.3).

use alloc::format;

use super::{Audio, Codec, Media};
use crate::{
    boxes::sample_entry::SampleEntry,
    coding::Reader,
    error::{Error, Result},
};

const ES_DESCRIPTOR: u8 = 3;
const DECODER_CONFIG: u8 = 4;
const DECODER_SPECIFIC: u8 = 5;

/// `objectTypeIndication` of MPEG-4 audio, and of the MPEG-2 AAC profiles that old files carry.
const MPEG4_AUDIO: u8 = 0x40;
const MPEG2_AAC: [u8; 3] = [0x66, 0x67, 0x68];

/// Describes a sample entry `mp4a`.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let audio = entry.audio()?;
    let mut esds = audio.find(*b"esds").ok_or_else(|| {
        Error::malformed("box 'esds' is missing").at(entry.content.position()).within(entry.name).by("ISO/IEC 14496-14 5.6")
    })?;
    let decoder = decoder_config(&mut esds).map_err(|e| e.within(entry.name))?;
    let config = match decoder.object_type {
        MPEG4_AUDIO => decoder.specific.map(AudioSpecificConfig::read).transpose().map_err(|e| e.within(entry.name))?,
        object_type if MPEG2_AAC.contains(&object_type) => None,
        other => return Err(Error::unsupported(format!("sample entry 'mp4a': object type {other:#04X} is not carried"))),
    };
    let string = match (decoder.object_type, &config) {
        (MPEG4_AUDIO, Some(config)) => format!("mp4a.40.{}", config.object_type),
        (MPEG4_AUDIO, None) => {
            return Err(Error::malformed("AudioSpecificConfig is missing")
                .at(esds.position())
                .within(entry.name)
                .by("ISO/IEC 14496-14 5.6"));
        }
        (object_type, _) => format!("mp4a.{object_type:02X}"),
    };
    let channels = config.as_ref().and_then(|config| config.channels).unwrap_or(audio.channels);
    let sample_rate = config.map_or(audio.sample_rate, |config| config.sample_rate);
    Ok(Codec { string, media: Media::Audio(Audio { channels, sample_rate }) })
}

struct DecoderConfig<'a> {
    object_type: u8,
    specific: Option<Reader<'a>>,
}

fn decoder_config<'a>(esds: &mut Reader<'a>) -> Result<DecoderConfig<'a>> {
    const CLAUSE: &str = "ISO/IEC 14496-1 7.2.6";
    esds.full_box()?;
    let (tag, mut stream) = descriptor(esds)?;
    if tag != ES_DESCRIPTOR {
        return Err(Error::malformed(format!("descriptor {tag} where the elementary stream's (3) must be"))
            .at(stream.position())
            .by(CLAUSE));
    }
    stream.skip(2)?;
    let flags = stream.u8()?;
    if flags & 0x80 != 0 {
        stream.skip(2)?;
    }
    if flags & 0x40 != 0 {
        let length = stream.u8()?;
        stream.skip(length.into())?;
    }
    if flags & 0x20 != 0 {
        stream.skip(2)?;
    }
    while !stream.is_empty() {
        let (tag, mut config) = descriptor(&mut stream)?;
        if tag == DECODER_CONFIG {
            let object_type = config.u8()?;
            config.skip(12)?;
            let specific = descriptor(&mut config).ok().filter(|(tag, _)| *tag == DECODER_SPECIFIC).map(|(_, specific)| specific);
            return Ok(DecoderConfig { object_type, specific });
        }
    }
    Err(Error::malformed("no decoder configuration in the elementary stream descriptor").at(stream.position()).by(CLAUSE))
}

/// A descriptor: tag, then a length of up to four bytes of seven bits. A length past the end means up to the end, as some writers pad none.
fn descriptor<'a>(reader: &mut Reader<'a>) -> Result<(u8, Reader<'a>)> {
    let tag = reader.u8()?;
    let mut length = 0usize;
    for _ in 0..4 {
        let byte = reader.u8()?;
        length = (length << 7) | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok((tag, reader.sub(length.min(reader.remaining()))?))
}

/// The part of AudioSpecificConfig that names the codec.
#[derive(Debug, PartialEq, Eq)]
struct AudioSpecificConfig {
    object_type: u8,
    sample_rate: u32,
    /// `None`: a program config element or configuration 0 tells them.
    channels: Option<u32>,
}

const SAMPLE_RATES: [u32; 13] = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
const SBR: u8 = 5;
const PARAMETRIC_STEREO: u8 = 29;

impl AudioSpecificConfig {
    fn read(specific: Reader<'_>) -> Result<Self> {
        let mut bits = Bits { bytes: specific, buffer: 0, filled: 0 };
        let object_type = bits.object_type()?;
        let mut sample_rate = bits.sample_rate()?;
        let mut channels = match bits.take(4)? {
            7 | 12 | 14 => Some(8),
            11 => Some(7),
            13 => Some(24),
            count @ 1..=6 => Some(count),
            _ => None,
        };
        // Explicit, hierarchical signalling: the outer type names what decoders give out.
        if matches!(object_type, SBR | PARAMETRIC_STEREO) {
            sample_rate = bits.sample_rate()?;
            if object_type == PARAMETRIC_STEREO {
                channels = Some(2);
            }
        }
        Ok(Self { object_type, sample_rate, channels })
    }
}

struct Bits<'a> {
    bytes: Reader<'a>,
    buffer: u64,
    filled: u32,
}

impl Bits<'_> {
    /// The next `count` bits, at most 32.
    fn take(&mut self, count: u32) -> Result<u32> {
        while self.filled < count {
            self.buffer = (self.buffer << 8) | u64::from(self.bytes.u8()?);
            self.filled += 8;
        }
        self.filled -= count;
        let value = (self.buffer >> self.filled) & ((1 << count) - 1);
        Ok(u32::try_from(value).unwrap_or(u32::MAX))
    }

    fn object_type(&mut self) -> Result<u8> {
        let value = match self.take(5)? {
            31 => 32 + self.take(6)?,
            value => value,
        };
        Ok(u8::try_from(value).unwrap_or(u8::MAX))
    }

    fn sample_rate(&mut self) -> Result<u32> {
        match self.take(4)? {
            15 => self.take(24),
            index => usize::try_from(index).ok().and_then(|index| SAMPLE_RATES.get(index).copied()).ok_or_else(|| {
                Error::malformed("a reserved sampling frequency index").at(self.bytes.position()).by("ISO/IEC 14496-3 1.6.3.3")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_specific_configs() {
        for (bytes, object_type, sample_rate, channels) in [
            (&[0x11, 0x90][..], 2, 48_000, Some(2)),
            (&[0x12, 0x08], 2, 44_100, Some(1)),
            (&[0x11, 0xb0], 2, 48_000, Some(6)),
            (&[0x2b, 0x92, 0x08, 0x00], 5, 44_100, Some(2)),  // HE-AAC, 22 050 Hz core
            (&[0xeb, 0x8a, 0x08, 0x00], 29, 44_100, Some(2)), // HE-AAC v2, mono core
            (&[0xf9, 0x48, 0x10], 42, 44_100, Some(2)),       // xHE-AAC: escape 31, 32 + 10, index 4
        ] {
            let config = AudioSpecificConfig::read(Reader::new(bytes, 0)).unwrap();
            assert_eq!(config.object_type, object_type, "{bytes:02x?}");
            if object_type != 42 {
                assert_eq!((config.sample_rate, config.channels), (sample_rate, channels), "{bytes:02x?}");
            }
        }
    }
}
