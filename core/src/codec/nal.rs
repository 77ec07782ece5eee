//! What H.264 and H.265 share: NAL units, how they are wrapped, and what parameter sets say of colour.

use alloc::vec::Vec;

use super::bits::Bits;
use crate::{
    boxes::sample_entry::{Colour, SampleEntry},
    coding::Reader,
    error::Result,
};

/// How samples hold their NAL units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Units {
    /// Bytes of the length before each of them.
    pub length_size: u8,
    /// Whether they are those of H.265.
    pub hevc: bool,
}

impl Units {
    /// As a sample entry tells it (`lengthSizeMinusOne`; ISO/IEC 14496-15 5.3.3.1, 8.3.3.1); `None` for other codecs.
    pub fn of(entry: &SampleEntry<'_>) -> Option<Self> {
        let (name, place, hevc) = match &entry.name.0 {
            b"avc1" | b"avc3" => (*b"avcC", 4, false),
            b"hvc1" | b"hev1" => (*b"hvcC", 21, true),
            _ => return None,
        };
        let mut config = entry.visual().ok()?.find(name)?;
        config.skip(place).ok()?;
        Some(Self { length_size: (config.u8().ok()? & 3) + 1, hevc })
    }

    /// Whether a NAL unit with this first byte holds supplemental enhancement information for the slices behind it (H.264 table 7-1, H.265
    /// table 7-1: prefix).
    pub fn is_message(self, header: u8) -> bool {
        if self.hevc { header >> 1 & 0x3f == 39 } else { header & 0x1f == 6 }
    }

    /// Whether a NAL unit with this first byte is a slice of a picture that decoding can begin with (H.264 table 7-1: IDR; H.265 table
    /// 7-1: intra random access); `None`: it is no slice.
    pub fn slice(self, header: u8) -> Option<bool> {
        match (self.hevc, if self.hevc { header >> 1 & 0x3f } else { header & 0x1f }) {
            (false, 5) | (true, 16..=23) => Some(true),
            (false, 1..=4) | (true, 0..=9) => Some(false),
            _ => None,
        }
    }
}

/// The bytes of a NAL unit without those that keep start codes out of it (H.264 7.3.1, H.265 7.3.1.1): a 3 behind two zeros.
pub(super) fn payload(unit: Reader<'_>) -> Vec<u8> {
    let mut zeros = 0;
    let kept = unit.rest().iter().filter(|byte| {
        let escape = zeros >= 2 && **byte == 3;
        zeros = if **byte == 0 { zeros + 1 } else { 0 };
        !escape
    });
    kept.copied().collect()
}

/// Of `vui_parameters` (H.264 E.1.1, H.265 E.2.1), which begin alike: the colour, if it is described.
pub(super) fn colour(bits: &mut Bits<'_>) -> Result<Option<Colour>> {
    const EXTENDED_ASPECT_RATIO: u32 = 255;
    if bits.flag()? && bits.take(8)? == EXTENDED_ASPECT_RATIO {
        bits.skip(32)?;
    }
    if bits.flag()? {
        bits.skip(1)?; // overscan
    }
    if !bits.flag()? {
        return Ok(None);
    }
    bits.skip(3)?; // video_format
    let full_range = bits.flag()?;
    if !bits.flag()? {
        return Ok(None);
    }
    let mut code = || bits.take(8).map(|code| u16::try_from(code).unwrap_or(2));
    Ok(Some(Colour { primaries: code()?, transfer: code()?, matrix: code()?, full_range }))
}
