//! Filling a table: by columns from the runs of a progressive file, or sample by sample from fragments.

use alloc::{format, vec, vec::Vec};

use super::{
    CHUNK, Sample, SampleTable,
    columns::{Composition, CompositionRun, DecodeRun, Sizes},
};
use crate::error::{Error, Result};

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

    /// Only the first `count` of the sizes count.
    pub fn truncate_sizes(&mut self, count: u32) {
        match &mut self.table.sizes {
            Sizes::Constant { count: all, .. } => *all = count.min(*all),
            Sizes::Each(sizes) => sizes.truncate(usize::try_from(count).unwrap_or(usize::MAX)),
        }
    }

    /// Bytes that a sample takes at most that is added by [`push`](Self::push), has a duration of its own and no offset, and stands behind the
    /// one before.
    pub const MOST_EACH: usize = size_of::<DecodeRun>() + size_of::<u32>();

    /// Makes room for this many samples of that kind.
    pub fn reserve_each(&mut self, count: usize) {
        self.table.decode.reserve_exact(count);
        self.table.sizes = Sizes::Each(Vec::with_capacity(count));
    }

    /// Makes room for this many chunks.
    pub fn reserve(&mut self, chunks: usize) {
        self.table.chunks.reserve(chunks);
    }

    /// The next `count` samples from sample `first` on last `delta` ticks each; adds up the decoding times.
    pub fn decode_run(&mut self, first: u32, count: u32, delta: u32) {
        if self.table.decode.last().is_none_or(|last| last.delta != delta) {
            self.table.decode.push(DecodeRun { first, delta, start: self.end });
        }
        self.end = self.end.saturating_add(u64::from(count) * u64::from(delta));
    }

    /// From sample `first` on, composition is `offset` ticks after decoding.
    fn composition_run(&mut self, first: u32, offset: i32) {
        let Composition::Runs(runs) = &mut self.table.composition else { return };
        if runs.last().map_or(0, |last| last.offset) != offset {
            if runs.is_empty() && first > 0 {
                runs.push(CompositionRun { first: 0, offset: 0 });
            }
            runs.push(CompositionRun { first, offset });
        }
    }

    /// The composition offsets of all `count` samples, as runs of so many samples each. Samples behind the last run are composed when they
    /// are decoded.
    pub fn compositions(&mut self, runs: impl ExactSizeIterator<Item = (u32, i32)>, count: u32) {
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        if runs.len().saturating_mul(size_of::<CompositionRun>()) > most.saturating_mul(size_of::<i32>()) {
            let mut offsets = vec![0; most];
            let mut rest = offsets.as_mut_slice();
            for (run, offset) in runs {
                let run = usize::try_from(run).unwrap_or(usize::MAX).min(rest.len());
                let (here, behind) = rest.split_at_mut(run);
                here.fill(offset);
                rest = behind;
            }
            self.table.composition = Composition::Each(offsets);
            return;
        }
        let mut first = 0u32;
        for (run, offset) in runs.filter(|(run, _)| *run > 0) {
            if first >= count {
                break;
            }
            self.composition_run(first, offset);
            first = first.saturating_add(run);
        }
        if first > 0 && first < count {
            self.composition_run(first, 0);
        }
    }

    /// The `count` samples from `first` on stand at byte `offset` and behind it. Returns the end of their data.
    pub fn chunk(&mut self, first: u32, count: u32, offset: u64) -> u64 {
        let sizes = match &self.table.sizes {
            // Where all sizes are the same a position is one multiplication away, so no steps are needed.
            Sizes::Constant { size, .. } => {
                self.table.chunks.push(first, offset);
                return offset.saturating_add(u64::from(*size) * u64::from(count));
            }
            Sizes::Each(sizes) => sizes,
        };
        let index = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let mut sizes = sizes.get(index(first)..index(first.saturating_add(count))).unwrap_or_default();
        let (mut first, mut offset) = (first, offset);
        while !sizes.is_empty() {
            let (step, behind) = sizes.split_at(sizes.len().min(index(CHUNK)));
            self.table.chunks.push(first, offset);
            for size in step {
                offset = offset.saturating_add(u64::from(*size));
            }
            first = first.saturating_add(CHUNK);
            sizes = behind;
        }
        offset
    }

    /// How many of the samples of such a chunk, from its first on, end within `size` bytes of input.
    pub fn held(&self, first: u32, count: u32, offset: u64, size: u64) -> u32 {
        let Some(room) = size.checked_sub(offset) else { return 0 };
        let sizes = match &self.table.sizes {
            Sizes::Constant { size, .. } => return u32::try_from(room / u64::from(*size).max(1)).unwrap_or(u32::MAX).min(count),
            Sizes::Each(sizes) => sizes,
        };
        let index = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let mut end = 0u64;
        let sizes = sizes.get(index(first)..index(first.saturating_add(count))).unwrap_or_default().iter();
        let held = sizes.take_while(|size| {
            end = end.saturating_add(u64::from(**size));
            end <= room
        });
        u32::try_from(held.count()).unwrap_or(count)
    }

    /// From sample `first` on, samples have the description `index`, counted from 0.
    pub fn description_run(&mut self, first: u32, index: u8) {
        let runs = &mut self.table.descriptions;
        if runs.first.last() == Some(&first) {
            // The run before has no sample.
            runs.first.pop();
            runs.index.pop();
        }
        if runs.index.last().copied().unwrap_or(0) != index {
            if runs.index.is_empty() && first > 0 {
                runs.first.push(0);
                runs.index.push(0);
            }
            runs.first.push(first);
            runs.index.push(index);
        }
    }

    /// Only the samples of these numbers, from 0 and ascending, are sync samples.
    pub fn sync(&mut self, numbers: Vec<u32>) {
        self.table.sync = Some(numbers);
    }

    /// Decoding time of the next sample, in ticks.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Decoding time of the last sample, in ticks; none can be decoded before it.
    pub fn last_start(&self) -> Option<u64> {
        let last = self.len().checked_sub(1)?;
        self.table.decode.last().map(|run| run.start.saturating_add(u64::from(run.delta) * u64::from(last.saturating_sub(run.first))))
    }

    /// The sample `number`, counted from 0, of those there are so far.
    pub fn get(&self, number: u32) -> Option<Sample> {
        self.table.get(number)
    }

    /// The earliest composition time of the samples from `number` on, in ticks.
    pub fn earliest_from(&self, number: u32) -> Option<i64> {
        self.table.span(number..self.len()).map(|(earliest, _)| earliest)
    }

    /// Memory that the samples so far take, in bytes.
    pub fn memory(&self) -> usize {
        self.table.memory()
    }

    /// Whether every sample so far is a sync sample.
    pub fn all_sync(&self) -> bool {
        self.table.all_sync()
    }

    /// Whether no sample so far is a sync sample.
    pub fn none_sync(&self) -> bool {
        self.table.sync_count() == 0
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
        match &mut self.table.composition {
            Composition::Runs(_) => self.composition_run(number, sample.composition_offset),
            Composition::Each(offsets) => offsets.push(sample.composition_offset),
        }
        if sample.offset != self.data.0 || self.data.1 == CHUNK || number == 0 {
            self.table.chunks.push(number, sample.offset);
            self.data.1 = 0;
        }
        self.data = (sample.range().end, self.data.1 + 1);
        self.push_sync(number, sample.sync);
        match &mut self.table.sizes {
            Sizes::Each(sizes) => sizes.push(sample.size),
            Sizes::Constant { size, count } if *count == 0 || *size == sample.size => {
                *size = sample.size;
                *count += 1;
            }
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
        let start = self.last_start().unwrap_or(0);
        let Some(run) = self.table.decode.last_mut() else { return Ok(()) };
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
        let count = usize::try_from(table.len()).unwrap_or(usize::MAX);
        if let Composition::Runs(runs) = &mut table.composition {
            if size_of_val(runs.as_slice()) > count.saturating_mul(size_of::<i32>()) {
                let ends = runs.iter().skip(1).map(|run| run.first).chain([table.sizes.count()]);
                let mut offsets = Vec::with_capacity(count);
                for (run, end) in runs.iter().zip(ends) {
                    offsets.resize(usize::try_from(end).unwrap_or(usize::MAX).min(count), run.offset);
                }
                table.composition = Composition::Each(offsets);
            } else {
                runs.shrink_to_fit();
            }
        }
        table.chunks.shrink_to_fit();
        if table.descriptions.first.last().is_some_and(|first| *first >= table.len()) {
            table.descriptions.first.pop();
            table.descriptions.index.pop();
        }
        table.descriptions.first.shrink_to_fit();
        table.descriptions.index.shrink_to_fit();
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
    fn a_sample_takes_less_than_twenty_bytes_however_files_interleave() {
        let mut samples = samples(10_000);
        for (number, sample) in samples.iter_mut().enumerate() {
            sample.offset = (1 << 40) + number as u64 * 1_000_000;
        }
        let table = table(&samples);
        assert!(table.memory() < 20 * samples.len(), "{} bytes for {} samples", table.memory(), samples.len());
        assert_eq!(table.iter().collect::<Vec<_>>(), samples);
    }

    /// Samples of `moov`, then those of fragments.
    #[test]
    fn columns_are_gone_on_with_sample_by_sample() {
        let all = samples(40);
        for (runs, offsets) in [((0..20u32).map(|_| (1, 7)).collect::<Vec<_>>(), 7), ([(20, 9)].into(), 9), (Vec::new(), 0)] {
            let mut builder = SampleTableBuilder::default();
            builder.sizes(all.iter().take(20).map(|sample| sample.size));
            builder.compositions(runs.into_iter(), 20);
            builder.decode_run(0, 20, 40);
            for each in [(0, 4, 3), (12, 2, 4)] {
                let (first, samples, chunks) = each;
                for sample in (first..).step_by(samples as usize).take(chunks) {
                    assert!(builder.chunk(sample as u32, samples, all[sample].offset) > 0);
                }
            }
            for sample in &all[20..] {
                builder.push(&Sample { decode_time: sample.decode_time - 500, sync: true, ..*sample }).unwrap();
            }
            let expected = all.iter().zip(0..).map(|(sample, number)| {
                let composition_offset = if number < 20 { offsets } else { sample.composition_offset };
                Sample { decode_time: sample.decode_time - 500, sync: true, composition_offset, ..*sample }
            });
            let table = builder.finish();
            // The gaps of the data are told at chunks alone.
            let expected: Vec<_> = expected.map(|sample| (sample.composition_time(), sample.duration, sample.size)).collect();
            assert_eq!(table.iter().map(|sample| (sample.composition_time(), sample.duration, sample.size)).collect::<Vec<_>>(), expected);
            let times = expected.iter().map(|(time, duration, _)| (*time, time + i64::from(*duration)));
            assert_eq!(table.span(0..40), times.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))));
        }
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
