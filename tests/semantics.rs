//! HTTP semantics (RFC 9110), case by case with the section that asks for it, over HTTP/1.1, HTTP/2 and HTTP/3: each must be answered
//! as the table says, and by all three alike.
#![allow(clippy::unwrap_used, reason = "these are tests, though not marked as such")]

#[path = "transport_support.rs"]
mod support;

use std::{
    fs::{self, File},
    io::Read,
    ops::Range,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use reelway::{
    net::Settings,
    origin::{Origin, ServerInfo},
};
use reelway_tests::movie::Movie;
use support::{ALL, Protocol, Server, soon};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

const DIGITS: &str = "/media/digits.bin";
const EMPTY: &str = "/media/empty.mp4";
const HUGE: &str = "/media/huge.bin";
const SEGMENT: &str = "/vod/a.mp4/v1/1.m4s";
const HEADER: &str = "/vod/a.mp4/v1/init.mp4";
const PLAYLIST: &str = "/vod/a.mp4/master.m3u8";

/// More than 32 bits count.
const HUGE_LENGTH: u64 = (5 << 30) + 7;

const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const CHANGED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn changed() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
}

/// An answer, to its end.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    fields: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A server with a folder of media of the test.
struct Site {
    _folder: tempfile::TempDir,
    server: Server<Origin>,
}

impl Site {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let digits: Vec<u8> = (0..10_000).flat_map(|n| format!("{n:04}").into_bytes()).collect();
        put(&folder.path().join("digits.bin"), &digits, digits.len() as u64);
        put(&folder.path().join("empty.mp4"), b"", 0);
        put(&folder.path().join("huge.bin"), b"begin", HUGE_LENGTH);
        let film = Movie::simple(9, 1).write();
        put(&folder.path().join("a.mp4"), &film, film.len() as u64);
        let origin = Origin::new(Some(folder.path()), ServerInfo::new(vec!["h3", "h2", "http/1.1"], None)).unwrap();
        Self { server: Server::serving(Arc::new(origin), Settings::default()), _folder: folder }
    }

    async fn ask(&self, protocol: Protocol, method: &Method, path: &str, fields: &[(&str, &str)]) -> Answer {
        let uri = format!("https://localhost:{}{path}", self.server.secure.port());
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (parts, body) = self.server.exchange(protocol, request.body(Bytes::new()).unwrap()).await.unwrap();
        Answer { status: parts.status, fields: parts.headers, body }
    }

    /// The same answer by all protocols, but for what belongs to one of them.
    async fn ask_all(&self, method: &Method, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut first: Option<Answer> = None;
        for protocol in ALL {
            let mut answer = self.ask(protocol, method, path, fields).await;
            assert!(answer.fields.remove(header::DATE).is_some(), "{method} {path}: RFC 9110 6.6.1");
            answer.fields.remove(header::ALT_SVC);
            if let Some(first) = &first {
                let told = format!("{method} {path} {fields:?} over {protocol:?} and over HTTP/1.1");
                assert_eq!(answer.status, first.status, "{told}");
                assert_eq!(answer.fields, first.fields, "{told}");
                assert!(answer.body == first.body, "{told}: other bytes");
            } else {
                first = Some(answer);
            }
        }
        first.unwrap()
    }
}

/// A file that was last changed in 1994.
fn put(path: &Path, bytes: &[u8], length: u64) {
    fs::write(path, bytes).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(length).unwrap();
    file.set_modified(changed()).unwrap();
}

/// What a case is to be answered by.
#[derive(Clone, Debug)]
enum Want {
    /// 200 and all of it.
    Whole,
    /// 206 and one part.
    Part(Range<u64>),
    /// 206 and parts with heads of their own.
    Parts(Vec<Range<u64>>),
    /// 304.
    Same,
    /// 412.
    Failed,
    /// 416.
    Outside,
}

/// Names and values.
type Fields = Vec<(&'static str, String)>;

/// Whether the parts of a body of type `multipart/byteranges` are these ranges of `whole` (RFC 9110 14.6, RFC 2046 5.1.1).
fn is_multipart(answer: &Answer, ranges: &[Range<u64>], whole: &[u8], media_type: &str) -> bool {
    let boundary = answer.field("content-type").unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mut expected = Vec::new();
    for Range { start, end } in ranges {
        let head =
            format!("--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: bytes {start}-{}/{}\r\n\r\n", end - 1, whole.len());
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&whole[usize::try_from(*start).unwrap()..usize::try_from(*end).unwrap()]);
        expected.extend_from_slice(b"\r\n");
    }
    expected.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    answer.body == expected
}

