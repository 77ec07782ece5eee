//! Decoder configurations that no box tells.
//!
//! Frames of AC-3 and Enhanced AC-3 tell of themselves what `dac3` and `dec3` tell of a track, and players without the box take it from
//! there; some writers leave it out. So the first frame is asked, and what is published has the box.

use core::ops::Range;

use super::builder::TrackBuilder;
use crate::sample::Sample;

/// Bytes of a sample that are looked at; Enhanced AC-3 has no frame of more than 4 KiB, in up to sixteen substreams.
const MOST: u32 = 64 << 10;

/// The search, one track after the other.
#[derive(Debug)]
pub struct ConfigurationSearch {
    /// Index of the track.
    track: usize,
    sample: Sample,
}

impl ConfigurationSearch {
    /// Begins with the first of `tracks`, from index `from` on, that needs it.
    pub fn new(tracks: &[TrackBuilder], from: usize) -> Option<Self> {
        let needs = |(track, builder): (usize, &TrackBuilder)| {
            Some(Self { track, sample: builder.samples.get(0).filter(|_| builder.is_without_configuration())? })
        };
        tracks.iter().enumerate().skip(from).find_map(needs)
    }

    /// The bytes of the file that are needed next.
    pub fn required(&self) -> Range<u64> {
        self.sample.offset..self.sample.offset.saturating_add(self.sample.size.min(MOST).into())
    }

    /// Takes what is [`required`](Self::required); `None` when all is found.
    pub fn handle(self, bytes: &[u8], tracks: &mut [TrackBuilder]) -> Option<Self> {
        tracks.get_mut(self.track)?.configure(bytes);
        Self::new(tracks, self.track + 1)
    }
}
