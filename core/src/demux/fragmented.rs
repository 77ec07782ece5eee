//! Movie fragments to samples: files here, ingest by the same steps.

use alloc::{boxed::Box, format, vec::Vec};

use super::{Faults, builder::TrackBuilder};
use crate::{
    boxes::{
        FourCc,
        event::EventMessage,
        fragment::{NON_SYNC, RunSample, TrackFragment, read_fragments},
        movie::TrackExtends,
    },
    coding::Reader,
    error::{Error, Result},
    sample::{Sample, SampleTableBuilder},
};

/// Gathers the samples of fragments for tracks that may have samples of `moov` already, which is rare.
#[derive(Debug)]
pub struct Fragments {
    extends: Vec<TrackExtends>,
    /// Event messages that no fragment has followed yet: where the content of each begins, and it.
    events: Vec<(u64, Box<[u8]>)>,
    /// Bytes that all events so far take.
    event_memory: usize,
}

impl Fragments {
    /// Of a movie with these defaults.
    pub fn new(extends: Vec<TrackExtends>) -> Self {
        Self { extends, events: Vec::new(), event_memory: 0 }
    }

    /// Bytes of memory that the event messages so far take, wherever they are.
    pub fn event_memory(&self) -> usize {
        self.event_memory
    }

    /// Takes the content of an `emsg`: it belongs to the fragment that follows.
    pub fn handle_event(&mut self, content: Reader<'_>) {
        self.event_memory = self.event_memory.saturating_add(content.remaining() + size_of::<(u64, Box<[u8]>)>());
        self.events.push((content.position(), content.rest().into()));
    }

    /// Reads the content of a `moof` that begins at byte `moof`.
    pub fn read<'a>(&self, content: Reader<'a>, moof: u64) -> Result<Vec<TrackFragment<'a>>> {
        read_fragments(content, moof, |track_id| {
            let found = self.extends.iter().find(|extends| extends.track_id == track_id).copied();
            found.unwrap_or(TrackExtends { track_id, description_index: 1, ..TrackExtends::default() })
        })
    }

    /// Takes the content of a `moof` that begins at byte `moof` of a file of `size` bytes. What is broken or not there is left out and told:
    /// what came before stands, and so does what follows in fragments that say where it belongs.
    pub fn handle_moof(&mut self, tracks: &mut [TrackBuilder], content: Reader<'_>, (moof, size): (u64, u64), faults: &mut Faults) {
        let fragments = match self.read(content, moof) {
            Ok(fragments) => fragments,
            Err(error) => return faults.note(error.within(FourCc(*b"moof"))),
        };
        let before: Vec<u32> = tracks.iter().map(|track| track.samples.len()).collect();
        let mut end = Some(moof);
        for fragment in &fragments {
            // Without a place of its own its data follows that of the fragment before it, which may not be known.
            let Some(base) = fragment.base.or(end) else { continue };
            let track = tracks.iter_mut().find(|track| track.id() == fragment.track_id);
            let samples = track.as_ref().map(|track| &track.samples);
            let mut time = fragment.decode_time.or(samples.map(SampleTableBuilder::end)).unwrap_or(0);
            if let Some(samples) = samples.filter(|samples| samples.last_start().is_some_and(|start| time < start)) {
                let message =
                    format!("a fragment is decoded from tick {time} on, the one before it until tick {}: it is put there", samples.end());
                faults.note(
                    Error::malformed(message).at(moof).within(FourCc(*b"traf")).within(FourCc(*b"moof")).by("ISO/IEC 14496-12 8.8.12"),
                );
                time = samples.end();
            }
            let added = add_fragment(fragment, track, base, time, size);
            end = added.map_err(|error| faults.note(error.within(FourCc(*b"traf")).within(FourCc(*b"moof")))).ok();
        }
        self.give_events(tracks, &before, faults);
    }

    /// Gives the events to the track that the fragment has samples of, from `first` on; to video, where it has several.
    fn give_events(&mut self, tracks: &mut [TrackBuilder], before: &[u32], faults: &mut Faults) {
        let grown = |index: usize, video: bool| {
            let track = tracks.get(index)?;
            let first = before.get(index).copied()?;
            (track.samples.len() > first && (track.is_video() || !video)).then_some((index, first))
        };
        let found =
            (0..tracks.len()).find_map(|index| grown(index, true)).or_else(|| (0..tracks.len()).find_map(|index| grown(index, false)));
        let Some((track, first)) = found.and_then(|(index, first)| Some((tracks.get_mut(index)?, first))) else { return };
        for (position, content) in core::mem::take(&mut self.events) {
            match EventMessage::read(Reader::new(&content, position)) {
                Ok(message) => track.add_event(message, first),
                Err(error) => faults.note(error.within(FourCc(*b"emsg"))),
            }
        }
    }
}

/// So many samples a file may have whatever its size; others take two bytes of it at least, with what is said of them.
const FEW_SAMPLES: u64 = 4096;

/// Adds the samples of a fragment whose data offsets count from byte `base` and that is decoded from `time` on; returns where its data ends.
fn add_fragment(fragment: &TrackFragment<'_>, track: Option<&mut TrackBuilder>, base: u64, time: u64, size: u64) -> Result<u64> {
    let mut builder = track.map(|track| {
        let description = track.description(fragment.description_index);
        track.samples.description_run(track.samples.len(), description);
        &mut track.samples
    });
    each_sample(fragment, base, time, |sample| {
        let end = sample.range().end;
        if end > size {
            let message = format!("the file is cut short: a sample ends at byte {end}, the file at byte {size}");
            return Err(Error::truncated(message).at(sample.offset));
        }
        let Some(builder) = &mut builder else { return Ok(()) };
        if u64::from(builder.len()) >= FEW_SAMPLES + size / 2 {
            // Runs may name the same bytes again and again: the count must stay below what a file can hold.
            return Err(Error::malformed(format!("more samples than a file of {size} bytes can hold")).at(sample.offset));
        }
        builder.push(&sample)
    })
}

/// Gives the samples of a fragment whose data offsets count from byte `base` and that is decoded from `time` on, in decoding order; returns
/// where its data ends.
pub fn each_sample(fragment: &TrackFragment<'_>, base: u64, mut time: u64, mut take: impl FnMut(Sample) -> Result<()>) -> Result<u64> {
    let mut offset = base;
    for run in &fragment.runs {
        if let Some(data_offset) = run.data_offset {
            offset = base.checked_add_signed(data_offset.into()).ok_or_else(|| {
                Error::malformed(format!("the data offset {data_offset} leads out of the file")).at(base).by("ISO/IEC 14496-12 8.8.8")
            })?;
        }
        for sample in run.samples() {
            let RunSample { duration, size, flags, composition_offset } = sample?;
            take(Sample { decode_time: time, duration, composition_offset, sync: flags & NON_SYNC == 0, offset, size })?;
            time = time.saturating_add(duration.into());
            offset = offset.saturating_add(size.into());
        }
    }
    Ok(offset)
}
