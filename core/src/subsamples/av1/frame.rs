//! The frame header of AV1 (5.9): all of it, because tiles begin where it ends.

use super::{
    fields::{self, Segmentation},
    motion::GlobalMotion,
    references::{set_frame_references, skip_mode_allowed},
    sequence::Sequence,
    tiles::Tiles,
};
use crate::{
    codec::bits::Bits,
    error::{Error, Result},
};

/// What is kept of a frame for those that refer to it (7.20).
#[derive(Clone, Debug, Default)]
pub struct Reference {
    pub key: bool,
    pub size: Size,
    /// `OrderHint`.
    pub order: u32,
    pub motion: GlobalMotion,
    pub segmentation: Segmentation,
}

/// Width as shown, width as coded, height; all 0 of a frame that is known to be lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub upscaled: u32,
    pub width: u32,
    pub height: u32,
}

/// The frames kept for reference.
pub type Slots = [Option<Reference>; 8];

const KEY: u32 = 0;
const INTER: u32 = 1;
const INTRA_ONLY: u32 = 2;
const SWITCH: u32 = 3;

/// What a header has told of its frame so far.
#[expect(clippy::struct_excessive_bools, reason = "flags of the bitstream")]
struct Frame {
    kind: u32,
    /// It is shown, now or later.
    visible: bool,
    resilient: bool,
    fixed_statistics: bool,
    screen_content: bool,
    integer_motion: bool,
    override_size: bool,
    order: u32,
    /// `primary_ref_frame`, where there is one.
    primary: Option<usize>,
    refreshed: u32,
    size: Size,
    block_copy: bool,
    precise_motion: bool,
    /// The slots of the seven references.
    names: [usize; 7],
}

impl Frame {
    fn intra(&self) -> bool {
        matches!(self.kind, KEY | INTRA_ONLY)
    }
}

/// `uncompressed_header` (5.9.2). `layers`: temporal and spatial layer, where the OBU tells them. Returns how the tiles lie; `None`: an
/// earlier frame is shown, and there are none. What the frame leaves behind is kept in `slots`.
pub fn header(bits: &mut Bits<'_>, sequence: &Sequence, slots: &mut Slots, layers: Option<(u32, u32)>) -> Result<Option<Tiles>> {
    let Some(mut frame) = start(bits, sequence, slots, layers)? else { return Ok(None) };
    if frame.intra() {
        frame.size = frame_size(bits, sequence, frame.override_size)?;
        render_size(bits)?;
        frame.block_copy = frame.screen_content && frame.size.upscaled == frame.size.width && bits.flag()?;
    } else {
        inter(bits, sequence, slots, &mut frame)?;
    }
    if !sequence.still && !frame.fixed_statistics {
        bits.skip(1)?;
    }
    let slot = |name: usize| slots.get(name).and_then(Option::as_ref);
    let previous = frame.primary.and_then(|primary| slot(*frame.names.get(primary)?));
    let tiles = Tiles::read(bits, sequence.large_blocks, frame.size)?;
    let quantizer = fields::quantizer(bits, sequence.colour)?;
    let segmentation = Segmentation::read(bits, frame.primary.is_none(), previous.map(|previous| &previous.segmentation))?;
    fields::deltas(bits, quantizer.base, frame.block_copy)?;
    let lossless = quantizer.plain && segmentation.quantizers(quantizer.base).all(|index| index == 0);
    let Frame { block_copy, size, .. } = frame;
    if !lossless && !block_copy {
        fields::loop_filter(bits, sequence.colour.monochrome)?;
        if sequence.cdef {
            fields::cdef(bits, sequence.colour.monochrome)?;
        }
    }
    if sequence.restoration && !block_copy && !(lossless && size.width == size.upscaled) {
        fields::restoration(bits, sequence.colour, sequence.large_blocks)?;
    }
    if !lossless {
        bits.skip(1)?; // tx_mode_select
    }
    let intra = frame.intra();
    if !intra && bits.flag()? && sequence.order_bits > 0 {
        let hints = frame.names.map(|name| slot(name).map_or(0, |reference| reference.order));
        bits.skip(skip_mode_allowed(&hints, frame.order, sequence.order_bits).into())?;
    }
    if !intra && !frame.resilient && sequence.warped_motion {
        bits.skip(1)?;
    }
    bits.skip(1)?; // reduced_tx_set
    let mut motion = GlobalMotion::default();
    if !intra {
        motion = GlobalMotion::read(bits, previous.map_or(motion, |previous| previous.motion), frame.precise_motion)?;
    }
    if sequence.film_grain && frame.visible {
        fields::film_grain(bits, frame.kind == INTER, sequence.colour)?;
    }
    let kept = Reference { key: frame.kind == KEY, size, order: frame.order, motion, segmentation };
    for (index, slot) in slots.iter_mut().enumerate() {
        if (frame.refreshed >> index) & 1 == 1 {
            *slot = Some(kept.clone());
        }
    }
    Ok(Some(tiles))
}

