//! AV1: `av1C` and its codecs string (AV1 Codec ISO Media File Format Binding 2.3 and 5).

use alloc::{format, string::String};

use super::{Codec, bits::Bits, in_config, required, video};
use crate::{
    boxes::sample_entry::{Colour, SampleEntry},
    coding::Reader,
    error::Result,
};

const BT709: Colour = Colour { primaries: 1, transfer: 1, matrix: 1, full_range: false };

/// Describes a sample entry `av01`.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let visual = entry.visual()?;
    let config = required(entry, visual.find(*b"av1C"), "av1C", "AV1-ISOBMFF 2.2.4")?;
    let coded = colour(entry);
    video(entry, string(config, visual.colour.or(coded)).map_err(in_config(entry, *b"av1C"))?, coded)
}

/// What the sequence header in `av1C` says of colour; `None` where there is none, or it describes none.
pub(super) fn colour(entry: &SampleEntry<'_>) -> Option<Colour> {
    let mut config = entry.visual().ok()?.find(*b"av1C")?;
    config.skip(4).ok()?;
    sequence(config).ok().flatten()?.colour
}

/// The size of the pictures, by the first sequence header of units that follow each other; `None`: there is none.
pub(crate) fn size(units: Reader<'_>) -> Result<Option<(u32, u32)>> {
    Ok(sequence(units)?.map(|sequence| sequence.size))
}

/// What a sequence header tells.
struct Sequence {
    size: (u32, u32),
    colour: Option<Colour>,
}

