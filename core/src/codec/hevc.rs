//! H.265: `hvcC` (ISO/IEC 14496-15 8.3.3) and its codecs string (Annex E.3 there).

use alloc::{format, string::String};
use core::fmt::Write;

use super::{Codec, bits::Bits, nal, video};
use crate::{
    boxes::{
        FourCc,
        sample_entry::{Colour, SampleEntry},
    },
    coding::Reader,
    error::{Error, Result},
};

/// Describes a sample entry `hvc1` or `hev1`.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let config = entry.visual()?.find(*b"hvcC").ok_or_else(|| {
        Error::malformed("box 'hvcC' is missing").at(entry.content.position()).within(entry.name).by("ISO/IEC 14496-15 8.4.1.1")
    })?;
    let parameters = parameters(config).map_err(|e| e.within(FourCc(*b"hvcC")).within(entry.name))?;
    video(entry, format!("{}.{parameters}", entry.name), colour(entry))
}

/// What the first sequence parameter set of `hvcC` says of colour; `None` where there is none, or it cannot be read.
pub(super) fn colour(entry: &SampleEntry<'_>) -> Option<Colour> {
    const SEQUENCE_PARAMETERS: u8 = 33;
    let mut config = entry.visual().ok()?.find(*b"hvcC")?;
    config.skip(22).ok()?;
    for _ in 0..config.u8().ok()? {
        let kind = config.u8().ok()? & 0x3f;
        for _ in 0..config.u16().ok()? {
            let length = config.u16().ok()?;
            let unit = config.sub(length.into()).ok()?;
            if kind == SEQUENCE_PARAMETERS {
                return sequence(unit.rest()).ok()?.colour;
            }
        }
    }
    None
}

/// What a sequence parameter set tells of its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    /// Width and height in pixels, as shown.
    pub size: (u32, u32),
    /// Their colour, if it is described.
    pub colour: Option<Colour>,
    /// Profile, compatibility, constraints and level, as `hvcC` has them too.
    pub profile: [u8; 12],
    /// `chroma_format_idc`.
    pub chroma: u8,
    /// Bits of a sample less 8, of luma and of chroma.
    pub depths: (u8, u8),
    /// Temporal layers, and whether any can be left out from any picture on.
    pub layers: (u8, bool),
}

/// Reads a NAL unit with a sequence parameter set (H.265 7.3.2.2), as far as the colour.
pub(crate) fn sequence(unit: &[u8]) -> Result<Sequence> {
    let parameters = nal::payload(Reader::new(unit, 0));
    let mut profile = [0; 12];
    profile.iter_mut().zip(parameters.iter().skip(3)).for_each(|(to, from)| *to = *from);
    let mut bits = Bits::new(Reader::new(&parameters, 0));
    bits.skip(16 + 4)?; // the header of the NAL unit, the video parameter set
    let sub_layers = bits.take(3)?;
    let nested = bits.flag()?;
    skip_profile(&mut bits, sub_layers)?;
    bits.golomb()?;
    let chroma = bits.golomb()?;
    if chroma == 3 {
        bits.skip(1)?;
    }
    let size = (bits.golomb()?, bits.golomb()?);
    let mut window = [0; 4];
    if bits.flag()? {
        for edge in &mut window {
            *edge = bits.golomb()?;
        }
    }
    let [left, right, top, bottom] = window;
    let unit = (if matches!(chroma, 1 | 2) { 2 } else { 1 }, if chroma == 1 { 2 } else { 1 });
    let cut = |size: u32, edges: (u32, u32), unit: u32| size.saturating_sub(edges.0.saturating_add(edges.1).saturating_mul(unit));
    let depths = (bits.golomb()?, bits.golomb()?);
    let small = |value: u32| u8::try_from(value).unwrap_or(0);
    Ok(Sequence {
        size: (cut(size.0, (left, right), unit.0), cut(size.1, (top, bottom), unit.1)),
        // What is behind the size may be cut off.
        colour: colour_behind(&mut bits, sub_layers).unwrap_or_default(),
        profile,
        chroma: small(chroma) & 3,
        depths: (small(depths.0) & 7, small(depths.1) & 7),
        layers: (small(sub_layers) + 1, nested),
    })
}