/// What all frames begin with; `None`: an earlier one is shown.
fn start(bits: &mut Bits<'_>, sequence: &Sequence, slots: &mut Slots, layers: Option<(u32, u32)>) -> Result<Option<Frame>> {
    let mut frame = Frame {
        kind: KEY,
        visible: true,
        resilient: true,
        fixed_statistics: false,
        screen_content: false,
        integer_motion: false,
        override_size: false,
        order: 0,
        primary: None,
        refreshed: 0xff,
        size: Size::default(),
        block_copy: false,
        precise_motion: false,
        names: [0; 7],
    };
    let mut shown = true;
    if !sequence.still {
        if bits.flag()? {
            show_existing(bits, sequence, slots)?;
            return Ok(None);
        }
        frame.kind = bits.take(2)?;
        shown = bits.flag()?;
        if shown {
            bits.skip(sequence.time_bits)?;
        } else {
            frame.visible = bits.flag()?;
        }
        frame.resilient = frame.kind == SWITCH || (frame.kind == KEY && shown) || bits.flag()?;
    }
    let reset = frame.kind == SWITCH || (frame.kind == KEY && shown);
    frame.fixed_statistics = bits.flag()?;
    frame.screen_content = flag_or(bits, sequence.screen_content)?;
    frame.integer_motion = frame.screen_content && flag_or(bits, sequence.integer_motion)?;
    bits.skip(sequence.frame_id.map_or(0, |(length, _)| length))?;
    frame.override_size = frame.kind == SWITCH || (!sequence.still && bits.flag()?);
    frame.order = bits.take(sequence.order_bits)?;
    if !frame.intra() && !frame.resilient {
        let primary = bits.take(3)?;
        frame.primary = usize::try_from(primary).ok().filter(|primary| *primary < 7);
    }
    if let Some(model) = &sequence.decoder_model
        && bits.flag()?
    {
        for point in &model.points {
            // Bits 0 to 7 are the temporal layers of the point, 8 to 11 the spatial ones.
            let (temporal, spatial) = layers.unwrap_or((0, 0));
            if *point == 0 || ((point >> temporal) & 1 == 1 && (point >> (spatial + 8)) & 1 == 1) {
                bits.skip(model.removal_bits)?;
            }
        }
    }
    if !reset {
        frame.refreshed = bits.take(8)?;
    }
    if (!frame.intra() || frame.refreshed != 0xff) && frame.resilient && sequence.order_bits > 0 {
        for slot in slots {
            let order = bits.take(sequence.order_bits)?;
            if slot.as_ref().is_none_or(|reference| reference.order != order) {
                *slot = Some(Reference { order, ..Reference::default() });
            }
        }
    }
    Ok(Some(frame))
}

/// A frame that was coded before is shown; a key frame then takes all slots (7.21).
fn show_existing(bits: &mut Bits<'_>, sequence: &Sequence, slots: &mut Slots) -> Result<()> {
    let slot = usize::try_from(bits.take(3)?).unwrap_or(usize::MAX);
    if let Some(reference) = slots.get(slot).cloned().flatten().filter(|reference| reference.key) {
        slots.fill(Some(reference));
    }
    bits.skip(sequence.time_bits)?;
    bits.skip(sequence.frame_id.map_or(0, |(length, _)| length))
}

/// What frames have that refer to others, up to their size and motion vectors.
fn inter(bits: &mut Bits<'_>, sequence: &Sequence, slots: &Slots, frame: &mut Frame) -> Result<()> {
    let slot = |bits: &mut Bits<'_>| bits.take(3).map(|slot| usize::try_from(slot).unwrap_or(usize::MAX));
    let short = sequence.order_bits > 0 && bits.flag()?;
    if short {
        let (last, golden) = (slot(bits)?, slot(bits)?);
        frame.names = set_frame_references(slots, last, golden, frame.order, sequence.order_bits);
    }
    for name in &mut frame.names {
        if !short {
            *name = slot(bits)?;
        }
        bits.skip(sequence.frame_id.map_or(0, |(_, difference)| difference))?;
    }

    let references = frame.names.map(|name| slots.get(name).and_then(Option::as_ref));
    if references.iter().any(Option::is_none) {
        return Err(Error::malformed("a frame refers to one that is not in its segment").at(bits.position()));
    }
    let mut size = None;
    if frame.override_size && !frame.resilient {
        for reference in references {
            if bits.flag()? {
                size = reference.map(|reference| reference.size).filter(|size| size.height > 0);
                if size.is_none() {
                    return Err(Error::malformed("a frame has the size of one that is lost").at(bits.position()));
                }
                break;
            }
        }
    }
    frame.size = match size {
        Some(size) => superres(bits, sequence, size.upscaled, size.height)?,
        None => {
            let size = frame_size(bits, sequence, frame.override_size)?;
            render_size(bits)?;
            size
        }
    };
    frame.precise_motion = !frame.integer_motion && bits.flag()?;
    if !bits.flag()? {
        bits.skip(2)?; // interpolation_filter
    }
    bits.skip(1)?; // is_motion_mode_switchable
    if !frame.resilient && sequence.reference_motion {
        bits.skip(1)?;
    }
    Ok(())
}

fn flag_or(bits: &mut Bits<'_>, known: Option<bool>) -> Result<bool> {
    known.map_or_else(|| bits.flag(), Ok)
}

fn frame_size(bits: &mut Bits<'_>, sequence: &Sequence, own: bool) -> Result<Size> {
    let (width, height) = if own { (bits.take(sequence.width_bits)? + 1, bits.take(sequence.height_bits)? + 1) } else { sequence.size };
    superres(bits, sequence, width, height)
}

/// `superres_params` (5.9.8).
fn superres(bits: &mut Bits<'_>, sequence: &Sequence, upscaled: u32, height: u32) -> Result<Size> {
    let mut width = upscaled;
    if sequence.superres && bits.flag()? {
        let denominator = bits.take(3)? + 9;
        width = (upscaled * 8 + denominator / 2) / denominator;
    }
    Ok(Size { upscaled, width, height })
}

fn render_size(bits: &mut Bits<'_>) -> Result<()> {
    if bits.flag()? { bits.skip(32) } else { Ok(()) }
}
