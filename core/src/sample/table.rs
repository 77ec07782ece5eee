//! The table of a track's samples: runs where the source has runs, four bytes where it has sizes.

use alloc::vec::Vec;
use core::ops::Range;

use super::Sample;

/// The samples of a track, in decoding order.
///
/// Times are runs, found by binary search; positions are kept a chunk, at most [`CHUNK`] samples long, so that any sample is reached in
/// a bounded number of steps.
#[derive(Clone, Debug, Default)]
pub struct SampleTable {
    pub(super) sizes: Sizes,
    pub(super) decode: Vec<DecodeRun>,
    pub(super) composition: Vec<CompositionRun>,
    pub(super) chunks: Vec<Chunk>,
    /// Numbers of the sync samples from 0, ascending; `None`: all are.
    pub(super) sync: Option<Vec<u32>>,
}

/// The most samples that one entry of the position table covers.
pub const CHUNK: u32 = 256;

#[derive(Clone, Debug)]
pub(super) enum Sizes {
    Constant { size: u32, count: u32 },
    Each(Vec<u32>),
}

impl Default for Sizes {
    fn default() -> Self {
        Self::Each(Vec::new())
    }
}

/// From sample `first` on, each lasts `delta` ticks; `first` is decoded at `start`.
#[derive(Clone, Copy, Debug)]
pub(super) struct DecodeRun {
    pub first: u32,
    pub delta: u32,
    pub start: u64,
}

/// From sample `first` on, composition is `offset` ticks after decoding.
#[derive(Clone, Copy, Debug)]
pub(super) struct CompositionRun {
    pub first: u32,
    pub offset: i32,
}

/// From sample `first` on, samples follow each other from byte `offset`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub first: u32,
    pub offset: u64,
}

impl SampleTable {
    /// Number of samples.
    pub fn len(&self) -> u32 {
        match &self.sizes {
            Sizes::Constant { count, .. } => *count,
            Sizes::Each(sizes) => u32::try_from(sizes.len()).unwrap_or(u32::MAX), // the builder stops before
        }
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ticks from the first decoding time to the end of the last sample.
    pub fn duration(&self) -> u64 {
        let Some((first, last)) = self.decode.first().zip(self.decode.last()) else { return 0 };
        let last_run = u64::from(self.len().saturating_sub(last.first)) * u64::from(last.delta);
        last.start.saturating_add(last_run).saturating_sub(first.start)
    }

    /// Sum of the sizes, in bytes.
    pub fn bytes(&self) -> u64 {
        match &self.sizes {
            Sizes::Constant { size, count } => u64::from(*size) * u64::from(*count),
            Sizes::Each(sizes) => sizes.iter().map(|size| u64::from(*size)).sum(),
        }
    }

    /// Heap memory that the table takes, in bytes.
    pub fn memory(&self) -> usize {
        let sizes = match &self.sizes {
            Sizes::Constant { .. } => 0,
            Sizes::Each(sizes) => size_of_val(sizes.as_slice()),
        };
        sizes
            + size_of_val(self.decode.as_slice())
            + size_of_val(self.composition.as_slice())
            + size_of_val(self.chunks.as_slice())
            + self.sync.as_deref().map_or(0, size_of_val)
    }

    /// The duration that most samples have, in ticks, and how many have it.
    pub fn commonest_duration(&self) -> Option<(u32, u32)> {
        let mut counts: Vec<(u32, u32)> = Vec::new();
        let ends = self.decode.iter().skip(1).map(|run| run.first).chain([self.len()]);
        for (run, end) in self.decode.iter().zip(ends) {
            let count = end.saturating_sub(run.first);
            // A few rates cover any real file; beyond them the answer is "variable" anyway.
            if let Some((_, sum)) = counts.iter_mut().find(|(delta, _)| *delta == run.delta) {
                *sum = sum.saturating_add(count);
            } else if counts.len() < 16 {
                counts.push((run.delta, count));
            }
        }
        counts.into_iter().max_by_key(|(_, count)| *count)
    }

    /// Whether every sample is a sync sample.
    pub fn all_sync(&self) -> bool {
        self.sync.is_none()
    }

    /// The sync samples, in order, with their numbers from 0.
    pub fn sync_samples(&self) -> impl Iterator<Item = (u32, Sample)> + '_ {
        let all = (0..).zip(self.range(0..if self.sync.is_none() { self.len() } else { 0 }));
        let listed = self.sync.iter().flatten().copied();
        all.chain(listed.filter_map(|number| Some((number, self.get(number)?))))
    }

    /// The sample `number`, counted from 0.
    pub fn get(&self, number: u32) -> Option<Sample> {
        self.range(number..number.saturating_add(1)).next()
    }

    /// The first sample that is decoded at `time` or later; the length of the table if none is.
    pub fn first_decoded_from(&self, time: u64) -> u32 {
        let run = self.decode.partition_point(|run| run.start <= time).saturating_sub(1);
        let Some(found) = self.decode.get(run) else { return 0 };
        let Some(within) = time.checked_sub(found.start) else { return found.first };
        let end = self.decode.get(run.saturating_add(1)).map_or(self.len(), |next| next.first);
        let steps = if found.delta == 0 { 0 } else { within.div_ceil(found.delta.into()) };
        u32::try_from(steps).map_or(end, |steps| found.first.saturating_add(steps).min(end))
    }

