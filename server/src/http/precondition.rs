//! Conditional requests (RFC 9110 13).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, Method, header};

/// What tells versions of a representation apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// Strong entity tag, with its quotes.
    pub etag: String,
    /// Whole seconds since 1970.
    pub modified: Option<u64>,
}

/// What preconditions make of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on; the flag tells whether a `Range` field counts.
    Proceed {
        /// `If-Range` is absent or holds.
        range: bool,
    },
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Evaluates the preconditions in the order of 13.2.2.
pub fn evaluate(method: &Method, headers: &HeaderMap, validators: &Validators) -> Verdict {
    let read = matches!(*method, Method::GET | Method::HEAD);
    if headers.contains_key(header::IF_MATCH) {
        if !matches_any(headers, &header::IF_MATCH, &validators.etag, Comparison::Strong) {
            return Verdict::Failed;
        }
    } else if let Some(date) = date(headers, &header::IF_UNMODIFIED_SINCE)
        && validators.modified.is_some_and(|modified| modified > date)
    {
        return Verdict::Failed;
    }
    if headers.contains_key(header::IF_NONE_MATCH) {
        if matches_any(headers, &header::IF_NONE_MATCH, &validators.etag, Comparison::Weak) {
            return if read { Verdict::NotModified } else { Verdict::Failed };
        }
    } else if let Some(date) = date(headers, &header::IF_MODIFIED_SINCE)
        && read
        && validators.modified.is_some_and(|modified| modified <= date)
    {
        return Verdict::NotModified;
    }
    Verdict::Proceed {
        range: !headers.contains_key(header::IF_RANGE)
            || single(headers, &header::IF_RANGE).is_some_and(|field| if_range(field, validators)),
    }
}

/// 13.1.5: a strong tag, or a date that is exactly the last change. A date is as strong as a tag (8.8.2.2), because it is given only
/// when its second is over.
fn if_range(field: &str, validators: &Validators) -> bool {
    if field.starts_with('"') || field.starts_with("W/") {
        return field == validators.etag;
    }
    let date = parse_date(field);
    date.is_some() && date == validators.modified
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// 8.8.3.2. Our own tags are strong.
fn matches_any(headers: &HeaderMap, name: &HeaderName, etag: &str, comparison: Comparison) -> bool {
    if single(headers, name) == Some("*") {
        return true;
    }
    headers
        .get_all(name)
        .iter()
        .flat_map(|field| EntityTags(field.as_bytes()))
        .any(|(weak, tag)| tag == etag.as_bytes() && (!weak || comparison == Comparison::Weak))
}

/// The entity tags of a list (8.8.3), each with its quotes and whether it is weak, up to the first thing that is none.
struct EntityTags<'a>(&'a [u8]);

impl<'a> Iterator for EntityTags<'a> {
    type Item = (bool, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.0.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        let (_, list) = self.0.split_at(start);
        let (weak, list) = list.strip_prefix(b"W/").map_or((false, list), |list| (true, list));
        // A tag may hold commas, but no quotes and no blanks.
        let end = list.strip_prefix(b"\"")?.iter().position(|byte| matches!(byte, 0..=0x20 | b'"' | 0x7f))? + 2;
        let (tag, rest) = list.split_at_checked(end)?;
        self.0 = rest;
        tag.ends_with(b"\"").then_some((weak, tag))
    }
}

/// The value of a field that is no list: `None` if it is absent, there more than once, or not text.
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?;
    lines.next().is_none().then(|| line.to_str().ok()).flatten().map(str::trim)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    parse_date(single(headers, name)?)
}

fn parse_date(text: &str) -> Option<u64> {
    httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok().map(|duration| duration.as_secs())
}

