//! The samples of a file as the crate mp4-atom reads its boxes: nothing here shares a line with our own reader.

use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use mp4_atom::{
    Co64, Ctts, Decode, DecodeAtom, Elst, Header, Mdhd, Mfhd, Stco, Stsc, Stss, Stsz, StszSamples, Stts, Tfdt, Tfhd, Tkhd, Trex, Trun,
};

/// A sample as boxes tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Decoding time in ticks of the track.
    pub dts: i64,
    /// Composition time in ticks of the track, before the edit list.
    pub pts: i64,
    /// Ticks of the track until the next sample is decoded.
    pub duration: i64,
    /// Bytes.
    pub size: u32,
    /// Byte of the file where it begins.
    pub offset: u64,
    /// Whether decoding can begin here.
    pub sync: bool,
}

/// A track of a file.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// Ticks a second.
    pub timescale: u32,
    /// The samples, in decoding order.
    pub samples: Vec<Sample>,
}

/// `sample_is_non_sync_sample` (ISO/IEC 14496-12 8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

impl Track {
    /// Reads the track of a file that has this `track_ID`: its sample tables and all its fragments.
    pub fn read(file: &[u8], id: u32) -> Result<Self> {
        let mut track = Self::default();
        let mut defaults = Trex::default();
        for (header, content) in boxes(file)? {
            match header.kind.as_ref() {
                b"moov" => (track, defaults) = read_movie(content, id)?,
                b"moof" => track.add_fragment(content, place(file, content) - 8, id, &defaults)?,
                _ => {}
            }
        }
        // Whatever a run says of the last sample before a gap.
        track.close_gaps();
        Ok(track)
    }

    /// Leaves out the samples that a file of `size` bytes does not hold; video goes on behind them with the next sync sample, and the sample
    /// before lasts until then.
    pub fn keep_whole(&mut self, size: u64, video: bool) {
        let mut lost = false;
        self.samples.retain(|sample| {
            lost = sample.offset + u64::from(sample.size) > size || (lost && video && !sample.sync);
            !lost
        });
        self.close_gaps();
    }

    /// A sample lasts until the next one is decoded.
    fn close_gaps(&mut self) {
        for index in 1..self.samples.len() {
            let [before, after] = self.samples.get_mut(index - 1..=index).unwrap_or_default() else { continue };
            before.duration = after.dts - before.dts;
        }
    }

    fn add_fragment(&mut self, moof: &[u8], start: u64, id: u32, defaults: &Trex) -> Result<()> {
        let mut end = start;
        for (_, traf) in all(moof, *b"traf")? {
            let tfhd: Tfhd = first(traf, *b"tfhd")?.context("no tfhd")?;
            // 8.8.7.1: without a base, data counts from the moof for the first fragment, from the end of the one before for others.
            let base = tfhd.base_data_offset.unwrap_or(if tfhd.default_base_is_moof { start } else { end });
            let end_time = self.samples.last().map_or(0, |last| last.dts + last.duration);
            let mut dts = first::<Tfdt>(traf, *b"tfdt")?.map_or(Ok(end_time), |tfdt| i64::try_from(tfdt.base_media_decode_time))?;
            let mut offset = base;
            for (header, run) in all(traf, *b"trun")? {
                let run = Trun::decode_atom(&header, &mut &*run)?;
                if let Some(data) = run.data_offset {
                    offset = base.checked_add_signed(data.into()).context("data before the file")?;
                }
                for entry in &run.samples {
                    let duration = entry.duration.or(tfhd.default_sample_duration).unwrap_or(defaults.default_sample_duration).into();
                    let flags = entry.flags.or(tfhd.default_sample_flags).unwrap_or(defaults.default_sample_flags);
                    let size = entry.size.or(tfhd.default_sample_size).unwrap_or(defaults.default_sample_size);
                    // Signed in both versions, as real files of version 0 need.
                    let composition = entry.cts.map_or(0, signed);
                    if tfhd.track_id == id {
                        self.samples.push(Sample { dts, pts: dts + composition, duration, size, offset, sync: flags & NON_SYNC == 0 });
                    }
                    dts += duration;
                    offset += u64::from(size);
                }
            }
            end = offset;
        }
        Ok(())
    }
}

