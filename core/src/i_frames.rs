//! The key frames of a rendition, each with the bytes that hold it and nothing else: for fast forward, rewind and previews.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{
    segment::chunk,
    time::{Timescale, rescale_length},
    timeline::Timeline,
    track::Track,
};

/// A key frame, as a player that shows no other frames finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IFrame {
    /// Number of its segment, from 1.
    pub segment: u32,
    /// Where its chunk stands in the segment: one `moof` and `mdat` with one sample.
    pub bytes: Range<u64>,
    /// Ticks until the next one is presented; of the last, until the rendition ends (RFC 8216bis 4.4.3.6).
    pub duration: u64,
}

/// The most key frames that are listed: those of ten hours at 29 frames a second of which each is one. A file can hold more at a byte
/// each, and the list takes many times that.
const MOST: usize = 1 << 20;

/// The key frames of `track`, which is cut as `timeline` tells, in a presentation that begins at `start`; none of sound.
///
/// The first lasts from the start of the presentation, as the first segment of a media playlist does. Key frames that are presented for
/// no time, because the presentation begins behind them, are left out.
///
/// `lengths`: where segments are not as [`chunk::segment`] makes them, the bytes of the fragments of each.
pub fn i_frames(track: &Track, timeline: &Timeline, start: (u64, Timescale), lengths: Option<&[Vec<u64>]>) -> Vec<IFrame> {
    let segments = (1..).zip(&timeline.segments).enumerate();
    let chunks = segments.flat_map(|(index, (number, segment))| {
        let lengths = lengths.map(|lengths| lengths.get(index).map_or(&[][..], Vec::as_slice));
        let mut end = 0;
        chunk::places(track, segment.samples.clone()).enumerate().map(move |(chunk, mut place)| {
            if let Some(length) = lengths.and_then(|lengths| lengths.get(chunk)) {
                // The first has the bytes before the first chunk too.
                let lead = chunk::events_length(track, &place.samples);
                place.bytes.start = end.max(chunk::STYP_LENGTH).saturating_add(lead);
                end = end.saturating_add(*length);
                place.bytes.end = end;
            }
            (number, place)
        })
    });
    let keys = chunks.filter(|(_, place)| place.key_frame).filter_map(|(segment, place)| {
        let (time, _) = track.samples.times(place.samples).next()?;
        Some((segment, place.bytes, u64::try_from(time.saturating_add(track.shift)).unwrap_or(0)))
    });
    let mut keys = keys.take(MOST).peekable();
    let mut found = Vec::new();
    let mut told = rescale_length(start.0, start.1, track.timescale);
    while let Some((segment, bytes, _)) = keys.next() {
        let end = keys.peek().map_or(timeline.end(), |(_, _, next)| *next);
        if end > told {
            found.push(IFrame { segment, bytes, duration: end - told });
            told = end;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        segment::boundary,
        track::{test_track, test_video},
    };

    fn listed(track: &Track, start: u64) -> Vec<(u32, u64)> {
        let timeline = Timeline::new(track, &boundary::at_sync_samples(track, 4000));
        i_frames(track, &timeline, (start, track.timescale), None).iter().map(|frame| (frame.segment, frame.duration)).collect()
    }

    #[test]
    fn every_key_frame_is_listed() {
        let mut video = test_video(25, 250, 1, |n| n % 48 == 0);
        assert_eq!(listed(&video, 0), [(1, 48), (1, 48), (2, 48), (2, 48), (3, 48), (3, 10)]);
        video.shift = 10;
        assert_eq!(listed(&video, 0), [(1, 58), (1, 48), (2, 48), (2, 48), (3, 48), (3, 10)], "it starts late");
        assert_eq!(listed(&video, 10), [(1, 48), (1, 48), (2, 48), (2, 48), (3, 48), (3, 10)], "all start late");
        video.shift = -50;
        assert_eq!(listed(&video, 0).iter().map(|(_, ticks)| ticks).sum::<u64>(), 200);
        assert_eq!(listed(&video, 0).len(), 5, "the first is over before the start");
        assert_eq!(listed(&test_video(25, 100, 1, |_| true), 0).len(), 100, "every frame");
        assert_eq!(listed(&test_video(25, 100, 1, |_| false), 0), []);
        assert_eq!(listed(&test_track(25, 100, 1, |_| true), 0), [], "sound");
    }
}
