//! The announcement of an upload: the bytes that a plan is made from.

use std::ops::Range;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use data_encoding::HEXLOWER;
use reelway_core::{Demuxer, Options, Vod};
use ring::digest::{Context, SHA256};
use serde::Deserialize;

use super::error::{Refusal, Result};

/// What a client sends first.
#[derive(Debug, Deserialize)]
pub struct Announcement {
    /// Bytes of the file.
    pub size: u64,
    /// Aimed at for segments, in milliseconds.
    pub segment: u64,
    /// What people call the file.
    #[serde(default)]
    pub name: String,
    /// Parts of the file: those that its index is in, at least.
    index: Vec<Part>,
}

#[derive(Debug, Deserialize)]
struct Part {
    at: u64,
    /// In base64.
    bytes: String,
}

/// A file that is planned.
#[derive(Debug)]
pub struct Planned {
    /// Its presentation.
    pub vod: Vod,
    /// The parts that the plan needed, and where they stand.
    pub index: Vec<(u64, Vec<u8>)>,
    /// The same for the same file and segments, whoever sends it.
    pub key: String,
}

/// Segments of this many milliseconds at least and at most.
const SEGMENTS: Range<u64> = 200..60_001;

impl Announcement {
    /// Reads what a client sends, which is JSON.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| Refusal(http::StatusCode::BAD_REQUEST, format!("the plan: {error}")))
    }

    /// Plans the file.
    pub fn plan(self) -> Result<Planned> {
        let Self { size, segment, .. } = self;
        if !SEGMENTS.contains(&segment) {
            return Err(Refusal::content(format!("segments of {segment} ms: ask for {} to {}", SEGMENTS.start, SEGMENTS.end - 1)));
        }
        let known = join(self.index, size)?;
        let mut key = Context::new(&SHA256);
        key.update(format!("{size} {segment}").as_bytes());
        let (mut demuxer, mut index) = (Demuxer::new(size), Vec::new());
        while let Some(required) = demuxer.required() {
            let bytes = find(&known, &required).ok_or_else(|| {
                Refusal::content(format!(
                    "the plan needs bytes {} to {} of the file, which are not in the index",
                    required.start, required.end
                ))
            })?;
            key.update(bytes);
            index.push((required.start, bytes.to_vec()));
            demuxer.handle(required.start, bytes).map_err(Refusal::content)?;
        }
        let movie = demuxer.finish().map_err(Refusal::content)?;
        let vod = Vod::new(vec![movie], &Options::segments_of(segment)).map_err(Refusal::content)?;
        Ok(Planned { vod, index, key: HEXLOWER.encode(key.finish().as_ref()) })
    }
}

/// Parts by their places; those that touch or overlap are one.
fn join(mut parts: Vec<Part>, size: u64) -> Result<Vec<(u64, Vec<u8>)>> {
    parts.sort_unstable_by_key(|part| part.at);
    let mut joined: Vec<(u64, Vec<u8>)> = Vec::new();
    for Part { at, bytes } in parts {
        let bytes = BASE64_STANDARD.decode(&bytes).map_err(|error| Refusal::content(format!("the index at {at}: {error}")))?;
        if at.saturating_add(bytes.len() as u64) > size {
            return Err(Refusal::content(format!("the index at {at} ends behind the file")));
        }
        match joined.last_mut() {
            Some((start, last)) if at <= *start + last.len() as u64 => {
                let known = usize::try_from(*start + last.len() as u64 - at).unwrap_or(usize::MAX);
                last.extend(bytes.get(known..).unwrap_or_default());
            }
            _ => joined.push((at, bytes)),
        }
    }
    Ok(joined)
}

fn find<'a>(known: &'a [(u64, Vec<u8>)], wanted: &Range<u64>) -> Option<&'a [u8]> {
    let (at, bytes) = known.get(known.partition_point(|(at, _)| *at <= wanted.start).checked_sub(1)?)?;
    let place = |byte: u64| usize::try_from(byte.checked_sub(*at)?).ok();
    bytes.get(place(wanted.start)?..place(wanted.end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(at: u64, bytes: &[u8]) -> Part {
        Part { at, bytes: BASE64_STANDARD.encode(bytes) }
    }

    #[test]
    fn parts_are_joined_and_found() {
        let known = join(vec![part(10, b"klm"), part(0, b"abc"), part(2, b"cde"), part(5, b"f"), part(11, b"l")], 13).unwrap();
        assert_eq!(known, [(0, b"abcdef".to_vec()), (10, b"klm".to_vec())]);
        for (wanted, found) in
            [(0..6, Some(&b"abcdef"[..])), (2..3, Some(b"c")), (5..7, None), (7..8, None), (10..13, Some(b"klm")), (12..14, None)]
        {
            assert_eq!(find(&known, &wanted), found, "{wanted:?}");
        }
        assert!(join(vec![part(10, b"klmn")], 13).is_err());
        assert!(join(vec![part(u64::MAX, b"k")], 13).is_err());
        assert!(join(vec![Part { at: 0, bytes: "?".into() }], 13).is_err());
    }

    #[test]
    fn what_is_no_plan_is_refused_with_the_reason() {
        let ask = |size, segment, index| Announcement { size, segment, name: String::new(), index }.plan().unwrap_err();
        for (refusal, why) in [
            (ask(100, 100, vec![]), "segments of 100 ms"),
            (ask(100, 4000, vec![]), "the plan needs bytes 0 to 16 of the file"),
            (ask(16, 4000, vec![part(0, b"no video at all.")]), "not an MP4 or MOV file"),
        ] {
            assert!(refusal.0 == http::StatusCode::UNPROCESSABLE_ENTITY && refusal.1.contains(why), "{refusal:?}");
        }
    }
}
