//! Where segments and parts begin and end.

use super::*;

#[test]
fn a_first_segment_of_another_length_does_not_cost_numbers() {
    let mut source = Source::new(Config::default());
    source.run(0, 40, 0).unwrap();
    // As where sound begins a little before the pictures: the first one stays longer.
    source.run_by(40, 13_000, 0, 30).unwrap();
    let mpd = source.live.mpd().unwrap();
    let told = |text: &str| mpd.matches(text).count();
    assert_eq!((told("<Period "), told("<SegmentTimeline>"), told("availabilityTimeComplete=\"false\"")), (2, 0, 4), "{mpd}");
    assert_eq!((told("duration=\"25984\" startNumber=\"1\""), told("duration=\"25600\" startNumber=\"3\"")), (2, 2), "{mpd}");
}

#[test]
fn all_renditions_are_cut_with_the_pictures() {
    let mut source = Source::new(Config::default());
    source.run(0, 6500, 0).unwrap();
    assert_eq!(
        source.contents(source.v()),
        ["1: frame 0 - frame 49", "2: frame 50 - frame 99", "3: frame 100 - frame 149", "4: frame 150 - frame 159"]
    );
    assert_eq!(
        source.contents(source.a()),
        ["1: sound 0 - sound 93", "2: sound 94 - sound 186", "3: sound 187 - sound 280", "4: sound 281 - sound 299"]
    );
    let video = source.segments(source.v());
    let told: Vec<_> = video.iter().map(|segment| (segment.number, segment.start, segment.duration, segment.parts.len())).collect();
    // The first sample is at 10 s of the time line.
    assert_eq!(told, [(1, 128_000, 25_600, 10), (2, 153_600, 25_600, 10), (3, 179_200, 25_600, 10)]);
    let audio = source.segments(source.a());
    let told: Vec<_> = audio.iter().map(|segment| (segment.number, segment.start, segment.duration)).collect();
    // Four seconds are 187.5 samples: of two that are equally near the earlier, as in files.
    assert_eq!(told, [(1, 480_000, 96_256), (2, 576_256, 95_232), (3, 671_488, 96_256)]);
    // The first sample came 40 ms after it began.
    assert_eq!(video[0].clock, START.after(0));
}

/// A part is published when its last sample comes: nothing waits for the next one.
#[test]
fn parts_close_by_themselves() {
    let mut source = Source::new(Config::default());
    source.run(0, 200, 0).unwrap();
    let parts = |source: &Source| {
        source.events.iter().filter(|event| matches!(event, Event::Part { rendition, .. } if *rendition == source.v())).count()
    };
    assert_eq!(parts(&source), 1);
    source.run(200, 360, 0).unwrap();
    assert_eq!(parts(&source), 1);
    source.run(360, 400, 0).unwrap();
    assert_eq!(parts(&source), 2);
    // The last of a group of pictures too, and what is hinted is what comes.
    source.run(400, 2000, 0).unwrap();
    assert_eq!(parts(&source), 10);
    assert!(source.playlist(source.v()).contains("TYPE=PART,URI=\"2.0.m4s\""), "{}", source.playlist(source.v()));
}

/// RFC 8216bis 4.4.3.1: a source that cannot keep the promise is told what to do.
#[test]
fn groups_of_pictures_that_are_too_long_are_refused() {
    let mut source = Source::new(Config::default());
    source.gop = 125;
    let error = format!("{}", source.run(0, 10000, 0).unwrap_err());
    assert!(error.starts_with("v1 has had no key frame for 4.04 s, but players were promised segments of 4 s at most; send a key frame every 2 s (ffmpeg: -force_key_frames"), "{error}");
    // Four seconds are not too long.
    let mut source = Source::new(Config::default());
    source.gop = 100;
    source.run(0, 12500, 0).unwrap();
    assert_eq!(source.segments(source.v()).len(), 3);
}

#[test]
fn sound_alone_is_cut_at_multiples() {
    let mut live = Live::new(Config::default()).unwrap();
    let audio = live.add(&test_track(48_000, 0, 1024, |_| true), START).unwrap();
    let mut source = Source { live, video: None, audio: Some(audio), gop: 50, events: Vec::new() };
    source.run(0, 9000, 0).unwrap();
    assert_eq!(
        source.contents(audio),
        [
            "1: sound 0 - sound 93",
            "2: sound 94 - sound 186",
            "3: sound 187 - sound 280",
            "4: sound 281 - sound 374",
            "5: sound 375 - sound 414"
        ]
    );
}

/// Rungs are cut where the first one is, or refused.
#[test]
fn rungs_have_the_same_cuts() {
    for (gop, fits) in [(50, true), (25, true), (60, false)] {
        let mut live = Live::new(Config::default()).unwrap();
        let first = live.add(&video_track(), START).unwrap();
        let second = live.add(&video_track(), START).unwrap();
        let mut result = Ok(());
        for number in 0..220 {
            let now = START.after(i64::try_from(number + 1).unwrap() * 40_000);
            live.push(first, frame(number, 50), now).unwrap();
            // It comes a little later.
            if let Some(number) = number.checked_sub(3) {
                result = result.and(live.push(second, frame(number, gop), now));
            }
        }
        match result {
            Ok(()) => assert!(fits),
            Err(error) => assert!(
                !fits && error.message().starts_with("v2 has no key frame where the first pictures have theirs (at 12.000 s"),
                "{error}"
            ),
        }
        if fits {
            let starts = |id| live.window(id).unwrap().segments.iter().map(|segment| (segment.number, segment.start)).collect::<Vec<_>>();
            assert_eq!(starts(first)[..3], starts(second)[..3]);
        }
    }
}
