//! Segments that follow key frames which are further apart than anybody has said, before players are promised anything.

use super::*;

/// As a stream whose configuration does not say how long segments are.
fn following() -> Config {
    Config { follow: Some(10_000), ..Config::default() }
}

/// A source with a key frame every `gop` frames of 40 ms.
fn source_of(gop: u64) -> Source {
    Source { gop, ..Source::new(following()) }
}

/// What a playlist promises.
fn promised(playlist: &str) -> &str {
    let (_, rest) = playlist.split_once("#EXT-X-TARGETDURATION:").unwrap();
    rest.split_once('\n').unwrap().0
}

/// Runs on by parts, and gives the promises of all playlists that a viewer could have had.
fn watched(source: &mut Source, from: u64, until: u64) -> Vec<String> {
    let mut seen = Vec::new();
    for time in (from..until).step_by(200) {
        source.run(time, time + 200, 0).unwrap();
        for id in [source.v(), source.a()] {
            if source.live.reload(id, &Directives::default()) == Decision::Ready {
                seen.push(promised(&source.playlist(id)).into());
            }
        }
    }
    seen.dedup();
    seen
}

/// OBS as it is installed: one in 250 frames, which is 10 s here. RFC 8216bis 4.4.3.1, 6.2.1: promised once, and kept.
#[test]
fn the_promise_follows_the_first_key_frames() {
    for (gop, expected) in [(125, "7"), (209, "11"), (250, "12")] {
        let mut source = source_of(gop);
        assert_eq!(watched(&mut source, 0, 42_000), [expected], "{gop}");
        let told = source.events.iter().filter(|event| matches!(event, Event::Promised { .. })).count();
        assert_eq!(told, 1);
        for id in [source.v(), source.a()] {
            let segments = source.segments(id);
            assert!(segments.len() >= 3 && segments.iter().all(|segment| !segment.gap && !segment.discontinuity));
        }
        assert!(source.segments(source.v()).iter().all(|segment| segment.duration == gop * 512));
        assert!(source.live.mpd().is_some());
    }
}

/// Nothing is waited for longer, and nothing more is promised, where key frames come in time.
#[test]
fn key_frames_that_come_in_time_change_nothing() {
    for gop in [12, 25, 50, 75, 100] {
        let mut plain = Source { gop, ..Source::new(Config::default()) };
        let mut source = source_of(gop);
        for time in (0..20_000).step_by(40) {
            plain.run(time, time + 40, 0).unwrap();
            source.run(time, time + 40, 0).unwrap();
            for id in [source.v(), source.a()] {
                assert_eq!(plain.live.media_playlist(id, false), source.live.media_playlist(id, false), "{gop}, {time}");
            }
            assert_eq!(plain.live.mpd(), source.live.mpd(), "{gop}, {time}");
        }
        assert_eq!(plain.events, source.events);
    }
}

/// What is promised stays: later key frames that are further apart are refused, as they are where somebody has said how long segments are.
#[test]
fn what_is_promised_is_kept() {
    let mut source = source_of(50);
    source.run(0, 8000, 0).unwrap();
    source.gop = 10_000;
    let error = format!("{}", source.run(8040, 20_000, 0).unwrap_err());
    assert!(error.contains("promised segments of 4 s at most"), "{error}");
    // And what nobody can follow.
    let mut source = source_of(300);
    let error = format!("{}", source.run(0, 20_000, 0).unwrap_err());
    assert!(error.starts_with("v1 has had no key frame for 10.04 s, but players were promised segments of 10 s at most"), "{error}");
}

/// A source that is lost before its second key frame: as much is promised as it may need when it comes back.
#[test]
fn a_source_that_is_lost_before_its_second_key_frame_can_come_back() {
    for (lost, gop, expected) in [(7000, 209, "12"), (3000, 50, "4")] {
        let mut source = Source { gop: 209, ..source_of(gop) };
        source.run(0, lost, 0).unwrap();
        let late = i64::try_from(lost).unwrap();
        source.live.lost(at(late));
        source.poll();
        assert_eq!(promised(&source.playlist(source.v())), expected);
        let back = at(late + 1000);
        source.wait(back);
        source.live.add(&video_track(), back).unwrap();
        source.live.add(&test_track(48_000, 0, 1024, |_| true), back).unwrap();
        source.gop = gop;
        source.run(0, 20_000, late + 1000).unwrap();
        assert_eq!(promised(&source.playlist(source.v())), expected);
    }
}
