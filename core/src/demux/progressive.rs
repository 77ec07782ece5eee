//! `moov` with samples in it: sample tables to samples.
//!
//! Tables that do not agree with each other are read as far as they do, as all players read them; each disagreement is told.

use alloc::{format, vec::Vec};
use core::ops::Range;

use super::{Faults, builder::TrackBuilder};
use crate::{
    boxes::{
        FourCc,
        sample_table::{SampleSizes, SampleTableBoxes},
    },
    coding::number,
    error::{Error, Result},
    order,
    sample::{SampleTable, SampleTableBuilder},
};

/// Places where a track goes on behind samples that the file does not hold; behind the last of them it ends.
const MOST_HOLES: usize = 64;

/// Gives `track` the samples that `moov` tells of it and that a file of `size` bytes holds.
pub fn read_samples(tables: &SampleTableBoxes<'_>, size: u64, track: &mut TrackBuilder, faults: &mut Faults) -> Result<()> {
    let announced = tables.sizes.count();
    if matches!(tables.sizes, SampleSizes::Each4(..)) && u64::from(announced) > size {
        // A size of four bits takes four bytes here.
        return Err(Error::malformed(format!("{announced} samples in a file of {size} bytes"))
            .within(FourCc(*b"stz2"))
            .by("ISO/IEC 14496-12 8.7.3"));
    }
    let mut builder = SampleTableBuilder::default();
    read_sizes(&tables.sizes, &mut builder);
    // Room for what the table holds, which is in memory already.
    builder.reserve(tables.chunk_offsets.len());
    let (count, there) = read_chunks(tables, size, track, &mut builder);
    if count < announced {
        let fault = Error::malformed(format!("chunks hold {count} samples, there are {announced}"));
        faults.note(fault.at(tables.sample_to_chunk.position).within(FourCc(*b"stsc")).by("ISO/IEC 14496-12 8.7.4"));
        builder.truncate_sizes(count);
    }
    if count == 0 {
        return Ok(());
    }
    read_times(tables, count, &mut builder, faults)?;
    if let Some(table) = tables.sync {
        builder.sync(read_sync(table.iter().map(|entry| number(*entry)), count));
    }
    let held: u32 = there.iter().map(|range| range.end.saturating_sub(range.start)).sum();
    if let SampleSizes::Constant { size: each, .. } = tables.sizes {
        let needed = u64::from(each) * u64::from(held);
        if needed > size {
            // Chunks that name the same bytes again and again: the count itself cost no bytes.
            let message = format!("{held} samples of {each} bytes need {needed} bytes, the file has {size}");
            return Err(Error::malformed(message).within(FourCc(*b"stsz")).by("ISO/IEC 14496-12 8.7.3"));
        }
    }
    track.samples = if held < count { keep(&builder.finish(), there, size, track, faults)? } else { builder };
    Ok(())
}

/// The two fields of an entry.
fn pair([first @ .., a, b, c, d]: [u8; 8]) -> (u32, u32) {
    (number(first), number([a, b, c, d]))
}

fn read_sizes(sizes: &SampleSizes<'_>, builder: &mut SampleTableBuilder) {
    match sizes {
        SampleSizes::Constant { size, count } => builder.constant_size(*size, *count),
        SampleSizes::Each(table) => builder.sizes(table.iter().map(|entry| number(*entry))),
        SampleSizes::Each16(table) => builder.sizes(table.iter().map(|entry| u16::from_be_bytes(*entry).into())),
        SampleSizes::Each8(table) => builder.sizes(table.iter().map(|[entry]| u32::from(*entry))),
        SampleSizes::Each4(table, count) => {
            let sizes = table.iter().flat_map(|[entry]| [u32::from(entry >> 4), u32::from(entry & 15)]);
            builder.sizes(sizes.take(usize::try_from(*count).unwrap_or(usize::MAX)));
        }
    }
}

/// Sync samples by number from 0. Numbers that are out of range name nothing.
fn read_sync(numbers: impl Iterator<Item = u32>, count: u32) -> Vec<u32> {
    let mut sync: Vec<u32> = numbers.filter_map(|number| number.checked_sub(1)).filter(|number| *number < count).collect();
    if !sync.is_sorted_by(|a, b| a < b) {
        sync = order::sorted(sync);
        sync.dedup();
    }
    sync
}

