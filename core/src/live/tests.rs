//! The driver under a clock that the test sets: nothing here waits.

mod derived;
mod follow;
mod headers;
mod messages;
mod overslept;
mod pace;
mod periods;
#[cfg(feature = "encryption")]
mod sealed;
mod start_over;
mod text;

use alloc::{collections::BTreeMap, format, string::String, vec, vec::Vec};

use bytes::Bytes;

use super::*;
use crate::{
    hls::{Decision, Directives},
    track::{test_track, test_video},
    window::{PartAddressing, Segment},
};

/// 2026-11-28T10:00:00Z.
const START: Moment = Moment(1_795_860_000_000_000);

fn at(millis: i64) -> Moment {
    START.after(millis * 1000)
}

/// Frames of 40 ms, a key frame every `gop`, in the order in which an encoder without reordering sends them.
fn frame(number: u64, gop: u64) -> LiveSample {
    LiveSample {
        decode_time: number * 512,
        duration: 512,
        composition_offset: 0,
        sync: number.is_multiple_of(gop),
        description: 0,
        payload: vec![Bytes::from(format!("frame {number}"))],
    }
}

fn sound(number: u64) -> LiveSample {
    let payload = vec![Bytes::from(format!("sound {number}"))];
    LiveSample { decode_time: number * 1024, duration: 1024, composition_offset: 0, sync: true, description: 0, payload }
}

/// A source that sends each sample when it has ended.
struct Source {
    live: Live,
    video: Option<RenditionId>,
    audio: Option<RenditionId>,
    gop: u64,
    events: Vec<Event>,
}

fn video_track() -> Track {
    test_video(12_800, 0, 512, |_| true)
}

impl Source {
    fn new(config: Config) -> Self {
        let mut live = Live::new(config).unwrap();
        let video = live.add(&video_track(), START).unwrap();
        let audio = live.add(&test_track(48_000, 0, 1024, |_| true), START).unwrap();
        Self { live, video: Some(video), audio: Some(audio), gop: 50, events: Vec::new() }
    }

    fn poll(&mut self) {
        self.events.extend(core::iter::from_fn(|| self.live.poll()));
    }

    /// Goes on from `from` to `until`, in milliseconds of media, which come so many milliseconds `late`.
    fn run(&mut self, from: u64, until: u64, late: i64) -> Result<()> {
        self.run_by(from, until, late, 0)
    }

    /// The same with the clock of the source so many milliseconds `ahead`.
    fn run_by(&mut self, from: u64, until: u64, late: i64, ahead: i64) -> Result<()> {
        let mut samples: Vec<(u64, RenditionId, LiveSample)> = Vec::new();
        let mut add = |end: u64, id, sample: LiveSample, ticks: i64| {
            let decode_time = sample.decode_time.checked_add_signed(ahead * ticks / 10).unwrap();
            samples.push((end, id, LiveSample { decode_time, ..sample }));
        };
        if let Some(id) = self.video {
            for number in from / 40..until / 40 {
                add((number + 1) * 40_000, id, frame(number, self.gop), 128);
            }
        }
        if let Some(id) = self.audio {
            for number in (from * 48 + 512) / 1024..(until * 48 + 512) / 1024 {
                add((number + 1) * 1024 * 1000 / 48, id, sound(number), 480);
            }
        }
        samples.sort_by_key(|(end, ..)| *end);
        for (end, id, sample) in samples {
            let now = at(late).after(i64::try_from(end).unwrap());
            self.wait(now);
            self.live.push(id, sample, now)?;
            self.poll();
        }
        Ok(())
    }

    /// Lets time pass.
    fn wait(&mut self, now: Moment) {
        while let Some(due) = self.live.timeout().filter(|due| *due <= now) {
            self.live.handle_timeout(due);
            self.poll();
            assert!(self.live.timeout().is_none_or(|next| next > due), "the same time again");
        }
    }

    fn segments(&self, id: RenditionId) -> Vec<&Segment> {
        let of = |event: &'_ Event| matches!(event, Event::Segment { rendition, .. } if *rendition == id);
        let found = self.events.iter().filter(|event| of(event));
        found.filter_map(|event| if let Event::Segment { segment, .. } = event { Some(segment) } else { None }).collect()
    }

