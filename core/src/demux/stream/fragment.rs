//! What a `moof` of a stream announces: which samples, in the order in which their bytes come.

use alloc::{collections::VecDeque, format, vec::Vec};

use bytes::Bytes;

use super::{
    super::fragmented::{Fragments, each_sample},
    Item,
};
use crate::{
    boxes::FourCc,
    coding::Reader,
    error::{Error, Result},
    sample::{LiveSample, Sample},
};

/// The most samples of one fragment: more than half an hour of sound.
const MOST_SAMPLES: usize = 1 << 16;
/// The largest sample, in bytes: pictures of 8K that nothing compresses.
const MAX_SAMPLE: u32 = 64 << 20;

/// A track that is carried, while its fragments come.
#[derive(Debug)]
pub struct Timeline {
    /// `track_ID`.
    pub id: u32,
    /// For each description of the source, which of those that are carried it is.
    descriptions: Vec<Option<u8>>,
    /// Decoding time of the next sample.
    end: u64,
}

/// A sample that is announced.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Index of its track among those that are carried.
    track: usize,
    description: u8,
    /// With the bytes of the input where it is to come.
    pub sample: Sample,
}

impl Place {
    /// The sample, now that its bytes are there.
    pub fn item(self, payload: Vec<Bytes>) -> Item {
        let Sample { decode_time, duration, composition_offset, sync, .. } = self.sample;
        let sample = LiveSample { decode_time, duration, composition_offset, sync, description: self.description, payload };
        Item::Sample { track: self.track, sample }
    }
}

impl Timeline {
    /// Of the track `id`, with the places of its descriptions.
    pub fn new(id: u32, descriptions: Vec<Option<u8>>) -> Self {
        Self { id, descriptions, end: 0 }
    }

    /// The time that a clock of 32 bits shows as `time`, which begins anew every 2^32 ticks: the one nearest to where the track is.
    pub fn unwrap(&self, time: u64) -> u64 {
        const ROUND: u64 = 1 << 32;
        let here = (self.end - self.end % ROUND).saturating_add(time % ROUND);
        let times = [here.checked_sub(ROUND), Some(here), here.checked_add(ROUND)].into_iter().flatten();
        times.min_by_key(|time| time.abs_diff(self.end)).unwrap_or(here)
    }

    /// The description that a fragment names by `index`, counted from 1.
    fn description(&self, index: u32) -> Result<u8> {
        let place = usize::try_from(index).ok().and_then(|index| index.checked_sub(1));
        // Where there is one, it is that.
        let found = match self.descriptions.as_slice() {
            [only] => *only,
            several => place.and_then(|place| several.get(place).copied().flatten()),
        };
        found.ok_or_else(|| {
            let message = format!("a fragment of track {} has the sample description {index}, which is not there or not carried", self.id);
            Error::malformed(message).by("ISO/IEC 14496-12 8.8.7")
        })
    }
}

/// The samples of the `moof` with this content, which stands at the first of `places` and is followed by the byte that is the second.
pub fn places(fragments: &Fragments, timelines: &mut [Timeline], content: Reader<'_>, places: (u64, u64)) -> Result<VecDeque<Place>> {
    let (moof, data) = places;
    let mut found: Vec<Place> = Vec::new();
    let mut end = moof;
    let mut count = 0;
    for fragment in fragments.read(content, moof)? {
        let base = fragment.base.unwrap_or(end);
        let track = timelines.iter().position(|timeline| timeline.id == fragment.track_id);
        let mut timeline = track.and_then(|track| timelines.get_mut(track));
        let description = timeline.as_ref().map_or(Ok(0), |timeline| timeline.description(fragment.description_index))?;
        let told = match (&timeline, fragment.decode_time) {
            (Some(timeline), Some(time)) if fragment.wraps => Some(timeline.unwrap(time)),
            (_, told) => told,
        };
        let time = told.or(timeline.as_ref().map(|timeline| timeline.end)).unwrap_or(0);
        let add = |sample: Sample| {
            count += 1;
            if count > MOST_SAMPLES || sample.size > MAX_SAMPLE {
                let message = format!("a fragment of more than {MOST_SAMPLES} samples, or a sample of more than {MAX_SAMPLE} bytes");
                return Err(Error::unsupported(message).at(sample.offset));
            }
            if let Some((track, timeline)) = track.zip(timeline.as_mut()) {
                timeline.end = sample.decode_time.saturating_add(sample.duration.into());
                found.push(Place { track, description, sample });
            }
            Ok(())
        };
        end = each_sample(&fragment, base, time, add).map_err(|error| error.within(FourCc(*b"traf")))?;
    }
    found.sort_by_key(|place| place.sample.offset);
    let mut next = data;
    for Place { sample, .. } in found.iter().filter(|place| place.sample.size > 0) {
        if sample.offset < next {
            let message = format!("a sample begins at byte {}, before byte {next}, up to which all is passed", sample.offset);
            return Err(Error::malformed(message).at(moof).by("ISO/IEC 14496-12 8.8.8"));
        }
        next = sample.range().end;
    }
    Ok(found.into())
}
