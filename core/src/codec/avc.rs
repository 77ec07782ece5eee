//! H.264: `avcC` (ISO/IEC 14496-15 5.3.3) and its codecs string (RFC 6381 3.3).

use alloc::format;

use super::{Codec, bits::Bits, nal, video};
use crate::{
    boxes::{
        FourCc,
        sample_entry::{Colour, SampleEntry},
    },
    coding::Reader,
    error::{Error, Result},
};

/// Describes a sample entry `avc1` or `avc3`.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let mut config = entry.visual()?.find(*b"avcC").ok_or_else(|| {
        Error::malformed("box 'avcC' is missing").at(entry.content.position()).within(entry.name).by("ISO/IEC 14496-15 5.4.2.1")
    })?;
    if config.is_empty() {
        let message =
            "the decoder configuration is empty: the pictures are a byte stream (Annex B of H.264), which has to be put into MP4 anew";
        let error = Error::malformed(message).at(config.position()).within(FourCc(*b"avcC")).within(entry.name);
        return Err(error.by("ISO/IEC 14496-15 5.3.3"));
    }
    let mut read = || {
        config.skip(1)?;
        Ok((config.u8()?, config.u8()?, config.u8()?))
    };
    let (profile, constraints, level) = read().map_err(|e: Error| e.within(FourCc(*b"avcC")).within(entry.name))?;
    video(entry, format!("{}.{profile:02X}{constraints:02X}{level:02X}", entry.name), colour(entry))
}

/// What the first sequence parameter set of `avcC` says of colour; `None` where there is none, or it cannot be read.
pub(super) fn colour(entry: &SampleEntry<'_>) -> Option<Colour> {
    let mut config = entry.visual().ok()?.find(*b"avcC")?;
    config.skip(5).ok()?;
    let sets = config.u8().ok()? & 0x1f;
    if sets < 1 {
        return None;
    }
    let length = config.u16().ok()?;
    sequence(config.sub(length.into()).ok()?.rest()).ok()?.colour
}

/// What a sequence parameter set tells of its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    /// Width and height in pixels, as shown.
    pub size: (u32, u32),
    /// Their colour, if it is described.
    pub colour: Option<Colour>,
}

/// Reads a NAL unit with a sequence parameter set (H.264 7.3.2.1.1), as far as the colour.
pub(crate) fn sequence(unit: &[u8]) -> Result<Sequence> {
    /// Profiles that tell how chroma is coded.
    const HIGH: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
    let parameters = nal::payload(Reader::new(unit, 0));
    let mut bits = Bits::new(Reader::new(&parameters, 0));
    bits.skip(8)?; // the header of the NAL unit
    let profile = bits.take(8)?;
    bits.skip(16)?;
    bits.golomb()?;
    let mut chroma = 1;
    if HIGH.contains(&profile) {
        chroma = bits.golomb()?;
        bits.skip(u32::from(chroma == 3))?;
        bits.golomb()?;
        bits.golomb()?;
        bits.skip(1)?;
        if bits.flag()? {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.flag()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.golomb()?;
    match bits.golomb()? {
        0 => drop(bits.golomb()?),
        1 => {
            bits.skip(1)?;
            bits.golomb()?;
            bits.golomb()?;
            for _ in 0..bits.golomb()?.min(255) {
                bits.golomb()?;
            }
        }
        _ => {}
    }
    bits.golomb()?; // max_num_ref_frames
    bits.skip(1)?;
    let blocks = (bits.golomb()?.saturating_add(1), bits.golomb()?.saturating_add(1));
    let frames = bits.flag()?;
    if !frames {
        bits.skip(1)?; // fields
    }
    bits.skip(1)?;
    let mut crop = [0; 4];
    if bits.flag()? {
        for edge in &mut crop {
            *edge = bits.golomb()?;
        }
    }
    // Chroma of half the width or height is cropped with two of the others (7.4.2.1.1); rows of fields are two of a frame.
    let rows = if frames { 1 } else { 2 };
    let unit = (if matches!(chroma, 1 | 2) { 2 } else { 1 }, if chroma == 1 { 2 * rows } else { rows });
    let [left, right, top, bottom] = crop;
    let width = blocks.0.saturating_mul(16).saturating_sub(left.saturating_add(right).saturating_mul(unit.0));
    let height = blocks.1.saturating_mul(16 * rows).saturating_sub(top.saturating_add(bottom).saturating_mul(unit.1));
    // What is behind the size may be cut off.
    let colour = bits.flag().and_then(|told| if told { nal::colour(&mut bits) } else { Ok(None) });
    Ok(Sequence { size: (width, height), colour: colour.unwrap_or_default() })
}

/// `scaling_list` (H.264 7.3.2.1.1.1).
fn skip_scaling_list(bits: &mut Bits<'_>, size: u32) -> Result<()> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..size {
        if next != 0 {
            next = last.saturating_add(bits.signed_golomb()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first two of x264, the last of a file that tells no colour and ends early.
    #[test]
    fn colours() {
        let described = |primaries, transfer, matrix, full_range| Some(Colour { primaries, transfer, matrix, full_range });
        for (unit, size, expected) in [
            (
                &[
                    0x67, 0x6e, 0x00, 0x0a, 0xa6, 0xcb, 0x42, 0x13, 0x60, 0x2d, 0x42, 0x44, 0x82, 0x50, 0, 0, 3, 0, 0x10, 0, 0, 3, 3, 0x20,
                    0xf1, 0x22, 0x6a,
                ][..],
                (64, 64),
                described(9, 18, 9, false),
            ),
            (
                &[
                    0x67, 0x42, 0xc0, 0x0a, 0xda, 0x10, 0x9b, 0x01, 0x6e, 0x02, 0x02, 0x02, 0x80, 0, 0, 3, 0, 0x80, 0, 0, 0x19, 0x07, 0x89,
                    0x13, 0x50,
                ],
                (64, 64),
                described(1, 1, 1, true),
            ),
            (&[0x67, 0x42, 0x80, 0x1f, 0x96, 0x52, 0x02, 0x83, 0xf6, 0x02, 0xa1], (320, 240), None),
        ] {
            let found = sequence(unit).ok().map(|found| (found.size, found.colour));
            assert_eq!(found, Some((size, expected)));
        }
    }
}