    /// What segments hold, as text: each with its number, the first and last sample.
    fn contents(&self, id: RenditionId) -> Vec<String> {
        let mut payload: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for event in &self.events {
            if let Event::Part { rendition, segment, payload: pieces, .. } = event
                && *rendition == id
            {
                let text = pieces.iter().map(|piece| String::from_utf8(piece.to_vec()).unwrap());
                payload.entry(*segment).or_default().extend(text);
            }
        }
        let ends = |(number, names): (&u32, &Vec<String>)| format!("{number}: {} - {}", names[0], names[names.len() - 1]);
        payload.iter().map(ends).collect()
    }

    fn playlist(&self, id: RenditionId) -> String {
        self.live.media_playlist(id, false).unwrap()
    }

    fn v(&self) -> RenditionId {
        self.video.unwrap()
    }

    fn a(&self) -> RenditionId {
        self.audio.unwrap()
    }
}

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

/// Seconds that the source did not send are told as gaps of all renditions, with the numbers in between.
#[test]
fn what_is_missing_is_a_gap() {
    let mut source = Source::new(Config::default());
    source.run(0, 7000, 0).unwrap();
    source.run(20000, 26100, 0).unwrap();
    for id in [source.v(), source.a()] {
        let segments = source.segments(id);
        let told: String = segments.iter().map(|segment| if segment.gap { 'g' } else { 's' }).collect();
        assert_eq!(told, "ssssggggggsss");
        let numbers: Vec<u32> = segments.iter().map(|segment| segment.number).collect();
        assert_eq!(numbers, (1..=13).collect::<Vec<_>>());
        assert!(segments.iter().all(|segment| !segment.discontinuity));
        assert!(source.playlist(id).contains("#EXT-X-GAP\n#EXTINF:"));
    }
}

/// The source is lost, and comes back within the grace time: at once with its clock set to zero, later, with another header.
#[test]
fn a_source_that_comes_back_goes_on() {
    for (gap, header) in [(400, false), (5000, false), (5000, true)] {
        let mut source = Source::new(Config::default());
        source.run(0, 7000, 0).unwrap();
        source.live.lost(at(7000));
        source.poll();
        assert_eq!(source.segments(source.v()).len(), 4, "what there is is whole");
        let back = at(7000 + gap);
        source.wait(back);
        let mut video = video_track();
        if header {
            video.sample_entries = vec![vec![0, 0, 0, 8, b'a', b'v', b'c', b'1']];
        }
        assert_eq!(source.live.add(&test_track(48_000, 0, 1024, |_| true), back).unwrap(), source.a());
        assert_eq!(source.live.add(&video, back).unwrap(), source.v());
        // The clock of the source begins anew.
        source.run(0, 6100, 7000 + gap).unwrap();
        source.live.end(at(13_500 + gap));
        source.poll();
        for id in [source.v(), source.a()] {
            let segments = source.segments(id);
            // RFC 8216bis 4.4.4.3: where a gap stands for what is missing, times go on, and only another header is a discontinuity.
            let discontinuities = segments.iter().filter(|segment| segment.discontinuity).count();
            assert_eq!(discontinuities, usize::from(header || gap < 1000), "{gap} {header}");
            let last = segments[segments.len() - 1];
            assert_eq!(last.header, if header && id == source.v() { 2 } else { 1 });
            let gaps: u64 = segments.iter().filter(|segment| segment.gap).map(|segment| segment.duration).sum();
            let scale = u64::from(source.live.window(id).unwrap().timescale.get());
            assert!((gap > 1000) == (gaps > 0), "{gap}: {gaps}");
            assert!(gaps < 6 * scale);
            let text = source.playlist(id);
            assert!(text.ends_with("#EXT-X-ENDLIST\n") && !text.contains("PRELOAD-HINT") && !text.contains("EXT-X-PART:"), "{text}");
            assert_eq!(text.matches("#EXT-X-MAP").count(), if header && id == source.v() { 2 } else { 1 });
        }
        assert!(source.live.is_ended());
    }
}

