//! Times of the source that are odd, come again, jump, or drift away.

use super::*;

/// Everything that comes again is dropped; DASH-IF Live Media Ingest 1.2: idempotent by track and time.
#[test]
fn what_is_sent_again_is_dropped() {
    let mut once = Source::new(Config::default());
    once.run(0, 8500, 0).unwrap();
    let mut twice = Source::new(Config::default());
    twice.run(0, 4480, 0).unwrap();
    // Two seconds again, at once.
    for number in 60..112 {
        twice.live.push(twice.v(), frame(number, 50), at(4480)).unwrap();
    }
    for number in 100..210 {
        twice.live.push(twice.a(), sound(number), at(4480)).unwrap();
    }
    twice.run(4480, 8500, 0).unwrap();
    for id in [once.v(), once.a()] {
        assert_eq!(once.contents(id), twice.contents(id));
        assert_eq!(once.segments(id), twice.segments(id));
    }
}

/// The clock of the source jumps: the time line goes on, and playlists say that something changed.
#[test]
fn a_jump_of_the_clock_is_a_discontinuity() {
    for (name, ahead) in [("forward", 3_600_000), ("back", -9000), ("back by little", -3000)] {
        let mut source = Source::new(Config::default());
        source.run(0, 12000, 0).unwrap();
        let result = source.run_by(12000, 20100, 0, ahead);
        result.unwrap();
        let segments = source.segments(source.v());
        let changed: Vec<u32> = segments.iter().filter(|segment| segment.discontinuity).map(|segment| segment.number).collect();
        assert_eq!(changed.len(), 1, "{name}: {changed:?}");
        for pair in segments.windows(2) {
            assert_eq!(pair[0].number + 1, pair[1].number);
            // Sound that was there already may end a little later than the pictures.
            assert!(pair[0].end().abs_diff(pair[1].start) <= if pair[1].discontinuity { 273 } else { 0 }, "{name}: {pair:?}");
        }
        let audio: Vec<u32> =
            source.segments(source.a()).iter().filter(|segment| segment.discontinuity).map(|segment| segment.number).collect();
        assert_eq!(audio, changed, "{name}: all renditions together");
        for segment in segments {
            let place = i64::try_from(segment.start * 10 / 128).unwrap() - 10_000;
            assert!(segment.clock.since(at(place)).abs() < 1000, "{name}: {segment:?}");
        }
    }
}

/// The clock of the source runs by another rate than ours: where that comes to more than half a segment, all is set right, once.
#[test]
fn drift_is_set_right() {
    let mut source = Source::new(Config::default());
    source.run(0, 20000, 0).unwrap();
    source.run(20000, 60000, 1400).unwrap();
    let segments = source.segments(source.v());
    let changed: Vec<&&Segment> = segments.iter().filter(|segment| segment.discontinuity).collect();
    assert_eq!(changed.len(), 1);
    let last = segments[segments.len() - 1];
    let place = i64::try_from(last.start * 10 / 128).unwrap() - 10_000;
    assert!(last.clock.since(at(place + 1400)).abs() < 50_000, "{last:?}");
}

/// What an encoder tells of the time of day is what playlists tell.
#[test]
fn the_clock_of_the_encoder_is_taken() {
    let mut source = Source::new(Config::default());
    let reference = ReferenceTime { media_time: 0, clock: at(-700), flags: 24 };
    source.live.reference(source.v(), reference, START);
    source.run(0, 4500, 0).unwrap();
    assert_eq!(source.segments(source.v())[0].clock, at(-700));
    assert!(source.live.mpd().unwrap().contains("wallClockTime=\"2026-11-28T09:59:59.300Z\""));
}

/// A source that stalls and then stays late: what it sends is published all the same, on a time line that is later by that.
#[test]
fn a_source_that_stays_late_is_taken_as_it_is() {
    let mut source = Source::new(Config::default());
    source.run(0, 6000, 0).unwrap();
    source.run(6000, 30_100, 9000).unwrap();
    for id in [source.v(), source.a()] {
        let segments = source.segments(id);
        let told: String = segments.iter().map(|segment| if segment.gap { 'g' } else { 's' }).collect();
        assert!(told.starts_with("sssggg") && told.ends_with("sssssssss"), "{told}");
        // The gap says so.
        assert!(segments.iter().all(|segment| !segment.discontinuity));
    }
    // Sound stays beside its pictures.
    let start = |id| {
        let window = source.live.window(id).unwrap();
        window.segments.back().unwrap().start * 1000 / u64::from(window.timescale.get())
    };
    assert!(start(source.v()).abs_diff(start(source.a())) <= 11);
}

/// As ffmpeg writes sound with a fragment for every frame: one that lasts no time, and one of twice the time that begins with it.
#[test]
fn samples_that_last_no_time_share_what_there_is() {
    let mut plain = Source::new(Config::default());
    plain.run(0, 5000, 0).unwrap();
    let mut source = Source::new(Config::default());
    let audio = source.audio.take().unwrap();
    for number in 0..125 {
        source.run(number * 40, number * 40 + 40, 0).unwrap();
        let now = at(i64::try_from(number + 1).unwrap() * 40);
        for number in (number * 1920..number * 1920 + 1920).filter(|ticks| ticks % 1024 == 0).map(|ticks| ticks / 1024) {
            let odd = number % 2;
            let sample = LiveSample { decode_time: (number - odd) * 1024, duration: u32::try_from(odd * 2048).unwrap(), ..sound(number) };
            source.live.push(audio, sample, now).unwrap();
            source.poll();
        }
    }
    let told = |source: &Source| source.segments(audio).iter().map(|segment| (segment.start, segment.duration)).collect::<Vec<_>>();
    assert_eq!(told(&source), told(&plain));
    assert_eq!(source.contents(audio)[..2], plain.contents(audio)[..2]);
}

/// As ffmpeg writes sound that begins late: the first frame lasts until the second.
#[test]
fn silence_is_no_long_frame() {
    let mut source = Source::new(Config::default());
    let long = LiveSample { duration: 66_208, ..sound(0) };
    source.live.push(source.a(), long, at(21)).unwrap();
    source.run(0, 40, 0).unwrap();
    source.run(1380, 6100, 0).unwrap();
    let parts = source.events.iter().filter_map(|event| match event {
        Event::Part { rendition, duration, .. } if *rendition == source.a() => Some(*duration),
        _ => None,
    });
    assert!(parts.max().unwrap() <= 9600);
}
