//! Range requests (RFC 9110 14).

use std::ops::Range;

use http::{HeaderMap, Method, header};

use super::precondition::single;

/// What a `Range` field comes to for a representation of a known length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected {
    /// All of it: no range, or what the server may pass over (14.2).
    Whole,
    /// One part.
    Part(Range<u64>),
    /// Several parts that neither overlap nor touch, in the order in which they were asked for.
    Parts(Vec<Range<u64>>),
    /// No part of it: 416.
    Nothing,
}

/// The most ranges that are looked at, and the most parts that are sent. More is no player (17.15).
const RANGES: usize = 512;
const PARTS: usize = 64;

/// So few parts are sent as they were asked for; more only if they are less than the whole.
const FEW: u64 = 8;

/// What a part costs on top of its bytes, roughly (15.3.7.2).
const OVERHEAD: u64 = 128;

/// Selects from `length` bytes what the value of a `Range` field asks for.
///
/// Ranges that overlap or touch become one. A set with anything in it that is no range is passed over, and so is one that would be
/// answered by very many parts or by more bytes than there are (14.2).
pub fn select(field: &str, length: u64) -> Selected {
    let Some((unit, set)) = field.split_once('=') else { return Selected::Whole };
    if !unit.eq_ignore_ascii_case("bytes") {
        return Selected::Whole;
    }
    let specs: Option<Vec<Spec>> = set.split(',').map(str::trim).filter(|range| !range.is_empty()).take(RANGES + 1).map(parse).collect();
    let Some(specs) = specs.filter(|specs| !specs.is_empty() && specs.len() <= RANGES) else { return Selected::Whole };
    if length == 0 && specs.iter().any(|spec| matches!(spec, Spec::Suffix(1..))) {
        // 14.1.2: satisfiable by the entire representation, which no `Content-Range` can describe.
        return Selected::Whole;
    }
    let ranges = coalesce(specs.iter().filter_map(|spec| spec.within(length)).collect());
    let (count, bytes) = (ranges.len() as u64, ranges.iter().map(|range| range.end - range.start).sum::<u64>());
    match ranges.as_slice() {
        [] => Selected::Nothing,
        [range] => Selected::Part(range.clone()),
        _ if ranges.len() > PARTS || (count > FEW && bytes.saturating_add(count * OVERHEAD) > length) => Selected::Whole,
        _ => Selected::Parts(ranges),
    }
}

/// The first byte and, if it says so, the last that a request wants of what grows. `None`: all of it, because it asks for no range or for
/// several, for one from the end, which nobody knows, or under a condition, for which there is no validator yet (13.1.5, 14.2).
pub fn of_growing(method: &Method, fields: &HeaderMap) -> Option<(u64, Option<u64>)> {
    if *method != Method::GET || fields.contains_key(header::IF_RANGE) {
        return None;
    }
    let (unit, range) = single(fields, &header::RANGE)?.split_once('=')?;
    match parse(range.trim())? {
        Spec::From(first, last) if unit.eq_ignore_ascii_case("bytes") => Some((first, last)),
        _ => None,
    }
}

/// Makes one of ranges that overlap or touch; each stands where the first of its pieces stood.
fn coalesce(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut ordered: Vec<(usize, Range<u64>)> = ranges.into_iter().enumerate().collect();
    ordered.sort_unstable_by_key(|(_, range)| range.start);
    let mut merged: Vec<(usize, Range<u64>)> = Vec::with_capacity(ordered.len());
    for (place, range) in ordered {
        match merged.last_mut() {
            Some((first, last)) if range.start <= last.end => {
                *first = place.min(*first);
                last.end = last.end.max(range.end);
            }
            _ => merged.push((place, range)),
        }
    }
    merged.sort_unstable_by_key(|(place, _)| *place);
    merged.into_iter().map(|(_, range)| range).collect()
}

/// A range as it is written (14.1.1): `a-b`, `a-`, or `-n`.
#[derive(Clone, Copy)]
enum Spec {
    From(u64, Option<u64>),
    Suffix(u64),
}

impl Spec {
    /// The bytes of so many; `None` if it cannot be satisfied (14.1.2).
    fn within(self, length: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(first, last) => first..last.map_or(length, |last| last.saturating_add(1).min(length)),
            Self::Suffix(suffix) => length.saturating_sub(suffix)..length,
        };
        (range.start < range.end).then_some(range)
    }
}

/// `None` for what is no range, or ends before it begins.
fn parse(range: &str) -> Option<Spec> {
    let (first, last) = range.split_once('-')?;
    if first.is_empty() {
        return number(last).map(Spec::Suffix);
    }
    let (first, last) = (number(first)?, if last.is_empty() { None } else { Some(number(last)?) });
    last.is_none_or(|last| first <= last).then_some(Spec::From(first, last))
}

