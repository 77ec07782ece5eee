//! MPEG-4 audio: `esds` (ISO/IEC 14496-14 5.6), AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1) and the codecs string (RFC 6381 3.3).

use alloc::format;

use super::{Codec, bits::Bits, esds::decoder_config, sound};
use crate::{
    boxes::{quicktime::mp3_object_type, sample_entry::SampleEntry},
    coding::Reader,
    error::{Error, Result},
};

/// `objectTypeIndication` of MPEG-4 audio.
const MPEG4_AUDIO: u8 = 0x40;
/// Of what is carried with no configuration, so that the sample entry alone tells channels and rate: the profiles of MPEG-2 AAC, MPEG-2
/// and MPEG-1 audio (MP3 among them), two voice codecs of 3GPP2, AC-3, Enhanced AC-3, the four of DTS, Vorbis, and QCELP.
const WITHOUT_CONFIG: [u8; 15] = [0x66, 0x67, 0x68, 0x69, 0x6b, 0xa0, 0xa1, 0xa5, 0xa6, 0xa9, 0xaa, 0xab, 0xac, 0xdd, 0xe1];

/// Describes a sample entry `mp4a`.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let audio = entry.audio()?;
    let missing = |message| Error::malformed(message).at(entry.content.position()).within(entry.name).by("ISO/IEC 14496-14 5.6");
    let mut esds = audio.find(*b"esds").ok_or_else(|| missing("box 'esds' is missing, and AAC itself does not tell how it is decoded"))?;
    let decoder = decoder_config(&mut esds).map_err(|e| e.within(entry.name))?;
    let config = match decoder.object_type {
        MPEG4_AUDIO => decoder
            .specific
            .filter(|specific| !specific.is_empty())
            .map(AudioSpecificConfig::read)
            .transpose()
            .map_err(|e| e.within(entry.name))?,
        object_type if WITHOUT_CONFIG.contains(&object_type) => None,
        other => return Err(Error::unsupported(format!("sample entry 'mp4a': object type {other:#04X} is not carried"))),
    };
    let string = match (decoder.object_type, &config) {
        (MPEG4_AUDIO, Some(config)) => format!("mp4a.40.{}", config.object_type),
        (MPEG4_AUDIO, None) => return Err(missing("AudioSpecificConfig is missing, and AAC itself does not tell how it is decoded")),
        (object_type, _) => format!("mp4a.{object_type:02X}"),
    };
    let channels = config.as_ref().and_then(|config| config.channels).unwrap_or(audio.channels);
    let sample_rate = config.map_or(audio.sample_rate, |config| config.sample_rate);
    Ok(sound(string, channels, sample_rate))
}

