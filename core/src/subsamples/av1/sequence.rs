//! The sequence header of AV1 (AV1 Bitstream & Decoding Process Specification 5.5).

use alloc::vec::Vec;

use crate::{codec::bits::Bits, error::Result};

/// What frame headers depend on.
#[expect(clippy::struct_excessive_bools, reason = "flags of the bitstream")]
#[derive(Clone, Debug)]
pub struct Sequence {
    /// `reduced_still_picture_header`.
    pub still: bool,
    /// Bits of the presentation time in frame headers, where it is told.
    pub time_bits: u32,
    pub decoder_model: Option<DecoderModel>,
    pub width_bits: u32,
    pub height_bits: u32,
    pub size: (u32, u32),
    /// Bits of frame numbers, and of differences of them, where frames have numbers.
    pub frame_id: Option<(u32, u32)>,
    pub large_blocks: bool,
    pub warped_motion: bool,
    /// `OrderHintBits`; 0: there are no order hints.
    pub order_bits: u32,
    pub reference_motion: bool,
    /// `seq_force_screen_content_tools`; `None`: each frame tells.
    pub screen_content: Option<bool>,
    /// `seq_force_integer_mv`; `None`: each frame tells.
    pub integer_motion: Option<bool>,
    pub superres: bool,
    pub cdef: bool,
    pub restoration: bool,
    pub colour: Colour,
    pub film_grain: bool,
}

/// The operating points, with the decoder model of those that have one: `operating_point_idc`.
#[derive(Clone, Debug)]
pub struct DecoderModel {
    pub removal_bits: u32,
    pub points: Vec<u32>,
}

/// `color_config` (5.5.2).
#[derive(Clone, Copy, Debug)]
pub struct Colour {
    pub monochrome: bool,
    /// Chroma is at half resolution, horizontally and vertically.
    pub halved: (bool, bool),
    pub separate_delta: bool,
}

impl Sequence {
    /// Reads `sequence_header_obu`.
    pub fn read(bits: &mut Bits<'_>) -> Result<Self> {
        let profile = bits.take(3)?;
        bits.skip(1)?;
        let still = bits.flag()?;
        let (mut time_bits, mut decoder_model) = (0, None);
        if still {
            bits.skip(5)?;
        } else {
            (time_bits, decoder_model) = operating_points(bits)?;
        }
        let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
        let size = (bits.take(width_bits)? + 1, bits.take(height_bits)? + 1);
        let mut frame_id = None;
        if !still && bits.flag()? {
            let difference = bits.take(4)? + 2;
            frame_id = Some((difference + bits.take(3)? + 1, difference));
        }
        let large_blocks = bits.flag()?;
        bits.skip(2)?;
        let mut sequence = Self {
            still,
            time_bits,
            decoder_model,
            width_bits,
            height_bits,
            size,
            frame_id,
            large_blocks,
            warped_motion: false,
            order_bits: 0,
            reference_motion: false,
            screen_content: None,
            integer_motion: None,
            superres: false,
            cdef: false,
            restoration: false,
            colour: Colour { monochrome: false, halved: (true, true), separate_delta: false },
            film_grain: false,
        };
        if !still {
            sequence.inter_tools(bits)?;
        }
        sequence.superres = bits.flag()?;
        sequence.cdef = bits.flag()?;
        sequence.restoration = bits.flag()?;
        sequence.colour = colour(bits, profile)?;
        sequence.film_grain = bits.flag()?;
        Ok(sequence)
    }

    fn inter_tools(&mut self, bits: &mut Bits<'_>) -> Result<()> {
        bits.skip(2)?;
        self.warped_motion = bits.flag()?;
        bits.skip(1)?;
        let ordered = bits.flag()?;
        if ordered {
            bits.skip(1)?;
            self.reference_motion = bits.flag()?;
        }
        if !bits.flag()? {
            self.screen_content = Some(bits.flag()?);
        }
        if self.screen_content != Some(false) && !bits.flag()? {
            self.integer_motion = Some(bits.flag()?);
        }
        if ordered {
            self.order_bits = bits.take(3)? + 1;
        }
        Ok(())
    }
}

/// Timing, decoder model and operating points.
fn operating_points(bits: &mut Bits<'_>) -> Result<(u32, Option<DecoderModel>)> {
    let (mut time_bits, mut model, mut delay_bits) = (0, None, 0);
    if bits.flag()? {
        bits.skip(64)?;
        let equal = bits.flag()?;
        if equal {
            uvlc(bits)?;
        }
        if bits.flag()? {
            delay_bits = bits.take(5)? + 1;
            bits.skip(32)?;
            let removal_bits = bits.take(5)? + 1;
            let length = bits.take(5)? + 1;
            time_bits = if equal { 0 } else { length };
            model = Some(DecoderModel { removal_bits, points: Vec::new() });
        }
    }
    let display_delay = bits.flag()?;
    for _ in 0..=bits.take(5)? {
        let layers = bits.take(12)?;
        if bits.take(5)? > 7 {
            bits.skip(1)?;
        }
        if let Some(model) = &mut model
            && bits.flag()?
        {
            bits.skip(2 * delay_bits + 1)?;
            model.points.push(layers);
        }
        if display_delay && bits.flag()? {
            bits.skip(4)?;
        }
    }
    Ok((time_bits, model))
}

fn uvlc(bits: &mut Bits<'_>) -> Result<()> {
    let mut zeros = 0;
    while !bits.flag()? {
        zeros += 1;
    }
    if zeros < 32 { bits.skip(zeros) } else { Ok(()) }
}

fn colour(bits: &mut Bits<'_>, profile: u32) -> Result<Colour> {
    let high = bits.flag()?;
    let twelve = profile == 2 && high && bits.flag()?;
    let monochrome = profile != 1 && bits.flag()?;
    let described = if bits.flag()? { (bits.take(8)?, bits.take(8)?, bits.take(8)?) } else { (2, 2, 2) };
    if monochrome {
        bits.skip(1)?;
        return Ok(Colour { monochrome, halved: (true, true), separate_delta: false });
    }
    let mut halved = (false, false);
    if described != (1, 13, 0) {
        bits.skip(1)?;
        halved = match (profile, twelve) {
            (0, _) => (true, true),
            (1, _) => (false, false),
            (_, false) => (true, false),
            (_, true) => {
                let horizontal = bits.flag()?;
                (horizontal, horizontal && bits.flag()?)
            }
        };
        if halved == (true, true) {
            bits.skip(2)?;
        }
    }
    Ok(Colour { monochrome, halved, separate_delta: bits.flag()? })
}
