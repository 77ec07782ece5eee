//! For any cues: what is published as samples and as WebVTT shows exactly them.

use proptest::{collection::vec, prelude::*};
use reelway_core::{
    sample::Sample,
    text::{Cue, Cues, webvtt, wvtt},
    time::Timescale,
};

prop_compose! {
    /// Cues that overlap, follow each other, leave gaps; each says something else.
    fn cues()(list in vec((0u64..20_000, 1u64..5000, "[a-zé\n<>&-]{0,12}", any::<bool>()), 0..25)) -> Cues {
        let list = list.iter().enumerate().map(|(number, (start, length, text, settings))| {
            let settings = if *settings { "line:0 align:left" } else { "" };
            Cue::new(*start..start + length, &number.to_string(), settings, &format!("{number}{text}"))
        });
        Cues::new(list.collect(), String::from("STYLE\n::cue {}"))
    }
}

/// The sample and its bytes.
fn sample_bytes<'a>(made: &'a wvtt::Made, sample: &Sample) -> &'a [u8] {
    let place = |byte| usize::try_from(byte).unwrap_or(usize::MAX);
    made.payload.get(place(sample.offset)..place(sample.range().end)).unwrap_or_default()
}

proptest! {
    #[test]
    fn samples_show_what_the_cues_show(cues in cues(), mut bounds in vec(0u64..30_000, 0..12)) {
        bounds.extend([0, 30_000]);
        bounds.sort_unstable();
        let made = wvtt::make(&cues, &bounds, usize::MAX).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let mut joiner = wvtt::Joiner::default();
        let (mut time, mut begin) = (0, Vec::new());
        for sample in &made.samples {
            prop_assert_eq!(sample.decode_time, time, "every moment has one sample");
            begin.push(time);
            time += u64::from(sample.duration);
            joiner.add(&(sample.decode_time..time), sample_bytes(&made, &sample)).map_err(|error| TestCaseError::fail(error.to_string()))?;
        }
        prop_assert_eq!(time, 30_000);
        bounds.dedup();
        bounds.pop();
        let segments: Vec<u64> = made.segments.iter().filter_map(|sample| begin.get(usize::try_from(*sample).ok()?).copied()).collect();
        prop_assert_eq!(segments, bounds, "segments begin at their bounds");
        let mut joined: Vec<Cue> = joiner.finish(String::new()).list().to_vec();
        let mut expected = cues.list().to_vec();
        for list in [&mut joined, &mut expected] {
            list.sort_by_key(|cue| (cue.start, cue.id().to_owned()));
        }
        prop_assert_eq!(joined, expected);
    }

    #[test]
    fn segments_of_webvtt_show_what_the_cues_show(cues in cues(), length in 500u64..8000, start in 0u64..10_000) {
        let mut found: Vec<Cue> = Vec::new();
        for first in (start..30_000).step_by(usize::try_from(length).unwrap_or(1)) {
            let text = webvtt::segment(&cues, first..first + length, (start, Timescale::MILLIS));
            let (read, fault) = webvtt::read(text.as_bytes()).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!((fault, read.blocks()), (None, cues.blocks()));
            for cue in read.list() {
                prop_assert!(cue.end + start > first && cue.start + start < first + length, "{cue:?} is not shown in the segment at {first}");
                if !found.contains(cue) {
                    found.push(cue.clone());
                }
            }
        }
        // What began before the start of the presentation begins with it.
        let expected = cues.list().iter().filter(|cue| cue.end > start);
        let expected = expected.map(|cue| Cue::new(cue.start.saturating_sub(start)..cue.end - start, cue.id(), cue.settings(), cue.text()));
        let expected: Vec<Cue> = expected.collect();
        prop_assert_eq!(found.len(), expected.len());
        prop_assert!(expected.iter().all(|cue| found.contains(cue)));
    }
}