    /// The samples whose numbers, counted from 0, are in `numbers`.
    pub fn range(&self, numbers: Range<u32>) -> Samples<'_> {
        let end = numbers.end.min(self.len());
        let next = numbers.start.min(end);
        let decode = self.decode.partition_point(|run| run.first <= next).saturating_sub(1);
        let composition = self.composition.partition_point(|run| run.first <= next).saturating_sub(1);
        let chunk = self.chunks.partition_point(|chunk| chunk.first <= next).saturating_sub(1);
        let sync = self.sync.as_deref().map_or(0, |sync| sync.partition_point(|number| *number < next));
        let offset = self.chunks.get(chunk).map_or(0, |chunk| chunk.offset.saturating_add(self.bytes_of(chunk.first..next)));
        Samples { table: self, next, end, decode, composition, chunk, sync, offset }
    }

    /// When the samples whose numbers are in `numbers` are composed, and how long they last, in ticks: what [`range`](Self::range) tells
    /// too, but found without looking at positions and sizes.
    pub fn times(&self, numbers: Range<u32>) -> impl Iterator<Item = (i64, u32)> + '_ {
        let end = numbers.end.min(self.len());
        let next = numbers.start.min(end);
        let mut decode = self.decode.iter().skip(self.decode.partition_point(|run| run.first <= next).saturating_sub(1)).peekable();
        let mut composition =
            self.composition.iter().skip(self.composition.partition_point(|run| run.first <= next).saturating_sub(1)).peekable();
        let (mut run, mut offset) = (decode.next().copied(), composition.next().map_or(0, |run| run.offset));
        (next..end).map_while(move |number| {
            if let Some(next) = decode.next_if(|run| run.first <= number) {
                run = Some(*next);
            }
            if let Some(next) = composition.next_if(|run| run.first <= number) {
                offset = next.offset;
            }
            let DecodeRun { first, delta, start } = run?;
            let decode_time = start.saturating_add(u64::from(delta) * u64::from(number - first));
            Some((i64::try_from(decode_time).unwrap_or(i64::MAX).saturating_add(offset.into()), delta))
        })
    }

    /// The earliest composition time of the samples whose numbers are in `numbers`, and the latest end, in ticks; `None` for no sample.
    pub fn span(&self, numbers: Range<u32>) -> Option<(i64, i64)> {
        let fold = |times: &mut dyn Iterator<Item = (i64, u32)>| {
            times.fold(None, |span: Option<(i64, i64)>, (time, duration)| {
                let end = time.saturating_add(duration.into());
                Some(span.map_or((time, end), |(first, last)| (first.min(time), last.max(end))))
            })
        };
        if self.composition.len() <= 1 {
            // Composed in decoding order: the first and the last tell.
            let last = numbers.end.min(self.len()).saturating_sub(1).max(numbers.start);
            return fold(&mut self.times(numbers.start..numbers.start.saturating_add(1)).chain(self.times(last..numbers.end)));
        }
        fold(&mut self.times(numbers))
    }

    /// All samples.
    pub fn iter(&self) -> Samples<'_> {
        self.range(0..self.len())
    }

    /// Sum of the sizes of the samples in `numbers`, in bytes.
    pub fn bytes_of(&self, numbers: Range<u32>) -> u64 {
        match &self.sizes {
            Sizes::Constant { size, .. } => u64::from(*size) * u64::from(numbers.end.saturating_sub(numbers.start)),
            Sizes::Each(sizes) => {
                let range = usize::try_from(numbers.start).unwrap_or(usize::MAX)..usize::try_from(numbers.end).unwrap_or(usize::MAX);
                sizes.get(range).map_or(0, |sizes| sizes.iter().map(|size| u64::from(*size)).sum())
            }
        }
    }

    fn size(&self, number: u32) -> u32 {
        match &self.sizes {
            Sizes::Constant { size, .. } => *size,
            Sizes::Each(sizes) => usize::try_from(number).ok().and_then(|index| sizes.get(index).copied()).unwrap_or(0),
        }
    }
}

impl<'a> IntoIterator for &'a SampleTable {
    type Item = Sample;
    type IntoIter = Samples<'a>;

    fn into_iter(self) -> Samples<'a> {
        self.iter()
    }
}

/// Walks over samples; made by [`SampleTable::range`].
#[derive(Clone, Debug)]
pub struct Samples<'a> {
    table: &'a SampleTable,
    next: u32,
    end: u32,
    decode: usize,
    composition: usize,
    chunk: usize,
    sync: usize,
    offset: u64,
}

impl Iterator for Samples<'_> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        if self.next >= self.end {
            return None;
        }
        let (table, number) = (self.table, self.next);
        self.next = number.saturating_add(1);
        while table.decode.get(self.decode + 1).is_some_and(|run| run.first <= number) {
            self.decode += 1;
        }
        while table.composition.get(self.composition + 1).is_some_and(|run| run.first <= number) {
            self.composition += 1;
        }
        if let Some(chunk) = table.chunks.get(self.chunk + 1).filter(|chunk| chunk.first <= number) {
            self.chunk += 1;
            self.offset = chunk.offset;
        }
        let run = table.decode.get(self.decode)?;
        let sync = match &table.sync {
            None => true,
            Some(numbers) => {
                let sync = numbers.get(self.sync) == Some(&number);
                self.sync += usize::from(sync);
                sync
            }
        };
        let size = table.size(number);
        let sample = Sample {
            decode_time: run.start.saturating_add(u64::from(run.delta) * u64::from(number - run.first)),
            duration: run.delta,
            composition_offset: table.composition.get(self.composition).map_or(0, |run| run.offset),
            sync,
            offset: self.offset,
            size,
        };
        self.offset = self.offset.saturating_add(size.into());
        Some(sample)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.end.saturating_sub(self.next)).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}
