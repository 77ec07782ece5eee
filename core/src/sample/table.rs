//! The table of a track's samples: runs where the source has runs, four bytes where it has sizes.

use alloc::vec::Vec;
use core::ops::Range;

use super::{
    Sample,
    columns::{Chunks, Composition, DecodeRun, Descriptions, Sizes},
};

/// The most samples that one entry of the position table covers.
pub const CHUNK: u32 = 256;

/// The samples of a track, in decoding order.
///
/// Times are runs, found by binary search; positions are kept a chunk, at most [`CHUNK`] samples long, so that any sample is reached in
/// a bounded number of steps. Where every sample is a chunk and a run of its own, as ffmpeg interleaves pictures that are reordered, a
/// sample takes 18 bytes.
#[derive(Clone, Debug, Default)]
pub struct SampleTable {
    pub(super) sizes: Sizes,
    pub(super) decode: Vec<DecodeRun>,
    pub(super) composition: Composition,
    pub(super) chunks: Chunks,
    /// Numbers of the sync samples from 0, ascending; `None`: all are.
    pub(super) sync: Option<Vec<u32>>,
    pub(super) descriptions: Descriptions,
}

impl SampleTable {
    /// Number of samples.
    pub fn len(&self) -> u32 {
        self.sizes.count()
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
            + match &self.composition {
                Composition::Runs(runs) => size_of_val(runs.as_slice()),
                Composition::Each(offsets) => size_of_val(offsets.as_slice()),
            }
            + self.chunks.memory()
            + self.sync.as_deref().map_or(0, size_of_val)
            + self.descriptions.memory()
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

    /// Which description the sample `number` has, counted from 0.
    pub fn description(&self, number: u32) -> u8 {
        let run = self.descriptions.first.partition_point(|first| *first <= number).checked_sub(1);
        run.and_then(|run| self.descriptions.index.get(run).copied()).unwrap_or(0)
    }

    /// The samples in `numbers`, but for the first, that have another description than the one before them, in order.
    pub fn description_changes(&self, numbers: Range<u32>) -> impl Iterator<Item = u32> + '_ {
        let after = self.descriptions.first.partition_point(|first| *first <= numbers.start);
        self.descriptions.first.iter().skip(after).copied().take_while(move |number| *number < numbers.end)
    }

