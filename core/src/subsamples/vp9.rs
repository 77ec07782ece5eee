//! VP9: where the uncompressed header of a frame ends (VP9 Bitstream Specification 6.2, Annex B).

use alloc::{format, vec::Vec};
use core::ops::Range;

use crate::{
    codec::bits::Bits,
    coding::Reader,
    error::{Error, Result},
};

/// The widths and heights of the frames that are kept for reference.
#[derive(Clone, Debug, Default)]
pub struct Vp9 {
    slots: [Option<(u32, u32)>; 8],
}

/// What follows the uncompressed header.
enum Header {
    /// Nothing: an earlier frame is shown.
    Existing,
    /// The compressed header and the tiles, after this many bytes.
    Coded(usize),
}

impl Vp9 {
    /// Adds what may be encrypted of `sample`, a frame or a superframe, to `found`.
    pub fn find(&mut self, sample: &[u8], position: u64, found: &mut Vec<Range<usize>>) -> Result<()> {
        let sizes = superframe(sample);
        let mut start = 0usize;
        for size in sizes.unwrap_or_else(|| Vec::from([sample.len()])) {
            let end = start.saturating_add(size);
            let at = position.saturating_add(start as u64);
            let frame = sample.get(start..end).ok_or_else(|| {
                Error::malformed(format!("a frame of a superframe says that it has {size} bytes: more than are left")).at(at)
            })?;
            if !frame.is_empty()
                && let Header::Coded(clear) = self.header(frame, at)?
            {
                found.push(start.saturating_add(clear)..end);
            }
            start = end;
        }
        Ok(())
    }

    /// `uncompressed_header` (6.2).
    fn header(&mut self, frame: &[u8], position: u64) -> Result<Header> {
        let mut bits = Bits::new(Reader::new(frame, position));
        let fault = |what: &'static str| Error::malformed(what).at(position);
        if bits.take(2)? != 2 {
            return Err(fault("this is no frame of VP9: its marker is missing"));
        }
        let profile = bits.take(1)? + 2 * bits.take(1)?;
        if profile == 3 {
            bits.skip(1)?;
        }
        if bits.flag()? {
            return Ok(Header::Existing);
        }
        let key = !bits.flag()?;
        let shown = bits.flag()?;
        let resilient = bits.flag()?;
        let intra_only = !key && !shown && bits.flag()?;
        if !key && !resilient {
            bits.skip(2)?;
        }
        let refreshed;
        let size;
        if key || intra_only {
            if bits.take(24)? != 0x49_8342 {
                return Err(fault("a frame of VP9 has another sync code"));
            }
            if key || profile > 0 {
                colour(&mut bits, profile)?;
            }
            refreshed = if key { 0xff } else { bits.take(8)? };
            size = frame_size(&mut bits)?;
            render_size(&mut bits)?;
        } else {
            refreshed = bits.take(8)?;
            size = self.inter(&mut bits)?.ok_or_else(|| fault("a frame refers to one that is not in its segment"))?;
        }
        if !resilient {
            bits.skip(2)?;
        }
        bits.skip(2)?;
        loop_filter(&mut bits)?;
        quantization(&mut bits)?;
        segmentation(&mut bits)?;
        tiles(&mut bits, size.0)?;
        if bits.take(16)? == 0 {
            return Err(fault("a frame of VP9 has no compressed header"));
        }
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if (refreshed >> index) & 1 == 1 {
                *slot = Some(size);
            }
        }
        Ok(Header::Coded(frame.len().saturating_sub(bits.aligned().remaining())))
    }

    /// The references of a frame and what follows them; its size, `None` where the reference that tells it is missing.
    fn inter(&self, bits: &mut Bits<'_>) -> Result<Option<(u32, u32)>> {
        let mut references = [None; 3];
        for reference in &mut references {
            let index = usize::try_from(bits.take(3)?).unwrap_or(usize::MAX);
            *reference = self.slots.get(index).copied().flatten();
            bits.skip(1)?;
        }
        // frame_size_with_refs
        let mut size = None;
        for reference in references {
            if bits.flag()? {
                size = Some(reference);
                break;
            }
        }
        let size = match size {
            Some(size) => size,
            None => Some(frame_size(bits)?),
        };
        render_size(bits)?;
        bits.skip(1)?;
        if !bits.flag()? {
            bits.skip(2)?;
        }
        Ok(size)
    }
}

/// The sizes of the frames of a superframe (Annex B); `None`: it is one frame.
fn superframe(sample: &[u8]) -> Option<Vec<usize>> {
    let marker = *sample.last()?;
    if marker & 0xe0 != 0xc0 {
        return None;
    }
    let (count, width) = (usize::from(marker & 7) + 1, usize::from((marker >> 3) & 3) + 1);
    let index = sample.get(sample.len().checked_sub(2 + count * width)?..)?;
    let (first, sizes) = index.split_first()?;
    if *first != marker {
        return None;
    }
    let size = |bytes: &[u8]| bytes.iter().rev().fold(0usize, |size, byte| (size << 8) | usize::from(*byte));
    Some(sizes.chunks_exact(width).take(count).map(size).collect())
}

fn colour(bits: &mut Bits<'_>, profile: u32) -> Result<()> {
    let odd = profile & 1;
    bits.skip((profile >= 2).into())?;
    let rgb = bits.take(3)? == 7;
    bits.skip(if rgb { odd } else { 1 + 3 * odd })
}

fn frame_size(bits: &mut Bits<'_>) -> Result<(u32, u32)> {
    Ok((bits.take(16)? + 1, bits.take(16)? + 1))
}

fn render_size(bits: &mut Bits<'_>) -> Result<()> {
    if bits.flag()? { bits.skip(32) } else { Ok(()) }
}

fn loop_filter(bits: &mut Bits<'_>) -> Result<()> {
    bits.skip(6 + 3)?;
    if bits.flag()? && bits.flag()? {
        for _ in 0..4 + 2 {
            if bits.flag()? {
                bits.skip(6 + 1)?;
            }
        }
    }
    Ok(())
}

fn quantization(bits: &mut Bits<'_>) -> Result<()> {
    bits.skip(8)?;
    for _ in 0..3 {
        if bits.flag()? {
            bits.skip(4 + 1)?;
        }
    }
    Ok(())
}

fn segmentation(bits: &mut Bits<'_>) -> Result<()> {
    let probabilities = |bits: &mut Bits<'_>, count| {
        for _ in 0..count {
            if bits.flag()? {
                bits.skip(8)?;
            }
        }
        Ok::<_, Error>(())
    };
    if !bits.flag()? {
        return Ok(());
    }
    if bits.flag()? {
        probabilities(bits, 7)?;
        if bits.flag()? {
            probabilities(bits, 3)?;
        }
    }
    if bits.flag()? {
        bits.skip(1)?;
        for _segment in 0..8 {
            for width in [8 + 1, 6 + 1, 2, 0] {
                if bits.flag()? {
                    bits.skip(width)?;
                }
            }
        }
    }
    Ok(())
}

fn tiles(bits: &mut Bits<'_>, width: u32) -> Result<()> {
    let columns = width.div_ceil(64);
    let least = (0..6).find(|log| 64 << log >= columns).unwrap_or(6);
    let most = (1..7).find(|log| columns >> log < 4).unwrap_or(7) - 1;
    for _ in least..most.max(least) {
        if !bits.flag()? {
            break;
        }
    }
    if bits.flag()? {
        bits.skip(1)?;
    }
    Ok(())
}