/// Whole seconds since 1970 as an HTTP-date (5.6.7).
pub fn http_date(seconds: u64) -> String {
    let latest = Duration::from_secs(253_402_300_799); // the last second of the year 9999, the last that the format holds
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds).min(latest);
    httpdate::fmt_http_date(time)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    #[test]
    fn preconditions_in_their_order() {
        let all = Verdict::Proceed { range: true };
        let no_range = Verdict::Proceed { range: false };
        let validators = Validators { etag: "\"a\"".into(), modified: Some(784_111_777) };
        for (fields, expected, clause) in [
            (&[][..], all, "13.2.2"),
            (&[("if-match", "\"a\"")], all, "13.1.1"),
            (&[("if-match", "*")], all, "13.1.1"),
            (&[("if-match", "\"b\", \"a\"")], all, "13.1.1"),
            (&[("if-match", "\"b\"")], Verdict::Failed, "13.1.1"),
            (&[("if-match", "W/\"a\"")], Verdict::Failed, "13.1.1: strong comparison"),
            (&[("if-none-match", "\"a\"")], Verdict::NotModified, "13.1.2"),
            (&[("if-none-match", "W/\"a\"")], Verdict::NotModified, "13.1.2: weak comparison"),
            (&[("if-none-match", "*")], Verdict::NotModified, "13.1.2"),
            (&[("if-none-match", "\"b\", *")], all, "13.1.2: * stands alone"),
            (&[("if-none-match", "\"x,\\\",\"a\"")], Verdict::NotModified, "8.8.3: commas and backslashes in a tag"),
            (&[("if-none-match", "\"x,\" \"a\"")], Verdict::NotModified, "8.8.3: read generously"),
            (&[("if-none-match", "\"b,\"a\"")], all, "8.8.3: no tag, nothing after it counts"),
            (&[("if-none-match", "a")], all, "8.8.3: without quotes"),
            (&[("if-none-match", "w/\"a\"")], all, "8.8.3: W is a capital letter"),
            (&[("if-none-match", ",, \"b\" ,, \"a\"")], Verdict::NotModified, "5.6.1.2: empty members"),
            (&[("if-none-match", "\"b\""), ("if-none-match", "\"a\"")], Verdict::NotModified, "5.3: a list in two lines"),
            (&[("if-match", "\"b\""), ("if-match", "*")], Verdict::Failed, "13.1.1: * stands alone"),
            (&[("if-match", "")], Verdict::Failed, "13.1.1: an empty list"),
            (&[("if-none-match", "\"b\"")], all, "13.1.2"),
            (&[("if-modified-since", BEFORE)], all, "13.1.3"),
            (&[("if-modified-since", SAME)], Verdict::NotModified, "13.1.3"),
            (&[("if-modified-since", AFTER)], Verdict::NotModified, "13.1.3"),
            (&[("if-modified-since", "yesterday")], all, "13.1.3: not a date"),
            (&[("if-modified-since", SAME), ("if-modified-since", SAME)], all, "13.1.3: more than one member"),
            (&[("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT")], Verdict::NotModified, "5.6.7: RFC 850"),
            (&[("if-modified-since", "Sun Nov  6 08:49:37 1994")], Verdict::NotModified, "5.6.7: asctime"),
            (&[("if-none-match", "\"b\""), ("if-modified-since", SAME)], all, "13.1.3: passed over beside If-None-Match"),
            (&[("if-unmodified-since", BEFORE)], Verdict::Failed, "13.1.4"),
            (&[("if-unmodified-since", SAME)], all, "13.1.4"),
            (&[("if-unmodified-since", "yesterday")], all, "13.1.4: not a date"),
            (&[("if-unmodified-since", BEFORE), ("if-unmodified-since", BEFORE)], all, "13.1.4: more than one member"),
            (&[("if-match", "\"a\""), ("if-unmodified-since", BEFORE)], all, "13.1.4: passed over beside If-Match"),
            (&[("if-match", "\"b\""), ("if-none-match", "\"a\"")], Verdict::Failed, "13.2.2: If-Match first"),
            (&[("if-range", "\"a\"")], all, "13.1.5"),
            (&[("if-range", "\"b\"")], no_range, "13.1.5"),
            (&[("if-range", "W/\"a\"")], no_range, "13.1.5: strong comparison"),
            (&[("if-range", SAME)], all, "13.1.5"),
            (&[("if-range", AFTER)], no_range, "13.1.5: exact match"),
            (&[("if-range", BEFORE)], no_range, "13.1.5: exact match"),
            (&[("if-range", "yesterday")], no_range, "13.1.5: neither tag nor date"),
            (&[("if-range", "\"a\", \"b\"")], no_range, "13.1.5: one tag"),
            (&[("if-range", "\"a\""), ("if-range", "\"a\"")], no_range, "5.3: no list"),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            assert_eq!(evaluate(&Method::GET, &headers, &validators), expected, "{fields:?} by RFC 9110 {clause}");
        }
    }
}