/// A source that does not come back: the stream is over after the grace time, and its viewers are held until then.
#[test]
fn a_source_that_stays_away_ends_the_stream() {
    let mut source = Source::new(Config::default());
    source.run(0, 7000, 0).unwrap();
    source.live.lost(at(7000));
    source.wait(at(21900));
    assert!(!source.live.is_ended());
    source.wait(at(22100));
    assert!(source.live.is_ended());
    assert_eq!(source.live.timeout(), None);
    assert!(matches!(source.events.last(), Some(Event::Ended)));
    assert!(source.live.push(source.v(), frame(0, 50), at(23000)).is_err());
}

/// Live checklist: something new at least every one and a half target durations, even if nothing comes.
#[test]
fn a_source_that_stalls_does_not_stop_playlists() {
    let mut source = Source::new(Config::default());
    source.run(0, 7000, 0).unwrap();
    let mut last = (source.live.version(), 7000);
    for now in (7250..=40_000).step_by(250) {
        source.wait(at(now));
        if source.live.version() != last.0 {
            last = (source.live.version(), now);
        }
        assert!(now - last.1 <= 6000, "nothing new from {} ms to {now} ms", last.1);
    }
    // It goes on with its clock as if nothing had been.
    source.run(40000, 44100, 0).unwrap();
    let told: String = source.segments(source.v()).iter().map(|segment| if segment.gap { 'g' } else { 's' }).collect();
    assert!(told.starts_with("ssssggg") && told.ends_with("ggss"), "{told}");
}

/// A rendition that is told of and does not come must not hold the others.
#[test]
fn sound_that_never_comes_is_a_gap() {
    let mut source = Source::new(Config::default());
    let audio = source.audio.take().unwrap();
    source.run(0, 12500, 0).unwrap();
    let segments = source.segments(audio);
    assert!(segments.len() >= 3 && segments.iter().all(|segment| segment.gap), "{segments:?}");
    assert!(source.live.is_ready());
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

/// Everything that is kept is bounded by the window, however long the stream lasts.
#[test]
fn the_window_is_bounded() {
    let mut source = Source::new(Config { window: 20_000, ..Config::default() });
    source.run(0, 200_000, 0).unwrap();
    let window = source.live.window(source.v()).unwrap();
    assert_eq!(window.segments.len(), 10);
    let removed: Vec<u32> = source
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Removed { rendition, segment } if *rendition == source.v() => Some(*segment),
            _ => None,
        })
        .collect();
    // Listed for 20 s, and to be had for its own 2 s and the 20 s of the playlist that listed it.
    assert_eq!(removed, (1..=u32::try_from(removed.len()).unwrap()).collect::<Vec<_>>());
    assert!((75..=79).contains(&removed.len()), "{}", removed.len());
    assert!(source.live.cuts.periods().count() == 1);
}

/// A hostile clock that jumps with every sample costs no more than the window.
#[test]
fn clocks_that_jump_all_the_time_are_bounded() {
    let mut live = Live::new(Config { window: 20_000, ..Config::default() }).unwrap();
    let video = live.add(&video_track(), START).unwrap();
    for number in 0..5000u64 {
        let mut sample = frame(number, 1);
        sample.decode_time = (number % 7) * 1_000_000_000 + number * 512;
        let _ = live.push(video, sample, START.after(i64::try_from(number).unwrap() * 40_000));
        while live.poll().is_some() {}
    }
    assert!(live.window(video).unwrap().segments.len() <= 84);
    assert!(live.cuts.periods().count() <= 90, "{}", live.cuts.periods().count());
}

#[test]
fn sound_that_runs_ahead_is_refused_before_it_costs_memory() {
    let mut source = Source::new(Config::default());
    source.run(0, 1000, 0).unwrap();
    let refused = (47..20_000).find_map(|number| source.live.push(source.a(), sound(number), at(1000)).err());
    assert!(refused.is_some_and(|error| error.message().starts_with("a1 runs ahead: 8192 samples")));
}

