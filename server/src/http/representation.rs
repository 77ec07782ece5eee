//! From a representation and the fields of a request to the response (RFC 9110 8, 9.3, 13, 14, 15).

use std::{
    borrow::Cow,
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::{
    Body, Coding, Content, Response,
    multipart::byteranges,
    precondition::{Validators, Verdict, evaluate, http_date, single},
    problem,
    range::{Selected, select},
};

/// What a resource is at the moment.
#[derive(Clone, Debug)]
pub struct Representation {
    /// Its bytes.
    pub content: Content,
    /// In which of several codings they are; `None` where there is one only.
    pub coding: Option<Coding>,
    /// `Content-Type`.
    pub media_type: &'static str,
    /// `Cache-Control`.
    pub cache_control: Cow<'static, str>,
    /// Strong entity tag, without its quotes.
    pub etag: String,
    /// Whole seconds since 1970.
    pub modified: Option<u64>,
    /// How urgent it is if the client does not say (RFC 9218 4.1): from 0, the most, to 7.
    pub urgency: Option<u8>,
    /// `CMSD-Static` (CTA-5006): what caches and players may know of it before they read it.
    pub cmsd: Option<String>,
}

/// The methods of every resource here.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// Answers a request by `representation`. GET and HEAD differ in nothing but the body, which the transports leave out (9.3.2).
pub fn respond(method: &Method, fields: &HeaderMap, representation: Representation) -> Response {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return not_a_method(method);
    }
    let Representation { content, coding, media_type, cache_control, etag, modified, urgency, cmsd } = representation;
    // 8.8.3.3: other bytes have another tag.
    let etag = coding.and_then(Coding::name).map_or(etag.clone(), |name| format!("{etag}-{name}"));
    let validators = Validators { etag: format!("\"{etag}\""), modified };
    let head = |status, body| head(status, &validators, &cache_control, coding, body);
    let length = content.len();
    let selected = match evaluate(method, fields, &validators) {
        Verdict::Failed => return problem(StatusCode::PRECONDITION_FAILED, "the resource is not in the state that the request demands"),
        Verdict::NotModified => return head(StatusCode::NOT_MODIFIED, Body::default()),
        Verdict::Proceed { range } => match single(fields, &header::RANGE) {
            // 14.2: Range is defined for GET alone; a HEAD tells of the whole.
            Some(field) if range && *method == Method::GET => select(field, length),
            _ => Selected::Whole,
        },
    };
    let (status, media_type, content_range, content) = match selected {
        Selected::Whole => (StatusCode::OK, Cow::Borrowed(media_type), None, content),
        Selected::Part(part) => {
            let told = format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1));
            (StatusCode::PARTIAL_CONTENT, media_type.into(), Some(told), content.slice(part))
        }
        Selected::Parts(parts) => {
            let (media_type, body) = byteranges(&content, &parts, media_type, &etag);
            (StatusCode::PARTIAL_CONTENT, media_type.into(), None, body)
        }
        Selected::Nothing => {
            let mut response = problem(StatusCode::RANGE_NOT_SATISFIABLE, &format!("there are {length} bytes"));
            insert(response.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{length}"));
            insert(response.headers_mut(), header::ACCEPT_RANGES, "bytes");
            return response;
        }
    };
    let length = content.len();
    let mut response = head(status, content.into());
    let headers = response.headers_mut();
    insert(headers, header::CONTENT_TYPE, &media_type);
    if let Some(name) = coding.and_then(Coding::name) {
        insert(headers, header::CONTENT_ENCODING, name);
    }
    insert(headers, header::ACCEPT_RANGES, "bytes");
    headers.insert(header::CONTENT_LENGTH, length.into());
    if let Some(told) = content_range {
        insert(headers, header::CONTENT_RANGE, &told);
    }
    if let Some(urgency) = urgency.filter(|_| !fields.contains_key("priority")) {
        insert(headers, HeaderName::from_static("priority"), &format!("u={urgency}"));
    }
    if let Some(cmsd) = cmsd {
        insert(headers, HeaderName::from_static("cmsd-static"), &cmsd);
    }
    response
}

/// A response with the fields that 304 has too (15.4.5).
fn head(status: StatusCode, validators: &Validators, cache_control: &str, coding: Option<Coding>, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    insert(headers, header::ETAG, &validators.etag);
    insert(headers, header::CACHE_CONTROL, cache_control);
    if coding.is_some() {
        insert(headers, header::VARY, "Accept-Encoding");
    }
    // 8.8.2: a second that is not over may bring another change, and what changed in the future did not.
    if let Some(modified) = validators.modified.filter(|modified| *modified < now()) {
        insert(headers, header::LAST_MODIFIED, &http_date(modified));
    }
    response
}

/// Whole seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_secs())
}

/// 405 for a method that is known, 501 for one that is not (9.1).
fn not_a_method(method: &Method) -> Response {
    let known = [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::CONNECT, Method::TRACE];
    if !known.contains(method) {
        return problem(StatusCode::NOT_IMPLEMENTED, "the method is not known here");
    }
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "this can be read with GET and HEAD only");
    response.headers_mut().insert(header::ALLOW, METHODS);
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
        "Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range, Priority, Authorization, \
         CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status",
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
            headers.append(*name, HeaderValue::from_static(value));
        }
        let representation = Representation {
            content: Content::from_bytes(&b"0123456789"[..]),
            coding: None,
            media_type: "video/mp4",
            cache_control: "no-cache".into(),
            etag: "a".into(),
            modified: Some(784_111_777),
            urgency: None,
            cmsd: None,
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
            (Method::GET, &[("range", "bytes=10-")], 416, None, Some("bytes */10"), "15.5.17"),
            (Method::GET, &[("range", "bytes=0-1"), ("range", "bytes=3-4")], 200, Some("10"), None, "14.2: no list"),
            (Method::POST, &[], 405, None, None, "15.5.6"),
            (Method::CONNECT, &[], 405, None, None, "15.5.6"),
            (Method::from_bytes(b"BREW").unwrap(), &[], 501, None, None, "15.6.2"),
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
