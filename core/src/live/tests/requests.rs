//! What players of HLS ask for: answered, held or refused, under the names that playlists tell.

use super::*;

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
