//! VP8 and VP9: `vpcC` and its codecs string (VP Codec ISO Media File Format Binding).

use alloc::{format, string::String};

use super::{Codec, in_config, required, video};
use crate::{
    boxes::{
        FourCc,
        sample_entry::{Colour, SampleEntry},
    },
    coding::Reader,
    error::Result,
};

/// Describes a sample entry `vp08` or `vp09`.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let config = required(entry, entry.visual()?.find(*b"vpcC"), "vpcC", "VP-ISOBMFF 'VP Codec Sample Entry Box'")?;
    let string = string(entry.name, config).map_err(in_config(entry, *b"vpcC"))?;
    video(entry, string, colour(config))
}

/// What the configuration says of colour, in the version that says it as others do.
fn colour(mut config: Reader<'_>) -> Option<Colour> {
    let (1, _) = config.full_box().ok()? else { return None };
    config.skip(2).ok()?;
    let full_range = config.u8().ok()? & 1 == 1;
    let (primaries, transfer, matrix) = (config.u8().ok()?, config.u8().ok()?, config.u8().ok()?);
    Some(Colour { primaries: primaries.into(), transfer: transfer.into(), matrix: matrix.into(), full_range })
}

/// Profile, level, depth; then, all or none, chroma and colour, left out where they are what a reader takes without them: 4:2:0 of BT.709
/// in the limited range. VP8 knows nothing else.
fn string(name: FourCc, mut config: Reader<'_>) -> Result<String> {
    let (version, _) = config.full_box()?;
    let (profile, level, format) = (config.u8()?, config.u8()?, config.u8()?);
    let short = format!("{name}.{profile:02}.{level:02}.{:02}", format >> 4);
    // Version 0, a draft that files still have, tells colour in another way.
    if version == 0 || name.0 == *b"vp08" {
        return Ok(short);
    }
    let (chroma, full_range) = ((format >> 1) & 7, format & 1);
    let (primaries, transfer, matrix) = (config.u8()?, config.u8()?, config.u8()?);
    if (chroma, primaries, transfer, matrix, full_range) == (1, 1, 1, 1, 0) {
        return Ok(short);
    }
    Ok(format!("{short}.{chroma:02}.{primaries:02}.{transfer:02}.{matrix:02}.{full_range:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours() {
        let of = |config: &[u8]| colour(Reader::new(config, 0));
        let hdr = Colour { primaries: 9, transfer: 16, matrix: 9, full_range: false };
        assert_eq!(of(&[1, 0, 0, 0, 2, 51, 0xa2, 9, 16, 9, 0, 0]), Some(hdr));
        assert_eq!(of(&[0, 0, 0, 0, 0, 20, 0x80, 0, 0, 0, 0, 0]), None);
    }

    /// The first is of ffmpeg, its string as Shaka Packager tells it; the others are made up.
    #[test]
    fn codecs_strings() {
        for (name, config, expected) in [
            (b"vp09", [1, 0, 0, 0, 0, 0x1f, 0x82, 2, 2, 2, 0, 0], "vp09.00.31.08.01.02.02.02.00"),
            (b"vp09", [1, 0, 0, 0, 2, 51, 0xa2, 9, 16, 9, 0, 0], "vp09.02.51.10.01.09.16.09.00"),
            (b"vp09", [1, 0, 0, 0, 1, 41, 0x87, 1, 13, 0, 0, 0], "vp09.01.41.08.03.01.13.00.01"),
            (b"vp09", [1, 0, 0, 0, 0, 10, 0x82, 1, 1, 1, 0, 0], "vp09.00.10.08"),
            (b"vp09", [0, 0, 0, 0, 0, 20, 0x80, 0, 0, 0, 0, 0], "vp09.00.20.08"),
            (b"vp08", [1, 0, 0, 0, 0, 10, 0x82, 2, 2, 2, 0, 0], "vp08.00.10.08"),
        ] {
            assert_eq!(string(FourCc(*name), Reader::new(&config, 0)).unwrap(), expected);
        }
        assert_eq!(string(FourCc(*b"vp09"), Reader::new(&[1, 0, 0, 0, 0, 10], 0)).unwrap_err().offset(), Some(6));
    }
}
