//! Range requests (RFC 9110 14).

use std::ops::Range;

/// What a `Range` field comes to for a representation of a known length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected {
    /// All of it: no range, or one that is not understood and therefore passed over (14.2).
    Whole,
    /// One part.
    Part(Range<u64>),
    /// No part of it: 416.
    Nothing,
}

/// Selects from `length` bytes what the value of a `Range` field asks for.
///
/// Several ranges are answered by the whole, as 14.2 allows.
pub fn select(field: &str, length: u64) -> Selected {
    let Some((unit, set)) = field.split_once('=') else { return Selected::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Selected::Whole;
    }
    let mut ranges = set.split(',').map(str::trim).filter(|range| !range.is_empty());
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Selected::Whole };
    match parse(range) {
        Some(Spec::From(first, last)) if first < length => {
            Selected::Part(first..last.map_or(length, |last| last.saturating_add(1).min(length)))
        }
        Some(Spec::Suffix(suffix)) if suffix > 0 && length > 0 => Selected::Part(length.saturating_sub(suffix)..length),
        Some(_) => Selected::Nothing,
        None => Selected::Whole,
    }
}

/// A range as it is written (14.1.1): `a-b`, `a-`, or `-n`.
enum Spec {
    From(u64, Option<u64>),
    Suffix(u64),
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

    /// RFC 9110 14.1.1, 14.1.2, 14.2, 15.5.17.
    #[test]
    fn ranges() {
        use Selected::{Nothing, Part, Whole};
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
            ("BYTES = 0-1", 10_000, Part(0..2)),
            ("bytes=10000-", 10_000, Nothing),
            ("bytes=99999999999999999999999-", 10_000, Nothing),
            ("bytes=-0", 10_000, Nothing),
            ("bytes=0-", 0, Nothing),
            ("bytes=-1", 0, Nothing),
            ("bytes=5-4", 10_000, Whole),
            ("bytes=-", 10_000, Whole),
            ("bytes=", 10_000, Whole),
            ("bytes=a-b", 10_000, Whole),
            ("bytes=+1-2", 10_000, Whole),
            ("bytes=1", 10_000, Whole),
            ("items=0-1", 10_000, Whole),
            ("bytes=0-1,5-6", 10_000, Whole),
        ] {
            assert_eq!(select(field, length), expected, "{field} of {length}");
        }
    }
}
