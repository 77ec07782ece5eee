//! Renditions that are made from what was published.

use super::*;

/// Where the first frame of a source that begins at zero is on the time line, in ticks of its pictures.
const BEGIN: u64 = 10 * 12_800;

/// What an encoder makes of frame `number`.
fn made(number: u64, gop: u64) -> LiveSample {
    let frame = frame(number, gop);
    LiveSample { decode_time: frame.decode_time + BEGIN, payload: vec![Bytes::from(format!("made {number}"))], ..frame }
}

/// The source sends what lies between these milliseconds, and an encoder that is 200 ms late makes all of it smaller.
fn run(source: &mut Source, small: RenditionId, from: u64, until: u64) {
    for millis in (from..until).step_by(40) {
        source.run(millis, millis + 40, 0).unwrap();
        let number = millis / 40 - 5;
        source.live.push(small, made(number, source.gop), at(i64::try_from(millis).unwrap() + 40)).unwrap();
        source.poll();
    }
}

fn small_track() -> Track {
    test_video(12_800, 0, 256, |_| true)
}

#[test]
fn it_joins_with_the_next_segment_and_has_the_same_ones() {
    let mut source = Source::new(Config::default());
    assert!(source.live.derive(&small_track()).is_err(), "of nothing, nothing is made");
    source.run(0, 3000, 0).unwrap();
    let small = source.live.derive(&small_track()).unwrap();
    assert_eq!(source.live.name(small), Some("v2"));
    // Until there is something of it, it is not told of, and holds up nobody.
    assert!(source.live.is_ready() && !source.live.multivariant_playlist().unwrap().contains("v2/"));
    run(&mut source, small, 3000, 8400);
    assert!(source.live.multivariant_playlist().unwrap().contains("v2/media.m3u8"));
    let facts = |id| -> Vec<_> {
        source.segments(id).iter().map(|one| (one.number, one.start, one.duration, one.clock, one.discontinuity, one.gap)).collect()
    };
    let (large, all) = (facts(source.v()), facts(small));
    assert_eq!((all.as_slice(), all.len()), (&large[2..], 2));
    assert_eq!(source.contents(small), ["3: made 100 - made 149", "4: made 150 - made 199", "5: made 200 - made 204"]);
}

#[test]
fn what_is_missing_of_it_is_a_gap_in_it_alone() {
    let mut source = Source::new(Config::default());
    source.run(0, 3000, 0).unwrap();
    let small = source.live.derive(&small_track()).unwrap();
    run(&mut source, small, 3000, 7000);
    // Its encoder is gone; another one comes, in the middle of a segment that has begun with a key frame.
    source.run(7000, 13_000, 0).unwrap();
    source.live.change(small, &small_track()).unwrap();
    run(&mut source, small, 13_000, 19_000);
    let gaps: Vec<u32> = source.segments(small).iter().filter(|one| one.gap).map(|one| one.number).collect();
    assert_eq!((gaps, source.segments(source.v()).iter().any(|one| one.gap)), (vec![5, 6, 7], false));
    let expected = ["3: made 100 - made 149", "4: made 150 - made 169", "8: made 350 - made 399"];
    assert_eq!(source.contents(small)[..3], expected);
    // A key frame that is missing costs what depends on it, and nothing else.
    for number in 475..750 {
        let now = at(i64::try_from(number).unwrap() * 40 + 40);
        source.wait(now);
        source.live.push(source.v(), frame(number, 50), now).unwrap();
        source.live.push(small, LiveSample { sync: false, ..made(number, 50) }, now).unwrap();
    }
    source.poll();
    assert!(source.segments(small).last().is_some_and(|last| last.gap));
}

#[test]
fn it_stays_when_the_source_is_lost() {
    let mut source = Source::new(Config::default());
    source.run(0, 3000, 0).unwrap();
    let small = source.live.derive(&small_track()).unwrap();
    run(&mut source, small, 3000, 7000);
    source.live.lost(at(7000));
    source.live.push(small, made(170, 50), at(7100)).unwrap();
    source.poll();
    let again = [source.live.add(&video_track(), at(8000)).unwrap(), source.live.add(&small_track(), at(8000)).unwrap()];
    assert!(!again.contains(&small), "it is nobody's to go on with");
    source.live.end(at(9000));
    assert!(source.live.derive(&small_track()).is_err());
}
