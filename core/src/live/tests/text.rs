//! Renditions of text: a source sends cues when it has them.

use super::*;
use crate::{
    codec::{Codec, Media},
    demux::stream::{Item, StreamDemuxer},
    text::wvtt,
};

fn text_track() -> Track {
    Track {
        codec: Codec { string: "wvtt".into(), media: Media::Text },
        sample_entries: vec![wvtt::sample_entry("")],
        language: Some("en".into()),
        ..test_track(1000, 0, 40, |_| true)
    }
}

/// A cue that is shown from `start` to `end`, in milliseconds of the source.
fn cue(start: u64, end: u64, text: &str) -> LiveSample {
    let payload = vec![Bytes::from(format!("<{text}>"))];
    LiveSample {
        decode_time: start,
        duration: u32::try_from(end - start).unwrap(),
        composition_offset: 0,
        sync: true,
        description: 0,
        payload,
    }
}

fn with_text() -> (Source, RenditionId) {
    let mut source = Source::new(Config::default());
    let text = source.live.add(&text_track(), START).unwrap();
    (source, text)
}

/// Pictures and sound from `from` to `until`, in milliseconds, and cues, each when it is given.
fn run(source: &mut Source, id: RenditionId, (from, until): (u64, u64), cues: &[(u64, LiveSample)]) {
    for millis in (from..until).step_by(40) {
        source.run(millis, millis + 40, 0).unwrap();
        for (_, cue) in cues.iter().filter(|(when, _)| (millis..millis + 40).contains(when)) {
            source.live.push(id, cue.clone(), at(i64::try_from(millis).unwrap() + 40)).unwrap();
            source.poll();
        }
    }
}

/// What a player reads in the parts: start and end in milliseconds of the source, and text; what is shown in several parts as one, but in
/// each segment anew.
fn told(source: &Source, id: RenditionId) -> Vec<(u64, u64, String)> {
    let mut demuxer = StreamDemuxer::new();
    let mut told: Vec<(u64, u64, String)> = Vec::new();
    let mut begins = true;
    for event in &source.events {
        match event {
            Event::Header { rendition, bytes, .. } if *rendition == id => demuxer.push(bytes.clone()).unwrap(),
            Event::Part { rendition, head, payload, part, .. } if *rendition == id => {
                begins = *part == 0;
                demuxer.push(head.clone()).unwrap();
                for piece in payload {
                    demuxer.push(piece.clone()).unwrap();
                }
            }
            _ => continue,
        }
        while let Some(item) = demuxer.poll() {
            let Item::Sample { sample, .. } = item else { continue };
            let start = sample.decode_time - 10_000;
            let end = start + u64::from(sample.duration);
            let text = String::from_utf8(sample.payload.concat()).unwrap();
            let text = if text == "\0\0\0\x08vtte" { String::new() } else { text };
            match told.last_mut() {
                Some(last) if !core::mem::take(&mut begins) && last.1 == start && last.2 == text => last.1 = end,
                _ => told.push((start, end, text)),
            }
        }
    }
    told
}

fn lines(list: &[(u64, u64, &str)]) -> Vec<(u64, u64, String)> {
    list.iter().map(|(start, end, text)| (*start, *end, String::from(*text))).collect()
}

/// Every segment is whole without the one before (ISO/IEC 23000-19 7.3.2.3): it has again what is shown over its start, and every moment has
/// a sample.
#[test]
fn text_is_cut_with_the_pictures() {
    let (mut source, id) = with_text();
    let cues = [(400, cue(500, 1500, "a")), (1500, cue(1900, 4100, "b")), (4000, cue(4100, 4300, "c"))];
    run(&mut source, id, (0, 6800), &cues);
    let expected = [
        (0, 500, ""),
        (500, 1500, "<a>"),
        (1500, 1900, ""),
        (1900, 2000, "<b>"),
        (2000, 4000, "<b>"),
        (4000, 4100, "<b>"),
        (4100, 4300, "<c>"),
        (4300, 6000, ""),
        (6000, 6600, ""),
    ];
    assert_eq!(told(&source, id), lines(&expected));
    let facts = |id| -> Vec<_> {
        source
            .segments(id)
            .iter()
            .map(|one| (one.number, one.start * 1000 / u64::from(source.live.window(id).unwrap().timescale.get()), one.clock, one.gap))
            .collect()
    };
    assert_eq!(facts(id), facts(source.v()), "the same segments");
    let parts: Vec<_> = source.segments(id).iter().map(|one| one.parts.len()).collect();
    assert_eq!(parts, [10, 10, 10], "parts as long as promised (RFC 8216bis 4.4.4.9)");
    assert!(source.playlist(id).contains("#EXT-X-PART:DURATION=0.200000,URI=\"4.2.vtt\",INDEPENDENT=YES\n"), "{}", source.playlist(id));
    let (master, mpd) = (source.live.multivariant_playlist().unwrap(), source.live.mpd().unwrap());
    assert!(master.contains("TYPE=SUBTITLES") && master.contains("URI=\"t1/media.m3u8\"") && !master.contains("wvtt"), "{master}");
    assert!(!source.playlist(id).contains("EXT-X-MAP") && source.playlist(source.v()).contains("EXT-X-MAP"));
    assert!(mpd.contains("contentType=\"text\" mimeType=\"application/mp4\" lang=\"en\"") && mpd.contains("codecs=\"wvtt\""), "{mpd}");
}

