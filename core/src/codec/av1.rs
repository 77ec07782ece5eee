//! AV1: `av1C` and its codecs string (AV1 Codec ISO Media File Format Binding 2.3 and 5).

use alloc::{format, string::String};

use super::{Codec, in_config, required, video};
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
    video(entry, string(config, visual.colour).map_err(in_config(entry, *b"av1C"))?)
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
