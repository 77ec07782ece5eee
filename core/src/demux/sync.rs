//! Sync samples that no table tells.
//!
//! A track without `stss` (ISO/IEC 14496-12 8.6.2), or whose fragments flag no sample, says that decoding can begin at every sample. Few
//! films are coded so, and some writers merely leave the table out; a segment that begins at any other picture cannot be played. So H.264
//! and H.265 are asked: the first few samples, and where these are not all what the track says, all of them. A track whose `stss` is empty
//! says that decoding can begin nowhere: all its samples are asked. It takes a few bytes of each
//! sample, the headers of its NAL units up to that of the first slice.

use alloc::vec::Vec;
use core::ops::Range;

use super::builder::TrackBuilder;
use crate::{codec::nal::Units, sample::Sample};

/// So many sync samples at the start of a track are taken for its nature.
const ENOUGH: usize = 16;
/// NAL units that are looked at before the first slice of a sample: parameter sets, messages, delimiters.
const MOST_UNITS: u32 = 32;

/// The search, one track after the other.
#[derive(Debug)]
pub struct SyncSearch {
    /// Index of the track.
    track: usize,
    units: Units,
    /// The sample that is looked at, and its number.
    sample: Sample,
    number: u32,
    /// Byte of the sample where the next NAL unit begins, and how many have been passed over.
    place: u32,
    passed: u32,
    /// Sync samples so far.
    found: Vec<u32>,
}

impl SyncSearch {
    /// Begins with the first of `tracks`, from index `from` on, that needs it.
    pub fn new(tracks: &[TrackBuilder], from: usize) -> Option<Self> {
        let (track, units, sample) = tracks.iter().enumerate().skip(from).find_map(|(index, track)| {
            let units = track.units().filter(|_| track.samples.len() > 1 && (track.samples.all_sync() || track.samples.none_sync()))?;
            Some((index, units, track.samples.get(0)?))
        })?;
        let mut search = Self { track, units, sample, number: 0, place: 0, passed: 0, found: Vec::new() };
        search.skip_short(tracks)?;
        Some(search)
    }

    /// The bytes of the file that are needed next: the length of a NAL unit and the first byte of its header.
    pub fn required(&self) -> Range<u64> {
        let start = self.sample.offset.saturating_add(self.place.into());
        start..start.saturating_add(u64::from(self.units.length_size) + 1)
    }

    /// Takes what is [`required`](Self::required); `None` when all is found.
    pub fn handle(mut self, bytes: &[u8], tracks: &mut [TrackBuilder]) -> Option<Self> {
        let (length, header) = bytes.split_at_checked(self.units.length_size.into())?;
        let length = length.iter().fold(0u32, |length, byte| (length << 8) | u32::from(*byte));
        let end = self.place.saturating_add(self.units.length_size.into()).saturating_add(length);
        if end > self.sample.size {
            // These are no NAL units, so they tell nothing: what the track says stays.
            return Self::new(tracks, self.track + 1);
        }
        match header.first().and_then(|header| self.units.slice(*header)) {
            Some(sync) => self.next_sample(sync, tracks),
            None => {
                self.place = end;
                self.passed += 1;
            }
        }
        self.go_on(tracks)
    }

    /// Passes over samples that have no further NAL unit, to the next track when this one is done.
    fn go_on(mut self, tracks: &mut [TrackBuilder]) -> Option<Self> {
        if self.skip_short(tracks).is_some() {
            return Some(self);
        }
        let track = tracks.get_mut(self.track)?;
        // Where nothing is found at all, what the track says is as good as what we know.
        let told = track.samples.all_sync() && self.found.len() == usize::try_from(self.number).ok()?;
        if !self.found.is_empty() && self.number == track.samples.len() && !told {
            track.samples.sync(self.found);
        }
        Self::new(tracks, self.track + 1)
    }

    /// `None` when the track is done.
    fn skip_short(&mut self, tracks: &[TrackBuilder]) -> Option<()> {
        let samples = &tracks.get(self.track)?.samples;
        loop {
            let enough = samples.all_sync() && self.found.len() == ENOUGH && self.number == u32::try_from(ENOUGH).ok()?;
            if self.number == samples.len() || enough {
                return None;
            }
            let needed = self.place.saturating_add(self.units.length_size.into()).saturating_add(1);
            if needed <= self.sample.size && self.passed < MOST_UNITS {
                return Some(());
            }
            self.next_sample(false, tracks);
        }
    }

    fn next_sample(&mut self, sync: bool, tracks: &[TrackBuilder]) {
        if sync {
            self.found.push(self.number);
        }
        self.number = self.number.saturating_add(1);
        (self.place, self.passed) = (0, 0);
        let next = tracks.get(self.track).and_then(|track| track.samples.get(self.number));
        self.sample = next.unwrap_or(self.sample);
    }
}