/// Describes MP3 under a name of QuickTime, in which nothing but the sample entry describes it.
pub fn describe_mp3(entry: &SampleEntry<'_>) -> Result<Codec> {
    let audio = entry.audio()?;
    Ok(sound(format!("mp4a.{:02X}", mp3_object_type(audio.sample_rate)), audio.channels, audio.sample_rate))
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
/// What the core of a decoder starts from: with SBR it has half the rate that decoders give out.
pub(crate) struct Core {
    /// In Hz.
    pub sample_rate: u32,
    pub channels: u16,
    /// Samples of a frame.
    pub frame_length: u32,
}

/// AudioSpecificConfig as far as the core goes (ISO/IEC 14496-3 1.6.2.1, 4.4.1).
pub(crate) fn core(specific: Reader<'_>) -> Result<Core> {
    let mut bits = Bits::new(specific);
    let mut kind = object_type(&mut bits)?;
    let sample_rate = frequency(&mut bits)?;
    let channels = channels(bits.take(4)?).and_then(|count| u16::try_from(count).ok()).unwrap_or(2);
    if matches!(kind, SBR | PARAMETRIC_STEREO) {
        frequency(&mut bits)?;
        kind = object_type(&mut bits)?;
    }
    let short = matches!(kind, 1..=4 | 6 | 7 | 17 | 19..=22) && bits.flag().unwrap_or(false);
    Ok(Core { sample_rate, channels, frame_length: if short { 960 } else { 1024 } })
}

/// `channelConfiguration` (ISO/IEC 14496-3 1.6.3.5).
fn channels(configuration: u32) -> Option<u32> {
    match configuration {
        7 | 12 | 14 => Some(8),
        11 => Some(7),
        13 => Some(24),
        count @ 1..=6 => Some(count),
        _ => None,
    }
}

const SBR: u8 = 5;
const PARAMETRIC_STEREO: u8 = 29;

impl AudioSpecificConfig {
    fn read(specific: Reader<'_>) -> Result<Self> {
        let mut bits = Bits::new(specific);
        let object_type = object_type(&mut bits)?;
        let mut sample_rate = frequency(&mut bits)?;
        let mut channels = channels(bits.take(4)?);
        // Explicit, hierarchical signalling: the outer type names what decoders give out.
        if matches!(object_type, SBR | PARAMETRIC_STEREO) {
            sample_rate = frequency(&mut bits)?;
            if object_type == PARAMETRIC_STEREO {
                channels = Some(2);
            }
        }
        Ok(Self { object_type, sample_rate, channels })
    }
}

fn object_type(bits: &mut Bits<'_>) -> Result<u8> {
    let value = match bits.take(5)? {
        31 => 32 + bits.take(6)?,
        value => value,
    };
    Ok(u8::try_from(value).unwrap_or(u8::MAX))
}

fn frequency(bits: &mut Bits<'_>) -> Result<u32> {
    match bits.take(4)? {
        15 => bits.take(24),
        index => usize::try_from(index)
            .ok()
            .and_then(|index| SAMPLE_RATES.get(index).copied())
            .ok_or_else(|| Error::malformed("a reserved sampling frequency index").at(bits.position()).by("ISO/IEC 14496-3 1.6.3.3")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{boxes::sample_entry::read_descriptions, coding::Writer};

    #[test]
    fn audio_specific_configs() {
        for (bytes, object_type, sample_rate, channels) in [
            (&[0x11, 0x90][..], 2, 48_000, Some(2)),
            (&[0x12, 0x08], 2, 44_100, Some(1)),
            (&[0x11, 0xb0], 2, 48_000, Some(6)),
            (&[0x2b, 0x92, 0x08, 0x00], 5, 44_100, Some(2)),        // HE-AAC, 22 050 Hz core
            (&[0xeb, 0x8a, 0x08, 0x00], 29, 44_100, Some(2)),       // HE-AAC v2, mono core
            (&[0xf9, 0x48, 0x24, 0x21, 0x1c], 42, 44_100, Some(1)), // moz__sine-3s-xhe-aac-44khz-mono.mp4: escape 31, 32 + 10, index 4
            (&[0xf9, 0x46, 0x40, 0x00], 42, 48_000, Some(2)),
        ] {
            let config = AudioSpecificConfig::read(Reader::new(bytes, 0)).unwrap();
            assert_eq!(config, AudioSpecificConfig { object_type, sample_rate, channels }, "{bytes:02x?}");
        }
    }

    /// Descriptors as ffmpeg writes them, with the object types of other kinds of sound put in.
    #[test]
    fn object_types() {
        let describe = |name: &[u8; 4], object_type: u8, specific: &[u8]| {
            let mut w = Writer::default();
            w.u32(0);
            w.u32(1);
            w.boxed(b"mp4a", |w| {
                w.zeros(6);
                w.u16(1);
                w.zeros(8);
                w.u16(2);
                w.u16(16);
                w.zeros(4);
                w.u32(44_100 << 16);
                w.full_box(name, 0, 0, |w| {
                    let length = u8::try_from(specific.len()).unwrap();
                    w.bytes(&[
                        3,
                        0x80,
                        0x80,
                        0x80,
                        0x1b + length,
                        0,
                        1,
                        0,
                        4,
                        0x80,
                        0x80,
                        0x80,
                        0x0d + length,
                        object_type,
                        0x15,
                        0,
                        0,
                        0,
                        0,
                    ]);
                    w.bytes(&[0, 1, 0xf4, 0x6c, 0, 1, 0xf4]);
                    w.bytes(specific);
                    w.bytes(&[6, 0x80, 0x80, 0x80, 1, 2]);
                });
            });
            let bytes = w.into_bytes();
            describe(&read_descriptions(Reader::new(&bytes, 0)).unwrap()[0])
        };
        for (object_type, expected) in
            [(0x66, "mp4a.66"), (0x67, "mp4a.67"), (0x69, "mp4a.69"), (0x6b, "mp4a.6B"), (0xa5, "mp4a.A5"), (0xa9, "mp4a.A9")]
        {
            assert_eq!(describe(b"esds", object_type, &[]).unwrap(), sound(expected, 2, 44_100));
        }
        assert_eq!(describe(b"esds", 0x40, &[5, 2, 0x11, 0x90]).unwrap(), sound("mp4a.40.2", 2, 48_000));
        for (name, specific) in [(b"esds", &[][..]), (b"esds", &[5, 0]), (b"free", &[5, 2, 0x11, 0x90])] {
            assert!(describe(name, 0x40, specific).unwrap_err().message().contains("missing, and AAC itself does not tell how"));
        }
        assert_eq!(describe(b"esds", 0x6c, &[]).unwrap_err().message(), "sample entry 'mp4a': object type 0x6C is not carried");
    }
}
