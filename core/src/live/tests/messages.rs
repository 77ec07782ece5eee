//! Event messages of a source, on the time line of the stream.

use alloc::string::ToString;

use super::*;
use crate::{
    boxes::{
        BoxHeader,
        event::{EventMessage, EventTime, UNKNOWN_DURATION},
    },
    coding::Reader,
    time::Timescale,
};

const SCHEME: &str = "urn:scte:scte35:2013:bin";

fn cue(id: u32) -> EventMessage<'static> {
    let time = EventTime::InSegment(0);
    EventMessage { scheme: SCHEME, value: "7", timescale: Timescale::MILLIS, time, duration: 500, id, data: b"data" }
}

fn message(id: u32, time: EventTime) -> Bytes {
    EventMessage { time, ..cue(id) }.to_bytes().into()
}

/// The names of the boxes at the head of a part, and the number and time of each message among them, in milliseconds.
fn read(head: &Bytes) -> (Vec<String>, Vec<(u32, u64)>) {
    let (mut reader, mut names, mut messages) = (Reader::new(head, 0), Vec::new(), Vec::new());
    while let Ok(header) = BoxHeader::read(&mut reader) {
        let length = header.size.map_or(0, |size| usize::try_from(size).unwrap().saturating_sub(8)).min(reader.rest().len());
        let content = reader.take(length).unwrap();
        names.push(header.name.to_string());
        if header.name.0 == *b"emsg" {
            let message = EventMessage::read(Reader::new(content, 0)).unwrap();
            assert_eq!((message.scheme, message.value, message.data), (SCHEME, "7", &b"data"[..]));
            let time = match message.time {
                EventTime::Absolute(time) => time * 1000 / u64::from(message.timescale.get()),
                EventTime::InSegment(_) => 0,
            };
            messages.push((message.id, time));
        }
    }
    (names, messages)
}

/// ISO/IEC 23009-1 5.10.3.3: in front of the `moof` of their sample, with times of the time line, whichever they had.
#[test]
fn messages_go_with_the_sample_before_which_they_stood() {
    let mut source = Source::new(Config::default());
    let v = source.v();
    source.live.message(v, message(1, EventTime::InSegment(40))).unwrap();
    source.run(0, 680, 0).unwrap();
    source.live.message(v, message(2, EventTime::InSegment(100))).unwrap();
    source.live.message(v, message(3, EventTime::Absolute(9000))).unwrap();
    source.run(680, 4100, 0).unwrap();
    let heads = source.events.iter().filter_map(|event| match event {
        Event::Part { rendition, start, head, .. } if *rendition == v => Some((*start, read(head))),
        _ => None,
    });
    let heads: Vec<_> = heads.collect();
    let zero = heads[0].0 / 12_800 * 1000;
    // In parts of 200 ms, the sample at 680 ms is in the fourth.
    let expected = BTreeMap::from([(0, vec![(1, zero + 40)]), (3, vec![(2, zero + 780), (3, zero + 9000)])]);
    for (number, (_, (names, messages))) in heads.iter().enumerate() {
        assert_eq!(messages, expected.get(&number).unwrap_or(&Vec::new()), "part {number}");
        let ends = names.ends_with(&["emsg".into(), "moof".into(), "mdat".into()]);
        assert_eq!(ends, expected.contains_key(&number), "{names:?}");
    }
    let mpd = source.live.mpd().unwrap();
    assert_eq!(mpd.matches(&format!("<InbandEventStream schemeIdUri=\"{SCHEME}\" value=\"7\"/>")).count(), 1, "{mpd}");
}

/// RFC 8216bis 4.4.5.1: a cue is told by the clock, the same in all playlists and also in updates, once however often it is sent, and for as
/// long as what it is about is listed.
#[test]
fn cues_are_date_ranges() {
    let mut source = Source::new(Config { window: 12_000, ..Config::default() });
    let v = source.v();
    source.run(0, 16_600, 0).unwrap();
    for _ in 0..2 {
        source.live.message(v, message(4, EventTime::InSegment(1400))).unwrap();
    }
    source.run(16_600, 17_000, 0).unwrap();
    let other = EventMessage { scheme: "urn:mpeg:dash:event:2012", value: "", timescale: Timescale::MILLIS, ..cue(5) };
    source.live.message(v, other.to_bytes().into()).unwrap();
    source.live.message(source.a(), EventMessage { duration: UNKNOWN_DURATION, ..cue(6) }.to_bytes().into()).unwrap();
    source.run(17_000, 18_000, 0).unwrap();
    let line = |text: &str| text.lines().filter(|line| line.contains("DATERANGE")).map(String::from).collect::<Vec<_>>();
    let expected = [
        "#EXT-X-DATERANGE:ID=\"scte35-4-1\",START-DATE=\"2026-11-28T10:00:18.000Z\",DURATION=0.500,SCTE35-CMD=0x64617461",
        "#EXT-X-DATERANGE:ID=\"scte35-6-2\",START-DATE=\"2026-11-28T10:00:17.003Z\",SCTE35-CMD=0x64617461",
    ];
    for id in [v, source.a()] {
        for skip in [false, true] {
            assert_eq!(line(&source.live.media_playlist(id, skip).unwrap()), expected);
        }
    }
    // It is that of what is presented then.
    assert!(source.playlist(v).contains("#EXT-X-PROGRAM-DATE-TIME:2026-11-28T10:00:16.000Z\n"), "{}", source.playlist(v));
    source.run(18_000, 28_000, 0).unwrap();
    assert_eq!(line(&source.playlist(v)), expected);
    source.run(28_000, 34_000, 0).unwrap();
    assert_eq!(line(&source.playlist(v)), [""; 0]);
}

/// However many are sent, and however large, playlists stay small.
#[test]
fn cues_are_bounded() {
    let mut source = Source::new(Config::default());
    for number in 0..200 {
        let data = vec![0; if number % 2 == 0 { 8 } else { 5000 }];
        let message = EventMessage { data: &data, ..cue(number) };
        source.live.message(source.v(), message.to_bytes().into()).unwrap();
        source.run(u64::from(number) * 40, u64::from(number) * 40 + 40, 0).unwrap();
    }
    let text = source.playlist(source.v());
    assert_eq!((text.matches("DATERANGE").count(), text.len() < 20_000), (100, true));
}

#[test]
fn messages_that_cannot_be_carried_are_refused_and_nothing_else() {
    let mut source = Source::new(Config::default());
    let v = source.v();
    source.run(0, 1000, 0).unwrap();
    let told = message(1, EventTime::InSegment(0));
    let error = source.live.message(v, told.slice(..20)).unwrap_err();
    assert!(error.to_string().contains("emsg"), "{error}");
    for _ in 0..64 {
        source.live.message(v, told.clone()).unwrap();
    }
    assert!(source.live.message(v, told.clone()).is_err(), "too many");
    // The sample before which they stood is sent again: so are they.
    source.live.push(v, frame(20, 50), at(1000)).unwrap();
    source.live.message(v, told).unwrap();
    source.run(1000, 2200, 0).unwrap();
    let all = source.events.iter().filter_map(|event| match event {
        Event::Part { rendition, head, .. } if *rendition == v => Some(read(head).1.len()),
        _ => None,
    });
    assert_eq!(all.sum::<usize>(), 1);
}
