//! Any fields and any query: codings and what players tell are read within bounds, and what is read can be written and read again.

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use reelway::http::{Cmcd, Coding};

const CMCD: [HeaderName; 4] = [
    HeaderName::from_static("cmcd-object"),
    HeaderName::from_static("cmcd-request"),
    HeaderName::from_static("cmcd-session"),
    HeaderName::from_static("cmcd-status"),
];

/// Reads fields.
pub fn headers(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let uri = lines.next().and_then(|line| Uri::try_from([b"/?CMCD=", line].concat()).ok()).unwrap_or_default();
    let mut fields = HeaderMap::new();
    for (name, line) in [header::ACCEPT_ENCODING, header::ACCEPT_ENCODING].into_iter().chain(CMCD).zip(lines) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            fields.append(name, value);
        }
    }
    let coding = Coding::preferred(&fields);
    let lists: Vec<&str> = fields.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok()).collect();
    let named = |name: &str| lists.iter().any(|list| list.to_ascii_lowercase().contains(name) || list.contains('*'));
    assert!(coding.name().is_none_or(named), "{coding:?} of {lists:?}");
    for cmcd in [Cmcd::of(&uri, &fields), Cmcd::of(&Uri::default(), &fields)].into_iter().flatten() {
        for (text, most) in [(&cmcd.content, 64), (&cmcd.session, 64), (&cmcd.next_range, 64), (&cmcd.next, 1024)] {
            let Some(text) = text else { continue };
            assert!(text.len() <= most && !text.contains(char::is_control));
            // Written as the specification says, it is read as it was.
            let quoted = format!("cid=\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            if let Ok(value) = HeaderValue::from_str(&quoted)
                && text.len() <= 64
                && text.is_ascii()
            {
                let again = Cmcd::of(&Uri::default(), &HeaderMap::from_iter([(CMCD[0].clone(), value)]));
                assert_eq!(again.and_then(|cmcd| cmcd.content).as_ref(), Some(text));
            }
        }
    }
}
