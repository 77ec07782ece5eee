//! Any path and any fields of a request: a path leads nowhere but below its folder, and whatever is asked of ten bytes is answered in
//! keeping with itself.

use std::path::Component;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use reelway::http::{Content, Representation, Resource, respond};

const FIELDS: [HeaderName; 6] =
    [header::RANGE, header::IF_RANGE, header::IF_MATCH, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE];

/// Answers a request.
pub fn request(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    if let Some(Ok(path)) = lines.next().map(std::str::from_utf8)
        && let Some(Resource::Media(asset) | Resource::Vod(asset, _)) = Resource::parse(path)
    {
        assert!(
            asset.to_path().components().all(|step| matches!(step, Component::Normal(name) if !name.as_encoded_bytes().starts_with(b".")))
        );
        assert_eq!(Resource::parse(&format!("/media/{}", asset.url())), Some(Resource::Media(asset)), "a path has one URL");
    }
    let mut fields = HeaderMap::new();
    for (name, value) in FIELDS.into_iter().zip(lines) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            fields.append(name, value);
        }
    }
    for method in [Method::GET, Method::HEAD, Method::POST] {
        let representation = Representation {
            content: Content::from_bytes(&b"0123456789"[..]),
            coding: None,
            media_type: "video/mp4",
            cache_control: "no-cache".into(),
            etag: "tag".into(),
            modified: Some(784_111_777),
            urgency: None,
            cmsd: None,
        };
        let response = respond(&method, &fields, representation);
        let field = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let length: Option<u64> = field(header::CONTENT_LENGTH).map(|length| length.parse().unwrap());
        match response.status() {
            StatusCode::OK => assert_eq!(length, Some(10)),
            StatusCode::PARTIAL_CONTENT => {
                assert_eq!(method, Method::GET);
                let Some(range) = field(header::CONTENT_RANGE) else {
                    assert!(field(header::CONTENT_TYPE).unwrap().starts_with("multipart/byteranges"));
                    assert!(length.unwrap() < 2000, "at most five parts of ten bytes do not touch");
                    continue;
                };
                let (first, last) = range.strip_prefix("bytes ").unwrap().strip_suffix("/10").unwrap().split_once('-').unwrap();
                let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
                assert!(first <= last && last < 10);
                assert_eq!(length, Some(last - first + 1));
            }
            StatusCode::NOT_MODIFIED => assert_eq!(length, None),
            StatusCode::RANGE_NOT_SATISFIABLE => assert_eq!(field(header::CONTENT_RANGE).as_deref(), Some("bytes */10")),
            StatusCode::PRECONDITION_FAILED => {}
            StatusCode::METHOD_NOT_ALLOWED => assert_eq!(method, Method::POST),
            status => panic!("{status}"),
        }
    }
}