#[test]
fn reload_follows_the_stream() {
    let mut source = Source::new(Config::default());
    let ask = |source: &Source, query: &str| source.live.reload(source.v(), &Directives::parse(query).unwrap());
    assert_eq!(ask(&source, ""), Decision::Wait, "nothing is there");
    source.run(0, 1000, 0).unwrap();
    assert!(source.playlist(source.v()).contains("EXT-X-PART:"));
    assert_eq!(ask(&source, ""), Decision::Wait, "players take parts alone for nothing");
    source.run(1000, 4620, 0).unwrap();
    assert_eq!(ask(&source, ""), Decision::Ready);
    assert_eq!(ask(&source, "_HLS_msn=3&_HLS_part=2"), Decision::Ready);
    assert_eq!(ask(&source, "_HLS_msn=3&_HLS_part=3"), Decision::Wait);
    assert_eq!(ask(&source, "_HLS_msn=9"), Decision::Refuse);
    source.run(4620, 4800, 0).unwrap();
    assert_eq!(ask(&source, "_HLS_msn=3&_HLS_part=3"), Decision::Ready);
    source.live.end(at(4800));
    assert_eq!(ask(&source, "_HLS_msn=9"), Decision::Ready);
}

#[test]
fn pieces_are_found_held_or_refused() {
    let mut source = Source::new(Config { window: 12_000, ..Config::default() });
    source.run(0, 60500, 0).unwrap();
    let ask = |source: &Source, segment, part| source.live.piece(source.v(), segment, part);
    for (segment, part, expected) in [
        (31, Some(0), Piece::Ready),
        (31, Some(2), Piece::Soon),
        (31, Some(3), Piece::Missing),
        (32, Some(0), Piece::Soon),
        (33, Some(0), Piece::Missing),
        (31, None, Piece::Ready),
        (32, None, Piece::Soon),
        (33, None, Piece::Missing),
        (30, None, Piece::Ready),
        (30, Some(9), Piece::Ready),
        (30, Some(10), Piece::Missing),
        (2, None, Piece::Gone),
        (0, None, Piece::Missing),
    ] {
        assert_eq!(ask(&source, segment, part), expected, "{segment} {part:?}");
    }
}

/// Parts are listed for three target durations and to be had for three more (RFC 8216bis 4.4.4.9, 6.2.2). Who is later than that finds the
/// segment, which stays as long as the window.
#[test]
fn who_is_too_late_for_parts_finds_the_segment() {
    let mut source = Source::new(Config { window: 60_000, ..Config::default() });
    source.run(0, 60500, 0).unwrap();
    let six = 6 * u64::from(source.live.promise().target_duration);
    let window = source.live.window(source.v()).unwrap();
    let end = window.segments.back().unwrap().end();
    let (old, new): (Vec<&Segment>, Vec<&Segment>) =
        window.segments.iter().partition(|segment| segment.end() + six * u64::from(window.timescale.get()) <= end);
    assert!(!old.is_empty() && !new.is_empty());
    for (segments, part) in [(old, Piece::Missing), (new, Piece::Ready)] {
        for number in segments.iter().map(|segment| segment.number) {
            let ask = |part| source.live.piece(source.v(), number, part);
            assert_eq!((ask(Some(0)), ask(None)), (part, Piece::Ready), "{number}");
        }
    }
}

#[test]
fn byte_ranges_name_the_parts_of_the_segment() {
    let mut source = Source::new(Config { part_addressing: PartAddressing::Ranges, ..Config::default() });
    source.run(0, 620, 0).unwrap();
    let parts = source.live.window(source.v()).unwrap().open.as_ref().unwrap().parts.clone();
    let text = source.playlist(source.v());
    let (first, second) = (parts[0].bytes, parts[1].bytes);
    for expected in [
        format!("#EXT-X-PART:DURATION=0.200000,URI=\"1.m4s\",BYTERANGE=\"{first}@0\",INDEPENDENT=YES\n"),
        format!("#EXT-X-PART:DURATION=0.200000,URI=\"1.m4s\",BYTERANGE=\"{second}@{first}\"\n"),
        format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"1.m4s\",BYTERANGE-START={}\n", parts.iter().map(|part| part.bytes).sum::<u64>()),
    ] {
        assert!(text.contains(&expected), "{expected} is not in\n{text}");
    }
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
