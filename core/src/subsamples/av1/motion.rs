//! Global motion of AV1 (5.9.24): read only because its length depends on its values.

use super::tiles::non_symmetric;
use crate::{codec::bits::Bits, error::Result};

/// Six parameters for each of the seven references.
#[derive(Clone, Copy, Debug)]
pub struct GlobalMotion([[i32; 6]; 7]);

/// `WARPEDMODEL_PREC_BITS`.
const PRECISION: u32 = 16;
const IDENTITY: [i32; 6] = [0, 0, 1 << PRECISION, 0, 0, 1 << PRECISION];

impl Default for GlobalMotion {
    fn default() -> Self {
        Self([IDENTITY; 7])
    }
}

/// Kinds of motion, in the order of their parameters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Translation,
    RotationAndZoom,
    Affine,
}

impl GlobalMotion {
    /// Reads `global_motion_params`; `previous` is what differences are told from, `precise`: `allow_high_precision_mv`.
    pub fn read(bits: &mut Bits<'_>, previous: Self, precise: bool) -> Result<Self> {
        let mut motion = Self::default();
        for (parameters, previous) in motion.0.iter_mut().zip(&previous.0) {
            if !bits.flag()? {
                continue;
            }
            let kind = match bits.flag()? {
                true => Kind::RotationAndZoom,
                false if bits.flag()? => Kind::Translation,
                false => Kind::Affine,
            };
            let mut read = |index: usize, absolute, precision, origin| -> Result<i32> {
                let previous = previous.get(index).copied().unwrap_or(0);
                let value = parameter(bits, absolute, precision, origin, previous)?;
                if let Some(slot) = parameters.get_mut(index) {
                    *slot = value;
                }
                Ok(value)
            };
            let (mut factor, mut rotation) = (1 << PRECISION, 0);
            if kind != Kind::Translation {
                // Factors on the diagonal are told from one, with 15 bits behind the point.
                factor = read(2, 12, 15, 1 << PRECISION)?;
                rotation = read(3, 12, 15, 0)?;
            }
            if kind == Kind::Affine {
                read(4, 12, 15, 0)?;
                read(5, 12, 15, 1 << PRECISION)?;
            }
            let coarse = u32::from(!precise);
            let (absolute, precision) = if kind == Kind::Translation { (9 - coarse, 3 - coarse) } else { (12, 6) };
            read(0, absolute, precision, 0)?;
            read(1, absolute, precision, 0)?;
            if let ([.., skew, second], Kind::RotationAndZoom) = (parameters, kind) {
                (*skew, *second) = (-rotation, factor);
            }
        }
        Ok(motion)
    }
}

/// `read_global_param` (5.9.25): a value of `absolute` bits and sign, `precision` of them behind the point, told from `origin`.
fn parameter(bits: &mut Bits<'_>, absolute: u32, precision: u32, origin: i32, previous: i32) -> Result<i32> {
    let shift = PRECISION - precision;
    let limit = 1i32 << absolute;
    let reference = (previous >> shift) - (origin >> shift);
    Ok((signed(bits, -limit, limit + 1, reference)? << shift) + origin)
}

/// `decode_signed_subexp_with_ref` (5.9.26 to 5.9.28): a number from `low` up to `high`, told from `reference`.
fn signed(bits: &mut Bits<'_>, low: i32, high: i32, reference: i32) -> Result<i32> {
    let (span, reference) = (high - low, reference - low);
    let value = subexponential(bits, span)?;
    let near = if reference * 2 <= span { recentred(reference, value) } else { span - 1 - recentred(span - 1 - reference, value) };
    Ok(near + low)
}

fn recentred(reference: i32, value: i32) -> i32 {
    if value > 2 * reference {
        value
    } else if value & 1 == 1 {
        reference - ((value + 1) >> 1)
    } else {
        reference + (value >> 1)
    }
}

/// `decode_subexp`: a number below `count`, in classes that double.
fn subexponential(bits: &mut Bits<'_>, count: i32) -> Result<i32> {
    let (mut class, mut base) = (0u32, 0i32);
    loop {
        let width = if class == 0 { 3 } else { 3 + class - 1 };
        let size = 1 << width;
        let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        if count <= base + 3 * size {
            return Ok(number(non_symmetric(bits, u32::try_from(count - base).unwrap_or(1))?) + base);
        }
        if !bits.flag()? {
            return Ok(number(bits.take(width)?) + base);
        }
        class += 1;
        base += size;
    }
}