/// The rows: the fields of a GET of something `length` bytes long, and what is to come of it. ETAG stands for its entity tag.
#[allow(clippy::too_many_lines, reason = "one row a case")]
fn rows(length: u64) -> Vec<(&'static str, Fields, Want)> {
    use Want::{Failed, Outside, Part, Parts, Same, Whole};
    let (last, tail) = (length - 1, length - 10);
    let range = |set: &str| vec![("range", format!("bytes={set}"))];
    let field = |name, value: &str| vec![(name, value.to_owned())];
    let with = |mut fields: Vec<_>, name, value: &str| {
        fields.push((name, value.to_owned()));
        fields
    };
    let many = |count: u64, step: u64| (0..count).map(|n| format!("{}-{}", n * step, n * step)).collect::<Vec<_>>().join(",");
    vec![
        ("9.3.1", vec![], Whole),
        // Ranges
        ("14.1.2 first and last", range("0-9"), Part(0..10)),
        ("14.1.2 one byte", range("5-5"), Part(5..6)),
        ("14.1.2 all of it", range(&format!("0-{last}")), Part(0..length)),
        ("14.1.2 open", range("10-"), Part(10..length)),
        ("14.1.2 open from the last byte", range(&format!("{last}-")), Part(last..length)),
        ("14.1.2 past the end", range("10-99999999"), Part(10..length)),
        ("14.1.2 past what is counted", range("10-99999999999999999999999"), Part(10..length)),
        ("14.1.2 suffix", range("-10"), Part(tail..length)),
        ("14.1.2 suffix longer than all", range("-99999999"), Part(0..length)),
        ("14.1.2 suffix past what is counted", range("-99999999999999999999999"), Part(0..length)),
        ("14.1 the unit in capitals", field("range", "BYTES=0-9"), Part(0..10)),
        ("15.5.17 begins at the end", range(&format!("{length}-")), Outside),
        ("15.5.17 begins far out", range("99999999999999999999999-"), Outside),
        ("15.5.17 suffix of nothing", range("-0"), Outside),
        ("15.5.17 no part of it", range(&format!("{length}-,-0")), Outside),
        ("14.2 another unit", field("range", "seconds=0-9"), Whole),
        ("14.2 no unit", field("range", "0-9"), Whole),
        ("14.2 no set", field("range", "bytes"), Whole),
        ("14.2 an empty set", range(""), Whole),
        ("14.2 no number", range("a-b"), Whole),
        ("14.2 a sign", range("+1-2"), Whole),
        ("14.2 a hexadecimal number", range("0x1-2"), Whole),
        ("14.1.1 ends before it begins", range("9-5"), Whole),
        ("14.1.1 nothing but a dash", range("-"), Whole),
        ("14.1.1 two dashes", range("1-2-3"), Whole),
        ("14.1.1 one bad range in a set", range("0-9,x"), Whole),
        ("5.3 two lines of what is no list", with(range("0-9"), "range", "bytes=20-29"), Whole),
        ("5.6.1.2 empty members", range(",0-9,,"), Part(0..10)),
        ("5.6.3 blanks between members", range("0-1 ,\t4-5"), Parts(vec![0..2, 4..6])),
        ("15.3.7.2 two parts", range("0-9,20-29"), Parts(vec![0..10, 20..30])),
        ("15.3.7.2 in the order asked for", range("-10,0-9"), Parts(vec![tail..length, 0..10])),
        ("15.3.7.2 what cannot be had is left out", range(&format!("0-9,{length}-,20-29")), Parts(vec![0..10, 20..30])),
        ("15.3.7.2 one part that can be had", range(&format!("0-9,{length}-")), Part(0..10)),
        ("15.3.7.2 overlapping", range("0-9,5-19"), Part(0..20)),
        ("15.3.7.2 touching", range("10-19,0-9"), Part(0..20)),
        ("15.3.7.2 some overlap", range("0-9,50-59,55-69"), Parts(vec![0..10, 50..70])),
        ("15.3.7.2 the same twice", range("0-9,0-9"), Part(0..10)),
        ("17.15 the whole again and again", range(&["0-"; 40].join(",")), Part(0..length)),
        ("17.15 many small parts", range(&many(200, 3)), Whole),
        ("17.15 very many", range(&many(3000, 2)), Whole),
        // Preconditions
        ("13.1.1 If-Match", field("if-match", "ETAG"), Whole),
        ("13.1.1 If-Match in a list", field("if-match", "\"x\", ETAG"), Whole),
        ("13.1.1 If-Match in the second line", with(field("if-match", "\"x\""), "if-match", "ETAG"), Whole),
        ("13.1.1 If-Match of anything", field("if-match", "*"), Whole),
        ("13.1.1 If-Match of another", field("if-match", "\"x\""), Failed),
        ("13.1.1 If-Match weak", field("if-match", "W/ETAG"), Failed),
        ("13.1.2 If-None-Match", field("if-none-match", "ETAG"), Same),
        ("13.1.2 If-None-Match weak", field("if-none-match", "W/ETAG"), Same),
        ("13.1.2 If-None-Match in a list", field("if-none-match", "\"x\", W/\"y,z\", ETAG"), Same),
        ("13.1.2 If-None-Match of anything", field("if-none-match", "*"), Same),
        ("13.1.2 If-None-Match of another", field("if-none-match", "\"x\""), Whole),
        ("8.8.3 a tag without quotes is none", field("if-none-match", "x"), Whole),
        ("13.1.3 If-Modified-Since", field("if-modified-since", CHANGED), Same),
        ("13.1.3 If-Modified-Since later", field("if-modified-since", AFTER), Same),
        ("13.1.3 If-Modified-Since earlier", field("if-modified-since", BEFORE), Whole),
        ("13.1.3 not a date", field("if-modified-since", "yesterday"), Whole),
        ("13.1.3 two dates", with(field("if-modified-since", CHANGED), "if-modified-since", CHANGED), Whole),
        ("5.6.7 a date as in RFC 850", field("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT"), Same),
        ("5.6.7 a date of asctime", field("if-modified-since", "Sun Nov  6 08:49:37 1994"), Same),
        ("13.1.4 If-Unmodified-Since", field("if-unmodified-since", CHANGED), Whole),
        ("13.1.4 If-Unmodified-Since later", field("if-unmodified-since", AFTER), Whole),
        ("13.1.4 If-Unmodified-Since earlier", field("if-unmodified-since", BEFORE), Failed),
        ("13.1.4 not a date", field("if-unmodified-since", "yesterday"), Whole),
        ("13.1.5 If-Range", with(range("0-9"), "if-range", "ETAG"), Part(0..10)),
        ("13.1.5 If-Range of another", with(range("0-9"), "if-range", "\"x\""), Whole),
        ("13.1.5 If-Range weak", with(range("0-9"), "if-range", "W/ETAG"), Whole),
        ("13.1.5 If-Range by date", with(range("0-9"), "if-range", CHANGED), Part(0..10)),
        ("13.1.5 If-Range by a later date", with(range("0-9"), "if-range", AFTER), Whole),
        ("13.1.5 If-Range by an earlier date", with(range("0-9"), "if-range", BEFORE), Whole),
        ("13.1.5 If-Range neither tag nor date", with(range("0-9"), "if-range", "x"), Whole),
        ("13.1.5 If-Range without Range", field("if-range", "\"x\""), Whole),
        ("13.1.5 If-Range and several parts", with(range("0-9,20-29"), "if-range", "ETAG"), Parts(vec![0..10, 20..30])),
        ("13.1.5 If-Range of another, no part of it", with(range(&format!("{length}-")), "if-range", "\"x\""), Whole),
        ("15.5.17 If-Range holds, no part of it", with(range(&format!("{length}-")), "if-range", "ETAG"), Outside),
        // Their order
        ("13.2.2 If-Match goes before If-Unmodified-Since", with(field("if-match", "ETAG"), "if-unmodified-since", BEFORE), Whole),
        ("13.2.2 If-Match fails before all else", with(field("if-match", "\"x\""), "if-none-match", "ETAG"), Failed),
        ("13.2.2 then If-None-Match", with(field("if-match", "ETAG"), "if-none-match", "ETAG"), Same),
        ("13.2.2 If-Unmodified-Since, then If-None-Match", with(field("if-unmodified-since", BEFORE), "if-none-match", "ETAG"), Failed),
        ("13.2.2 If-None-Match goes before If-Modified-Since", with(field("if-none-match", "\"x\""), "if-modified-since", CHANGED), Whole),
        ("13.2.2 the same, the other way", with(field("if-none-match", "ETAG"), "if-modified-since", BEFORE), Same),
        ("13.2.2 Range last", with(range("0-9"), "if-none-match", "ETAG"), Same),
        ("13.2.2 a range after its conditions", with(range("0-9"), "if-match", "ETAG"), Part(0..10)),
        ("13.2.2 a condition before a range", with(range("0-9"), "if-match", "\"x\""), Failed),
        ("13.2.2 no part of it, but the same", with(range(&format!("{length}-")), "if-none-match", "ETAG"), Same),
    ]
}

