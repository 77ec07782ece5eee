//! The fields of tus 1.0 and of `Content-Range`, read.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, StatusCode};
use ring::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use crate::upload::{
    error::{Refusal, Result},
    row::Concat,
};

/// Algorithms of `Upload-Checksum`.
pub const CHECKSUMS: &str = "sha1,sha256";

/// The longest field that is kept with a file, and told with each answer: names, or the URLs of a hundred parts.
const KEPT: usize = 8 << 10;

/// What the bytes of a request should be.
pub struct Checksum {
    context: Context,
    expected: Vec<u8>,
}

/// `Content-Range: bytes FIRST-LAST/LENGTH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte.
    pub start: u64,
    /// Behind the last one.
    pub end: u64,
    /// Bytes of the whole.
    pub length: u64,
}

impl Checksum {
    /// Reads `Upload-Checksum`, if it is there.
    pub fn read(headers: &HeaderMap) -> Result<Option<Self>> {
        let Some(field) = text(headers, "upload-checksum")? else { return Ok(None) };
        let (name, sum) = field.split_once(' ').unwrap_or((field, ""));
        let algorithm: &'static Algorithm = match name {
            "sha1" => &SHA1_FOR_LEGACY_USE_ONLY,
            "sha256" => &SHA256,
            _ => return Err(bad(&format!("Upload-Checksum knows {CHECKSUMS}"))),
        };
        let expected = BASE64_STANDARD.decode(sum).map_err(|_| bad("Upload-Checksum is an algorithm and its sum in base64"))?;
        Ok(Some(Self { context: Context::new(algorithm), expected }))
    }

    /// Takes bytes into the sum.
    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// Whether all bytes were as they should be.
    pub fn holds(self) -> bool {
        self.context.finish().as_ref() == self.expected
    }
}

impl ContentRange {
    /// Reads the field (RFC 9110 14.4); the length must be told.
    pub fn read(headers: &HeaderMap) -> Result<Self> {
        let wrong = || bad("say which bytes these are: `Content-Range: bytes FIRST-LAST/LENGTH`");
        let field = text(headers, "content-range")?.and_then(|field| field.strip_prefix("bytes ")).ok_or_else(wrong)?;
        let (range, length) = field.split_once('/').ok_or_else(wrong)?;
        let (first, last) = range.split_once('-').ok_or_else(wrong)?;
        let read = |digits: &str| whole(digits).ok_or_else(wrong);
        let (start, last, length) = (read(first)?, read(last)?, read(length)?);
        if start > last || last >= length {
            return Err(wrong());
        }
        Ok(Self { start, end: last + 1, length })
    }
}

/// A field that is a number; it must be there.
pub fn number(headers: &HeaderMap, name: &str) -> Result<u64> {
    text(headers, name)?.and_then(whole).ok_or_else(|| bad(&format!("{name} is missing, or not a number of bytes")))
}

/// A field, if it is there.
pub fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>> {
    let text = |value: &'a http::HeaderValue| value.to_str().map_err(|_| bad(&format!("{name} is not plain text")));
    headers.get(name).map(text).transpose()
}

/// A field that is kept with the file, if it is there. It has at most 8 KiB.
pub fn kept<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>> {
    let field = text(headers, name)?;
    if field.is_some_and(|field| field.len() > KEPT) {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Refusal(status, format!("{name} may have {KEPT} bytes: leave out what the server need not know")));
    }
    Ok(field)
}

/// What a file is of another, by `Upload-Concat`.
pub fn concat(headers: &HeaderMap) -> Result<Concat> {
    match kept(headers, "upload-concat")? {
        None => Ok(Concat::Whole),
        Some("partial") => Ok(Concat::Partial),
        Some(field) => match field.strip_prefix("final;") {
            Some(parts) => Ok(Concat::Final(parts.trim().to_owned())),
            None => Err(bad("Upload-Concat is `partial`, or `final;` and the URLs of the parts")),
        },
    }
}

/// What people call the file, by `Upload-Metadata`: `filename` of tus-js-client, `name` of Uppy.
pub fn file_name(metadata: &str) -> String {
    let value = |wanted: &str| {
        let pairs = metadata.split(',').filter_map(|pair| pair.trim().split_once(' '));
        let found = pairs.filter(|(key, _)| *key == wanted).map(|(_, value)| value).next()?;
        String::from_utf8(BASE64_STANDARD.decode(found.trim()).ok()?).ok()
    };
    value("filename").or_else(|| value("name")).unwrap_or_default().chars().take(255).collect()
}

/// The request is not one.
pub fn bad(why: &str) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, why.into())
}

fn whole(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn fields(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn fields_are_read_or_refused() {
        for (value, expected) in [
            ("bytes 0-9/20", Some(ContentRange { start: 0, end: 10, length: 20 })),
            ("bytes 19-19/20", Some(ContentRange { start: 19, end: 20, length: 20 })),
            ("bytes 20-20/20", None),
            ("bytes 2-1/20", None),
            ("bytes 0-9/*", None),
            ("bytes +0-9/20", None),
            ("0-9/20", None),
        ] {
            assert_eq!(ContentRange::read(&fields("content-range", value)).ok(), expected, "{value}");
        }
        for (value, expected) in [
            ("partial", Some(Concat::Partial)),
            ("final;/upload/tus/a /upload/tus/b", Some(Concat::Final("/upload/tus/a /upload/tus/b".into()))),
            ("whole", None),
        ] {
            assert_eq!(concat(&fields("upload-concat", value)).ok(), expected, "{value}");
        }
        for (value, expected) in [("12", Some(12)), ("-1", None), ("+1", None), ("", None), ("99999999999999999999", None)] {
            assert_eq!(number(&fields("upload-length", value), "upload-length").ok(), expected, "{value}");
        }
    }

    #[test]
    fn sums_hold_or_do_not() {
        for (value, expected) in [
            ("sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=", Some(true)),
            ("sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=", Some(true)),
            ("sha1 AAAA", Some(false)),
            ("md5 AAAA", None),
            ("sha1 ?", None),
        ] {
            let sum = Checksum::read(&fields("upload-checksum", value)).ok().flatten();
            let held = sum.map(|mut sum| {
                sum.update(b"hello");
                sum.holds()
            });
            assert_eq!(held, expected, "{value}");
        }
    }

    #[test]
    fn names_come_from_either_field() {
        for (metadata, name) in [
            ("filename ZmlsbS5tcDQ=,filetype dmlkZW8vbXA0", "film.mp4"),
            ("relativePath bnVsbA==, name ZmlsbS5tcDQ=", "film.mp4"),
            ("filename", ""),
            ("filename ?", ""),
            ("", ""),
        ] {
            assert_eq!(file_name(metadata), name, "{metadata}");
        }
    }
}
