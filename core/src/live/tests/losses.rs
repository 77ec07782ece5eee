//! What is missing, and sources that go, come back, or stand still.

use super::*;

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
