//! What the parameter sets of H.264 and H.265 share: how they are wrapped, and what they say of colour.

use alloc::vec::Vec;

use super::bits::Bits;
use crate::{boxes::sample_entry::Colour, coding::Reader, error::Result};

/// The bytes of a NAL unit without those that keep start codes out of it (H.264 7.3.1, H.265 7.3.1.1): a 3 behind two zeros.
pub fn payload(unit: Reader<'_>) -> Vec<u8> {
    let mut zeros = 0;
    let kept = unit.rest().iter().filter(|byte| {
        let escape = zeros >= 2 && **byte == 3;
        zeros = if **byte == 0 { zeros + 1 } else { 0 };
        !escape
    });
    kept.copied().collect()
}

/// Of `vui_parameters` (H.264 E.1.1, H.265 E.2.1), which begin alike: the colour, if it is described.
pub fn colour(bits: &mut Bits<'_>) -> Result<Option<Colour>> {
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
