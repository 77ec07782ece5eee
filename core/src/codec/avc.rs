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
    sequence_colour(&nal::payload(config.sub(length.into()).ok()?)).ok().flatten()
}

/// `seq_parameter_set_rbsp` (H.264 7.3.2.1.1), as far as the colour.
fn sequence_colour(parameters: &[u8]) -> Result<Option<Colour>> {
    /// Profiles that tell how chroma is coded.
    const HIGH: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
    let mut bits = Bits::new(Reader::new(parameters, 0));
    bits.skip(8)?; // the header of the NAL unit
    let profile = bits.take(8)?;
    bits.skip(16)?;
    bits.golomb()?;
    if HIGH.contains(&profile) {
        let chroma = bits.golomb()?;
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
    bits.golomb()?; // width
    bits.golomb()?; // height
    if !bits.flag()? {
        bits.skip(1)?; // fields
    }
    bits.skip(1)?;
    if bits.flag()? {
        for _ in 0..4 {
            bits.golomb()?; // cropping
        }
    }
    if bits.flag()? { nal::colour(&mut bits) } else { Ok(None) }
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
        for (unit, expected) in [
            (
                &[
                    0x67, 0x6e, 0x00, 0x0a, 0xa6, 0xcb, 0x42, 0x13, 0x60, 0x2d, 0x42, 0x44, 0x82, 0x50, 0, 0, 3, 0, 0x10, 0, 0, 3, 3, 0x20,
                    0xf1, 0x22, 0x6a,
                ][..],
                described(9, 18, 9, false),
            ),
            (
                &[
                    0x67, 0x42, 0xc0, 0x0a, 0xda, 0x10, 0x9b, 0x01, 0x6e, 0x02, 0x02, 0x02, 0x80, 0, 0, 3, 0, 0x80, 0, 0, 0x19, 0x07, 0x89,
                    0x13, 0x50,
                ],
                described(1, 1, 1, true),
            ),
            (&[0x67, 0x42, 0x80, 0x1f, 0x96, 0x52, 0x02, 0x83, 0xf6, 0x02, 0xa1], None),
        ] {
            let found = sequence_colour(&nal::payload(Reader::new(unit, 0)));
            assert_eq!(found.unwrap_or_default(), expected);
        }
    }
}