async fn run_rows(paths: &[&str]) {
    let site = Site::start();
    for path in paths {
        let whole = site.ask_all(&Method::GET, path, &[]).await;
        let etag = whole.field("etag").unwrap().to_owned();
        let media_type = whole.field("content-type").unwrap().to_owned();
        let length = whole.body.len() as u64;
        for (clause, fields, want) in rows(length) {
            let fields: Vec<_> = fields.into_iter().map(|(name, value)| (name, value.replace("ETAG", &etag))).collect();
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let told = format!("GET {path} {:.120} by RFC 9110 {clause}", format!("{fields:?}"));
            let get = site.ask_all(&Method::GET, path, &fields).await;
            let (status, content_range) = match &want {
                Want::Whole => (200, None),
                Want::Part(part) => (206, Some(format!("bytes {}-{}/{length}", part.start, part.end - 1))),
                Want::Parts(_) => (206, None),
                Want::Same => (304, None),
                Want::Failed => (412, None),
                Want::Outside => (416, Some(format!("bytes */{length}"))),
            };
            assert_eq!(get.status, status, "{told}");
            assert_eq!(get.field("content-range"), content_range.as_deref(), "{told}");
            match &want {
                Want::Whole => assert!(get.body == whole.body, "{told}: other bytes"),
                Want::Part(Range { start, end }) => {
                    assert_eq!(get.body, whole.body[usize::try_from(*start).unwrap()..usize::try_from(*end).unwrap()], "{told}");
                }
                Want::Parts(parts) => assert!(is_multipart(&get, parts, &whole.body, &media_type), "{told}: {get:?}"),
                Want::Same => assert!(get.body.is_empty(), "{told}: a body"),
                Want::Failed | Want::Outside => assert_eq!(get.field("content-type"), Some("application/problem+json"), "{told}"),
            }
            if matches!(get.status.as_u16(), 200 | 206 | 304) {
                // 15.3.7, 15.4.5: what a cache needs to put it to what it has.
                assert_eq!(get.field("etag"), Some(etag.as_str()), "{told}");
                assert_eq!(get.field("last-modified"), Some(CHANGED), "{told}");
                assert_eq!(get.field("cache-control"), whole.field("cache-control"), "{told}");
            }
            if get.status == StatusCode::OK || get.status == StatusCode::PARTIAL_CONTENT {
                assert_eq!(get.field("content-length"), Some(get.body.len().to_string().as_str()), "{told}");
                assert_eq!(get.field("accept-ranges"), Some("bytes"), "{told} (14.3)");
            }
            // 9.3.2: HEAD is GET without a body; 14.2: Range is for GET alone.
            let head = site.ask_all(&Method::HEAD, path, &fields).await;
            assert!(head.body.is_empty(), "HEAD, {told}: a body");
            if matches!(want, Want::Part(_) | Want::Parts(_) | Want::Outside) {
                assert_eq!((head.status, &head.fields), (StatusCode::OK, &whole.fields), "HEAD, {told}");
            } else {
                assert_eq!((head.status, &head.fields), (get.status, &get.fields), "HEAD, {told}");
            }
        }
    }
    site.server.ended().await;
}