/// Text never leads and is never waited for: not where none comes, nor where it comes first or alone.
#[test]
fn nobody_waits_for_text() {
    let (mut source, id) = with_text();
    source.live.push(id, cue(0, 700, "early"), at(0)).unwrap();
    assert_eq!(source.live.timeout(), None, "text alone begins nothing");
    source.run(0, 6500, 0).unwrap();
    assert_eq!(told(&source, id), lines(&[(0, 700, "<early>"), (700, 2000, ""), (2000, 4000, ""), (4000, 6000, ""), (6000, 6200, "")]));
    assert_eq!(source.segments(id).len(), 3);
    let edge = |id| source.live.edge(id).unwrap();
    assert_eq!((edge(id).whole, edge(id).parts), (edge(source.v()).whole, edge(source.v()).parts - 1), "a part behind");
    // What is told far ahead changes no clock.
    source.live.push(id, cue(20_000, 21_000, "ahead"), at(6500)).unwrap();
    source.run(6500, 21_500, 0).unwrap();
    assert!(source.segments(source.v()).iter().all(|one| !one.discontinuity && !one.gap));
    assert!(told(&source, id).contains(&(20_000, 21_000, "<ahead>".into())));
}

/// Encoders that send a whole segment of text at its end are given that time, once it is known.
#[test]
fn a_source_that_is_late_loses_text_once() {
    let (mut source, id) = with_text();
    let cues: Vec<(u64, LiveSample)> = (0..6)
        .flat_map(|second| {
            let start = second * 2000;
            [(start + 2000, cue(start, start + 700, "a")), (start + 2000, cue(start + 700, start + 2000, "b"))]
        })
        .collect();
    run(&mut source, id, (0, 12_400), &cues);
    let told = told(&source, id);
    let (first, rest): (Vec<_>, Vec<_>) = told.into_iter().partition(|(start, ..)| *start < 2000);
    assert!(first.iter().all(|(start, _, text)| text.is_empty() || *start >= 1700), "{first:?}");
    let expected: Vec<(u64, u64, &str)> =
        [2000, 4000, 6000, 8000].into_iter().flat_map(|start| [(start, start + 700, "<a>"), (start + 700, start + 2000, "<b>")]).collect();
    assert_eq!(rest[..8], lines(&expected), "{rest:?}");
    // What is sent again is dropped, and costs no time.
    let before = source.live.edge(id);
    source.live.push(id, cue(6000, 6700, "a"), at(12_400)).unwrap();
    assert_eq!(source.live.edge(id), before);
}

/// The source is lost and comes back: so does its text, in the same rendition, if it is the same kind of text.
#[test]
fn text_comes_back_with_its_source() {
    let (mut source, id) = with_text();
    run(&mut source, id, (0, 5000), &[(4500, cue(4600, 60_000, "old"))]);
    source.live.lost(at(5000));
    source.poll();
    assert_eq!(told(&source, id).last(), Some(&(4600, 5000, "<old>".into())));
    let back = at(5400);
    assert_eq!(source.live.add(&video_track(), back).unwrap(), source.v());
    assert_eq!(source.live.add(&test_track(48_000, 0, 1024, |_| true), back).unwrap(), source.a());
    let other = Track { timescale: Timescale::new(90_000).unwrap(), ..text_track() };
    assert!(source.live.change(id, &other).is_err());
    assert_eq!(source.live.add(&text_track(), back).unwrap(), id);
    source.run(0, 400, 5400).unwrap();
    source.live.push(id, cue(500, 900, "new"), at(5800)).unwrap();
    source.run(400, 3000, 5400).unwrap();
    source.live.end(at(8500));
    source.poll();
    let shown: Vec<_> =
        told(&source, id).into_iter().filter(|(_, _, text)| !text.is_empty()).map(|(start, end, text)| (end - start, text)).collect();
    assert_eq!(shown, [(400, "<old>".into()), (400, "<new>".into())]);
    let numbers = |id| source.segments(id).iter().map(|one| one.number).collect::<Vec<_>>();
    assert_eq!(numbers(id), numbers(source.v()));
}

