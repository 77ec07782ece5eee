//! H.266: `vvcC` (ISO/IEC 14496-15 11.2.4) and its codecs string (Annex E.6 there).

use alloc::{format, string::String};
use core::fmt::Write;

use super::{Codec, bits::Bits, in_config, required, video};
use crate::{boxes::sample_entry::SampleEntry, coding::Reader, error::Result};

/// Describes a sample entry `vvc1` or `vvi1`.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let config = required(entry, entry.visual()?.find(*b"vvcC"), "vvcC", "ISO/IEC 14496-15 11.3.2")?;
    let parameters = parameters(config).map_err(in_config(entry, *b"vvcC"))?;
    video(entry, format!("{}{parameters}", entry.name), None)
}

/// Profile, tier and level, constraints; nothing, where the configuration holds none of them and leaves that to the pictures.
fn parameters(mut config: Reader<'_>) -> Result<String> {
    config.full_box()?;
    let mut bits = Bits::new(config);
    bits.skip(5 + 2)?;
    if !bits.flag()? {
        return Ok(String::new());
    }
    bits.skip(9 + 3 + 2 + 2 + 3 + 5)?;
    let constraints = bits.take(8)? & 0x3f;
    let (profile, tier, level) = (bits.take(7)?, bits.flag()?, bits.take(8)?);
    let mut text = format!(".{profile}.{}{level}", if tier { 'H' } else { 'L' });
    let told = bits.aligned().take(usize::try_from(constraints).unwrap_or(usize::MAX))?;
    let told = told.iter().rposition(|byte| *byte != 0).and_then(|last| told.get(..=last)).unwrap_or_default();
    if !told.is_empty() {
        text.push_str(".C");
        write_base32(&mut text, told);
    }
    Ok(text)
}

/// RFC 4648 6, without what fills up the last group.
fn write_base32(text: &mut String, bytes: &[u8]) {
    let mut bits = Bits::new(Reader::new(bytes, 0));
    let mut left = bytes.len() * 8;
    while left > 0 {
        let taken = u32::try_from(left.min(5)).unwrap_or(5);
        let value = bits.take(taken).unwrap_or(0) << (5 - taken);
        left -= left.min(5);
        let letter = u8::try_from(value).unwrap_or(0);
        let _ = text.write_char(char::from(if letter < 26 { b'A' + letter } else { b'2' + (letter - 26) }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_strings() {
        for (config, expected) in [
            (&[0, 0, 0, 0, 0xff, 0, 0x65, 0x5f, 1, 2, 0x20, 0x80, 0][..], ".1.L32.CQA"), // media3__sample_vvc.mp4
            (&[0, 0, 0, 0, 0xff, 0, 0x65, 0x5f, 1, 3, 0x53, 0x00, 0], ".1.H83"),
            (&[0, 0, 0, 0, 0xff, 0, 0x15, 0x5f, 3, 34, 0x53, 0x80, 0x10, 0x00], ".17.L83.CQAIA"),
            (&[0, 0, 0, 0, 0xfe], ""),
        ] {
            assert_eq!(parameters(Reader::new(config, 0)).unwrap(), expected);
        }
        assert!(parameters(Reader::new(&[0, 0, 0, 0, 0xff, 0, 0x65, 0x5f, 9, 2, 0x20, 0x80], 0)).is_err());
    }
}
