//! The segments of a rendition on the presentation timeline.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{
    segment::{boundary::Cut, chunk},
    time::{Timescale, rescale_length},
    track::Track,
};

/// One segment: which samples, and which stretch of the presentation they cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Numbers of its samples, from 0 in decoding order.
    pub samples: Range<u32>,
    /// When its first sample in presentation order is presented, in ticks of the timeline; at least 0.
    pub start: u64,
    /// Ticks until the next segment starts, or until the last sample ends.
    pub duration: u64,
    /// Bytes: heads and payload.
    pub bytes: u64,
    /// Whether decoding can begin at its first sample.
    pub sync: bool,
    /// Whether nothing in it is presented before its first sample, where decoding can begin (a stream access point of type 1,
    /// ISO/IEC 14496-12 Annex I).
    pub closed: bool,
}

impl Segment {
    /// The tick at which it ends.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.duration)
    }
}

/// The segments of a rendition, in order; complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Ticks a second.
    pub timescale: Timescale,
    /// The segments. Segment number N of a rendition is at index N - 1.
    pub segments: Vec<Segment>,
}

impl Timeline {
    /// The segments of `track` that begin at `cuts`.
    pub fn new(track: &Track, cuts: &[Cut]) -> Self {
        let mut segments: Vec<Segment> = Vec::with_capacity(cuts.len());
        let mut end = 0;
        let ends = cuts.iter().skip(1).map(|cut| cut.sample).chain([track.samples.len()]);
        for (cut, sample_end) in cuts.iter().zip(ends) {
            let samples = cut.sample..sample_end;
            let Some((start, last)) = track.samples.span(samples.clone()) else { continue };
            let start = start.saturating_add(track.shift);
            let sync = track.samples.sync_numbers(samples.clone()).next() == Some(cut.sample);
            let closed = sync && start >= cut.time;
            end = end.max(last.saturating_add(track.shift));
            let previous = segments.last().map_or(0, |segment| segment.start);
            let start = u64::try_from(start).unwrap_or(0).max(previous);
            let bytes = chunk::length(track, samples.clone());
            segments.push(Segment { samples, start, duration: 0, bytes, sync, closed });
        }
        let mut next = u64::try_from(end).unwrap_or(0);
        for segment in segments.iter_mut().rev() {
            segment.duration = next.saturating_sub(segment.start);
            next = segment.start;
        }
        Self { timescale: track.timescale, segments }
    }

    /// Whether decoding can begin at each segment. The first alone can lack that: media can begin with pictures that need others.
    pub fn independent(&self) -> bool {
        self.segments.iter().all(|segment| segment.sync)
    }

    /// The tick at which the last segment ends.
    pub fn end(&self) -> u64 {
        self.segments.last().map_or(0, Segment::end)
    }

    /// The segments with the ticks that each lasts where nothing but the sum of durations tells time, as in a playlist of HLS: the first
    /// from `start`, where the presentation begins, each other from the end of the one before. Sound that begins late then stays beside its
    /// pictures in every player.
    pub fn lasting(&self, start: (u64, Timescale)) -> impl Iterator<Item = (&Segment, u64)> {
        let mut end = rescale_length(start.0, start.1, self.timescale);
        self.segments.iter().map(move |segment| {
            let ticks = segment.end().saturating_sub(end);
            end = end.max(segment.end());
            (segment, ticks)
        })
    }

    /// Segment `number`, counted from 1.
    pub fn segment(&self, number: u32) -> Option<&Segment> {
        self.segments.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }
}
