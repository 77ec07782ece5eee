//! Streams that AES-128 of HLS encrypts: what their playlists say, and what is asked for.

use alloc::{boxed::Box, string::ToString};
use core::num::NonZeroU32;

use super::*;
use crate::{
    encryption::{ContentKey, Encryption, Key},
    protection::{KeyInfo, Scheme},
};

/// Another key for every segment: its number is that of the segment, less one.
fn config() -> Config {
    let key = |turn: u32| {
        let id = u128::from(turn).to_be_bytes();
        let info = KeyInfo { id, iv: Some([7; 16]), uri: Some(format!("{turn}.key")), systems: Vec::new() };
        ContentKey { key: Key::new([9; 16]), info }
    };
    let named = Encryption::new(Scheme::Aes128, vec![key(99)], vec![key(99)], None).unwrap();
    let turns = LiveEncryption::new(named).with_turns(NonZeroU32::MIN, Box::new(key));
    Config { encryption: Some(turns), ..Config::default() }
}

/// What a playlist says of keys, headers, segments and what comes next, in few letters.
fn told(playlist: &str) -> Vec<String> {
    let line = |line: &str| {
        let uri = || line.split("URI=\"").nth(1)?.split('"').next();
        let short = match line.split(':').next()? {
            "#EXT-X-MAP" => format!("map {}", uri()?),
            "#EXT-X-KEY" => uri().unwrap_or("no key").to_string(),
            "#EXT-X-PRELOAD-HINT" => format!("hint {}", uri()?),
            uri if !uri.is_empty() && !uri.starts_with('#') => uri.to_string(),
            _ => return None,
        };
        Some(short)
    };
    playlist.lines().filter_map(line).collect()
}

#[test]
fn headers_are_clear_and_hints_are_of_parts_with_the_same_key() {
    let mut source = Source { audio: None, ..Source::new(config()) };
    source.run(0, 3000, 0).unwrap();
    let text = |source: &Source| source.live.media_playlist(source.v(), false).unwrap();
    // A part of the second segment is next, whose key has been told.
    assert_eq!(told(&text(&source)), ["map init-1.mp4", "0.key", "1.m4s", "1.key", "hint 2.5.m4s"]);
    // The pictures are described anew: their next segment begins with a header that no key is for (RFC 8216bis 4.4.4.4).
    source.run(3000, 4000, 0).unwrap();
    let other = Track { sample_entries: vec![vec![0, 0, 0, 8, b'a', b'v', b'c', b'1']], ..video_track() };
    source.live.change(source.v(), &other).unwrap();
    source.run(4000, 6400, 0).unwrap();
    let changed =
        ["map init-1.mp4", "0.key", "1.m4s", "1.key", "2.m4s", "no key", "map init-2.mp4", "2.key", "3.m4s", "3.key", "hint 4.2.m4s"];
    assert_eq!(told(&text(&source)), changed, "{}", text(&source));
    // Between segments the next part has another key, which no hint could tell.
    let mut source = Source { audio: None, ..Source::new(config()) };
    source.run(0, 4000, 0).unwrap();
    let playlist = text(&source);
    assert!(!playlist.contains("PRELOAD-HINT") && playlist.contains("#EXT-X-PART:"), "{playlist}");
}

#[test]
fn a_segment_is_sealed_by_itself() {
    let mut source = Source::new(config());
    source.run(0, 5000, 0).unwrap();
    let mut clear = 0;
    for event in &source.events {
        match event {
            Event::Part { head, payload, clear: Some((plain, pieces)), rendition, .. } if *rendition == source.v() => {
                let length = plain.len() + pieces.iter().map(Bytes::len).sum::<usize>();
                assert_eq!((head.len(), payload.len()), (length / 16 * 16 + 16, 0));
                clear += length;
            }
            Event::Segment { rendition, sealed, .. } if *rendition == source.v() => {
                assert_eq!(sealed.as_ref().map(Bytes::len), Some(core::mem::take(&mut clear) / 16 * 16 + 16));
            }
            _ => {}
        }
    }
    assert!(clear > 0 && source.live.is_ready() && source.live.mpd().is_none(), "DASH has no such scheme");
    let ranges = Config { part_addressing: PartAddressing::Ranges, ..config() };
    assert!(Live::new(ranges).is_err(), "no part is a range of its segment");
}