#[tokio::test]
async fn ranges_and_conditions_on_files() {
    run_rows(&[DIGITS]).await;
}

#[tokio::test]
async fn ranges_and_conditions_on_what_is_made() {
    run_rows(&[SEGMENT, HEADER]).await;
}

#[tokio::test]
async fn ranges_past_four_gibibytes() {
    let site = Site::start();
    let end = HUGE_LENGTH;
    for (range, expected) in [
        (format!("{}-{}", (1u64 << 32) - 2, (1u64 << 32) + 1), (1u64 << 32) - 2..(1 << 32) + 2),
        (format!("{}-", end - 3), end - 3..end),
        ("-5".to_owned(), end - 5..end),
    ] {
        let answer = site.ask_all(&Method::GET, HUGE, &[("range", &format!("bytes={range}"))]).await;
        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{range}");
        let told = format!("bytes {}-{}/{end}", expected.start, expected.end - 1);
        assert_eq!(answer.field("content-range"), Some(told.as_str()), "RFC 9110 14.4");
        assert!(answer.body.iter().all(|byte| *byte == 0) && answer.body.len() as u64 == expected.end - expected.start, "{range}");
    }
    // The parts of several gibibytes are announced exactly; nobody need read them.
    let answer = site.ask_all(&Method::HEAD, HUGE, &[]).await;
    assert_eq!(answer.field("content-length"), Some(end.to_string().as_str()), "RFC 9110 8.6");
    let answer = site.ask_all(&Method::GET, HUGE, &[("range", &format!("bytes=0-4,{}-", end - 2))]).await;
    let text = String::from_utf8_lossy(&answer.body);
    assert!(text.contains(&format!("Content-Range: bytes 0-4/{end}\r\n\r\nbegin\r\n")), "{text}");
    assert!(text.contains(&format!("Content-Range: bytes {}-{}/{end}\r\n\r\n\0\0\r\n", end - 2, end - 1)), "{text}");
    site.server.ended().await;
}

