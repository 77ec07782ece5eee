//! AC-4: `dac4` (ETSI TS 103 190-2 Annex E) and its codecs string (E.13 there).

use alloc::{format, string::String};

use super::{Codec, bits::Bits, in_config, required, sound};
use crate::{
    boxes::sample_entry::SampleEntry,
    coding::Reader,
    error::{Error, Result},
};

/// Describes a sample entry `ac-4` by the first of its presentations.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let audio = entry.audio()?;
    let config = required(entry, audio.find(*b"dac4"), "dac4", "ETSI TS 103 190-2 E.4")?;
    let Stream { string, sample_rate, channels } = read(config).map_err(in_config(entry, *b"dac4"))?;
    Ok(sound(string, channels.unwrap_or(audio.channels), sample_rate))
}

#[derive(Debug, PartialEq, Eq)]
struct Stream {
    string: String,
    sample_rate: u32,
    /// `None`: objects, or a form that tells no channels.
    channels: Option<u32>,
}

/// `ac4_dsi_v1` (E.6).
fn read(config: Reader<'_>) -> Result<Stream> {
    let start = config.position();
    let mut bits = Bits::new(config);
    let form = bits.take(3)?;
    if form != 1 {
        return Err(Error::unsupported(format!("AC-4 configuration of version {form}")).at(start).by("ETSI TS 103 190-2 E.6.2"));
    }
    let version = bits.take(7)?;
    let sample_rate = if bits.flag()? { 48_000 } else { 44_100 };
    bits.skip(4)?;
    let presentations = bits.take(9)?;
    if version > 1 && bits.flag()? {
        bits.skip(16)?;
        if bits.flag()? {
            bits.skip(128)?;
        }
    }
    bits.skip(2 + 32 + 32)?;
    let mut rest = bits.aligned();
    if presentations == 0 {
        return Err(Error::unsupported("AC-4 without presentations").at(rest.position()));
    }
    let presentation = rest.u8()?;
    if rest.u8()? == 255 {
        rest.skip(2)?;
    }
    let mut bits = Bits::new(rest);
    let kind = bits.take(5)?;
    // Configuration 6 holds no sound, only metadata, and no level of decoders.
    let level = if kind == 6 { 0 } else { bits.take(3)? };
    let channels = if kind == 6 || presentation == 0 { None } else { channels(&mut bits)? };
    Ok(Stream { string: format!("ac-4.{version:02X}.{presentation:02X}.{level:02X}"), sample_rate, channels })
}

/// Groups of loudspeakers (A.3): from bit 0 on L/R, C, Ls/Rs, Lb/Rb, Tfl/Tfr, Tbl/Tbr, LFE, Tl/Tr, Tsl/Tsr, Tfc, Tbc, Tc, LFE2, Bfl/Bfr,
/// Bfc, Cb, Lscr/Rscr, Lw/Rw, Vhl/Vhr. These are the pairs, which count twice.
const PAIRS: u32 = 0b111_0010_0001_1011_1101;

/// The channels of `ac4_presentation_v1_dsi` (E.10), behind the level.
fn channels(bits: &mut Bits<'_>) -> Result<Option<u32>> {
    if bits.flag()? {
        bits.skip(5)?;
    }
    bits.skip(2 + 2 + 5 + 10)?;
    if !bits.flag()? {
        return Ok(None);
    }
    if (11..=14).contains(&bits.take(5)?) {
        bits.skip(1 + 2)?;
    }
    let groups = bits.take(24)?;
    Ok(Some(groups.count_ones() + (groups & PAIRS).count_ones()).filter(|count| *count > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both of files in the conformance tables; strings and channels as Shaka Packager tells them.
    #[test]
    fn configurations() {
        let stereo = [
            0x20, 0xa4, 0x02, 0x40, 0, 0, 0, 0x1f, 0xff, 0xff, 0xff, 0xe0, 0x02, 0x12, 0xf8, 0x80, 0, 0, 0x42, 0, 0, 2, 0x50, 0x10, 0, 0,
            3, 0x10, 0x99, 0x5b, 0xa0, 0x80, 1, 0x12, 0xf8,
        ];
        let with_height = [
            0x20, 0xa4, 0x01, 0x40, 0, 0, 0x30, 0x1f, 0xff, 0xff, 0xff, 0xe0, 0x01, 0x13, 0xfa, 0x80, 0, 0, 0x58, 0x80, 0, 0x1d, 0xfd,
            0x40, 0x40, 0, 3, 0xbc, 0x42, 0x65, 0x6e, 0, 0xc0,
        ];
        for (config, string, channels) in [(&stereo[..], "ac-4.02.02.00", 2), (&with_height, "ac-4.02.01.02", 10)] {
            let expected = Stream { string: string.into(), sample_rate: 48_000, channels: Some(channels) };
            assert_eq!(read(Reader::new(config, 0)).unwrap(), expected);
        }
        assert_eq!(read(Reader::new(&stereo[..18], 100)).unwrap_err().offset(), Some(118));
        assert!(read(Reader::new(&[0x40; 40], 0)).is_err());
    }
}
