//! The segments and parts of a live rendition that players may ask for: what live manifests are written from.

use alloc::{collections::VecDeque, vec::Vec};
use core::cmp::Ordering;

use crate::time::{Moment, Seconds, Timescale, compare, rescale_length};

/// What a stream promises to players for as long as it lasts (RFC 8216bis 4.4.3.1, 4.4.3.7, 4.4.3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// No segment is longer than this, in seconds: `EXT-X-TARGETDURATION`.
    pub target_duration: u32,
    /// No part is longer than this, as ticks and their scale: `PART-TARGET`.
    pub part_target: (u64, Timescale),
    /// Whether playlists may leave out what a player has: `CAN-SKIP-UNTIL`.
    pub delta_updates: bool,
    /// How parts are asked for.
    pub part_addressing: PartAddressing,
}

/// How players ask for parts (RFC 8216bis 4.4.4.9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartAddressing {
    /// Each by a URL of its own.
    #[default]
    Files,
    /// By ranges of the segment that grows.
    Ranges,
}

impl Promise {
    /// `PART-TARGET` in millionths of a second, rounded up: no part is longer.
    pub fn part_micros(&self) -> u64 {
        let (ticks, scale) = self.part_target;
        let micros = (u128::from(ticks) * 1_000_000).div_ceil(scale.get().into());
        u64::try_from(micros).unwrap_or(u64::MAX)
    }

    /// Whether `ticks` of `scale` are no longer than a part may be.
    pub fn fits_part(&self, ticks: u64, scale: Timescale) -> bool {
        compare((ticks, scale), self.part_target) != Ordering::Greater
    }

    /// Three target durations, in microseconds: the least distance from the end at which players of no low latency play, and how long a
    /// request is held.
    pub fn hold_micros(&self) -> i64 {
        i64::from(self.target_duration).saturating_mul(3_000_000)
    }

    /// So many seconds as ticks of `scale`.
    pub fn ticks(seconds: u64, scale: Timescale) -> u64 {
        seconds.saturating_mul(scale.get().into())
    }
}

/// A part of a segment: a CMAF chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Ticks that its samples last.
    pub duration: u64,
    /// Bytes.
    pub bytes: u64,
    /// Whether decoding can begin in it.
    pub independent: bool,
}

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its number, the same in all renditions for the same stretch of time.
    pub number: u32,
    /// When it begins, in ticks of the time line.
    pub start: u64,
    /// Ticks until the next begins; while it grows, those of its parts.
    pub duration: u64,
    /// Bytes.
    pub bytes: u64,
    /// Number of the header that it needs.
    pub header: u32,
    /// When it begins by the clock.
    pub clock: Moment,
    /// Whether something other than time changes before it: `EXT-X-DISCONTINUITY`.
    pub discontinuity: bool,
    /// How many segments up to this one have that.
    pub discontinuities: u32,
    /// Number of the period of DASH that it is in.
    pub period: u32,
    /// Whether it was not had: `EXT-X-GAP`.
    pub gap: bool,
    /// Its parts, for as long as players may ask for them.
    pub parts: Vec<Part>,
}

impl Segment {
    /// The tick at which it ends.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.duration)
    }
}

/// The segments of a rendition that are listed, and the one that grows.
#[derive(Clone, Debug)]
pub struct Window {
    /// Ticks a second.
    pub timescale: Timescale,
    /// Those that are whole, in order.
    pub segments: VecDeque<Segment>,
    /// The one that grows, if one does.
    pub open: Option<Segment>,
    /// Ticks of `segments` together.
    length: u64,
    /// Segments that are listed no more, and the tick at which nobody may ask for them any more.
    leaving: VecDeque<(u32, u64)>,
}

impl Window {
    /// Without segments.
    pub fn new(timescale: Timescale) -> Self {
        Self { timescale, segments: VecDeque::new(), open: None, length: 0, leaving: VecDeque::new() }
    }

    /// Counts in other ticks from now on; those that are told already are told anew by whoever calls.
    pub fn set_timescale(&mut self, timescale: Timescale) {
        self.length = rescale_length(self.length, self.timescale, timescale);
        for (_, until) in &mut self.leaving {
            *until = rescale_length(*until, self.timescale, timescale);
        }
        self.timescale = timescale;
    }

    /// Whether anything can be played.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.open.as_ref().is_none_or(|open| open.parts.is_empty())
    }

    /// The tick at which what is there ends.
    pub fn end(&self) -> u64 {
        self.open.as_ref().or(self.segments.back()).map_or(0, Segment::end)
    }

    /// Segment `number`, if it is listed.
    pub fn segment(&self, number: u32) -> Option<&Segment> {
        let first = self.segments.front()?.number;
        self.segments.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// How many of the whole segments, from the first on, are followed by at least so many `seconds` of what there is.
    pub fn before_end(&self, seconds: u64) -> usize {
        let enough = Promise::ticks(seconds, self.timescale);
        let mut after = self.open.as_ref().map_or(0, |open| open.duration);
        let mut before = self.segments.iter().rev();
        while after < enough {
            let Some(segment) = before.next() else { break };
            after = after.saturating_add(segment.duration);
        }
        before.len()
    }

    /// Adds a whole segment. What is then older than `length` seconds, or more than so many `segments`, is listed no more; at most `length`
    /// and its own duration later, as it was told for so long, it is gone (6.2.2) and its number returned.
    pub fn close(&mut self, segment: Segment, length: u64, segments: usize, promise: &Promise) -> Vec<u32> {
        let end = segment.end();
        let in_ticks = |seconds| Promise::ticks(seconds, self.timescale);
        self.length = self.length.saturating_add(segment.duration);
        self.segments.push_back(segment);
        // Never shorter than three target durations (6.2.2).
        let length = in_ticks(length.max(3 * u64::from(promise.target_duration)));
        while let Some(first) = self.segments.front() {
            let rest = self.length.saturating_sub(first.duration);
            if self.segments.len() <= 1 || (rest < length && self.segments.len() <= segments) {
                break;
            }
            self.leaving.push_back((first.number, end.saturating_add(first.duration).saturating_add(length)));
            self.length = rest;
            self.segments.pop_front();
        }
        // Parts are listed for three target durations and to be had for as long again (4.4.4.9, 6.2.2).
        let old = end.saturating_sub(in_ticks(6 * u64::from(promise.target_duration)));
        for segment in self.segments.iter_mut().rev().skip_while(|segment| segment.end() > old) {
            if segment.parts.is_empty() && !segment.gap {
                break;
            }
            segment.parts = Vec::new();
        }
        let mut gone = Vec::new();
        while let Some((number, _)) = self.leaving.pop_front_if(|(_, until)| *until <= end || self.segments.len() + 1 >= 2 * segments) {
            gone.push(number);
        }
        gone
    }

    /// A length as decimal seconds.
    pub fn seconds(&self, ticks: u64) -> Seconds {
        Seconds { ticks, timescale: self.timescale, places: 6 }
    }
}
