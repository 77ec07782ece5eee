//! Senders that do what browsers do: no key frame but when asked for one, lost packets, other sizes, streams that do not come.

use alloc::vec::Vec;

use super::*;
use crate::codec::Media;

/// Parameter sets of x264: 320x180, and 640x360.
const SMALL: &[u8] = &[
    0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x06, 0x7e, 0x7c, 0x04, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0c, 0x83, 0xc5, 0x0a, 0xa8, 0,
    0, 0, 1, 0x68, 0xce, 0x0f, 0xc8,
];
const LARGE: &[u8] = &[
    0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x61, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x32,
    0x0f, 0x16, 0x2e, 0x48, 0, 0, 0, 1, 0x68, 0xce, 0x0f, 0xc8,
];
const KEY: &[u8] = &[0, 0, 0, 1, 0x65, 0x88, 0x84];
const OTHER: &[u8] = &[0, 0, 0, 1, 0x41, 0x9a, 0x02];

/// A picture that is taken `millis` after the start.
fn picture(millis: u64, pieces: &[&[u8]]) -> AccessUnit {
    AccessUnit { payload: pieces.concat().into(), time: 7_000 + 90 * millis, arrival: 1_000_000 + 1000 * millis, report: None }
}

/// 20 ms of sound.
fn sound(millis: u64) -> AccessUnit {
    AccessUnit { payload: Bytes::from_static(&[0xfc, 1, 2]), time: 48 * millis, arrival: 1_000_000 + 1000 * millis, report: None }
}

fn items(demuxer: &mut RtpDemuxer) -> Vec<Item> {
    core::iter::from_fn(|| demuxer.poll()).collect()
}

/// Tracks, and samples as track, time, duration, whether it is a sync sample.
fn told(items: &[Item]) -> Vec<(usize, u64, u32, bool)> {
    let sample = |item: &Item| match item {
        Item::Sample { track, sample } => Some((*track, sample.decode_time, sample.duration, sample.sync)),
        _ => None,
    };
    items.iter().filter_map(sample).collect()
}

fn header(items: &[Item]) -> Option<Vec<alloc::string::String>> {
    items.iter().find_map(|item| match item {
        Item::Header(tracks) => Some(tracks.iter().map(|track| track.codec.string.clone()).collect()),
        _ => None,
    })
}

#[test]
fn both_are_told_together() {
    let mut demuxer = RtpDemuxer::new(true, true, 500_000, 2_000_000);
    assert!(demuxer.wants_key_frame() && !demuxer.wants_key_frame());
    demuxer.sound(&sound(0)).unwrap();
    demuxer.picture(&picture(0, &[SMALL, KEY]), true).unwrap();
    demuxer.sound(&sound(20)).unwrap();
    demuxer.picture(&picture(40, &[OTHER]), true).unwrap();
    let items = items(&mut demuxer);
    assert_eq!(header(&items).unwrap(), ["avc1.42C00D", "Opus"]);
    assert_eq!(told(&items), [(1, 48_000, 960, true), (1, 48_960, 960, true), (0, 90_000, 3600, true)]);
    demuxer.finish();
    assert_eq!(told(&self::items(&mut demuxer)), [(0, 93_600, 3600, false)], "the last lasts as long as the one before");
}

#[test]
fn nothing_is_given_that_needs_what_is_missing() {
    let mut demuxer = RtpDemuxer::new(true, false, 500_000, 2_000_000);
    demuxer.wants_key_frame();
    let mut given = Vec::new();
    for (millis, pieces, follows, asks, why) in [
        (0, &[OTHER][..], true, true, "before the first key frame"),
        (40, &[SMALL, KEY], true, false, "it begins"),
        (80, &[OTHER], true, false, "it goes on"),
        (120, &[OTHER], false, true, "something is missing"),
        (160, &[OTHER], true, true, "and still is"),
        (200, &[KEY], false, false, "a key frame needs nothing"),
        (240, &[OTHER], true, false, "it goes on"),
    ] {
        demuxer.picture(&picture(millis, pieces), follows).unwrap();
        assert_eq!(demuxer.wants_key_frame(), asks, "{why}");
        given.extend(told(&items(&mut demuxer)).into_iter().map(|(_, time, duration, _)| (time / 90, duration / 90)));
    }
    assert_eq!(given, [(1040, 40), (1080, 120), (1200, 40)], "what is before the hole lasts until it ends");
}

#[test]
fn no_picture_lasts_longer_than_it_may() {
    let mut demuxer = RtpDemuxer::new(true, false, 200_000, 2_000_000);
    demuxer.wants_key_frame();
    for (millis, pieces, asks) in [(0, &[SMALL, KEY][..], false), (40, &[OTHER], false), (900, &[OTHER], true), (940, &[SMALL, KEY], false)]
    {
        demuxer.picture(&picture(millis, pieces), true).unwrap();
        assert_eq!(demuxer.wants_key_frame(), asks, "{millis}");
    }
    let durations: Vec<u32> = told(&items(&mut demuxer)).iter().map(|(_, _, duration, _)| duration / 90).collect();
    assert_eq!(durations, [40, 200, 40]);
}