/// The first sequence header of units that follow each other (AV1 5.3).
fn sequence(mut units: Reader<'_>) -> Result<Option<Sequence>> {
    const SEQUENCE_HEADER: u8 = 1;
    while !units.is_empty() {
        let header = units.u8()?;
        units.skip(usize::from(header >> 2 & 1))?; // extension
        let mut length = units.remaining();
        if header & 2 != 0 {
            length = 0;
            for place in 0..4 {
                let byte = units.u8()?;
                length |= usize::from(byte & 0x7f) << (7 * place);
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        let unit = units.sub(length)?;
        if header >> 3 & 0xf == SEQUENCE_HEADER {
            return read_sequence(unit).map(Some);
        }
    }
    Ok(None)
}

/// `sequence_header_obu` (AV1 5.5), as far as the colour.
fn read_sequence(unit: Reader<'_>) -> Result<Sequence> {
    let mut bits = Bits::new(unit);
    let profile = bits.take(3)?;
    bits.skip(1)?; // still_picture
    let reduced = bits.flag()?;
    if reduced {
        bits.skip(5)?;
    } else {
        skip_operating_points(&mut bits)?;
    }
    let lengths = (bits.take(4)? + 1, bits.take(4)? + 1);
    let size = (bits.take(lengths.0)? + 1, bits.take(lengths.1)? + 1);
    if !reduced && bits.flag()? {
        bits.skip(4 + 3)?; // numbers of frames
    }
    bits.skip(3)?;
    if !reduced {
        bits.skip(4)?;
        let ordered = bits.flag()?;
        bits.skip(if ordered { 2 } else { 0 })?;
        // Tools for content of screens: chosen by frame, or for all; then the same of whole motion vectors.
        if (bits.flag()? || bits.flag()?) && !bits.flag()? {
            bits.skip(1)?;
        }
        bits.skip(if ordered { 3 } else { 0 })?;
    }
    bits.skip(3)?;
    Ok(Sequence { size, colour: read_colour(&mut bits, profile)? })
}

/// `color_config` (AV1 5.5.2).
fn read_colour(bits: &mut Bits<'_>, profile: u32) -> Result<Option<Colour>> {
    if bits.flag()? && profile == 2 {
        bits.skip(1)?; // 10 or 12 bits
    }
    let monochrome = profile != 1 && bits.flag()?;
    if !bits.flag()? {
        return Ok(None);
    }
    let mut code = || bits.take(8).map(|code| u16::try_from(code).unwrap_or(2));
    let (primaries, transfer, matrix) = (code()?, code()?, code()?);
    let rgb = !monochrome && (primaries, transfer, matrix) == (1, 13, 0);
    Ok(Some(Colour { primaries, transfer, matrix, full_range: rgb || bits.flag()? }))
}

/// Timing and operating points (AV1 5.5.1).
fn skip_operating_points(bits: &mut Bits<'_>) -> Result<()> {
    let mut delay_bits = None;
    if bits.flag()? {
        bits.skip(64)?;
        if bits.flag()? {
            bits.golomb()?; // `uvlc` is written like it
        }
        if bits.flag()? {
            delay_bits = Some(bits.take(5)? + 1);
            bits.skip(32 + 5 + 5)?;
        }
    }
    let display_delays = bits.flag()?;
    for _ in 0..=bits.take(5)? {
        bits.skip(12)?;
        if bits.take(5)? > 7 {
            bits.skip(1)?; // tier
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        if display_delays && bits.flag()? {
            bits.skip(4)?;
        }
    }
    Ok(())
}

/// Profile, level and tier, depth; then, all or none, chroma and colour. Without that part a reader takes 4:2:0 of BT.709 in the limited
/// range, so it is left out where it would say just this, or where nothing is known of the colour.
fn string(mut config: Reader<'_>, colour: Option<Colour>) -> Result<String> {
    config.skip(1)?;
    let (sequence, format) = (config.u8()?, config.u8()?);
    let (profile, level) = (sequence >> 5, sequence & 0x1f);
    let tier = if format & 0x80 == 0 { 'M' } else { 'H' };
    let depth = match (format & 0x40 != 0, profile == 2 && format & 0x20 != 0) {
        (false, _) => 8,
        (true, false) => 10,
        (true, true) => 12,
    };
    let monochrome = (format >> 4) & 1;
    let (x, y) = ((format >> 3) & 1, (format >> 2) & 1);
    // The place of the chroma samples is told of 4:2:0 only.
    let place = if (x, y) == (1, 1) { format & 3 } else { 0 };
    let short = format!("av01.{profile}.{level:02}{tier}.{depth:02}");
    if (monochrome, x, y, place) == (0, 1, 1, 0) && colour.is_none_or(|colour| colour == BT709) {
        return Ok(short);
    }
    // 2: unspecified (ISO/IEC 23091-2).
    let Colour { primaries, transfer, matrix, full_range } =
        colour.unwrap_or(Colour { primaries: 2, transfer: 2, matrix: 2, full_range: false });
    Ok(format!("{short}.{monochrome}.{x}{y}{place}.{primaries:02}.{transfer:02}.{matrix:02}.{}", u8::from(full_range)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of SVT-AV1: HDR10, and no colour; of libaom: no colour.
    #[test]
    fn colours() {
        let of = |units: &[u8]| sequence(Reader::new(units, 0)).unwrap().and_then(|sequence| sequence.colour);
        let hdr = Colour { primaries: 9, transfer: 16, matrix: 9, full_range: false };
        assert_eq!(of(&[0x0a, 0x0e, 0, 0, 0, 0x04, 0x3c, 0xfe, 0xcc, 0x02, 0xf8, 0x50, 0x91, 0x00, 0x90, 0x40]), Some(hdr));
        assert_eq!(of(&[0x0a, 0x0b, 0, 0, 0, 0x04, 0x3c, 0xfe, 0xcc, 0x02, 0xf8, 0x00, 0x40]), None);
        assert_eq!(of(&[0x0a, 0x0a, 0, 0, 0, 0x02, 0xaf, 0xff, 0xbf, 0xff, 0x30, 0x08]), None);
        assert_eq!(of(&[]), None);
        assert!(sequence(Reader::new(&[0x0a, 0x0e, 0], 0)).is_err());
        assert_eq!(size(Reader::new(&[0x0a, 0x0a, 0, 0, 0, 0x02, 0xaf, 0xff, 0xbf, 0xff, 0x30, 0x08], 0)), Ok(Some((64, 64))));
    }

    /// The first four are of files in the conformance tables, their strings as Shaka Packager tells them; the others are made up.
    #[test]
    fn codecs_strings() {
        let colour = |primaries, transfer, matrix| Some(Colour { primaries, transfer, matrix, full_range: false });
        for (config, colour, expected) in [
            ([0x81, 0x1f, 0x4c, 0], colour(9, 16, 9), "av01.0.31M.10.0.110.09.16.09.0"),
            ([0x81, 0x05, 0x4c, 0], None, "av01.0.05M.10"),
            ([0x81, 0x00, 0x0c, 0], None, "av01.0.00M.08"),
            ([0x81, 0x05, 0x0c, 0], colour(1, 1, 1), "av01.0.05M.08"),
            ([0x81, 0x4d, 0xe8, 0], None, "av01.2.13H.12.0.100.02.02.02.0"),
            ([0x81, 0x28, 0x00, 0], colour(1, 1, 1), "av01.1.08M.08.0.000.01.01.01.0"),
            ([0x81, 0x04, 0x1c, 0], colour(1, 1, 1), "av01.0.04M.08.1.110.01.01.01.0"),
            ([0x81, 0x04, 0x0d, 0], colour(1, 1, 1), "av01.0.04M.08.0.111.01.01.01.0"),
        ] {
            assert_eq!(string(Reader::new(&config, 0), colour).unwrap(), expected);
        }
        assert_eq!(string(Reader::new(&[0x81, 0x05], 40), None).unwrap_err().offset(), Some(42));
    }
}