fn read_movie(moov: &[u8], id: u32) -> Result<(Track, Trex)> {
    let mut track = Track::default();
    for (_, trak) in all(moov, *b"trak")? {
        if first::<Tkhd>(trak, *b"tkhd")?.context("no tkhd")?.track_id != id {
            continue;
        }
        let mdia = inside(trak, *b"mdia")?.context("no mdia")?;
        track.timescale = first::<Mdhd>(mdia, *b"mdhd")?.context("no mdhd")?.timescale;
        let minf = inside(mdia, *b"minf")?.context("no minf")?;
        track.samples = read_tables(inside(minf, *b"stbl")?.context("no stbl")?)?;
    }
    ensure!(track.timescale > 0, "no track {id}");
    let mut defaults = Trex::default();
    for (header, trex) in inside(moov, *b"mvex")?.map(|mvex| all(mvex, *b"trex")).transpose()?.into_iter().flatten() {
        let trex = Trex::decode_atom(&header, &mut &*trex)?;
        if trex.track_id == id {
            defaults = trex;
        }
    }
    Ok((track, defaults))
}

fn read_tables(stbl: &[u8]) -> Result<Vec<Sample>> {
    let sizes = match first::<Stsz>(stbl, *b"stsz")?.unwrap_or_default().samples {
        StszSamples::Identical { count, size } => vec![size; count as usize],
        StszSamples::Different { sizes } => sizes,
    };
    let durations = first::<Stts>(stbl, *b"stts")?.unwrap_or_default().entries;
    let mut durations = durations.iter().flat_map(|run| std::iter::repeat_n(run.sample_delta, run.sample_count as usize));
    let compositions = first::<Ctts>(stbl, *b"ctts")?.unwrap_or_default().entries;
    let mut compositions = compositions.iter().flat_map(|run| std::iter::repeat_n(signed(run.sample_offset), run.sample_count as usize));
    let sync = first::<Stss>(stbl, *b"stss")?.map(|stss| stss.entries);
    let chunks: Vec<u64> = match first::<Stco>(stbl, *b"stco")? {
        Some(stco) => stco.entries.into_iter().map(u64::from).collect(),
        None => first::<Co64>(stbl, *b"co64")?.unwrap_or_default().entries,
    };
    let runs = first::<Stsc>(stbl, *b"stsc")?.unwrap_or_default().entries;
    let mut samples: Vec<Sample> = Vec::new();
    let mut dts = 0;
    for (number, chunk) in (1..).zip(chunks) {
        let run = runs.iter().rev().find(|run| run.first_chunk <= number).context("a chunk in no run")?;
        let mut offset = chunk;
        for _ in 0..run.samples_per_chunk {
            let Some(size) = sizes.get(samples.len()).copied() else { break };
            let duration = i64::from(durations.next().context("a sample without duration")?);
            let pts = dts + compositions.next().unwrap_or(0);
            let is_sync = sync.as_ref().is_none_or(|sync| sync.contains(&u32::try_from(samples.len() + 1).unwrap_or(0)));
            samples.push(Sample { dts, pts, duration, size, offset, sync: is_sync });
            dts += duration;
            offset += u64::from(size);
        }
    }
    ensure!(samples.len() == sizes.len(), "chunks for {} of {} samples", samples.len(), sizes.len());
    Ok(samples)
}

/// A composition offset that was read as unsigned.
fn signed(offset: i64) -> i64 {
    u32::try_from(offset).map_or(offset, |offset| offset.cast_signed().into())
}

/// A rendition that we published.
#[derive(Clone, Debug)]
pub struct Published {
    /// Ticks a second.
    pub timescale: u32,
    /// The media time at which presentation begins.
    pub media_time: i64,
    /// The samples, a list for each segment.
    pub segments: Vec<Vec<Sample>>,
}

impl Published {
    /// Reads a header and its segments, each of which must be whole, numbered in order, and hold exactly the bytes that its samples need.
    pub fn read(header: &[u8], segments: &[Vec<u8>]) -> Result<Self> {
        let whole = [&[header.to_vec()], segments].concat().concat();
        let track = Track::read(&whole, 1)?;
        let media_time = read_edit(header)?;
        let (mut end, mut told) = (header.len() as u64, 0u32);
        let mut samples = track.samples.iter().copied();
        let mut lists = Vec::new();
        for (number, bytes) in (1..).zip(segments) {
            let chunks = read_segment(bytes).with_context(|| format!("segment {number}"))?;
            let mut list = Vec::new();
            for Chunk { sequence, samples: count, payload } in chunks {
                // Ascending over all segments, whichever of them are made.
                ensure!(Some(sequence) == told.checked_add(1), "segment {number}: sequence number {sequence} after {told} samples");
                told += count;
                let (mut next, payload_end) = (end + payload.start, end + payload.end);
                for sample in samples.by_ref().take(usize::try_from(count)?) {
                    ensure!(sample.offset == next, "segment {number}: a sample at byte {}, not at {next}", sample.offset);
                    next += u64::from(sample.size);
                    list.push(sample);
                }
                ensure!(next == payload_end && count > 0, "segment {number}: {count} samples end at byte {next}, mdat at {payload_end}");
            }
            end += bytes.len() as u64;
            lists.push(list);
        }
        ensure!(samples.next().is_none(), "samples in no segment");
        Ok(Self { timescale: track.timescale, media_time, segments: lists })
    }

