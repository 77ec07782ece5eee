//! Samples, and the compact table that holds those of a track: runs where the source has runs, four bytes where it has sizes.

use alloc::{format, vec::Vec};
use core::ops::Range;

use crate::error::{Error, Result};

/// One sample: when it is decoded and composed, how long it lasts, where its bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Decoding time in ticks of the track.
    pub decode_time: u64,
    /// Ticks of the track until the next sample is decoded.
    pub duration: u32,
    /// Composition time less decoding time, in ticks of the track.
    pub composition_offset: i32,
    /// Whether decoding can begin here.
    pub sync: bool,
    /// Byte of the input where it begins.
    pub offset: u64,
    /// Bytes.
    pub size: u32,
}

impl Sample {
    /// Composition time in ticks of the track, before the edit list.
    pub fn composition_time(&self) -> i64 {
        i64::try_from(self.decode_time).unwrap_or(i64::MAX).saturating_add(self.composition_offset.into())
    }

    /// The bytes of the sample in the input.
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.size.into())
    }
}

/// The samples of a track, in decoding order.
///
/// Times are runs, found by binary search; positions are kept a chunk, at most [`CHUNK`] samples long, so that any sample is reached in
/// a bounded number of steps.
#[derive(Clone, Debug, Default)]
pub struct SampleTable {
    sizes: Sizes,
    decode: Vec<DecodeRun>,
    composition: Vec<CompositionRun>,
    chunks: Vec<Chunk>,
    /// Numbers of the sync samples from 0, ascending; `None`: all are.
    sync: Option<Vec<u32>>,
}

/// The most samples that one entry of the position table covers.
pub const CHUNK: u32 = 256;

#[derive(Clone, Debug)]
enum Sizes {
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
struct DecodeRun {
    first: u32,
    delta: u32,
    start: u64,
}

/// From sample `first` on, composition is `offset` ticks after decoding.
#[derive(Clone, Copy, Debug)]
struct CompositionRun {
    first: u32,
    offset: i32,
}

/// From sample `first` on, samples follow each other from byte `offset`.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    first: u32,
    offset: u64,
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

/// Fills a [`SampleTable`]: each column on its own from the runs of a progressive file, or sample by sample from fragments.
#[derive(Clone, Debug, Default)]
pub struct SampleTableBuilder {
    table: SampleTable,
    /// Decoding time of the next sample.
    end: u64,
    /// End of the data of the last chunk, and the number of samples in it.
    data: (u64, u32),
}

impl SampleTableBuilder {
    /// One size for all `count` samples.
    pub fn constant_size(&mut self, size: u32, count: u32) {
        self.table.sizes = Sizes::Constant { size, count };
    }

    /// The size of each sample.
    pub fn sizes(&mut self, sizes: impl Iterator<Item = u32>) {
        self.table.sizes = Sizes::Each(sizes.collect());
    }

    /// Makes room for `chunks` calls of [`chunk`](Self::chunk) and `compositions` of [`composition_run`](Self::composition_run).
    pub fn reserve(&mut self, chunks: usize, compositions: usize) {
        self.table.chunks.reserve(chunks);
        self.table.composition.reserve(compositions);
    }

    /// The next `count` samples from sample `first` on last `delta` ticks each; adds up the decoding times.
    pub fn decode_run(&mut self, first: u32, count: u32, delta: u32) {
        if self.table.decode.last().is_none_or(|last| last.delta != delta) {
            self.table.decode.push(DecodeRun { first, delta, start: self.end });
        }
        self.end = self.end.saturating_add(u64::from(count) * u64::from(delta));
    }

    /// From sample `first` on, composition is `offset` ticks after decoding.
    pub fn composition_run(&mut self, first: u32, offset: i32) {
        if self.table.composition.last().map_or(0, |last| last.offset) != offset {
            if self.table.composition.is_empty() && first > 0 {
                self.table.composition.push(CompositionRun { first: 0, offset: 0 });
            }
            self.table.composition.push(CompositionRun { first, offset });
        }
    }

    /// The `count` samples from `first` on stand at byte `offset` and behind it. Returns the end of their data.
    pub fn chunk(&mut self, first: u32, count: u32, offset: u64) -> u64 {
        // Where all sizes are the same a position is one multiplication away, so no steps are needed.
        let longest = if matches!(self.table.sizes, Sizes::Each(_)) { CHUNK } else { u32::MAX };
        let (mut first, mut offset) = (first, offset);
        let end = first.saturating_add(count);
        while first < end {
            self.table.chunks.push(Chunk { first, offset });
            let step = first.saturating_add(longest).min(end);
            offset = offset.saturating_add(self.table.bytes_of(first..step));
            first = step;
        }
        offset
    }

    /// Only the samples of these numbers, from 0 and ascending, are sync samples.
    pub fn sync(&mut self, numbers: Vec<u32>) {
        self.table.sync = Some(numbers);
    }

    /// Decoding time of the next sample, in ticks.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Number of samples so far.
    pub fn len(&self) -> u32 {
        self.table.len()
    }

