//! The columns of a sample table, each in the form that takes the least memory.

use alloc::vec::Vec;

/// From sample `first` on, samples have the description `index`; without an entry all have the first. Two columns, as for chunks.
#[derive(Clone, Debug, Default)]
pub struct Descriptions {
    pub first: Vec<u32>,
    pub index: Vec<u8>,
}

impl Descriptions {
    pub fn memory(&self) -> usize {
        size_of_val(self.first.as_slice()) + size_of_val(self.index.as_slice())
    }
}

#[derive(Clone, Debug)]
pub enum Sizes {
    Constant { size: u32, count: u32 },
    Each(Vec<u32>),
}

impl Sizes {
    /// Number of samples.
    pub fn count(&self) -> u32 {
        match self {
            Self::Constant { count, .. } => *count,
            Self::Each(sizes) => u32::try_from(sizes.len()).unwrap_or(u32::MAX), // the builder stops before
        }
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Self::Each(Vec::new())
    }
}

/// From sample `first` on, each lasts `delta` ticks; `first` is decoded at `start`.
#[derive(Clone, Copy, Debug)]
pub struct DecodeRun {
    pub first: u32,
    pub delta: u32,
    pub start: u64,
}

/// From sample `first` on, composition is `offset` ticks after decoding.
#[derive(Clone, Copy, Debug)]
pub struct CompositionRun {
    pub first: u32,
    pub offset: i32,
}

/// Composition offsets: as runs, or for each sample where that takes less.
#[derive(Clone, Debug)]
pub enum Composition {
    Runs(Vec<CompositionRun>),
    Each(Vec<i32>),
}

impl Default for Composition {
    fn default() -> Self {
        Self::Runs(Vec::new())
    }
}

impl Composition {
    /// The run that sample `number` is in, as a place to go on from.
    pub fn place(&self, number: u32) -> usize {
        match self {
            Self::Runs(runs) => runs.partition_point(|run| run.first <= number).saturating_sub(1),
            Self::Each(_) => 0,
        }
    }

    /// The offset of sample `number`; `place` is moved on to its run, from that of a sample before it.
    pub fn offset(&self, number: u32, place: &mut usize) -> i32 {
        match self {
            Self::Runs(runs) => {
                while runs.get(*place + 1).is_some_and(|run| run.first <= number) {
                    *place += 1;
                }
                runs.get(*place).map_or(0, |run| run.offset)
            }
            Self::Each(offsets) => usize::try_from(number).ok().and_then(|index| offsets.get(index).copied()).unwrap_or(0),
        }
    }
}

/// From sample `first` on, samples follow each other from a byte of the input: three columns, so that nothing is lost to alignment.
#[derive(Clone, Debug, Default)]
pub struct Chunks {
    first: Vec<u32>,
    low: Vec<u32>,
    high: Vec<u16>,
}

/// Positions from here on, 256 TiB, are all the same: behind the end of any file.
const FAR: u64 = (1 << 48) - 1;

impl Chunks {
    pub fn reserve(&mut self, count: usize) {
        self.first.reserve(count);
        self.low.reserve(count);
        self.high.reserve(count);
    }

    pub fn shrink_to_fit(&mut self) {
        self.first.shrink_to_fit();
        self.low.shrink_to_fit();
        self.high.shrink_to_fit();
    }

    pub fn push(&mut self, first: u32, offset: u64) {
        let offset = offset.min(FAR);
        self.first.push(first);
        self.low.push(u32::try_from(offset & 0xffff_ffff).unwrap_or(0));
        self.high.push(u16::try_from(offset >> 32).unwrap_or(0));
    }

    /// The chunk that sample `number` is in.
    pub fn place(&self, number: u32) -> usize {
        self.first.partition_point(|first| *first <= number).saturating_sub(1)
    }

    /// First sample and position of a chunk.
    pub fn get(&self, index: usize) -> Option<(u32, u64)> {
        let (low, high) = (self.low.get(index)?, self.high.get(index)?);
        Some((*self.first.get(index)?, (u64::from(*high) << 32) | u64::from(*low)))
    }

    pub fn memory(&self) -> usize {
        size_of_val(self.first.as_slice()) + size_of_val(self.low.as_slice()) + size_of_val(self.high.as_slice())
    }
}