/// RFC 9110 14.1.2: the last bytes of nothing are all of it; a first byte there is not.
#[tokio::test]
async fn an_empty_file() {
    let site = Site::start();
    for (range, status) in [
        (None, 200),
        (Some("bytes=-1"), 200),
        (Some("bytes=0-,-1"), 200),
        (Some("bytes=0-"), 416),
        (Some("bytes=0-0"), 416),
        (Some("bytes=-0"), 416),
    ] {
        let fields: Vec<_> = range.map(|range| ("range", range)).into_iter().collect();
        for method in [Method::GET, Method::HEAD] {
            let answer = site.ask_all(&method, EMPTY, &fields).await;
            let expected = if method == Method::HEAD { 200 } else { status };
            assert_eq!(answer.status, expected, "{method} {range:?}");
            if expected == 200 {
                assert_eq!(answer.field("content-length"), Some("0"), "{method} {range:?}");
            } else {
                assert_eq!(answer.field("content-range"), Some("bytes */0"), "{method} {range:?}");
            }
        }
    }
    site.server.ended().await;
}

#[tokio::test]
async fn methods() {
    let site = Site::start();
    for (method, path, status, clause) in [
        ("POST", DIGITS, 405, "RFC 9110 15.5.6"),
        ("PUT", SEGMENT, 405, "RFC 9110 15.5.6"),
        ("DELETE", PLAYLIST, 405, "RFC 9110 15.5.6"),
        ("PATCH", "/api/v1/server", 405, "RFC 9110 15.5.6"),
        ("TRACE", DIGITS, 405, "RFC 9110 15.5.6"),
        ("BREW", DIGITS, 501, "RFC 9110 15.6.2"),
        ("get", DIGITS, 501, "RFC 9110 9.1: methods have a case"),
        ("POST", "/media/none.mp4", 404, "RFC 9110 15.5.5"),
        ("OPTIONS", DIGITS, 204, "RFC 9110 9.3.7"),
        ("OPTIONS", "/vod/nothing", 404, "RFC 9110 9.3.7"),
    ] {
        // A precondition is passed over where the answer would be no success (13.2.1).
        let answer = site.ask_all(&Method::from_bytes(method.as_bytes()).unwrap(), path, &[("if-match", "\"x\"")]).await;
        assert_eq!(answer.status, status, "{method} {path}: {clause}");
        let allow = matches!(status, 204 | 405).then_some("GET, HEAD, OPTIONS");
        assert_eq!(answer.field("allow"), allow, "{method} {path}: {clause}");
    }
    site.server.ended().await;
}