#[test]
fn segments_begin_where_they_are_due() {
    let mut demuxer = RtpDemuxer::new(true, false, 200_000, 1_000_000);
    demuxer.wants_key_frame();
    let mut given = Vec::new();
    for (millis, key, asks, why) in [
        (0, true, false, "it begins"),
        (900, true, false, "too soon to begin another"),
        (960, false, false, "not due"),
        (1000, false, true, "due"),
        (1040, false, true, "asked again until it comes"),
        (1080, true, false, "it comes"),
        (2040, false, true, "not due, and behind a gap"),
        (2840, false, true, "due, and behind a gap"),
        (2900, false, true, "it would last too long with this"),
        (3040, false, true, "and with this"),
        (3440, true, false, "late by less than is rounded"),
        (5100, false, true, "due"),
        (6000, true, true, "too late, and not by a target"),
        (6040, false, true, "it is missing"),
        (6340, true, false, "a target is missing: the segment ended there"),
        (6380, false, false, "it goes on"),
    ] {
        demuxer.picture(&picture(millis, if key { &[SMALL, KEY] } else { &[OTHER] }), true).unwrap();
        assert_eq!(demuxer.wants_key_frame(), asks, "{millis}: {why}");
        given.extend(told(&items(&mut demuxer)).into_iter().map(|(_, time, ..)| time / 90 - 1000));
    }
    assert_eq!(given, [0, 900, 960, 1000, 1040, 1080, 2040, 2840, 3440, 5100, 6340]);
}

#[test]
fn another_size_is_another_header() {
    let mut demuxer = RtpDemuxer::new(true, false, 500_000, 2_000_000);
    for (millis, pieces) in [(0, &[SMALL, KEY][..]), (40, &[LARGE, KEY]), (80, &[OTHER])] {
        demuxer.picture(&picture(millis, pieces), true).unwrap();
    }
    let shape: Vec<_> = items(&mut demuxer)
        .iter()
        .map(|item| match item {
            Item::Header(tracks) => match tracks.first().map(|track| &track.codec.media) {
                Some(Media::Video(video)) => (video.width, video.height),
                _ => (0, 0),
            },
            _ => (0, 0),
        })
        .collect();
    assert_eq!(shape, [(320, 180), (0, 0), (640, 360), (0, 0)], "the picture before it is given before");
}

#[test]
fn a_stream_that_does_not_come_is_waited_for_a_while() {
    let mut demuxer = RtpDemuxer::new(true, true, 500_000, 2_000_000);
    for millis in (0..=3000).step_by(20) {
        assert!(!demuxer.has_header(), "{millis}");
        demuxer.sound(&sound(millis)).unwrap();
    }
    let items = items(&mut demuxer);
    assert_eq!(header(&items).unwrap(), ["Opus"]);
    assert_eq!(told(&items).len(), 151);
    demuxer.picture(&picture(3020, &[SMALL, KEY]), true).unwrap();
    demuxer.picture(&picture(3060, &[OTHER]), true).unwrap();
    assert!(self::items(&mut demuxer).is_empty(), "too late");
}

#[test]
fn sound_that_is_lost_is_told_as_that() {
    let mut demuxer = RtpDemuxer::new(false, true, 500_000, 2_000_000);
    for millis in [0, 20, 80, 60, 100, 5000] {
        demuxer.sound(&sound(millis)).unwrap();
    }
    let lengths: Vec<_> = items(&mut demuxer)
        .iter()
        .filter_map(|item| match item {
            Item::Sample { sample, .. } => Some((sample.decode_time / 48 - 1000, sample.duration / 48, sample.len())),
            _ => None,
        })
        .collect();
    assert_eq!(lengths, [(0, 20, 3), (20, 20, 3), (40, 20, 1), (60, 20, 1), (80, 20, 3), (100, 20, 3), (5000, 20, 3)]);
}

#[test]
fn pictures_go_where_reports_put_them() {
    let mut demuxer = RtpDemuxer::new(true, true, 500_000, 2_000_000);
    for millis in (0..2000).step_by(40) {
        for millis in [millis, millis + 20] {
            // By the clock of the sender, sound was taken 60 ms before it came.
            let report = Report { time: 0, clock: 5_000_000 };
            demuxer.sound(&AccessUnit { report: Some(report), ..sound(millis) }).unwrap();
        }
        let report = Report { time: 7_000, clock: 5_000_000 + 60_000 };
        let picture = picture(millis, if millis == 0 { &[SMALL, KEY] } else { &[OTHER] });
        demuxer.picture(&AccessUnit { report: Some(report), ..picture }, true).unwrap();
    }
    let items = items(&mut demuxer);
    let pictures: Vec<u64> = told(&items).iter().filter(|(track, ..)| *track == 0).map(|(_, time, ..)| time / 90).collect();
    assert_eq!((pictures[0], pictures[1]), (1000, 1045), "they move slowly");
    assert_eq!(pictures[48], 1000 + 48 * 40 + 60, "to where they belong");
}
