//! Errors as people and programs read them (RFC 9457).

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::Response;

#[derive(Serialize)]
struct Problem<'a> {
    title: &'a str,
    status: u16,
    detail: &'a str,
}

/// A response of kind `application/problem+json`. Nobody keeps it: the next try may find things changed.
pub fn problem(status: StatusCode, detail: &str) -> Response {
    let problem = Problem { title: status.canonical_reason().unwrap_or("Error"), status: status.as_u16(), detail };
    let body = Bytes::from(serde_json::to_vec(&problem).unwrap_or_default());
    let length = body.len();
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