fn read_times(tables: &SampleTableBoxes<'_>, count: u32, builder: &mut SampleTableBuilder, faults: &mut Faults) -> Result<()> {
    let mut first = 0u32;
    let mut last = None;
    for (run, delta) in tables.time_to_sample.iter().copied().map(pair) {
        let run = run.min(count - first);
        last = Some(delta);
        if run > 0 {
            builder.decode_run(first, run, delta);
            first += run;
        }
    }
    if first < count {
        let message = format!("durations for {first} samples, there are {count}");
        let error = Error::malformed(message).at(tables.time_to_sample.position).within(FourCc(*b"stts")).by("ISO/IEC 14496-12 8.6.1.2");
        let Some(last) = last else { return Err(error) };
        faults.note(error);
        builder.decode_run(first, count - first, last);
    }
    let compositions = tables.composition.iter().copied().map(pair);
    builder.compositions(compositions.map(|(run, offset)| (run, offset.cast_signed())), count);
    Ok(())
}

/// The chunks in order, from 0, by runs: which ones, samples in each, index of their description.
///
/// A run lasts until the next one begins; the first begins at the first chunk, the last ends with the last, whatever they say.
pub fn chunk_runs(tables: &SampleTableBoxes<'_>) -> impl Iterator<Item = (Range<u32>, u32, u32)> {
    let chunks = u32::try_from(tables.chunk_offsets.len()).unwrap_or(u32::MAX);
    let table = tables.sample_to_chunk;
    let mut next = 0;
    table.iter().enumerate().map(move |(index, [_, _, _, _, rest @ ..])| {
        let end = table.get(index + 1).map_or(chunks, |[a, b, c, d, ..]| number([*a, *b, *c, *d]).saturating_sub(1).min(chunks));
        let run = next..end.max(next);
        next = run.end;
        let (samples, description) = pair(*rest);
        (run, samples, description)
    })
}

/// Joins `stsc` and the chunk offsets; returns how many of the samples are in chunks, and which of them the file holds, as ranges of their
/// numbers.
fn read_chunks(tables: &SampleTableBoxes<'_>, size: u64, track: &TrackBuilder, builder: &mut SampleTableBuilder) -> (u32, Vec<Range<u32>>) {
    let count = builder.len();
    let mut there: Vec<Range<u32>> = Vec::new();
    // Of the samples from `sample` on, so many are there.
    let mut note = |sample: u32, held: u32| {
        let more = there.len() <= MOST_HOLES;
        match there.last_mut() {
            Some(last) if last.end == sample => last.end = sample.saturating_add(held),
            _ if held > 0 && more => there.push(sample..sample.saturating_add(held)),
            _ => {}
        }
    };
    let mut sample = 0u32;
    for (chunks, per_chunk, description) in chunk_runs(tables) {
        if per_chunk == 0 || sample == count {
            continue;
        }
        builder.description_run(sample, track.description(description));
        for chunk in chunks {
            // The last of all may have fewer samples than it says.
            let samples = per_chunk.min(count - sample);
            let offset = usize::try_from(chunk).ok().and_then(|chunk| tables.chunk_offsets.get(chunk)).unwrap_or(u64::MAX);
            let end = builder.chunk(sample, samples, offset);
            note(sample, if end <= size { samples } else { builder.held(sample, samples, offset, size) });
            sample += samples;
            if sample == count {
                break;
            }
        }
    }
    (sample, there)
}

/// Keeps the samples `there` and leaves out what the file does not hold, so that what is left is whole.
///
/// Behind a hole video goes on with the next sync sample, the first that can be decoded; the sample before the hole lasts until then.
fn keep(table: &SampleTable, there: Vec<Range<u32>>, size: u64, track: &TrackBuilder, faults: &mut Faults) -> Result<SampleTableBuilder> {
    let first_lost = there.first().filter(|first| first.start == 0).map_or(0, |first| first.end);
    let mut kept = SampleTableBuilder::default();
    for range in there {
        let sync = || table.sync_numbers(range.clone()).next().unwrap_or(range.end);
        let start = if track.is_video() && range.start > 0 { sync() } else { range.start };
        for (number, sample) in (start..range.end).zip(table.range(start..range.end)) {
            kept.description_run(kept.len(), table.description(number));
            kept.push(&sample)?;
        }
    }
    let lost = table.get(first_lost).map(|sample| sample.range()).unwrap_or_default();
    let (all, id) = (table.len(), track.id());
    let what = match all.saturating_sub(kept.len()) {
        lost if lost == all => format!("it holds none of the {all} samples of track {id}"),
        lost => format!("{lost} of {all} samples of track {id} are left out"),
    };
    let number = u64::from(first_lost) + 1;
    let fault =
        Error::truncated(format!("the file is cut short: {what}; number {number} ends at byte {}, the file at byte {size}", lost.end));
    let fault = fault.at(lost.start);
    if kept.is_empty() {
        return Err(fault);
    }
    faults.note(fault);
    Ok(kept)
}
