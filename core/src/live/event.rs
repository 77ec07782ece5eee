//! What happens in a live stream, in order: all that a log, a recorder or a cache needs.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::{time::Moment, window::Segment};

/// A rendition of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RenditionId(pub usize);

/// When a stream began: what its MPD tells of the time of day is reckoned from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// When its time line begins.
    pub zero: Moment,
    /// By how many microseconds its samples are there later than their times.
    pub delay: i64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first sample is there.
    Began(Epoch),
    /// Segments may be longer than the configuration tells, since key frames are further apart: nothing has told anybody of them before.
    Promised {
        /// The most that they last, in seconds.
        target_duration: u32,
    },
    /// A rendition has a header: its first, or another. What needs it follows.
    Header {
        /// Of which rendition.
        rendition: RenditionId,
        /// Its number, which segments name.
        number: u32,
        /// The CMAF header.
        bytes: Bytes,
        /// Where the rendition is encrypted: its header as if it were not, for who keeps it so.
        clear: Option<Bytes>,
    },
    /// A segment begins; its first part is told next.
    Opened {
        /// Of which rendition.
        rendition: RenditionId,
        /// What is to be known of it so far; it has no parts.
        segment: Segment,
    },
    /// A part is there: a CMAF chunk.
    Part {
        /// Of which rendition.
        rendition: RenditionId,
        /// Number of its segment.
        segment: u32,
        /// Its number in the segment, from 0.
        part: u32,
        /// What is made: `moof` and the header of `mdat`; before them `prft` and, in the first of a segment, `styp`. With AES-128 of HLS
        /// all of the part, encrypted.
        head: Bytes,
        /// The payload that follows, in the pieces in which it came.
        payload: Vec<Bytes>,
        /// Where the rendition is encrypted: head and payload as if it were not.
        clear: Option<(Bytes, Vec<Bytes>)>,
        /// Ticks of the time line at which its first sample is decoded.
        start: u64,
        /// Ticks that its samples last.
        duration: u64,
        /// Whether decoding can begin in it.
        independent: bool,
    },
    /// A segment is whole: all of its parts were told, or it is a gap and has none.
    Segment {
        /// Of which rendition.
        rendition: RenditionId,
        /// All that is to be known of it; its parts too.
        segment: Segment,
        /// With AES-128 of HLS: all of it, encrypted; its parts, which are encrypted each by itself, do not make it up.
        sealed: Option<Bytes>,
    },
    /// Nobody may ask for a segment any more.
    Removed {
        /// Of which rendition.
        rendition: RenditionId,
        /// Its number.
        segment: u32,
    },
    /// The stream is over: nothing follows.
    Ended,
}