    /// Whether there is no sample yet.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Adds one sample at the end.
    ///
    /// The sample before lasts until this one is decoded, whatever it said: a gap or an overlap between fragments is kept by the only
    /// means that a run of samples has. A decoding time before that of the last sample is [`Error::malformed`].
    pub fn push(&mut self, sample: &Sample) -> Result<()> {
        let number = self.table.len();
        if number == u32::MAX {
            return Err(Error::unsupported("more than 2^32 samples in a track"));
        }
        if number == 0 {
            self.end = sample.decode_time;
        } else if sample.decode_time != self.end {
            self.last_lasts_until(sample.decode_time)?;
        }
        self.decode_run(number, 1, sample.duration);
        self.composition_run(number, sample.composition_offset);
        if sample.offset != self.data.0 || self.data.1 == CHUNK || number == 0 {
            self.table.chunks.push(Chunk { first: number, offset: sample.offset });
            self.data.1 = 0;
        }
        self.data = (sample.range().end, self.data.1 + 1);
        self.push_sync(number, sample.sync);
        match &mut self.table.sizes {
            Sizes::Each(sizes) => sizes.push(sample.size),
            Sizes::Constant { size, count } => {
                let mut sizes: Vec<u32> = core::iter::repeat_n(*size, usize::try_from(*count).unwrap_or(0)).collect();
                sizes.push(sample.size);
                self.table.sizes = Sizes::Each(sizes);
            }
        }
        Ok(())
    }

    fn push_sync(&mut self, number: u32, sync: bool) {
        match (&mut self.table.sync, sync) {
            (Some(numbers), true) => numbers.push(number),
            (None, false) => self.table.sync = Some((0..number).collect()),
            _ => {}
        }
    }

    fn last_lasts_until(&mut self, time: u64) -> Result<()> {
        let last = self.table.len().saturating_sub(1);
        let Some(run) = self.table.decode.last_mut() else { return Ok(()) };
        let start = run.start.saturating_add(u64::from(run.delta) * u64::from(last - run.first));
        let delta = time.checked_sub(start).ok_or_else(|| {
            Error::malformed(format!("decoding goes back from tick {start} to tick {time}")).by("ISO/IEC 14496-12 8.8.12")
        })?;
        let delta = u32::try_from(delta).map_err(|_| Error::unsupported(format!("a gap of {delta} ticks between two samples")))?;
        self.end = time;
        if run.first == last {
            run.delta = delta;
        } else {
            self.table.decode.push(DecodeRun { first: last, delta, start });
        }
        Ok(())
    }

    /// The table.
    pub fn finish(self) -> SampleTable {
        let mut table = self.table;
        table.decode.shrink_to_fit();
        table.composition.shrink_to_fit();
        table.chunks.shrink_to_fit();
        if let Sizes::Each(sizes) = &mut table.sizes {
            sizes.shrink_to_fit();
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(samples: &[Sample]) -> SampleTable {
        let mut builder = SampleTableBuilder::default();
        for sample in samples {
            builder.push(sample).unwrap();
        }
        builder.finish()
    }

    fn samples(count: u32) -> Vec<Sample> {
        let mut offset = 1000;
        (0..count)
            .map(|n| {
                let sample = Sample {
                    decode_time: 500 + u64::from(n) * 40,
                    duration: 40,
                    composition_offset: [0, 80, -40][n as usize % 3],
                    sync: n % 50 == 0,
                    offset,
                    size: n % 7,
                };
                offset += u64::from(sample.size) + if n % 10 == 9 { 13 } else { 0 };
                sample
            })
            .collect()
    }

    #[test]
    fn what_goes_in_comes_out_from_any_place() {
        let samples = samples(2000);
        let table = table(&samples);
        assert_eq!(table.iter().collect::<Vec<_>>(), samples);
        for start in [0, 1, 255, 256, 257, 999, 1999, 2000] {
            assert_eq!(table.range(start..start + 300).collect::<Vec<_>>(), samples[start as usize..(start as usize + 300).min(2000)]);
        }
        for start in [0, 1, 777, 1999] {
            let times: Vec<_> = samples[start..].iter().map(|sample| (sample.composition_time(), sample.duration)).collect();
            assert_eq!(table.times(u32::try_from(start).unwrap()..2000).collect::<Vec<_>>(), times);
        }
        assert_eq!(table.span(0..2000), Some((500, 500 + 2000 * 40 + 80)));
        assert_eq!(table.span(7..7), None);
        assert_eq!(table.bytes(), samples.iter().map(|s| u64::from(s.size)).sum::<u64>());
        assert_eq!(table.duration(), 2000 * 40);
        assert_eq!(table.sync_samples().map(|(n, _)| n).collect::<Vec<_>>(), (0..2000).step_by(50).collect::<Vec<_>>());
    }

    #[test]
    fn a_gap_between_fragments_lengthens_the_sample_before_it() {
        let mut samples = samples(3);
        samples[2].decode_time += 100;
        let table = table(&samples);
        assert_eq!(table.get(1).unwrap().duration, 140);
        assert_eq!(table.get(2).unwrap(), samples[2]);
    }

    #[test]
    fn decoding_never_goes_back() {
        let mut samples = samples(3);
        samples[2].decode_time = 530;
        let mut builder = SampleTableBuilder::default();
        builder.push(&samples[0]).unwrap();
        builder.push(&samples[1]).unwrap();
        assert!(builder.push(&samples[2]).is_err());
    }

    #[test]
    fn samples_are_found_by_decoding_time() {
        let table = table(&samples(100));
        for (time, expected) in [(0, 0), (500, 0), (501, 1), (540, 1), (500 + 40 * 99, 99), (u64::MAX, 100)] {
            assert_eq!(table.first_decoded_from(time), expected, "at {time}");
        }
    }
}
