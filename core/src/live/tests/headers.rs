//! The source describes its tracks anew in mid-stream, as where the size of its pictures changes: a segment begins there, however far the
//! sound is.

use super::*;

/// The key frame of another size comes at 5 s, in the middle of a segment.
const CHANGE: u64 = 125;

fn other(track: Track, name: [u8; 4]) -> Track {
    Track { sample_entries: vec![[&[0, 0, 0, 8], &name[..]].concat()], ..track }
}

/// Twelve seconds whose sound comes so many milliseconds before its pictures. `both`: its description changes too.
fn changed(ahead: i64, both: bool) -> Source {
    let mut source = Source::new(Config::default());
    let (video, audio) = (source.v(), source.a());
    let mut samples: Vec<(i64, RenditionId, LiveSample)> = Vec::new();
    for number in 0..300 {
        let gop = if number < CHANGE { number } else { number - CHANGE };
        let sample = LiveSample { sync: gop.is_multiple_of(50), ..frame(number, 50) };
        samples.push((i64::try_from(number + 1).unwrap() * 40_000, video, sample));
    }
    for number in 0..562 {
        samples.push((i64::try_from((number + 1) * 1024 * 1000 / 48).unwrap() - ahead * 1000, audio, sound(number)));
    }
    samples.sort_by_key(|(end, ..)| *end);
    for (end, id, sample) in samples {
        let now = START.after(end);
        source.wait(now);
        if id == video && sample.decode_time == CHANGE * 512 {
            source.live.change(video, &other(video_track(), *b"avc1")).unwrap();
            if both {
                source.live.change(audio, &other(test_track(48_000, 0, 1024, |_| true), *b"mp4a")).unwrap();
            }
        }
        source.live.push(id, sample, now).unwrap();
        source.poll();
    }
    source.live.end(at(12_000));
    source.poll();
    source
}

#[test]
fn pictures_of_another_size_begin_a_segment_where_they_begin() {
    for (ahead, both) in [(0, false), (120, false), (300, false), (900, false), (0, true), (300, true), (900, true)] {
        let source = changed(ahead, both);
        let name = format!("sound {ahead} ms ahead, both: {both}");
        assert_eq!(
            source.contents(source.v()),
            [
                "1: frame 0 - frame 49",
                "2: frame 50 - frame 99",
                "3: frame 100 - frame 124",
                "4: frame 125 - frame 174",
                "5: frame 175 - frame 224",
                "6: frame 225 - frame 274",
                "7: frame 275 - frame 299"
            ],
            "{name}"
        );
        for id in [source.v(), source.a()] {
            let segments = source.segments(id);
            let discontinuities: Vec<u32> = segments.iter().filter(|one| one.discontinuity).map(|one| one.number).collect();
            assert_eq!(discontinuities, [4], "{name}");
            let headers: Vec<u32> = segments.iter().map(|one| one.header).collect();
            assert_eq!(headers, if both || id == source.v() { [1, 1, 1, 2, 2, 2, 2] } else { [1; 7] }, "{name}");
            assert!(segments.iter().all(|one| !one.gap), "{name}");
            for pair in segments.windows(2) {
                assert_eq!(pair[0].end(), pair[1].start, "{name}: {pair:?}");
            }
            for one in &segments {
                // RFC 8216bis 4.4.4.1: as long as what is in it, but for sound of the old description that could not be used.
                let parts: u64 = one.parts.iter().map(|part| part.duration).sum();
                let missing = one.duration - parts;
                assert!(
                    missing == 0 || (both && id == source.a() && one.number == 4 && missing <= 48 * ahead.unsigned_abs()),
                    "{name}: {one:?}"
                );
            }
        }
    }
}

/// No sound is lost where it stays as it was.
#[test]
fn sound_that_stays_as_it_was_is_whole() {
    for ahead in [0, 120, 300, 900] {
        let source = changed(ahead, false);
        let mut sounds = Vec::new();
        for event in &source.events {
            if let Event::Part { rendition, payload, .. } = event
                && *rendition == source.a()
            {
                sounds.extend(payload.iter().map(|piece| String::from_utf8(piece.to_vec()).unwrap()));
            }
        }
        let all: Vec<String> = (0..sounds.len()).map(|number| format!("sound {number}")).collect();
        assert_eq!(sounds, all, "{ahead}");
        assert!(sounds.len() >= 561, "{ahead}: {}", sounds.len());
    }
}