/// What follows the depths of samples, as far as the colour.
fn colour_behind(bits: &mut Bits<'_>, sub_layers: u32) -> Result<Option<Colour>> {
    let order_bits = bits.golomb()?.saturating_add(4);
    let told = if bits.flag()? { sub_layers + 1 } else { 1 };
    skip_numbers(bits, 3 * told)?; // reordering
    skip_numbers(bits, 6)?; // sizes of blocks
    if bits.flag()? && bits.flag()? {
        skip_scaling_lists(bits)?;
    }
    bits.skip(2)?;
    if bits.flag()? {
        bits.skip(8)?; // samples without prediction
        skip_numbers(bits, 2)?;
        bits.skip(1)?;
    }
    skip_reference_sets(bits)?;
    if bits.flag()? {
        for _ in 0..bits.golomb()?.min(32) {
            bits.skip(order_bits.min(32) + 1)?; // long-term references
        }
    }
    bits.skip(2)?;
    if bits.flag()? { nal::colour(bits) } else { Ok(None) }
}

fn skip_numbers(bits: &mut Bits<'_>, count: u32) -> Result<()> {
    (0..count).try_for_each(|_| bits.golomb().map(drop))
}

/// `profile_tier_level` (H.265 7.3.3).
fn skip_profile(bits: &mut Bits<'_>, sub_layers: u32) -> Result<()> {
    bits.skip(88 + 8)?;
    let mut length = 0;
    for _ in 0..sub_layers {
        length += if bits.flag()? { 88 } else { 0 };
        length += if bits.flag()? { 8 } else { 0 };
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers))?;
    }
    bits.skip(length)
}

/// `scaling_list_data` (H.265 7.3.4).
fn skip_scaling_lists(bits: &mut Bits<'_>) -> Result<()> {
    for size in 0..4 {
        for _ in 0..if size == 3 { 2 } else { 6 } {
            if bits.flag()? {
                let coefficients = 64.min(1 << (4 + 2 * size));
                skip_numbers(bits, coefficients + u32::from(size > 1))?;
            } else {
                bits.golomb()?;
            }
        }
    }
    Ok(())
}

/// The sets of short-term reference pictures (H.265 7.3.7).
fn skip_reference_sets(bits: &mut Bits<'_>) -> Result<()> {
    let mut pictures = 0u32;
    for set in 0..bits.golomb()?.min(64) {
        if set > 0 && bits.flag()? {
            // Told by what differs from the set before.
            bits.skip(1)?;
            bits.golomb()?;
            let mut used = 0;
            for _ in 0..=pictures {
                used += u32::from(bits.flag()? || bits.flag()?);
            }
            pictures = used;
        } else {
            pictures = bits.golomb()?.min(16) + bits.golomb()?.min(16);
            for _ in 0..pictures {
                bits.golomb()?;
                bits.skip(1)?;
            }
        }
    }
    Ok(())
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

    /// Of x265: HDR10.
    #[test]
    fn colours() {
        let unit = [
            0x42, 0x01, 0x01, 0x02, 0x20, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x1e, 0xa0, 0x20, 0x81, 0x04, 0xd9, 0x65, 0x65, 0x4a,
            0x4c, 0x2f, 0x01, 0x6a, 0x12, 0x20, 0x12, 0x08, 0, 0, 3, 0, 0x08, 0, 0, 3, 0, 0xc8, 0x40,
        ];
        let told = sequence(&unit).unwrap();
        assert_eq!(told.colour, Some(Colour { primaries: 9, transfer: 16, matrix: 9, full_range: false }));
        assert_eq!((told.size, told.chroma, told.depths, told.layers), ((64, 64), 1, (2, 2), (1, true)));
        assert_eq!(sequence(&unit[..28]).unwrap().colour, None, "it is cut off behind the size");
        assert!(sequence(&unit[..18]).is_err());
    }

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