    /// The description of each run of samples that have the same, in order.
    pub(crate) fn description_indices(&self) -> impl Iterator<Item = u8> + '_ {
        let implied = (self.descriptions.index.is_empty() && !self.is_empty()).then_some(0);
        implied.into_iter().chain(self.descriptions.index.iter().copied())
    }

    /// Gives the descriptions other numbers.
    pub(crate) fn map_descriptions(&mut self, number: impl Fn(u8) -> usize) {
        for index in &mut self.descriptions.index {
            *index = u8::try_from(number(*index)).unwrap_or(0);
        }
        if self.descriptions.index.iter().all(|index| *index == 0) {
            self.descriptions = Descriptions::default();
        }
    }

    /// Whether every sample is a sync sample.
    pub fn all_sync(&self) -> bool {
        self.sync.is_none()
    }

    /// How many samples are sync samples.
    pub fn sync_count(&self) -> usize {
        self.sync.as_ref().map_or_else(|| usize::try_from(self.len()).unwrap_or(usize::MAX), Vec::len)
    }

    /// The sync samples, in order, with their numbers from 0.
    pub fn sync_samples(&self) -> impl Iterator<Item = (u32, Sample)> + '_ {
        let all = (0..).zip(self.range(0..if self.sync.is_none() { self.len() } else { 0 }));
        let listed = self.sync.iter().flatten().copied();
        all.chain(listed.filter_map(|number| Some((number, self.get(number)?))))
    }

    /// The numbers of the sync samples that are in `numbers`, in order.
    pub fn sync_numbers(&self, numbers: Range<u32>) -> impl Iterator<Item = u32> + '_ {
        let end = numbers.end.min(self.len());
        let all = if self.sync.is_none() { numbers.start..end } else { 0..0 };
        let listed = self.sync.as_deref().unwrap_or_default();
        let first = listed.partition_point(|number| *number < numbers.start);
        all.chain(listed.iter().skip(first).copied().take_while(move |number| *number < end))
    }

    /// The duration of all samples in `numbers`, if it is the same; like the two below found without looking at each where runs tell.
    pub fn constant_duration(&self, numbers: Range<u32>) -> Option<u32> {
        let first = self.decode.partition_point(|run| run.first <= numbers.start).saturating_sub(1);
        let mut runs = self.decode.iter().skip(first).take_while(|run| run.first < numbers.end).map(|run| run.delta);
        let delta = runs.next()?;
        runs.all(|other| other == delta).then_some(delta)
    }

    /// The size of all samples in `numbers`, if it is the same.
    pub fn constant_size(&self, numbers: Range<u32>) -> Option<u32> {
        match &self.sizes {
            Sizes::Constant { size, .. } => Some(*size),
            Sizes::Each(sizes) => {
                let range = usize::try_from(numbers.start).ok()?..usize::try_from(numbers.end).ok()?;
                let (size, rest) = sizes.get(range)?.split_first()?;
                rest.iter().all(|other| other == size).then_some(*size)
            }
        }
    }

    /// Whether any sample in `numbers` is composed at another time than it is decoded.
    pub fn is_reordered(&self, numbers: Range<u32>) -> bool {
        match &self.composition {
            Composition::Runs(runs) => {
                let first = runs.partition_point(|run| run.first <= numbers.start).saturating_sub(1);
                runs.iter().skip(first).take_while(|run| run.first < numbers.end).any(|run| run.offset != 0)
            }
            Composition::Each(offsets) => {
                let range = usize::try_from(numbers.start).unwrap_or(usize::MAX)..usize::try_from(numbers.end).unwrap_or(usize::MAX);
                offsets.get(range).unwrap_or_default().iter().any(|offset| *offset != 0)
            }
        }
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
        // Samples that last no time are all decoded when the run starts.
        let steps = if found.delta == 0 { u64::from(within > 0) * u64::MAX } else { within.div_ceil(found.delta.into()) };
        u32::try_from(steps).map_or(end, |steps| found.first.saturating_add(steps).min(end))
    }

    /// The samples whose numbers, counted from 0, are in `numbers`.
    pub fn range(&self, numbers: Range<u32>) -> Samples<'_> {
        let end = numbers.end.min(self.len());
        let next = numbers.start.min(end);
        let decode = self.decode.partition_point(|run| run.first <= next).saturating_sub(1);
        let composition = self.composition.place(next);
        let chunk = self.chunks.place(next);
        let sync = self.sync.as_deref().map_or(0, |sync| sync.partition_point(|number| *number < next));
        let offset = self.chunks.get(chunk).map_or(0, |(first, offset)| offset.saturating_add(self.bytes_of(first..next)));
        Samples { table: self, next, end, decode, composition, chunk, sync, offset }
    }

    /// When the samples whose numbers are in `numbers` are composed, and how long they last, in ticks: what [`range`](Self::range) tells
    /// too, but found without looking at positions and sizes.
    pub fn times(&self, numbers: Range<u32>) -> impl Iterator<Item = (i64, u32)> + '_ {
        let end = numbers.end.min(self.len());
        let next = numbers.start.min(end);
        let mut decode = self.decode.iter().skip(self.decode.partition_point(|run| run.first <= next).saturating_sub(1)).peekable();
        let mut composition = self.composition.place(next);
        let mut run = decode.next().copied();
        (next..end).map_while(move |number| {
            if let Some(next) = decode.next_if(|run| run.first <= number) {
                run = Some(*next);
            }
            let offset = self.composition.offset(number, &mut composition);
            let DecodeRun { first, delta, start } = run?;
            let decode_time = start.saturating_add(u64::from(delta) * u64::from(number - first));
            Some((i64::try_from(decode_time).unwrap_or(i64::MAX).saturating_add(offset.into()), delta))
        })
    }

    /// The earliest composition time of the samples whose numbers are in `numbers`, and the latest end, in ticks; `None` for no sample.
    pub fn span(&self, numbers: Range<u32>) -> Option<(i64, i64)> {
        let end = numbers.end.min(self.len());
        let mut next = numbers.start;
        let mut place = self.decode.partition_point(|run| run.first <= next).saturating_sub(1);
        let mut span: Option<(i64, i64)> = None;
        while next < end {
            let run = self.decode.get(place)?;
            place += 1;
            let until = self.decode.get(place).map_or(end, |run| run.first.min(end));
            if let Some((first, last)) = self.composed(next..until, run) {
                let last = last.saturating_add(run.delta.into());
                span = Some(span.map_or((first, last), |(earliest, latest)| (first.min(earliest), last.max(latest))));
            }
            next = until;
        }
        span
    }

    /// The earliest and the latest composition time of samples of one run. Within a run they are looked for where they can be: where the
    /// offset changes, or at each sample that has one of its own.
    fn composed(&self, numbers: Range<u32>, run: &DecodeRun) -> Option<(i64, i64)> {
        let decoded = |number: u32| {
            let time = run.start.saturating_add(u64::from(run.delta) * u64::from(number.saturating_sub(run.first)));
            i64::try_from(time).unwrap_or(i64::MAX)
        };
        let mut found: Option<(i64, i64)> = None;
        let mut note = |first: i64, last: i64| {
            found = Some(found.map_or((first, last), |(earliest, latest)| (first.min(earliest), last.max(latest))));
        };
        match &self.composition {
            Composition::Runs(runs) => {
                let (mut next, mut place) = (numbers.start, self.composition.place(numbers.start));
                while next < numbers.end {
                    let offset = i64::from(runs.get(place).map_or(0, |run| run.offset));
                    place += 1;
                    let until = runs.get(place).map_or(numbers.end, |run| run.first.min(numbers.end));
                    if next < until {
                        note(decoded(next).saturating_add(offset), decoded(until - 1).saturating_add(offset));
                    }
                    next = until;
                }
            }
            Composition::Each(offsets) => {
                let index = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
                let mut time = decoded(numbers.start);
                for offset in offsets.get(index(numbers.start)..index(numbers.end)).unwrap_or_default() {
                    let composed = time.saturating_add(i64::from(*offset));
                    note(composed, composed);
                    time = time.saturating_add(run.delta.into());
                }
            }
        }
        found
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
        if let Some((_, offset)) = table.chunks.get(self.chunk + 1).filter(|(first, _)| *first <= number) {
            self.chunk += 1;
            self.offset = offset;
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
            composition_offset: table.composition.offset(number, &mut self.composition),
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