/// RFC 8216bis 3.1.4: what HLS has of a part or a segment is what is shown in it.
#[test]
fn text_is_webvtt_in_hls() {
    let (mut source, id) = with_text();
    let boxed = |name: [u8; 4], content: &[u8]| [&u32::try_from(content.len() + 8).unwrap().to_be_bytes(), &name[..], content].concat();
    let shown = |start, end, text: &str| {
        let bytes = boxed(*b"vttc", &[boxed(*b"sttg", b"line:0"), boxed(*b"payl", text.as_bytes())].concat());
        LiveSample { payload: vec![Bytes::from(bytes)], ..cue(start, end, "") }
    };
    let cues = [(200, shown(300, 1500, "a")), (1800, shown(1900, 4000, "b &amp; c")), (2600, cue(4000, 4100, "no box"))];
    run(&mut source, id, (0, 6800), &cues);
    let (mut header, mut media) = (Bytes::new(), BTreeMap::<u32, Vec<Vec<u8>>>::new());
    for event in &source.events {
        match event {
            Event::Header { rendition, bytes, .. } if *rendition == id => header = bytes.clone(),
            Event::Part { rendition, segment, head, payload, .. } if *rendition == id => {
                media.entry(*segment).or_default().push([&head[..], &payload.concat()].concat());
            }
            _ => {}
        }
    }
    let told = |parts: &[Vec<u8>]| webvtt(header.clone(), Bytes::from(parts.concat())).unwrap();
    // Times count from the start of the segment, which is at 10 s of the time line, and of the clock of MPEG-2 (90 kHz).
    for (segment, parts, expected) in [
        (1, 0..10, "900000|00:00:00.300 --> 00:00:01.500 line:0\na\n\n00:00:01.900 --> 00:00:02.000 line:0\nb &amp; c\n\n"),
        (1, 1..2, "918000|00:00:00.100 --> 00:00:00.200 line:0\na\n\n"),
        (2, 0..10, "1080000|00:00:00.000 --> 00:00:02.000 line:0\nb &amp; c\n\n"),
        (3, 0..10, "1260000|"),
    ] {
        let (at, cues) = expected.split_once('|').unwrap();
        let expected = format!("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{at},LOCAL:00:00:00.000\n\n{cues}");
        assert_eq!(told(&media[&segment][parts.clone()]), expected, "{segment} {parts:?}");
    }
    assert!(webvtt(Bytes::new(), Bytes::new()).is_err());
    assert!(webvtt(Bytes::from_static(b"\0\0\0\x08moov"), Bytes::new()).is_err());
}

#[test]
fn text_that_cannot_be_carried_is_named() {
    let mut source = Source::new(Config::default());
    let with = |string: &str, scale| Track {
        codec: Codec { string: string.into(), media: Media::Text },
        timescale: Timescale::new(scale).unwrap(),
        ..text_track()
    };
    for (track, expected) in [
        (with("tx3g", 1000), "text in tx3g is not carried in a live stream; send WebVTT (wvtt)"),
        (with("wvtt", 10), "text that counts 10 ticks a second cannot be cut into parts of 200 ms; send it with 1000 ticks a second"),
        (
            Track { sample_entries: vec![Vec::new(), Vec::new()], ..text_track() },
            "text of several sample descriptions is not carried in a live stream",
        ),
    ] {
        assert_eq!(source.live.add(&track, START).unwrap_err().message(), expected);
    }
    let id = source.live.add(&text_track(), START).unwrap();
    let error = source.live.push(id, cue(0, 100, &"long".repeat(20_000)), START).unwrap_err();
    assert_eq!(error.message(), "t1: a sample of text has 80002 bytes; 65536 are taken");
}