/// Digits, at least one. Numbers past the largest that is counted mean "more than there is".
fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9110 14.1.1, 14.1.2, 14.2, 15.3.7.2, 15.5.17.
    #[test]
    fn ranges() {
        use Selected::{Nothing, Part, Parts, Whole};
        for (field, length, expected) in [
            ("bytes=0-499", 10_000, Part(0..500)),
            ("bytes=500-999", 10_000, Part(500..1000)),
            ("bytes=-500", 10_000, Part(9500..10_000)),
            ("bytes=9500-", 10_000, Part(9500..10_000)),
            ("bytes=0-0", 10_000, Part(0..1)),
            ("bytes=9999-", 10_000, Part(9999..10_000)),
            ("bytes=0-99999", 10_000, Part(0..10_000)),
            ("bytes=-99999", 10_000, Part(0..10_000)),
            ("bytes=0-18446744073709551616", 10_000, Part(0..10_000)),
            ("BYTES=0-1", 10_000, Part(0..2)),
            ("bytes=0-0,-1", 10_000, Parts(vec![0..1, 9999..10_000])),
            ("bytes=-1 ,\t0-0", 10_000, Parts(vec![9999..10_000, 0..1])),
            ("bytes=,0-0,,-1,", 10_000, Parts(vec![0..1, 9999..10_000])),
            ("bytes=500-600,601-999", 10_000, Part(500..1000)),
            ("bytes=500-700,601-999", 10_000, Part(500..1000)),
            ("bytes=700-999,0-9,500-699", 10_000, Parts(vec![500..1000, 0..10])),
            ("bytes=0-,0-,0-,0-", 10_000, Part(0..10_000)),
            ("bytes=0-9,10000-,20-29", 10_000, Parts(vec![0..10, 20..30])),
            ("bytes=0-9,10000-", 10_000, Part(0..10)),
            ("bytes=10000-,-0", 10_000, Nothing),
            ("bytes=10000-", 10_000, Nothing),
            ("bytes=99999999999999999999999-", 10_000, Nothing),
            ("bytes=-0", 10_000, Nothing),
            ("bytes=0-", 0, Nothing),
            ("bytes=-0", 0, Nothing),
            ("bytes=-1", 0, Whole),
            ("bytes=5-4", 10_000, Whole),
            ("bytes=-", 10_000, Whole),
            ("bytes=", 10_000, Whole),
            ("bytes=,", 10_000, Whole),
            ("bytes=a-b", 10_000, Whole),
            ("bytes=+1-2", 10_000, Whole),
            ("bytes=1", 10_000, Whole),
            ("bytes=1-2-3", 10_000, Whole),
            ("bytes=0-1,a-b", 10_000, Whole),
            ("bytes=0-1,5-4", 10_000, Whole),
            ("bytes =0-1", 10_000, Whole),
            ("items=0-1", 10_000, Whole),
            ("0-1", 10_000, Whole),
        ] {
            assert_eq!(select(field, length), expected, "{field} of {length}");
        }
    }

    /// 13.1.5, 14.2; RFC 8673 2.2.
    #[test]
    fn ranges_of_what_grows() {
        for (field, expected) in [
            ("bytes=7-", Some((7, None))),
            ("Bytes= 0-9", Some((0, Some(9)))),
            ("bytes=5-9007199254740991", Some((5, Some(9_007_199_254_740_991)))),
            ("bytes=-5", None),
            ("bytes=0-1,4-5", None),
            ("bytes=9-3", None),
            ("pages=0-1", None),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(header::RANGE, http::HeaderValue::from_static(field));
            assert_eq!(of_growing(&Method::GET, &fields), expected, "{field}");
            assert_eq!(of_growing(&Method::HEAD, &fields), None, "HEAD, {field}");
            fields.insert(header::IF_RANGE, http::HeaderValue::from_static("\"a\""));
            assert_eq!(of_growing(&Method::GET, &fields), None, "If-Range, {field}");
        }
    }

    /// 17.15: overlapping ranges cost nothing, many are answered by fewer bytes than there are, or by the whole.
    #[test]
    fn many_ranges() {
        let every = |count: u64, step: u64| {
            let ranges: Vec<String> = (0..count).map(|n| format!("{}-{}", n * step, n * step)).collect();
            format!("bytes={}", ranges.join(","))
        };
        let parts = |field: &str, length| match select(field, length) {
            Selected::Parts(parts) => parts.len(),
            other => {
                assert_eq!(other, Selected::Whole, "{field}");
                0
            }
        };
        assert_eq!(parts(&every(64, 1000), 1 << 30), 64);
        assert_eq!(parts(&every(65, 1000), 1 << 30), 0);
        assert_eq!(parts(&every(8, 2), 40), 8);
        assert_eq!(parts(&every(9, 2), 40), 0);
        assert_eq!(parts(&every(20_000, 2), 40_000), 0);
        let overlapping = format!("bytes={}", vec!["5-50"; 500].join(","));
        assert_eq!(select(&overlapping, 100), Selected::Part(5..51));
        assert_eq!(select(&format!("bytes={}", vec!["5-50"; 20_000].join(",")), 100), Selected::Whole);
    }
}
