//! Several parts of a representation in one response (RFC 9110 14.6, 15.3.7.2).

use std::{
    hash::{BuildHasher, RandomState},
    ops::Range,
    sync::LazyLock,
};

use super::Content;

/// Gives the value of `Content-Type` and the body that holds these ranges of `content`, each with a head of its own. The payload is not
/// touched: the length is exact before a byte of it is read.
pub fn byteranges(content: &Content, ranges: &[Range<u64>], media_type: &str, etag: &str) -> (String, Content) {
    let boundary = boundary(etag);
    let length = content.len();
    let mut body = Content::default();
    for range in ranges {
        let Range { start, end } = range;
        let last = end.saturating_sub(1);
        body.push(Content::from_bytes(format!(
            "--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: bytes {start}-{last}/{length}\r\n\r\n"
        )));
        body.push(content.clone().slice(range.clone()));
        body.push(Content::from_bytes(&b"\r\n"[..]));
    }
    body.push(Content::from_bytes(format!("--{boundary}--\r\n")));
    (format!("multipart/byteranges; boundary={boundary}"), body)
}

/// What stands between the parts of this version. Nobody can have written it into the file: it is a keyed hash of the version, so it is
/// known only once the version is there.
fn boundary(etag: &str) -> String {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    format!("{:016x}{:016x}", KEY.hash_one(etag), KEY.hash_one((etag, "more")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::content::Part;

    #[test]
    fn parts_have_heads_and_the_length_is_exact() {
        let content = Content::from_bytes(&b"0123456789"[..]);
        let (media_type, body) = byteranges(&content, &[8..10, 0..1], "video/mp4", "a");
        let boundary = media_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
        assert!((1..=70).contains(&boundary.len()), "RFC 2046 5.1.1");
        let bytes: Vec<u8> = body
            .parts()
            .iter()
            .flat_map(|part| match part {
                Part::Made(bytes) => bytes.to_vec(),
                Part::Extent(_) => unreachable!(),
            })
            .collect();
        assert_eq!(body.len(), bytes.len() as u64);
        let head = format!("--{boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes");
        assert_eq!(String::from_utf8(bytes).unwrap(), format!("{head} 8-9/10\r\n\r\n89\r\n{head} 0-0/10\r\n\r\n0\r\n--{boundary}--\r\n"));
        assert_ne!(byteranges(&content, &[8..10, 0..1], "video/mp4", "b").0, media_type, "another version");
    }
}
