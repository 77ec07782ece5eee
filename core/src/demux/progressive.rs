//! `moov` with samples in it: sample tables to samples.

use alloc::{format, vec::Vec};

use super::edits;
use crate::{
    boxes::{
        FourCc,
        movie::TrackBox,
        sample_entry::read_descriptions,
        sample_table::{SampleSizes, SampleTableBoxes},
    },
    codec::{self, Media},
    error::{Error, Result},
    sample::{SampleTable, SampleTableBuilder},
    time::Timescale,
    track::Track,
};

/// A track, the samples that `moov` gives it, and the first of them that the file does not hold.
pub struct ReadTrack {
    /// The track, without its samples.
    pub track: Track,
    /// Its samples so far: fragments may add to them.
    pub samples: SampleTableBuilder,
    /// Set when samples lie behind the end of the file.
    pub truncated: Option<Error>,
}

/// Reads a track of a movie whose ticks are of scale `movie`, if it tells one, in a file of `size` bytes.
pub fn read_track(boxes: &TrackBox<'_>, movie: Option<Timescale>, size: u64) -> Result<ReadTrack> {
    let tables = &boxes.sample_table;
    let in_table = |error: Error| error.within(FourCc(*b"stbl")).within(FourCc(*b"minf")).within(FourCc(*b"mdia"));
    let build = || {
        let index = description_index(tables)?;
        let descriptions = tables.descriptions.ok_or_else(|| missing("stsd", "ISO/IEC 14496-12 8.5.2"))?;
        let entries = read_descriptions(descriptions).map_err(|e| e.within(FourCc(*b"stsd")))?;
        let entry = usize::try_from(index).ok().and_then(|index| entries.get(index.checked_sub(1)?)).ok_or_else(|| {
            Error::malformed(format!("samples name description {index}, there are {}", entries.len())).by("ISO/IEC 14496-12 8.7.4")
        })?;
        let codec = codec::describe(entry, boxes.handler).map_err(|e| e.within(FourCc(*b"stsd")))?;
        let iso = match &codec.media {
            Media::Audio(audio) => entry.iso_audio(audio.channels, audio.sample_rate).map_err(|e| e.within(FourCc(*b"stsd")))?,
            Media::Video(_) => None,
        };
        let (samples, truncated) = read_samples(tables, size)?;
        Ok((codec, iso.unwrap_or_else(|| Vec::from(entry.bytes)), samples, truncated))
    };
    let (codec, sample_entry, samples, truncated) = build().map_err(in_table)?;
    let track = Track {
        id: boxes.id,
        enabled: boxes.enabled,
        timescale: boxes.timescale,
        language: boxes.language.clone(),
        codec,
        sample_entry,
        matrix: boxes.matrix,
        dimensions: boxes.dimensions,
        shift: edits::shift(&boxes.edits, movie, boxes.timescale)?,
        samples: SampleTable::default(),
    };
    Ok(ReadTrack { track, samples, truncated })
}

fn missing(name: &str, clause: &'static str) -> Error {
    Error::malformed(format!("box '{name}' is missing")).by(clause)
}

/// The one sample description that all samples use; 1 where there are none yet.
fn description_index(tables: &SampleTableBoxes<'_>) -> Result<u32> {
    let mut indices = tables.sample_to_chunk.iter().map(|[.., a, b, c, d]| u32::from_be_bytes([*a, *b, *c, *d]));
    let Some(first) = indices.next() else { return Ok(1) };
    match indices.find(|index| *index != first) {
        Some(other) => Err(Error::unsupported(format!("samples use several sample descriptions ({first} and {other})"))
            .at(tables.sample_to_chunk.position)
            .within(FourCc(*b"stsc"))),
        None => Ok(first),
    }
}

/// The first two fields of an entry.
fn pair(entry: &[u8]) -> (u32, u32) {
    let field = |bytes: Option<&[u8; 4]>| bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let (fields, _) = entry.as_chunks::<4>();
    (field(fields.first()), field(fields.get(1)))
}

