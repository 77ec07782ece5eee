//! A caller that was held up: what it has not read is not missing.

use super::*;

/// What lies unread when the caller comes back, in the order in which it reads it.
fn unread(from: u64, until: u64) -> (Vec<LiveSample>, Vec<LiveSample>) {
    let pictures = (from / 40..until / 40).map(|number| frame(number, 50));
    let sounds = ((from * 48 + 512) / 1024..(until * 48 + 512) / 1024).map(sound);
    (pictures.collect(), sounds.collect())
}

/// The stream as it is where nobody was held up.
fn expected() -> Source {
    let mut source = Source::new(Config::default());
    source.run(0, 24_000, 0).unwrap();
    source
}

fn assert_same(source: &Source, case: &str) {
    let expected = expected();
    for id in [source.v(), source.a()] {
        assert_eq!(source.contents(id), expected.contents(id), "{case}");
        let told = |source: &Source| source.segments(id).iter().map(|one| (one.number, one.start, one.gap)).collect::<Vec<_>>();
        assert_eq!(told(source), told(&expected), "{case}");
    }
}

/// Whether the timer or a reader runs first, and whichever track is read first, all that was sent is published where it belongs.
#[test]
fn what_lies_unread_is_no_gap() {
    for (case, timer_first, sound_first) in
        [("timer", true, false), ("pictures", false, false), ("sound", false, true), ("timer, sound", true, true)]
    {
        let mut source = Source::new(Config::default());
        source.run(0, 7000, 0).unwrap();
        let now = at(17_000);
        let (pictures, sounds) = unread(7000, 17_000);
        let (v, a) = (source.v(), source.a());
        if timer_first {
            source.live.handle_timeout(now);
        }
        let mut tracks = [(v, pictures), (a, sounds)];
        if sound_first {
            tracks.reverse();
        }
        for (id, samples) in tracks {
            for sample in samples {
                source.live.push(id, sample, now).unwrap();
            }
            // Who reads the other one is not there yet.
            source.live.handle_timeout(now);
            source.poll();
        }
        source.run(17_000, 24_000, 0).unwrap();
        assert_same(&source, case);
    }
}

/// Of a source that has sent nothing it is told all the same, a segment later.
#[test]
fn what_nobody_sent_is_a_gap() {
    let mut source = Source::new(Config::default());
    source.run(0, 7000, 0).unwrap();
    let gaps = |source: &Source| source.segments(source.v()).iter().filter(|one| one.gap).count();
    source.live.handle_timeout(at(27_000));
    source.poll();
    assert_eq!((gaps(&source), source.live.timeout()), (0, Some(at(29_000))));
    // Who calls too early is sent away.
    source.live.handle_timeout(at(28_000));
    source.wait(at(29_000));
    assert_eq!(gaps(&source), 11, "from 7 s to 29 s");
    // It is late again, and again it is not the source.
    source.live.handle_timeout(at(33_000));
    source.poll();
    assert_eq!(gaps(&source), 11);
    source.wait(at(36_000));
    assert!(gaps(&source) > 11);
}

/// A timer that is late by little is what every machine has.
#[test]
fn a_little_is_not_late() {
    let mut source = Source::new(Config::default());
    source.run(0, 7000, 0).unwrap();
    let due = source.live.timeout().unwrap();
    source.live.handle_timeout(due.after(200_000));
    source.poll();
    assert!(source.segments(source.v()).iter().any(|one| one.gap));
}

/// An encoder that comes back while nobody looks finds its stream.
#[test]
fn a_stream_is_not_over_before_who_comes_back_is_heard() {
    let mut source = Source::new(Config::default());
    source.run(0, 7000, 0).unwrap();
    source.live.lost(at(7000));
    source.wait(at(10_000));
    source.live.handle_timeout(at(40_000));
    assert!(!source.live.is_ended());
    assert_eq!(source.live.timeout(), Some(at(42_000)));
    assert_eq!(source.live.add(&video_track(), at(40_500)).unwrap(), source.v());
    source.wait(at(42_000));
    assert!(!source.live.is_ended());
}
