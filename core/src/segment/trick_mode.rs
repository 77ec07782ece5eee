//! Trick modes (ISO/IEC 23009-1 5.3.6; DASH-IF Interoperability Points 3.2.9): the key frames of a video as a track of its own, which a
//! player winds forward and back without a byte of any other picture.

use alloc::vec::Vec;

use super::boundary::{self, Cut};
use crate::{
    sample::{Sample, SampleTableBuilder},
    timeline::Timeline,
    track::Track,
};

/// The key frames of `track`, which is cut as `timeline` tells: each is shown until the next one is, on the same presentation timeline.
/// Segments begin where those of the video do. `None` where no picture is a key frame, or the times between them cannot be told.
///
/// Key frames that are shown for no time, because the presentation begins behind them, are left out.
pub fn key_frames(track: &Track, timeline: &Timeline) -> Option<(Track, Vec<Cut>)> {
    let mut samples = SampleTableBuilder::default();
    let mut cuts = Vec::new();
    let mut starts = timeline.segments.iter().map(|segment| segment.samples.start).peekable();
    let shown = |cut: &Cut| u64::try_from(cut.time).unwrap_or(0);
    let mut keys = boundary::sync_cuts(track).peekable();
    while let Some(key) = keys.next() {
        let (time, end) = (shown(&key), keys.peek().map_or(timeline.end(), shown));
        let Some(source) = track.samples.get(key.sample).filter(|_| end > time) else { continue };
        let number = samples.len();
        let mut begins = false;
        while starts.next_if(|start| *start <= key.sample).is_some() {
            begins = true;
        }
        if begins {
            cuts.push(Cut { sample: number, time: key.time.max(0) });
        }
        samples.description_run(number, track.samples.description(key.sample));
        let duration = u32::try_from(end - time).ok()?;
        samples.push(&Sample { decode_time: time, duration, composition_offset: 0, ..source }).ok()?;
    }
    let found = Track {
        id: track.id,
        enabled: track.enabled,
        timescale: track.timescale,
        language: track.language.clone(),
        user_data: track.user_data.clone(),
        codec: track.codec.clone(),
        sample_entries: track.sample_entries.clone(),
        matrix: track.matrix,
        dimensions: track.dimensions,
        shift: 0, // times are those of the presentation
        samples: samples.finish(),
        cues: None,
        events: Vec::new(),
        payload: None,
    };
    (!cuts.is_empty()).then_some((found, cuts))
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::track::test_video;

    /// Place and duration of each key frame, and the first ones of segments.
    type Found = (Vec<(u64, u32)>, Vec<u32>);

    fn found(track: &Track) -> Option<Found> {
        let timeline = Timeline::new(track, &boundary::at_sync_samples(track, 4000));
        let (keys, cuts) = key_frames(track, &timeline)?;
        assert!(keys.samples.all_sync());
        let of_keys = Timeline::new(&keys, &cuts);
        assert_eq!(of_keys.end(), timeline.end());
        Some((keys.samples.iter().map(|sample| (sample.offset, sample.duration)).collect(), cuts.iter().map(|cut| cut.sample).collect()))
    }

    #[test]
    fn each_key_frame_is_shown_until_the_next() {
        let mut video = test_video(25, 250, 1, |n| n % 48 == 0);
        let all = |first: u32| vec![(0, first), (48, 48), (96, 48), (144, 48), (192, 48), (240, 10)];
        assert_eq!(found(&video), Some((all(48), vec![0, 2, 4])));
        video.shift = 10;
        assert_eq!(found(&video), Some((all(48), vec![0, 2, 4])), "it starts late");
        video.shift = -10;
        assert_eq!(found(&video), Some((all(38), vec![0, 2, 4])), "presentation begins inside the first");
        video.shift = -50;
        assert_eq!(found(&video), Some((vec![(48, 46), (96, 48), (144, 48), (192, 48), (240, 10)], vec![0, 2, 4])), "and behind it");
        assert_eq!(found(&test_video(25, 100, 1, |n| n == 30)), Some((vec![(30, 70)], vec![0])), "the first picture is none");
        assert_eq!(found(&test_video(25, 100, 1, |_| false)), None);
    }
}
