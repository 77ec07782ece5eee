//! Tiles of AV1: how a frame is divided (5.9.15) and where the tiles of a group lie (5.11.1).

use alloc::{format, vec::Vec};
use core::ops::Range;

use super::frame::Size;
use crate::{
    codec::bits::Bits,
    coding::Reader,
    error::{Error, Result},
};

/// How a frame is divided.
#[derive(Clone, Copy, Debug)]
pub struct Tiles {
    /// Number of tiles.
    pub count: u32,
    /// Bits of the number of a tile.
    number_bits: u32,
    /// Bytes of the size of a tile.
    size_bytes: usize,
}

/// `MAX_TILE_WIDTH`, `MAX_TILE_AREA`, `MAX_TILE_COLS` and `MAX_TILE_ROWS`.
const MAX_WIDTH: u32 = 4096;
const MAX_AREA: u32 = 4096 * 2304;
const MAX_COUNT: u32 = 64;

impl Tiles {
    /// Reads `tile_info`.
    pub fn read(bits: &mut Bits<'_>, large_blocks: bool, size: Size) -> Result<Self> {
        let log_block = if large_blocks { 7 } else { 6 };
        // Widths are counted in units of 8 pixels first (5.9.9).
        let blocks = |length: u32| (length.div_ceil(8) * 8).div_ceil(1 << log_block);
        let (columns, rows) = (blocks(size.width), blocks(size.height));
        let max_width = MAX_WIDTH >> log_block;
        let least_columns = tile_log2(max_width, columns);
        let least = least_columns.max(tile_log2(MAX_AREA >> (2 * log_block), rows * columns));
        let (log_columns, log_rows, count);
        if bits.flag()? {
            log_columns = increments(bits, least_columns, tile_log2(1, columns.min(MAX_COUNT)))?;
            let across = uniform(columns, log_columns);
            log_rows = increments(bits, least.saturating_sub(log_columns), tile_log2(1, rows.min(MAX_COUNT)))?;
            count = (across, uniform(rows, log_rows));
        } else {
            let (across, widest) = explicit(bits, columns, max_width)?;
            let area = if least > 0 { (rows * columns) >> (least + 1) } else { rows * columns };
            let (down, _) = explicit(bits, rows, (area / widest.max(1)).max(1))?;
            (log_columns, log_rows) = (tile_log2(1, across), tile_log2(1, down));
            count = (across, down);
        }
        let number_bits = log_columns + log_rows;
        let mut size_bytes = 1;
        if number_bits > 0 {
            bits.skip(number_bits)?; // context_update_tile_id
            size_bytes = usize::try_from(bits.take(2)?).unwrap_or(0) + 1;
        }
        Ok(Self { count: count.0 * count.1, number_bits, size_bytes })
    }

    /// The tiles of the group that `group` holds, as stretches of the sample in which `group` ends at `end`. Returns whether the group
    /// is the last of its frame.
    pub fn group(&self, group: Reader<'_>, end: usize, found: &mut Vec<Range<usize>>) -> Result<bool> {
        let mut bits = Bits::new(group);
        let (mut first, mut last) = (0, self.count.saturating_sub(1));
        if self.count > 1 && bits.flag()? {
            (first, last) = (bits.take(self.number_bits)?, bits.take(self.number_bits)?);
        }
        let mut rest = bits.aligned();
        if first > last || last >= self.count {
            let message = format!("a group holds the tiles {first} to {last} of a frame with {}", self.count);
            return Err(Error::malformed(message).at(rest.position()).by("AV1 6.10.1"));
        }
        for number in first..=last {
            let length = if number == last {
                rest.remaining()
            } else {
                rest.take(self.size_bytes)?.iter().rev().fold(0usize, |size, byte| (size << 8) | usize::from(*byte)) + 1
            };
            let start = end.saturating_sub(rest.remaining());
            rest.skip(length)?;
            found.push(start..start.saturating_add(length));
        }
        Ok(last + 1 == self.count)
    }
}

/// `tile_log2`: how often `block` must be doubled to reach `target`.
fn tile_log2(block: u32, target: u32) -> u32 {
    (0..31).find(|log| u64::from(block) << log >= u64::from(target)).unwrap_or(31)
}

/// A number from `least` to `most`, told one by one.
fn increments(bits: &mut Bits<'_>, least: u32, most: u32) -> Result<u32> {
    let mut value = least;
    while value < most && bits.flag()? {
        value += 1;
    }
    Ok(value)
}

/// How many tiles of equal length fill `length` where it is divided by `1 << log`, rounded up.
fn uniform(length: u32, log: u32) -> u32 {
    let tile = length.div_ceil(1 << log.min(30)).max(1);
    length.div_ceil(tile)
}

/// Tiles whose lengths are told; how many, and the longest.
fn explicit(bits: &mut Bits<'_>, length: u32, most: u32) -> Result<(u32, u32)> {
    let (mut count, mut widest, mut start) = (0, 0, 0);
    while start < length && count < MAX_COUNT {
        let size = non_symmetric(bits, most.min(length - start))? + 1;
        widest = widest.max(size);
        start += size;
        count += 1;
    }
    Ok((count, widest))
}

/// `ns(n)` (4.10.7): a number below `count`.
pub fn non_symmetric(bits: &mut Bits<'_>, count: u32) -> Result<u32> {
    let width = count.checked_ilog2().map_or(0, |log| log + 1);
    let shorter = (1u32 << width) - count;
    let value = bits.take(width.saturating_sub(1))?;
    if value < shorter {
        return Ok(value);
    }
    Ok((value << 1) - shorter + bits.take(1)?)
}