/// Fetch 3.3.3: what a page of another origin may ask, and read.
#[tokio::test]
async fn pages_of_other_origins() {
    let site = Site::start();
    let preflight = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "range, if-range, cmcd-session"),
    ];
    let answer = site.ask_all(&Method::OPTIONS, SEGMENT, &preflight).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(answer.field("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.field("access-control-max-age"), Some("86400"));
    let listed = |name: &str, wanted: &str| answer.field(name).unwrap().split(", ").any(|one| one.eq_ignore_ascii_case(wanted));
    assert!(listed("access-control-allow-methods", "GET"));
    for wanted in ["range", "if-range", "if-none-match", "cmcd-object", "cmcd-request", "cmcd-session", "cmcd-status"] {
        assert!(listed("access-control-allow-headers", wanted), "{wanted}");
    }
    for (path, range, status) in
        [(DIGITS, "bytes=0-1", 206), (SEGMENT, "bytes=0-1,5-6", 206), (DIGITS, "bytes=99999-", 416), ("/media/none", "bytes=0-1", 404)]
    {
        let answer = site.ask_all(&Method::GET, path, &[("origin", "https://a.example"), ("range", range)]).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.field("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(answer.field("timing-allow-origin"), Some("*"), "{path}");
        let exposed = answer.field("access-control-expose-headers").unwrap();
        for name in ["Age", "Date", "ETag", "Content-Range", "CMSD-Static", "CMSD-Dynamic"] {
            assert!(exposed.split(", ").any(|one| one == name), "{path}: {name}");
        }
    }
    site.server.ended().await;
}

#[tokio::test]
async fn requests_that_are_too_large() {
    let site = Site::start();
    let long = format!("{DIGITS}?{}", "q".repeat(17_000));
    let answer = site.ask_all(&Method::GET, &long, &[]).await;
    assert_eq!(answer.status, StatusCode::URI_TOO_LONG, "RFC 9110 15.5.15");
    let fair = format!("{DIGITS}?{}", "q".repeat(8_000));
    let answer = site.ask_all(&Method::GET, &fair, &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "RFC 9110 4.1: 8000 at least");
    // Over HTTP/3 a client knows the limit and keeps to it: that is tested with the transports.
    for (protocol, size) in [(Protocol::H1, 200_000), (Protocol::H2, 70_000)] {
        let answer = site.ask(protocol, &Method::GET, DIGITS, &[("x-large", &"x".repeat(size))]).await;
        assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "{protocol:?}: RFC 6585 5");
    }
    site.server.ended().await;
}

/// What only a client that is broken, or wants to break something, sends.
#[tokio::test]
async fn malformed_requests() {
    let site = Site::start();
    for (request, status, clause) in [
        ("GET /media/digits.bin HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, "RFC 9112 3.2"),
        ("GET http://localhost/media/digits.bin HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, "RFC 9112 3.2.2"),
        ("GET /media/digits.bin HTTP/1.0\r\n\r\n", 200, "RFC 9112 3.2: HTTP/1.0 knew no Host"),
        ("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 204, "RFC 9110 9.3.7"),
        ("GET /media/digits.bin HTTP/1.1\r\n\r\n", 400, "RFC 9112 3.2"),
        ("GET /media/digits.bin HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "RFC 9112 3.2"),
        ("GET /media/digits.bin HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "RFC 9112 3.2"),
        ("GET /media/digits.bin HTTP/1.1\r\nHost: me@a\r\n\r\n", 400, "RFC 9110 4.2.4"),
        ("GET http://a:99999/media/digits.bin HTTP/1.1\r\nHost: a\r\n\r\n", 400, "RFC 9112 3.2.2"),
        ("GET /media/digits.bin HTTP/1.1\r\nHost : localhost\r\n\r\n", 400, "RFC 9112 5.1: no blank before the colon"),
        ("GET /media/digits.bin HTTP/1.1\r\nHost: localhost\r\n folded: line\r\n\r\n", 400, "RFC 9112 5.2"),
        ("GET /media/digits.bin HTTP/1.1\r\nHost: localhost\r\nRange bytes=0-1\r\n\r\n", 400, "RFC 9112 5"),
        ("GET /media/digits.bin\0 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "RFC 9112 3.2"),
        ("nonsense\r\n\r\n", 400, "RFC 9112 3"),
        ("GET /media/../Cargo.toml HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "RFC 3986 5.2.4: nobody takes dots out here"),
        ("GET /media/x/../digits.bin HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "RFC 3986 5.2.4"),
        ("GET /media/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "RFC 3986 2.1"),
        ("GET /media/..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "RFC 3986 2.2"),
        ("GET /media//etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "RFC 3986 3.3: an empty step"),
        ("GET //etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "RFC 3986 3.3: an empty step"),
        ("GET /media/digits.bin%00.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "RFC 3986 7.3"),
        ("GET /media/..\\..\\etc\\passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "RFC 3986 2: no character of a URI"),
    ] {
        let mut stream = soon(TcpStream::connect(site.server.plain)).await.unwrap();
        soon(stream.write_all(request.as_bytes())).await.unwrap();
        let mut answer = BufReader::new(stream);
        let mut line = String::new();
        soon(answer.read_line(&mut line)).await.unwrap();
        assert_eq!(line.split(' ').nth(1), Some(status.to_string().as_str()), "{request:?} by {clause}: {line:?}");
    }
    let answer = site.ask(Protocol::H2, &Method::GET, DIGITS, &[("host", "another.example")]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "RFC 9113 8.3.1: two hosts");
    site.server.ended().await;
}

/// RFC 9110 8.4, 8.8.3.3, 12.5.3, 12.5.5: text is sent in the coding that is liked best, each with a tag of its own; media in none.
#[tokio::test]
async fn codings() {
    let site = Site::start();
    let texts = [PLAYLIST, "/vod/a.mp4/v1/media.m3u8", "/vod/a.mp4/v1/iframes.m3u8", "/vod/a.mp4/manifest.mpd", "/api/v1/assets", "/"];
    for path in texts {
        let plain = site.ask_all(&Method::GET, path, &[]).await;
        assert_eq!((plain.status, plain.field("content-encoding"), plain.field("vary")), (StatusCode::OK, None, Some("Accept-Encoding")));
        let mut tags = vec![plain.field("etag").unwrap().to_owned()];
        for (accepted, coding) in [("gzip, deflate", "gzip"), ("gzip, deflate, br, zstd", "br")] {
            let told = format!("{path} {accepted}");
            let coded = site.ask_all(&Method::GET, path, &[("accept-encoding", accepted)]).await;
            assert_eq!(coded.field("content-encoding"), Some(coding), "{told}");
            assert_eq!(coded.field("vary"), Some("Accept-Encoding"), "{told}");
            assert_eq!(coded.field("content-type"), plain.field("content-type"), "{told}");
            assert_eq!(coded.field("content-length"), Some(coded.body.len().to_string().as_str()), "{told}");
            assert!(decoded(coding, &coded.body) == plain.body && coded.body.len() < plain.body.len(), "{told}");
            let head = site.ask_all(&Method::HEAD, path, &[("accept-encoding", accepted)]).await;
            assert_eq!((head.status, &head.fields, head.body.len()), (StatusCode::OK, &coded.fields, 0), "{told}");
            // 14.2: ranges are of what is sent, so that whoever resumes gets the rest of it.
            let etag = coded.field("etag").unwrap();
            let rest = [("accept-encoding", accepted), ("range", "bytes=10-"), ("if-range", etag)];
            let rest = site.ask_all(&Method::GET, path, &rest).await;
            assert_eq!((rest.status, rest.body), (StatusCode::PARTIAL_CONTENT, coded.body.slice(10..)), "{told}");
            assert_eq!(rest.fields.get("content-encoding"), coded.fields.get("content-encoding"), "{told}");
            let same = site.ask_all(&Method::GET, path, &[("accept-encoding", accepted), ("if-none-match", etag)]).await;
            assert_eq!((same.status, same.field("etag")), (StatusCode::NOT_MODIFIED, Some(etag)), "{told}");
            assert_eq!(same.field("vary"), Some("Accept-Encoding"), "{told}: 15.4.5");
            tags.push(etag.to_owned());
        }
        for tag in &tags {
            // 13.1.2: who has it in another coding does not have it in this one.
            let answer = site.ask_all(&Method::GET, path, &[("if-none-match", tag)]).await;
            assert_eq!(answer.status == StatusCode::NOT_MODIFIED, *tag == tags[0], "{path} {tag}");
            assert_eq!(tags.iter().filter(|other| *other == tag).count(), 1, "{path}: {tags:?}");
        }
    }
    for path in [DIGITS, SEGMENT, HEADER, EMPTY, "/healthz"] {
        let answer = site.ask_all(&Method::GET, path, &[("accept-encoding", "gzip, br, identity;q=0")]).await;
        assert_eq!((answer.status, answer.field("content-encoding"), answer.field("vary")), (StatusCode::OK, None, None), "{path}");
    }
    site.server.ended().await;
}

fn decoded(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match coding {
        "gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut plain).unwrap(),
        _ => brotli::Decompressor::new(body, 4096).read_to_end(&mut plain).unwrap(),
    };
    plain
}

/// RFC 9111 5.2, RFC 9218 4.1 and 5, CTA-5006: what caches and transports are told, by the kind of thing.
#[tokio::test]
async fn what_caches_and_transports_are_told() {
    let site = Site::start();
    let segment = site.ask_all(&Method::GET, "/vod/a.mp4/a1/1.m4s", &[]).await;
    let sound = segment.field("cmsd-static").unwrap().to_owned();
    for (path, cache_control, priority, cmsd) in [
        (PLAYLIST, "public, no-cache", Some("u=1"), Some("ot=m,sf=h,st=v")),
        ("/vod/a.mp4/v1/media.m3u8", "public, no-cache", Some("u=1"), Some("ot=m,sf=h,st=v")),
        ("/vod/a.mp4/v1/iframes.m3u8", "public, no-cache", Some("u=1"), Some("ot=m,sf=h,st=v")),
        ("/vod/a.mp4/manifest.mpd", "public, no-cache", Some("u=1"), Some("ot=m,sf=d,st=v")),
        (HEADER, "public, max-age=3600", Some("u=2"), Some("ot=i,st=v")),
        ("/vod/a.mp4/a1/1.m4s", "public, max-age=3600", Some("u=3"), Some(sound.as_str())),
        (SEGMENT, "public, max-age=3600", Some("u=4"), None),
        (DIGITS, "public, max-age=3600", Some("u=4"), None),
        ("/api/v1/server", "no-cache", None, None),
        ("/", "no-cache", None, None),
        ("/healthz", "no-store", None, None),
        ("/media/none.mp4", "no-store", None, None),
    ] {
        let answer = site.ask_all(&Method::GET, path, &[]).await;
        assert_eq!(answer.field("cache-control"), Some(cache_control), "{path}");
        assert_eq!(answer.field("priority"), priority, "{path}");
        if path != SEGMENT {
            assert_eq!(answer.field("cmsd-static"), cmsd, "{path}");
        }
        // RFC 9111 5.1: what we make is never old, and nothing keeps a cache from keeping it.
        assert!(["age", "expires", "pragma", "set-cookie"].iter().all(|name| answer.field(name).is_none()), "{path}");
        let said = site.ask_all(&Method::GET, path, &[("priority", "u=5, i")]).await;
        assert_eq!(said.field("priority"), None, "{path}: the client has said");
    }
    for (path, object_type, length) in [(SEGMENT, "v", 10_000), ("/vod/a.mp4/a1/1.m4s", "a", 10_000)] {
        let answer = site.ask_all(&Method::GET, path, &[]).await;
        let facts = answer.field("cmsd-static").unwrap().to_owned();
        let fact = |key: &str| facts.split(',').find_map(|fact| fact.strip_prefix(&format!("{key}="))).map(str::to_owned);
        assert_eq!((fact("ot").as_deref(), fact("st").as_deref()), (Some(object_type), Some("v")), "{facts}");
        let (duration, rate): (u64, u64) = (fact("d").unwrap().parse().unwrap(), fact("br").unwrap().parse().unwrap());
        assert!((1000..=length).contains(&duration), "{facts}");
        // Within a half of what this segment really takes.
        let real = answer.body.len() as u64 * 8 / duration;
        assert!(rate * 2 > real && rate < real * 2 + 2, "{facts}, really {real} kbit/s");
    }
    site.server.ended().await;
}
