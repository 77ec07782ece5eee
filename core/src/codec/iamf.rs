//! Immersive audio: `iacb` (IAMF 1.1, 6.2) and its codecs string (6.3.1 there).

use alloc::format;

use super::{Codec, in_config, required, sound};
use crate::{
    boxes::{FourCc, sample_entry::SampleEntry},
    coding::Reader,
    error::{Error, Result},
};

/// Types of open bitstream units (3.2).
const CODEC_CONFIG: u8 = 0;
const SEQUENCE_HEADER: u8 = 31;

/// Describes a sample entry `iamf`. Channels and rate are those of whoever plays it.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let config = required(entry, entry.audio()?.find(*b"iacb"), "iacb", "IAMF 6.2.3")?;
    let (profiles, codec) = read(config).map_err(in_config(entry, *b"iacb"))?;
    let codec = match &codec.0 {
        b"mp4a" => "mp4a.40.2",
        b"Opus" => "Opus",
        b"fLaC" => "fLaC",
        b"ipcm" => "ipcm",
        _ => return Err(Error::unsupported(format!("sample entry 'iamf': codec '{codec}' in it is not carried")).by("IAMF 3.5")),
    };
    Ok(sound(format!("iamf.{:03}.{:03}.{codec}", profiles.0, profiles.1), 0, 0))
}

/// The profiles of the sequence header, and the codec of the first codec configuration.
fn read(mut config: Reader<'_>) -> Result<((u8, u8), FourCc)> {
    config.skip(1)?;
    let length = leb128(&mut config)?;
    let mut units = config.sub(length)?;
    let (mut profiles, mut codec) = (None, None);
    while !units.is_empty() {
        let header = units.u8()?;
        let length = leb128(&mut units)?;
        let mut unit = units.sub(length)?;
        if header & 2 != 0 {
            leb128(&mut unit)?; // samples trimmed at the end
            leb128(&mut unit)?; // and at the start
        }
        if header & 1 != 0 {
            let extension = leb128(&mut unit)?;
            unit.skip(extension)?;
        }
        match header >> 3 {
            SEQUENCE_HEADER => {
                unit.skip(4)?;
                profiles = profiles.or(Some((unit.u8()?, unit.u8()?)));
            }
            CODEC_CONFIG => {
                leb128(&mut unit)?;
                codec = codec.or(Some(unit.four_cc()?));
            }
            _ => {}
        }
    }
    let missing = |what| Error::malformed(format!("no {what} among its units")).at(units.position()).by("IAMF 6.2.3");
    Ok((profiles.ok_or_else(|| missing("sequence header"))?, codec.ok_or_else(|| missing("codec configuration"))?))
}

/// 8.1.1: at most eight bytes of seven bits, the lowest first.
fn leb128(reader: &mut Reader<'_>) -> Result<usize> {
    let at = reader.position();
    let mut value = 0u64;
    for shift in (0..56).step_by(7) {
        let byte = reader.u8()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(value).map_err(|_| Error::malformed("a length out of all measure").at(at));
        }
    }
    Err(Error::malformed("a number of more than eight bytes").at(at).by("IAMF 8.1.1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations() {
        let pcm = [1, 24, 0xf8, 6, b'i', b'a', b'm', b'f', 0, 0, 0, 14, 0xc8, 1, b'i', b'p', b'c', b'm', 0x40, 0, 0, 1, 0x10, 0, 0, 0x3e];
        assert_eq!(read(Reader::new(&pcm, 0)).unwrap(), ((0, 0), FourCc(*b"ipcm"))); // as media3__sample_iamf.mp4 begins
        // Extended header of the sequence; trimmed, extended codec configuration.
        // The header of the sequence is extended; the codec configuration is trimmed, by a number of two bytes, and extended.
        let odd = [1, 23, 0xf9, 9, 2, 7, 7, b'i', b'a', b'm', b'f', 1, 2, 3, 10, 0x80, 1, 3, 1, 8, 9, b'O', b'p', b'u', b's'];
        assert_eq!(read(Reader::new(&odd, 0)).unwrap(), ((1, 2), FourCc(*b"Opus")));
        assert!(read(Reader::new(&[1, 6, 3, 4, 3, 4, 99, 8], 0)).is_err(), "the extension is longer than its unit");
        assert!(read(Reader::new(&[1, 8, 0xf8, 6, b'i', b'a', b'm', b'f', 0, 0], 0)).is_err(), "no codec");
        assert!(leb128(&mut Reader::new(&[0x80; 9], 0)).is_err());
    }
}
