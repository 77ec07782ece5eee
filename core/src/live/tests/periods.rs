//! What MPDs tell of a period that has just begun.

use super::*;

/// All MPDs that players could have read.
#[derive(Default)]
struct Seen {
    /// By version.
    texts: BTreeMap<u64, String>,
    /// By period: what each rendition that is told of it has for a header.
    periods: BTreeMap<u32, Vec<String>>,
}

/// What stands behind `before` and in front of the next quotation mark, each time.
fn all<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

impl Seen {
    fn look(&mut self, live: &Live) {
        let Some(mpd) = live.mpd() else { return };
        for period in mpd.split("<Period ").skip(1) {
            let number = all(period, "id=\"")[0].parse().unwrap();
            let names = all(period, "<Representation id=\"");
            // One for all of a set, or one each.
            let told: Vec<String> = period
                .split("<AdaptationSet ")
                .skip(1)
                .flat_map(|set| all(set, "initialization=\"$RepresentationID$/"))
                .zip(&names)
                .map(|(header, name)| format!("{name} {header}"))
                .collect();
            let before = self.periods.entry(number).or_insert_with(|| told.clone());
            assert_eq!(*before, told, "period {number} was told otherwise");
        }
        let version = live.mpd_version();
        let before = self.texts.entry(version).or_insert_with(|| mpd.clone());
        assert_eq!(*before, mpd, "version {version} is told otherwise");
    }

    /// What the newest period is told to have.
    fn last(&self) -> &[String] {
        self.periods.last_key_value().unwrap().1
    }
}

/// A stream whose sound comes so many milliseconds after its pictures, and both of which are described anew at `change`.
fn run(late: i64, change: u64, until: u64) -> Seen {
    let (mut source, mut seen) = (Source::new(Config::default()), Seen::default());
    let mut samples: Vec<(i64, u64, bool)> = Vec::new();
    let end = |number: u64, ticks: u64, scale: u64| i64::try_from((number + 1) * ticks * 1_000_000 / scale).unwrap();
    samples.extend((0..until / 40).map(|number| (end(number, 512, 12_800), number, true)));
    samples.extend((0..until * 48 / 1024).map(|number| (end(number, 1024, 48_000) + late * 1000, number, false)));
    samples.sort_unstable();
    for (micros, number, picture) in samples {
        let now = START.after(micros);
        source.wait(now);
        let (id, first) = if picture { (source.v(), change / 40) } else { (source.a(), change * 48 / 1024) };
        if number == first && change > 0 {
            let mut track = if picture { video_track() } else { test_track(48_000, 0, 1024, |_| true) };
            track.sample_entries = vec![vec![0, 0, 0, 8, b'a', b'b', b'c', if picture { 1 } else { 2 }]];
            source.live.change(id, &track).unwrap();
        }
        source.live.push(id, if picture { frame(number, 50) } else { sound(number) }, now).unwrap();
        source.poll();
        seen.look(&source.live);
    }
    seen
}

/// ISO/IEC 23009-1 5.3.2, 5.3.9.5: players read a period once. It is told when all of its renditions have begun, with the headers that
/// they need, and it is told then: not with the next segment.
#[test]
fn periods_are_told_once_all_of_them_is_known() {
    for late in [0, 20, 300, 900] {
        let seen = run(late, 0, 9000);
        assert_eq!((seen.last(), seen.periods.len()), (&["v1 init-1.mp4", "a1 init-1.mp4"].map(String::from)[..], 1), "{late}");
        let seen = run(late, 4000, 9000);
        assert_eq!(seen.last(), ["v1 init-2.mp4", "a1 init-2.mp4"], "{late}");
        assert!(seen.periods.len() > 1, "{late}");
    }
}

/// A source that comes back without its sound does not hold up what it sends.
#[test]
fn who_is_away_is_not_waited_for() {
    let mut source = Source::new(Config::default());
    source.run(0, 7000, 0).unwrap();
    source.live.lost(at(7000));
    source.wait(at(8000));
    assert_eq!(source.live.add(&video_track(), at(8000)).unwrap(), source.v());
    source.audio = None;
    let before = source.live.mpd().unwrap().matches("<Period ").count();
    source.run(8000, 8400, 0).unwrap();
    assert_eq!(source.live.mpd().unwrap().matches("<Period ").count(), before + 1);
}