fn read_samples(tables: &SampleTableBoxes<'_>, size: u64) -> Result<(SampleTableBuilder, Option<Error>)> {
    let mut builder = SampleTableBuilder::default();
    let count = tables.sizes.count();
    match tables.sizes {
        SampleSizes::Constant { size: each, count } => {
            let needed = u64::from(each) * u64::from(count);
            if needed > size {
                // Refused before anything is sized by it: the count itself cost no bytes.
                let message = format!("{count} samples of {each} bytes need {needed} bytes, the file has {size}");
                return Err(Error::malformed(message).within(FourCc(*b"stsz")).by("ISO/IEC 14496-12 8.7.3"));
            }
            builder.constant_size(each, count);
        }
        SampleSizes::Each(table) => builder.sizes(table.iter().map(|entry| u32::from_be_bytes(*entry))),
        SampleSizes::Each16(table) => builder.sizes(table.iter().map(|entry| u16::from_be_bytes(*entry).into())),
        SampleSizes::Each8(table) => builder.sizes(table.iter().map(|[entry]| u32::from(*entry))),
    }
    // Room for what the tables hold, which is in memory already.
    builder.reserve(tables.chunk_offsets.len(), tables.composition.len());
    read_times(tables, count, &mut builder)?;
    let truncated = read_chunks(tables, count, size, &mut builder)?;
    if let Some(table) = tables.sync {
        builder.sync(read_sync(table.iter().map(|entry| u32::from_be_bytes(*entry)), count));
    }
    Ok((builder, truncated))
}

/// Sync samples by number from 0. Numbers that are out of order or out of range name nothing.
fn read_sync(numbers: impl Iterator<Item = u32>, count: u32) -> Vec<u32> {
    let mut sync: Vec<u32> = Vec::new();
    for number in numbers.filter_map(|number| number.checked_sub(1)).filter(|number| *number < count) {
        if sync.last().is_none_or(|last| *last < number) {
            sync.push(number);
        }
    }
    sync
}

fn read_times(tables: &SampleTableBoxes<'_>, count: u32, builder: &mut SampleTableBuilder) -> Result<()> {
    let mut first = 0u32;
    for (run, delta) in tables.time_to_sample.iter().map(|entry| pair(entry)) {
        let run = run.min(count - first);
        if run > 0 {
            builder.decode_run(first, run, delta);
            first += run;
        }
    }
    if first < count {
        let message = format!("durations for {first} samples, there are {count}");
        let error = Error::malformed(message).at(tables.time_to_sample.position);
        return Err(error.within(FourCc(*b"stts")).by("ISO/IEC 14496-12 8.6.1.2"));
    }
    let mut first = 0u32;
    for (run, offset) in tables.composition.iter().map(|entry| pair(entry)) {
        if first >= count {
            break;
        }
        if run > 0 {
            builder.composition_run(first, offset.cast_signed());
            first = first.saturating_add(run);
        }
    }
    if first > 0 && first < count {
        builder.composition_run(first, 0);
    }
    Ok(())
}

/// Joins `stsc` and the chunk offsets. Returns the fault of the first chunk that ends behind the file.
fn read_chunks(tables: &SampleTableBoxes<'_>, count: u32, size: u64, builder: &mut SampleTableBuilder) -> Result<Option<Error>> {
    const CLAUSE: &str = "ISO/IEC 14496-12 8.7.4";
    let chunks = u32::try_from(tables.chunk_offsets.len()).unwrap_or(u32::MAX);
    let runs = || tables.sample_to_chunk.iter().map(|entry| pair(entry));
    let ends = runs().skip(1).map(|(first_chunk, _)| first_chunk).chain([chunks.saturating_add(1)]);
    let fault = |message| Error::malformed(message).at(tables.sample_to_chunk.position).within(FourCc(*b"stsc")).by(CLAUSE);
    let mut sample = 0u32;
    let mut truncated = None;
    for ((first_chunk, per_chunk), end) in runs().zip(ends) {
        if first_chunk == 0 || end < first_chunk {
            return Err(fault(format!("chunk {end} follows chunk {first_chunk}")));
        }
        for chunk in first_chunk - 1..end - 1 {
            if sample == count {
                break;
            }
            let Some(offset) = usize::try_from(chunk).ok().and_then(|chunk| tables.chunk_offsets.get(chunk)) else {
                return Err(fault(format!("samples in chunk {}, there are {chunks}", u64::from(chunk) + 1)));
            };
            let samples = per_chunk.min(count - sample);
            let data_end = builder.chunk(sample, samples, offset);
            if data_end > size && truncated.is_none() {
                truncated = Some(
                    Error::truncated(format!(
                        "the file is cut short: samples from number {} on end at byte {data_end}, the file at byte {size}",
                        u64::from(sample) + 1
                    ))
                    .at(offset),
                );
            }
            sample += samples;
        }
    }
    if sample < count {
        return Err(fault(format!("chunks hold {sample} samples, there are {count}")));
    }
    Ok(truncated)
}
