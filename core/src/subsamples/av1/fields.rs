//! Fields of the frame header of AV1 between tiles and motion, and behind it: passed over, but for what later ones depend on.

use super::sequence::Colour;
use crate::{codec::bits::Bits, error::Result};

/// `quantization_params` (5.9.12).
pub struct Quantizer {
    /// `base_q_idx`.
    pub base: u32,
    /// No plane has a difference to it.
    pub plain: bool,
}

/// Reads `quantization_params`.
pub fn quantizer(bits: &mut Bits<'_>, colour: Colour) -> Result<Quantizer> {
    let base = bits.take(8)?;
    let mut plain = true;
    let mut delta = |bits: &mut Bits<'_>| {
        if bits.flag()? && bits.take(7)? != 0 {
            plain = false;
        }
        Ok(())
    };
    delta(bits)?;
    if !colour.monochrome {
        let planes = if colour.separate_delta && bits.flag()? { 2 } else { 1 };
        for _ in 0..2 * planes {
            delta(bits)?;
        }
    }
    if bits.flag()? {
        bits.skip(4 + 4 + 4 * u32::from(colour.separate_delta))?;
    }
    Ok(Quantizer { base, plain })
}

/// `segmentation_params` (5.9.14): for each segment the difference of its quantizer, if it has one.
#[derive(Clone, Debug, Default)]
pub struct Segmentation {
    quantizers: [Option<i32>; 8],
}

impl Segmentation {
    /// Reads it; `alone`: there is no `previous` to go on from.
    pub fn read(bits: &mut Bits<'_>, alone: bool, previous: Option<&Self>) -> Result<Self> {
        if !bits.flag()? {
            return Ok(Self::default());
        }
        if !alone {
            if bits.flag()? {
                bits.skip(1)?;
            }
            if !bits.flag()? {
                return Ok(previous.cloned().unwrap_or_default());
            }
        }
        let mut quantizers = [None; 8];
        for quantizer in &mut quantizers {
            if bits.flag()? {
                let value = i32::try_from(bits.take(9)?).unwrap_or(0);
                *quantizer = Some(if value > 0xff { value - 0x200 } else { value });
            }
            for width in [7, 7, 7, 7, 3, 0, 0] {
                if bits.flag()? {
                    bits.skip(width)?;
                }
            }
        }
        Ok(Self { quantizers })
    }

    /// The quantizer of each segment, where that of the frame is `base` (7.12.2).
    pub fn quantizers(&self, base: u32) -> impl Iterator<Item = i32> {
        let base = i32::try_from(base).unwrap_or(0);
        self.quantizers.into_iter().map(move |difference| (base + difference.unwrap_or(0)).clamp(0, 255))
    }
}

/// `delta_q_params` and `delta_lf_params` (5.9.17, 5.9.18).
pub fn deltas(bits: &mut Bits<'_>, base: u32, block_copy: bool) -> Result<()> {
    if base > 0 && bits.flag()? {
        bits.skip(2)?;
        if !block_copy && bits.flag()? {
            bits.skip(2 + 1)?;
        }
    }
    Ok(())
}

/// `loop_filter_params` (5.9.11).
pub fn loop_filter(bits: &mut Bits<'_>, monochrome: bool) -> Result<()> {
    let filtered = bits.take(6)? | bits.take(6)? != 0;
    if filtered && !monochrome {
        bits.skip(6 + 6)?;
    }
    bits.skip(3)?;
    if bits.flag()? && bits.flag()? {
        for _ in 0..8 + 2 {
            if bits.flag()? {
                bits.skip(7)?;
            }
        }
    }
    Ok(())
}

/// `cdef_params` (5.9.19).
pub fn cdef(bits: &mut Bits<'_>, monochrome: bool) -> Result<()> {
    bits.skip(2)?;
    let strengths = 1 << bits.take(2)?;
    bits.skip(strengths * if monochrome { 6 } else { 12 })
}

/// `lr_params` (5.9.20).
pub fn restoration(bits: &mut Bits<'_>, colour: Colour, large_blocks: bool) -> Result<()> {
    let (mut any, mut chroma) = (false, false);
    for plane in 0..if colour.monochrome { 1 } else { 3 } {
        let used = bits.take(2)? != 0;
        any |= used;
        chroma |= used && plane > 0;
    }
    if any {
        if bits.flag()? && !large_blocks {
            bits.skip(1)?;
        }
        if colour.halved == (true, true) && chroma {
            bits.skip(1)?;
        }
    }
    Ok(())
}

/// `film_grain_params` (5.9.30) of a frame that is shown; `inter`: it may take those of another.
pub fn film_grain(bits: &mut Bits<'_>, inter: bool, colour: Colour) -> Result<()> {
    if !bits.flag()? {
        return Ok(());
    }
    bits.skip(16)?;
    if inter && !bits.flag()? {
        return bits.skip(3);
    }
    let luma = bits.take(4)?;
    bits.skip(16 * luma)?;
    let from_luma = !colour.monochrome && bits.flag()?;
    let mut chroma = [0; 2];
    if !(colour.monochrome || from_luma || (colour.halved == (true, true) && luma == 0)) {
        for points in &mut chroma {
            *points = bits.take(4)?;
            bits.skip(16 * *points)?;
        }
    }
    bits.skip(2)?;
    let lag = bits.take(2)?;
    let positions = 2 * lag * (lag + 1);
    if luma > 0 {
        bits.skip(8 * positions)?;
    }
    for points in chroma {
        if from_luma || points > 0 {
            bits.skip(8 * (positions + u32::from(luma > 0)))?;
        }
    }
    bits.skip(2 + 2)?;
    for points in chroma {
        bits.skip(if points > 0 { 8 + 8 + 9 } else { 0 })?;
    }
    bits.skip(1 + 1)
}
