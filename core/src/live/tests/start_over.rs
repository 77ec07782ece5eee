//! Viewers that begin before the newest part.

use super::*;

/// What a multivariant playlist says of where to begin.
fn offset(source: &Source, start: i32) -> String {
    let (plain, text) = (source.live.multivariant_playlist().unwrap(), source.live.multivariant_playlist_from(start).unwrap());
    let line = text.strip_prefix(&plain).expect("all else is the same").trim();
    line.strip_prefix("#EXT-X-START:TIME-OFFSET=").unwrap().into()
}

/// RFC 8216bis 4.4.2.2.
#[test]
fn viewers_begin_where_they_are_told_to() {
    let mut source = Source::new(Config { window: 60_000, ..Config::default() });
    source.run(0, 20_000, 0).unwrap();
    let plain = source.playlist(source.v());
    for (start, expected) in [(0, "0.001"), (7, "7.000"), (-10, "-10.000"), (500, "500.000")] {
        assert_eq!(offset(&source, start), expected);
    }
    assert_eq!(source.playlist(source.v()), plain, "those of media are for all");
}

/// What a viewer begins with stays for three target durations, as far as the window reaches.
#[test]
fn nobody_is_sent_to_what_is_about_to_go() {
    for (window, earliest, furthest, stays) in [(60_000, 14, -48, 12_000), (10_000, 8, -6, 6000)] {
        let mut source = Source::new(Config { window, ..Config::default() });
        source.run(0, 180_000, 0).unwrap();
        for start in [0, 3] {
            assert_eq!(offset(&source, start), format!("{earliest}.000"), "{window}");
        }
        for start in [-1000, i32::MIN] {
            assert_eq!(offset(&source, start), format!("{furthest}.000"), "{window}");
        }
        let listed = source.live.window(source.v()).unwrap();
        let begins = listed.segments.front().unwrap().start + earliest * u64::from(listed.timescale.get());
        let number = listed.segments.iter().find(|segment| segment.end() > begins).unwrap().number;
        source.run(180_000, 180_000 + stays, 0).unwrap();
        assert!(source.live.window(source.v()).unwrap().segment(number).is_some(), "{window}: it has stayed");
        // Nothing goes once the stream is over.
        source.live.end(at(200_000));
        assert_eq!(offset(&source, 0), "0.001");
        assert_eq!(offset(&source, -1000), "-1000.000");
    }
}

#[test]
fn nothing_is_told_of_a_stream_that_has_not_begun() {
    assert_eq!(Source::new(Config::default()).live.multivariant_playlist_from(0), None);
}
