//! H.265: `hvcC` (ISO/IEC 14496-15 8.3.3) and its codecs string (Annex E.3 there).

use alloc::{format, string::String};
use core::fmt::Write;

use super::{Codec, video};
use crate::{
    boxes::{FourCc, sample_entry::SampleEntry},
    coding::Reader,
    error::{Error, Result},
};

/// Describes a sample entry `hvc1` or `hev1`.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let config = entry.visual()?.find(*b"hvcC").ok_or_else(|| {
        Error::malformed("box 'hvcC' is missing").at(entry.content.position()).within(entry.name).by("ISO/IEC 14496-15 8.4.1.1")
    })?;
    let parameters = parameters(config).map_err(|e| e.within(FourCc(*b"hvcC")).within(entry.name))?;
    video(entry, format!("{}.{parameters}", entry.name))
}

/// Profile space and number, compatibility flags with their bits reversed, tier and level, constraint bytes without the zeros at the end.
fn parameters(mut config: Reader<'_>) -> Result<String> {
    config.skip(1)?;
    let profile = config.u8()?;
    let compatibility = config.u32()?.reverse_bits();
    let constraints = config.take(6)?;
    let level = config.u8()?;
    let space = match profile >> 6 {
        1 => "A",
        2 => "B",
        3 => "C",
        _ => "",
    };
    let tier = if profile & 0x20 == 0 { 'L' } else { 'H' };
    let mut text = format!("{space}{}.{compatibility:X}.{tier}{level}", profile & 0x1f);
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for byte in constraints.iter().take(used) {
        let _ = write!(text, ".{byte:X}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ISO/IEC 14496-15 Annex E.3: the examples there, and one of an HDR10 encoder.
    #[test]
    fn codecs_strings() {
        for (config, expected) in [
            ([1, 0x01, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93], "1.6.L93.B0"),
            ([1, 0x41, 0x20, 0, 0, 0, 0xb0, 0x23, 0, 0, 0, 0, 30], "A1.4.L30.B0.23"),
            ([1, 0x22, 0x20, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 153], "2.4.H153.90"),
            ([1, 0x01, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 93], "1.6.L93"),
        ] {
            assert_eq!(parameters(Reader::new(&config, 0)).unwrap(), expected);
        }
    }
}
