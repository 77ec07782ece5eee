//! From a representation and the fields of a request to the response (RFC 9110 8, 9.3, 13, 14, 15).

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::{
    Body, Content, Response,
    precondition::{Validators, Verdict, evaluate, http_date},
    problem,
    range::{Selected, select},
};

/// What a resource is at the moment.
#[derive(Clone, Debug)]
pub struct Representation {
    /// Its bytes.
    pub content: Content,
    /// `Content-Type`.
    pub media_type: &'static str,
    /// `Cache-Control`.
    pub cache_control: &'static str,
    /// Strong entity tag, without its quotes.
    pub etag: String,
    /// Whole seconds since 1970.
    pub modified: Option<u64>,
}

/// The methods of every resource here.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// Answers a request by `representation`. GET and HEAD differ in nothing but the body, which the transports leave out (9.3.2).
pub fn respond(method: &Method, fields: &HeaderMap, representation: Representation) -> Response {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "this can be read with GET and HEAD only");
        response.headers_mut().insert(header::ALLOW, METHODS);
        return response;
    }
    let Representation { content, media_type, cache_control, etag, modified } = representation;
    let validators = Validators { etag: format!("\"{etag}\""), modified };
    let length = content.len();
    let (status, selected) = match evaluate(method, fields, &validators) {
        Verdict::Failed => return problem(StatusCode::PRECONDITION_FAILED, "the resource is not in the state that the request demands"),
        Verdict::NotModified => (StatusCode::NOT_MODIFIED, Selected::Whole),
        // 14.2: Range is defined for GET alone; a HEAD tells of the whole.
        Verdict::Proceed { range: true } if *method == Method::GET => match fields.get(header::RANGE).and_then(|field| field.to_str().ok())
        {
            Some(field) => match select(field, length) {
                part @ Selected::Part(_) => (StatusCode::PARTIAL_CONTENT, part),
                selected => (StatusCode::OK, selected),
            },
            None => (StatusCode::OK, Selected::Whole),
        },
        Verdict::Proceed { .. } => (StatusCode::OK, Selected::Whole),
    };
    if selected == Selected::Nothing {
        let mut response = problem(StatusCode::RANGE_NOT_SATISFIABLE, &format!("there are {length} bytes"));
        insert(response.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{length}"));
        insert(response.headers_mut(), header::ACCEPT_RANGES, "bytes");
        return response;
    }
    let body = match (&selected, status) {
        (_, StatusCode::NOT_MODIFIED) => None,
        (Selected::Part(range), _) => Some(content.slice(range.clone())),
        _ => Some(content),
    };
    let body_length = body.as_ref().map(Content::len);
    let mut response = Response::new(body.map_or_else(Body::default, Body::from));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    insert(headers, header::ETAG, &validators.etag);
    insert(headers, header::CACHE_CONTROL, cache_control);
    if let Some(modified) = modified {
        insert(headers, header::LAST_MODIFIED, &http_date(modified));
    }
    if let Some(body_length) = body_length {
        insert(headers, header::CONTENT_TYPE, media_type);
        insert(headers, header::ACCEPT_RANGES, "bytes");
        headers.insert(header::CONTENT_LENGTH, body_length.into());
    }
    if let Selected::Part(range) = &selected {
        insert(headers, header::CONTENT_RANGE, &format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1)));
    }
    response
}

/// Answers OPTIONS, CORS preflights among them (Fetch 3.3): everything here is public and read only.
pub fn options() -> Response {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    insert(
        headers,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range",
    );
    insert(headers, header::ACCESS_CONTROL_MAX_AGE, "86400");
    response
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &Method, fields: &[(&'static str, &'static str)]) -> Response {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        let representation = Representation {
            content: Content::from_bytes(&b"0123456789"[..]),
            media_type: "video/mp4",
            cache_control: "no-cache",
            etag: "a".into(),
            modified: Some(784_111_777),
        };
        respond(method, &headers, representation)
    }

    fn field(response: &Response, name: HeaderName) -> Option<&str> {
        response.headers().get(name).and_then(|value| value.to_str().ok())
    }

    #[test]
    fn status_and_fields() {
        for (method, fields, status, length, range, clause) in [
            (Method::GET, &[][..], 200, Some("10"), None, "9.3.1"),
            (Method::HEAD, &[], 200, Some("10"), None, "9.3.2"),
            (Method::GET, &[("range", "bytes=2-5")], 206, Some("4"), Some("bytes 2-5/10"), "15.3.7"),
            (Method::HEAD, &[("range", "bytes=2-5")], 200, Some("10"), None, "14.2"),
            (Method::GET, &[("range", "bytes=10-")], 416, None, Some("bytes */10"), "15.5.17"),
            (Method::GET, &[("if-none-match", "\"a\"")], 304, None, None, "15.4.5"),
            (Method::GET, &[("if-none-match", "\"a\""), ("range", "bytes=0-1")], 304, None, None, "13.2.2"),
            (Method::GET, &[("if-match", "\"b\"")], 412, None, None, "15.5.13"),
            (Method::GET, &[("if-range", "\"b\""), ("range", "bytes=0-1")], 200, Some("10"), None, "13.1.5"),
            (Method::GET, &[("if-range", "\"a\""), ("range", "bytes=0-1")], 206, Some("2"), Some("bytes 0-1/10"), "13.1.5"),
            (Method::POST, &[], 405, None, None, "15.5.6"),
        ] {
            let response = ask(&method, fields);
            let told = format!("{method} {fields:?} by RFC 9110 {clause}");
            assert_eq!(response.status().as_u16(), status, "{told}");
            if matches!(status, 200 | 206 | 304) {
                assert_eq!(field(&response, header::CONTENT_LENGTH), length, "{told}");
            }
            assert_eq!(field(&response, header::CONTENT_RANGE), range, "{told}");
            if matches!(status, 200 | 206 | 304) {
                assert_eq!(field(&response, header::ETAG), Some("\"a\""), "{told}");
                assert_eq!(field(&response, header::LAST_MODIFIED), Some("Sun, 06 Nov 1994 08:49:37 GMT"), "{told}");
            }
            if status == 405 {
                assert_eq!(field(&response, header::ALLOW), Some("GET, HEAD, OPTIONS"), "{told}");
            }
        }
    }
}
