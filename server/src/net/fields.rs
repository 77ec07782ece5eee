//! The head of a response over HTTP/2 and HTTP/3: what hyper does for one over HTTP/1.1.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, header, response};
use http_body::Body;

/// Fields that belong to a connection of HTTP/1.1 and may not be in later versions (RFC 9113 section 8.2.2, RFC 9114 section 4.2).
pub(super) const CONNECTION_FIELDS: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Adds the length, when the body knows it, and the date. And takes away the fields of a connection.
pub(super) fn complete<B: Body>(parts: &mut response::Parts, body: &B, head: bool) {
    for field in &CONNECTION_FIELDS {
        parts.headers.remove(field);
    }
    if let Some(length) = body.size_hint().exact()
        && !head
    {
        parts.headers.entry(header::CONTENT_LENGTH).or_insert(length.into());
    }
    add_date(&mut parts.headers);
}

fn add_date(headers: &mut HeaderMap) {
    if !headers.contains_key(header::DATE)
        && let Ok(now) = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now()))
    {
        headers.insert(header::DATE, now);
    }
}