    /// All samples, in decoding order.
    pub fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        self.segments.iter().flatten().copied()
    }

    /// When a sample is presented, in ticks of the timeline.
    pub fn presentation_time(&self, sample: &Sample) -> i64 {
        sample.pts - self.media_time
    }

    /// When the last sample ends, in ticks of the timeline.
    pub fn end(&self) -> i64 {
        self.samples().map(|sample| self.presentation_time(&sample) + sample.duration).max().unwrap_or(0).max(0)
    }
}

/// The media time at which presentation begins, by the edit list of a header.
fn read_edit(header: &[u8]) -> Result<i64> {
    let moov = inside(header, *b"moov")?.context("no moov")?;
    let trak = inside(moov, *b"trak")?.context("no trak")?;
    let edits: Option<Elst> = inside(trak, *b"edts")?.map(|edts| first(edts, *b"elst")).transpose()?.flatten();
    let edits = edits.map(|elst| elst.entries).unwrap_or_default();
    match edits.iter().map(|edit| edit.media_time).collect::<Vec<_>>().as_slice() {
        [] => Ok(0),
        [Some(time)] => Ok(i64::try_from(*time)?),
        edits => bail!("edits {edits:?} in a header"),
    }
}

/// A chunk of a segment.
struct Chunk {
    sequence: u32,
    samples: u32,
    /// Where its payload is in the segment.
    payload: Range<u64>,
}

/// The frame of a segment: `styp`, then chunks.
fn read_segment(bytes: &[u8]) -> Result<Vec<Chunk>> {
    let boxes = boxes(bytes)?;
    let kinds: Vec<String> = boxes.iter().map(|(header, _)| header.kind.to_string()).collect();
    let (pairs, rest) = boxes.get(1..).unwrap_or_default().as_chunks::<2>();
    ensure!(kinds.first().is_some_and(|kind| kind == "styp") && !pairs.is_empty() && rest.is_empty(), "boxes {kinds:?}");
    let chunk = |[(moof_header, moof), (mdat_header, mdat)]: &[(Header, &[u8]); 2]| {
        ensure!(*moof_header.kind.as_ref() == *b"moof" && *mdat_header.kind.as_ref() == *b"mdat", "boxes {kinds:?}");
        let sequence = first::<Mfhd>(moof, *b"mfhd")?.context("no mfhd")?.sequence_number;
        let fragments = all(moof, *b"traf")?;
        let [(_, traf)] = fragments.as_slice() else { bail!("{} track fragments", fragments.len()) };
        ensure!(all(traf, *b"trun")?.len() == 1 && inside(traf, *b"tfdt")?.is_some(), "not one run and one decoding time");
        let samples = u32::try_from(first::<Trun>(traf, *b"trun")?.context("no trun")?.samples.len())?;
        let start = place(bytes, mdat);
        Ok(Chunk { sequence, samples, payload: start..start + mdat.len() as u64 })
    };
    pairs.iter().map(chunk).collect()
}

/// Where `part` begins in `whole`, of which it is a part.
fn place(whole: &[u8], part: &[u8]) -> u64 {
    (part.as_ptr() as usize - whole.as_ptr() as usize) as u64
}

/// Boxes that follow each other, with their contents. Fewer than eight bytes at the end are padding.
fn boxes(mut bytes: &[u8]) -> Result<Vec<(Header, &[u8])>> {
    let mut found = Vec::new();
    while bytes.len() >= 8 {
        let header = Header::decode(&mut bytes)?;
        let size = header.size.unwrap_or(bytes.len());
        let (content, rest) = bytes.split_at_checked(size).with_context(|| format!("box {} is cut short", header.kind))?;
        found.push((header, content));
        bytes = rest;
    }
    Ok(found)
}

/// The boxes of a name inside a container.
fn all(container: &[u8], name: [u8; 4]) -> Result<Vec<(Header, &[u8])>> {
    Ok(boxes(container)?.into_iter().filter(|(header, _)| *header.kind.as_ref() == name).collect())
}

/// The content of the first box of a name inside a container.
fn inside(container: &[u8], name: [u8; 4]) -> Result<Option<&[u8]>> {
    Ok(all(container, name)?.first().map(|(_, content)| *content))
}

/// The first box of a name inside a container, as mp4-atom reads it.
fn first<A: DecodeAtom>(container: &[u8], name: [u8; 4]) -> Result<Option<A>> {
    let found = all(container, name)?.into_iter().next();
    found.map(|(header, content)| A::decode_atom(&header, &mut &*content)).transpose().with_context(|| name.escape_ascii().to_string())
}
