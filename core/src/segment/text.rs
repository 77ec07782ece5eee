//! Samples for text that has none of its own: cut at the times of another track, from the start of the presentation to its end.

use alloc::vec::Vec;

use super::boundary::Cut;
use crate::{
    error::Result,
    text::wvtt,
    time::{Timescale, rescale_length},
    timeline::Timeline,
    track::Track,
};

/// When segments of text begin and, at last, end, in milliseconds: at `start`, where segments of the pictures or sound that `lead` the
/// presentation begin and, where there are none, each `target` milliseconds; until `end`.
pub fn bounds(start: u64, lead: Option<&Timeline>, target: u64, end: u64) -> Vec<u64> {
    /// Segments more than this are in no text: those of a day.
    const MOST: usize = 1 << 15;
    let mut bounds = Vec::from([start]);
    let mut add = |time: u64| {
        let follows = bounds.last().is_none_or(|last| *last < time);
        if follows && time <= end {
            bounds.push(time);
        }
    };
    match lead {
        Some(lead) => {
            let starts = lead.segments.iter().skip(1).map(|segment| segment.start);
            starts.for_each(|start| add(rescale_length(start, lead.timescale, Timescale::MILLIS)));
        }
        None => {
            let target = usize::try_from(target.max(1)).unwrap_or(usize::MAX);
            (start..end).step_by(target).skip(1).take(MOST).for_each(&mut add);
        }
    }
    add(end);
    bounds
}

/// Makes the samples of `track`, whose text is known, and tells where its segments begin. `size`: bytes of the input it came from.
///
/// # Errors
///
/// See [`wvtt::make`]. Samples take at most half as much again as the bytes of the input, and 384 KiB.
pub fn make(track: &mut Track, bounds: &[u64], size: u64) -> Result<Vec<Cut>> {
    let limit = usize::try_from(size.saturating_add(size / 2).saturating_add(384 << 10)).unwrap_or(usize::MAX);
    let Some(cues) = &track.cues else { return Ok(Vec::new()) };
    let made = wvtt::make(cues, bounds, limit)?;
    (track.samples, track.payload) = (made.samples, Some(made.payload));
    let cut = |number: &u32| track.samples.get(*number).map(|sample| Cut { sample: *number, time: track.presentation_time(&sample) });
    Ok(made.segments.iter().filter_map(cut).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Segment;

    #[test]
    fn text_is_cut_where_the_lead_is() {
        let of = |start, starts: &[u64], end| {
            let segment = |start: &u64| Segment { samples: 0..1, start: *start, duration: 1, bytes: 1, sync: true, closed: true };
            let lead = Timeline { timescale: Timescale::new(30_000).unwrap(), segments: starts.iter().map(segment).collect() };
            bounds(start, Some(&lead), 4000, end)
        };
        assert_eq!(of(0, &[0, 120_120, 240_240], 10_000), [0, 4004, 8008, 10_000]);
        assert_eq!(of(3000, &[90_000, 210_000], 9000), [3000, 7000, 9000], "a presentation that begins late");
        assert_eq!(of(0, &[21_000, 141_000], 4700), [0, 4700], "pictures that begin late, and a cut at the end");
        assert_eq!(of(0, &[0], 0), [0], "nothing");
        assert_eq!(bounds(0, None, 4000, 9000), [0, 4000, 8000, 9000]);
        assert_eq!(bounds(0, None, 4000, 8000), [0, 4000, 8000]);
        assert_eq!(bounds(0, None, 0, u64::MAX).len(), (1 << 15) + 2);
    }
}
