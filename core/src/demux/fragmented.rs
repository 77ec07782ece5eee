//! Movie fragments to samples: files here, ingest by the same steps.

use alloc::{format, vec::Vec};

use super::Movie;
use crate::{
    boxes::{
        FourCc,
        fragment::{NON_SYNC, TrackFragment, read_fragments},
        movie::TrackExtends,
    },
    coding::Reader,
    error::{Error, ErrorKind, Result},
    sample::{Sample, SampleTableBuilder},
};

/// Gathers the samples of fragments, a builder a track, in the order of the movie's tracks.
#[derive(Debug)]
pub struct Fragments {
    extends: Vec<TrackExtends>,
    builders: Vec<SampleTableBuilder>,
}

impl Fragments {
    /// Continues what `builders` hold from `moov`, which is mostly nothing.
    pub fn new(extends: Vec<TrackExtends>, builders: Vec<SampleTableBuilder>) -> Self {
        Self { extends, builders }
    }

    /// Takes the content of a `moof` that begins at byte `moof` of the file.
    pub fn handle_moof(&mut self, movie: &mut Movie, content: Reader<'_>, moof: u64) -> Result<()> {
        let defaults = |track_id| {
            let found = self.extends.iter().find(|extends| extends.track_id == track_id).copied();
            found.unwrap_or(TrackExtends { track_id, description_index: 1, ..TrackExtends::default() })
        };
        let fragments = read_fragments(content, moof, defaults)?;
        let mut end = moof;
        for fragment in &fragments {
            let index = movie.tracks.iter().position(|track| track.id == fragment.track_id);
            let builder = index.and_then(|index| self.builders.get_mut(index));
            match add_fragment(fragment, builder, end, movie.size) {
                Ok(data_end) => end = data_end,
                // What the file does not hold is left out; what came before stands.
                Err(error) if error.kind() == ErrorKind::Truncated => {
                    movie.truncated.get_or_insert(error.within(FourCc(*b"traf")));
                    return Ok(());
                }
                Err(error) => return Err(error.within(FourCc(*b"traf"))),
            }
        }
        Ok(())
    }

    /// Gives the tracks their samples.
    pub fn finish(self, movie: &mut Movie) {
        for (track, builder) in movie.tracks.iter_mut().zip(self.builders) {
            track.samples = builder.finish();
        }
    }
}

/// Adds the samples of a fragment whose data follows byte `previous_end` unless it says otherwise; returns where its data ends.
fn add_fragment(fragment: &TrackFragment<'_>, mut builder: Option<&mut SampleTableBuilder>, previous_end: u64, size: u64) -> Result<u64> {
    let base = fragment.base.unwrap_or(previous_end);
    let mut offset = base;
    let mut time = fragment.decode_time.or_else(|| builder.as_ref().map(|builder| builder.end())).unwrap_or(0);
    for run in &fragment.runs {
        if let Some(data_offset) = run.data_offset {
            offset = base.checked_add_signed(data_offset.into()).ok_or_else(|| {
                Error::malformed(format!("the data offset {data_offset} leads out of the file")).at(base).by("ISO/IEC 14496-12 8.8.8")
            })?;
        }
        for sample in run.samples() {
            let sample = sample?;
            let end = offset.saturating_add(sample.size.into());
            if end > size {
                let message = format!("the file is cut short: a sample ends at byte {end}, the file at byte {size}");
                return Err(Error::truncated(message).at(offset));
            }
            if let Some(builder) = &mut builder {
                if u64::from(builder.len()) >= size {
                    // Runs may name the same bytes again and again: the count must stay below what a file can hold.
                    return Err(Error::malformed("more samples than the file has bytes").at(offset));
                }
                builder.push(&Sample {
                    decode_time: time,
                    duration: sample.duration,
                    composition_offset: sample.composition_offset,
                    sync: sample.flags & NON_SYNC == 0,
                    offset,
                    size: sample.size,
                })?;
            }
            time = time.saturating_add(sample.duration.into());
            offset = end;
        }
    }
    Ok(offset)
}
