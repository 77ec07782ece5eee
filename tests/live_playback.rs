//! Viewers of live streams: what is about to be published is waited for, and all get it at once; what is asked for wrongly is refused at
//! once; what leaves early leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "live_support.rs"]
mod support;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use reelway::live::Clock;
use reelway_core::time::Moment;
use reelway_tests::ffmpeg::{self, is_there};
use support::{
    Answer, FILM, SHORT, Studio, boxes, fragments, headers_and_segments,
    transport::{ALL, H3, Protocol, begin, soon},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    task::JoinSet,
    time::sleep,
};

/// An encoder that sends when the test says so.
struct Hand {
    socket: TcpStream,
    pieces: std::vec::IntoIter<Bytes>,
}

impl Hand {
    /// Sends the header.
    async fn new(studio: &Studio, stream: &str) -> Self {
        let (header, pieces) = fragments(&FILM.1);
        let mut socket = TcpStream::connect(studio.server.plain).await.unwrap();
        let head = format!("PUT /ingest/{stream} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut hand = Self { socket, pieces: pieces.into_iter() };
        hand.chunk(&header).await;
        hand
    }

    async fn chunk(&mut self, bytes: &[u8]) {
        let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        self.socket.write_all(&chunk).await.unwrap();
    }

    /// Sends so many fragments, each a fifth of a second.
    async fn send(&mut self, count: usize) {
        for _ in 0..count {
            let piece = self.pieces.next().unwrap();
            self.chunk(&piece).await;
        }
    }

    /// Sends the rest and the end.
    async fn finish(mut self) {
        while let Some(piece) = self.pieces.next() {
            self.chunk(&piece).await;
        }
        let mfra = [0, 0, 0, 8, b'm', b'f', b'r', b'a'];
        self.chunk(&mfra).await;
        self.socket.write_all(b"0\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        soon(self.socket.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
}

/// The newest segment and part that the playlist lists.
fn newest(playlist: &str) -> (u32, Option<u32>) {
    let hint = playlist.split("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"").nth(1).and_then(|rest| rest.split_once(".m4s"));
    let (segment, part) = hint.unwrap().0.split_once('.').unwrap();
    let (segment, part): (u32, u32) = (segment.parse().unwrap(), part.parse().unwrap());
    if part == 0 { (segment - 1, None) } else { (segment, Some(part - 1)) }
}

/// The newest segment and part when eight fragments have been taken in: what comes behind is not there before more is sent.
const EIGHT: (u32, Option<u32>) = (2, Some(1));

/// The clock of the system may be set while the server runs: all that players compare is told by that of the streams, here one of long ago.
#[tokio::test(flavor = "multi_thread")]
async fn players_find_the_live_edge_whatever_the_system_says_the_time_is() {
    let studio = Studio::by(Clock::beginning(Moment(1_000_000_000_000_000)), SHORT);
    let mut hand = Hand::new(&studio, "old").await;
    hand.send(8).await;
    let playlist = studio.until("/live/old/v1/media.m3u8", |answer| answer.text().contains("#EXTINF")).await.text();
    let mpd = studio.until("/live/old/manifest.mpd", |answer| answer.status == StatusCode::OK).await.text();
    let (_, source) = mpd.split_once("<UTCTiming ").unwrap();
    let source = source.split_once("value=\"").unwrap().1.split('"').next().unwrap();
    let now = studio.get(source).await.text();
    let of = |text: &str, before: &str| text.split_once(before).unwrap().1.get(.."2001-09-09T01".len()).unwrap().to_owned();
    let told = [
        of(&now, ""),
        of(&playlist, "#EXT-X-PROGRAM-DATE-TIME:"),
        of(&mpd, "availabilityStartTime=\""),
        of(&mpd, "publishTime=\""),
        of(&mpd, "wallClockTime=\""),
    ];
    assert_eq!(told, ["2001-09-09T01"; 5], "{mpd}");
}

/// RFC 8216bis 6.2.5.2, 6.2.6; Appendix B.
#[tokio::test(flavor = "multi_thread")]
async fn playlists_and_parts_are_waited_for_by_every_protocol() {
    let studio = Studio::new(SHORT);
    let mut hand = Hand::new(&studio, "wait").await;
    hand.send(8).await;
    let playlist = "/live/wait/v1/media.m3u8";
    let text = studio.until(playlist, |answer| answer.text().contains("TYPE=PART") && newest(&answer.text()) == EIGHT).await.text();
    let (segment, part) = newest(&text);
    let next = part.map_or((segment + 1, 0), |part| (segment, part + 1));
    let part_url = format!("/live/wait/v1/{}.{}.m4s", next.0, next.1);
    let list_url = format!("{playlist}?_HLS_msn={}&_HLS_part={}", next.0, next.1);
    let held = || studio.streams.figures().held.load(Relaxed);
    let ask = async |url: String, protocol| {
        let answer = studio.ask_by(protocol, Method::GET, &url, &[("accept-encoding", "gzip")], Bytes::new()).await;
        (url, answer)
    };
    let waiting = ALL.into_iter().flat_map(|protocol| [ask(part_url.clone(), protocol), ask(list_url.clone(), protocol)]);
    let send = async {
        soon(async {
            while held() < 6 {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        hand.send(1).await;
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(waiting), send);
    let mut bodies: Vec<(String, Bytes)> = Vec::new();
    for (url, answer) in answers {
        assert_eq!(answer.status, StatusCode::OK, "{url}");
        assert!(answer.field("cache-control").contains("max-age="), "{url}");
        if url == list_url {
            assert_eq!((answer.field("content-encoding"), answer.field("vary")), ("gzip", "Accept-Encoding"));
            assert!(answer.field("cmsd-static").contains("ht="), "it tells how long it was held");
            assert_eq!(answer.field("cache-control"), "public, max-age=12", "six target durations");
        } else {
            assert_eq!(answer.fields.get("content-length").unwrap().to_str().unwrap(), answer.body.len().to_string());
            assert_eq!(boxes(&answer.body).last().unwrap().1, *b"mdat", "all of the part");
        }
        bodies.push((url, answer.body));
    }
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 2, "all got the same");
    assert_eq!(held(), 0, "nobody waits any more");
    for (query, expected, clause) in [
        ("?_HLS_part=1", 400, "6.2.5.2: a part of no segment"),
        ("?_HLS_msn=1000", 400, "6.2.5.2: too far ahead"),
        ("?_HLS_msn=x", 400, "6.2.5.2: no number"),
        ("?_HLS_msn=1", 200, "6.2.5.2: it is there"),
        ("?token=a&unknown=b", 200, "6.2.5: others are ignored"),
    ] {
        let answer = studio.get(&format!("{playlist}{query}")).await;
        assert_eq!(answer.status.as_u16(), expected, "{query}: {clause}");
        assert!(expected == 200 || answer.field("cache-control") == "no-store", "{query}");
    }
    for (path, expected) in
        [("v1/1000.m4s", 404), ("v1/1000.0.m4s", 404), ("v1/init-9.mp4", 404), ("v7/media.m3u8", 404), ("v1/1.m4s", 200)]
    {
        assert_eq!(studio.get(&format!("/live/wait/{path}")).await.status.as_u16(), expected, "{path}");
    }
}

/// A client that leaves frees what it held.
#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_waits_no_longer() {
    let studio = Studio::new(SHORT);
    let mut hand = Hand::new(&studio, "leave").await;
    hand.send(8).await;
    let playlist = "/live/leave/v1/media.m3u8";
    let text = studio.until(playlist, |answer| answer.text().contains("TYPE=PART") && newest(&answer.text()) == EIGHT).await.text();
    let url = format!("{playlist}?_HLS_msn={}", newest(&text).0 + 1);
    let held = || studio.streams.figures().held.load(Relaxed);
    let until = async |count| {
        soon(async {
            while held() != count {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    };
    let mut client = studio.server.h3().await;
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(client.get(&url).await.unwrap());
    }
    until(50).await;
    for stream in &mut streams {
        stream.stop_sending(h3::error::Code::H3_REQUEST_CANCELLED);
    }
    until(0).await;
    let request = format!("GET {url} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut socket = TcpStream::connect(studio.server.plain).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    until(1).await;
    drop(socket);
    until(0).await;
}

/// A segment that grows comes as it grows, without a length; when it is whole it has one, an entity tag and ranges.
#[tokio::test(flavor = "multi_thread")]
async fn segments_grow_and_are_whole() {
    let studio = Studio::new(SHORT);
    let mut hand = Hand::new(&studio, "grow").await;
    hand.send(7).await;
    studio.until("/live/grow/v1/media.m3u8", |answer| answer.text().contains("2.0.m4s\",INDEPENDENT=YES")).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let (identity, address) = match protocol {
            Protocol::H1 => (None, studio.server.plain),
            _ => (Some(&studio.server.identity), studio.server.secure),
        };
        let request = Request::get("https://localhost/live/grow/v1/2.m4s").body(Empty::<Bytes>::new()).unwrap();
        let mut response = soon(begin(identity, address, protocol, request)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.headers().contains_key("content-length") && !response.headers().contains_key("etag"));
        let first = soon(response.body_mut().frame()).await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&first[4..8], b"styp");
    }
    let url = "https://localhost/live/grow/v1/2.m4s";
    let request = Request::get(url).body(Empty::<Bytes>::new()).unwrap();
    let growing = soon(begin(None, studio.server.plain, Protocol::H1, request)).await.unwrap();
    let rest = tokio::spawn(growing.into_body().collect());
    hand.finish().await;
    let grown = soon(rest).await.unwrap().unwrap().to_bytes();
    studio.ended("/live/grow/v1/media.m3u8").await;
    let whole = studio.get("/live/grow/v1/2.m4s").await;
    assert_eq!(whole.body, grown, "what came as it grew is what it is");
    assert_eq!(whole.field("content-length"), grown.len().to_string());
    assert!(whole.field("etag").starts_with('"') && whole.field("cache-control").contains("immutable"));
    let range = studio.ask(Method::GET, "/live/grow/v1/2.m4s", &[("range", "bytes=4-7")], Bytes::new()).await;
    assert_eq!((range.status, &range.body[..]), (StatusCode::PARTIAL_CONTENT, &b"styp"[..]));
    let head = studio.ask(Method::HEAD, "/live/grow/v1/2.m4s", &[], Bytes::new()).await;
    assert_eq!((head.status, head.field("content-length"), head.body.len()), (StatusCode::OK, whole.field("content-length"), 0));
    let known = studio.ask(Method::GET, "/live/grow/v1/2.m4s", &[("if-none-match", whole.field("etag"))], Bytes::new()).await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
}

/// The parts of a segment are the segment.
#[tokio::test(flavor = "multi_thread")]
async fn parts_make_segments() {
    let studio = Studio::new(SHORT);
    let hand = Hand::new(&studio, "parts").await;
    hand.finish().await;
    for rendition in ["v1", "a1"] {
        let playlist = studio.ended(&format!("/live/parts/{rendition}/media.m3u8")).await;
        for name in headers_and_segments(&playlist).into_iter().filter(|name| !name.starts_with("init")) {
            let whole = studio.get(&format!("/live/parts/{rendition}/{name}")).await.body;
            let mut parts = Vec::new();
            for index in 0.. {
                let name = name.replace(".m4s", &format!(".{index}.m4s"));
                let part = studio.get(&format!("/live/parts/{rendition}/{name}")).await;
                if part.status != StatusCode::OK {
                    break;
                }
                parts.extend_from_slice(&part.body);
            }
            assert_eq!(whole, parts, "{rendition}/{name}");
        }
    }
}

/// RFC 8216bis 4.4.4.9, 4.4.5.3, 6.2.6; RFC 8673 2.2; RFC 9110 14.2, 15.5.17.
#[tokio::test(flavor = "multi_thread")]
async fn parts_may_be_ranges_of_the_segment_that_grows() {
    let studio = Studio::new(&format!("{SHORT}parts = \"ranges\"\n"));
    let mut hand = Hand::new(&studio, "ranges").await;
    hand.send(8).await;
    let (playlist, segment) = ("/live/ranges/v1/media.m3u8", "/live/ranges/v1/2.m4s");
    let listed = |text: &str| -> Vec<(u64, u64)> {
        let ranges = text.split("URI=\"2.m4s\",BYTERANGE=\"").skip(1).filter_map(|rest| rest.split('"').next()?.split_once('@'));
        ranges.map(|(length, start)| (length.parse().unwrap(), start.parse().unwrap())).collect()
    };
    let text = studio.until(playlist, |answer| listed(&answer.text()).len() == 2).await.text();
    let parts = listed(&text);
    let end: u64 = parts.iter().map(|(length, _)| length).sum();
    assert!(text.contains(&format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"2.m4s\",BYTERANGE-START={end}\n")), "{text}");
    let ask = async |protocol, range: &str| studio.ask_by(protocol, Method::GET, segment, &[("range", range)], Bytes::new()).await;
    for (length, start) in parts {
        let last = start + length - 1;
        let part = ask(Protocol::H1, &format!("bytes={start}-{last}")).await;
        assert_eq!((part.status, part.field("content-range")), (StatusCode::PARTIAL_CONTENT, &*format!("bytes {start}-{last}/*")));
        assert_eq!((part.field("content-length"), part.body.len()), (&*length.to_string(), usize::try_from(length).unwrap()));
        assert_eq!(boxes(&part.body).last().unwrap().1, *b"mdat", "all of the part");
    }
    let beyond = ask(Protocol::H1, &format!("bytes={}-", end + 1)).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE, "a part that begins elsewhere");
    // The hinted part: nothing is sent before it is there, and then all that follows in the segment.
    let (open, unbounded) = (format!("bytes={end}-"), format!("bytes={end}-9007199254740991"));
    let held = || studio.streams.figures().held.load(Relaxed);
    let send = async {
        soon(async {
            while held() < 4 {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        hand.finish().await;
    };
    let waiting = ALL.map(|protocol| ask(protocol, &open)).into_iter().chain([ask(Protocol::H1, &unbounded)]);
    let (answers, ()) = tokio::join!(futures_util::future::join_all(waiting), send);
    studio.ended(playlist).await;
    let whole = studio.get(segment).await.body;
    for answer in answers {
        // Who is woken once the segment has ended is told where it does.
        let told = [format!("bytes {end}-9007199254740991/*"), format!("bytes {end}-{}/{}", whole.len() - 1, whole.len())];
        assert!(
            answer.status == StatusCode::PARTIAL_CONTENT && told.iter().any(|told| told == answer.field("content-range")),
            "{answer:?}"
        );
        let grows = answer.field("content-range") == told[0];
        assert!(answer.fields.contains_key("content-length") != grows && answer.fields.contains_key("etag") != grows);
        assert!(answer.body == whole[usize::try_from(end).unwrap()..], "{} bytes from {end} on of {}", answer.body.len(), whole.len());
    }
    let (behind, told) = (ask(Protocol::H1, &format!("bytes={}-", whole.len())).await, format!("bytes */{}", whole.len()));
    assert_eq!((behind.status, behind.field("content-range")), (StatusCode::RANGE_NOT_SATISFIABLE, &*told));
}

/// `stream.mp4` goes on as the stream does; what is saved of it is a file. It begins with the newest sync sample, or as far behind as asked for.
#[tokio::test(flavor = "multi_thread")]
async fn one_file_without_end() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(SHORT);
    let mut hand = Hand::new(&studio, "endless").await;
    hand.send(8).await;
    studio.until("/live/endless/v1/media.m3u8", |answer| answer.text().contains("2.0.m4s\",INDEPENDENT=YES")).await;
    let mut viewers = JoinSet::new();
    for (protocol, query) in [(Protocol::H1, ""), (Protocol::H2, ""), (Protocol::H2, "?hold-back=1h")] {
        let (identity, address) = match protocol {
            Protocol::H1 => (None, studio.server.plain),
            _ => (Some(studio.server.identity.clone()), studio.server.secure),
        };
        let request = Request::get(format!("https://localhost/live/endless/stream.mp4{query}")).body(Empty::<Bytes>::new()).unwrap();
        let response = soon(begin(identity.as_ref(), address, protocol, request)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        viewers.spawn(async move { (query, response.into_body().collect().await.unwrap().to_bytes()) });
    }
    let refused = studio.get("/live/endless/stream.mp4?hold-back=long").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("hold-back: 'long' is no duration"), "{}", refused.text());
    hand.finish().await;
    let mut lengths = BTreeMap::new();
    while let Some(file) = soon(viewers.join_next()).await {
        let (query, file) = file.unwrap();
        let path = studio.write("saved.mp4", &file);
        let codecs: Vec<_> = ffmpeg::streams(&path).unwrap().into_iter().filter_map(|stream| stream.codec).collect();
        assert_eq!(codecs, ["h264", "aac"]);
        for stream in [0, 1] {
            assert_eq!(ffmpeg::decoding_errors(&path, stream).unwrap(), "");
        }
        let names: Vec<_> = boxes(&file).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names[..2], [*b"ftyp", *b"moov"]);
        lengths.insert(query, file.len());
    }
    assert!(lengths["?hold-back=1h"] > lengths[""], "{lengths:?}");
}

/// A network that loses every twentieth datagram of each direction and takes 50 ms for the others; where it takes them, and how many it lost.
async fn bad_network(server: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let near = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let far = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    far.connect(server).await.unwrap();
    let (address, lost, client) = (near.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)), Arc::new(OnceLock::new()));
    for (from, to, back) in [(Arc::clone(&near), Arc::clone(&far), false), (far, near, true)] {
        let (lost, client) = (Arc::clone(&lost), Arc::clone(&client));
        tokio::spawn(async move {
            let mut datagram = [0; 2048];
            for number in 1.. {
                let Ok((length, peer)) = from.recv_from(&mut datagram).await else { continue };
                let client: SocketAddr = *client.get_or_init(|| peer); // who sends first
                if number % 20 == 0 {
                    lost.fetch_add(1, Relaxed);
                    continue;
                }
                let (to, datagram) = (Arc::clone(&to), datagram[..length].to_vec());
                tokio::spawn(async move {
                    sleep(Duration::from_millis(50)).await;
                    let _ = if back { to.send_to(&datagram, client).await } else { to.send(&datagram).await };
                });
            }
        });
    }
    (address, lost)
}

/// Over HTTP/3 a viewer misses nothing, whether it reads a segment while it grows or asks for each part.
#[tokio::test(flavor = "multi_thread")]
async fn viewers_behind_a_bad_network_miss_nothing() {
    let studio = Studio::new(SHORT);
    let mut hand = Hand::new(&studio, "far").await;
    hand.send(7).await;
    studio.until("/live/far/v1/media.m3u8", |answer| answer.text().contains("2.0.m4s\",INDEPENDENT=YES")).await;
    let mut viewers = JoinSet::new();
    let mut losses = Vec::new();
    for by_parts in [false, true].repeat(4) {
        let (address, lost) = bad_network(studio.server.secure).await;
        losses.push(lost);
        let identity = studio.server.identity.clone();
        viewers.spawn(async move {
            let mut viewer = Box::pin(soon(H3::connect(address, &identity))).await;
            let (mut seen, names) =
                (Vec::new(), if by_parts { (0..5).map(|part| format!("2.{part}")).collect() } else { vec!["2".to_owned()] });
            for name in names {
                let request = Request::get(format!("https://localhost/live/far/v1/{name}.m4s")).body(Bytes::new()).unwrap();
                let (head, body) = Box::pin(soon(viewer.fetch(request))).await.unwrap();
                assert_eq!(head.status, StatusCode::OK, "{name}");
                seen.extend_from_slice(&body);
            }
            seen
        });
    }
    hand.finish().await;
    while let Some(seen) = soon(viewers.join_next()).await {
        let whole = studio.get("/live/far/v1/2.m4s").await.body;
        assert!(seen.unwrap() == whole);
    }
    assert!(losses.iter().any(|lost| lost.load(Relaxed) > 0));
}

/// RFC 8216bis 4.4.2.2: what the query asks for is said to the player, by a text that all who ask the same get.
#[tokio::test(flavor = "multi_thread")]
async fn viewers_begin_where_their_query_says() {
    let studio = Studio::new(SHORT);
    let early = studio.get("/live/over/master.m3u8?start=0").await;
    assert_eq!(early.status, StatusCode::NOT_FOUND);
    let mut hand = Hand::new(&studio, "over").await;
    hand.send(8).await;
    let (master, playlist) = ("/live/over/master.m3u8", "/live/over/v1/media.m3u8");
    studio.until(playlist, |answer| answer.text().contains("TYPE=PART") && newest(&answer.text()) == EIGHT).await;
    let plain = studio.until(master, |answer| answer.status == StatusCode::OK).await;
    assert!(!plain.text().contains("#EXT-X-START"), "{}", plain.text());
    for (query, offset) in [("start=0", "0.001"), ("start=2", "2.000"), ("start=-1", "-1.000"), ("a=b&start=0&start=x", "0.001")] {
        let url = format!("{master}?{query}");
        for protocol in ALL {
            soon(async {
                loop {
                    let answer = studio.ask_by(protocol, Method::GET, &url, &[], Bytes::new()).await;
                    assert_eq!((answer.status, answer.field("content-type")), (StatusCode::OK, "application/vnd.apple.mpegurl"));
                    assert!(answer.text().contains(&format!("\n#EXT-X-START:TIME-OFFSET={offset}\n")), "{query}: {}", answer.text());
                    assert_ne!(answer.field("etag"), plain.field("etag"));
                    // Sound may be taken in meanwhile: then the text is of another version.
                    let again = [("if-none-match", answer.field("etag"))];
                    if studio.ask_by(protocol, Method::GET, &url, &again, Bytes::new()).await.status == StatusCode::NOT_MODIFIED {
                        break;
                    }
                }
            })
            .await;
        }
    }
    for bad in ["", "-", "+1", "x", "1.5", "1s", "0x1", "604801", "-604801", "99999999999999999999", "%30", "0%00"] {
        let answer = studio.get(&format!("{master}?start={bad}")).await;
        assert_eq!((answer.status, answer.field("content-type")), (StatusCode::BAD_REQUEST, "application/problem+json"), "{bad}");
        assert!(answer.text().contains("whole seconds"), "{bad}: {}", answer.text());
    }
    // Nothing else is made for them: media playlists and the MPD are those of all viewers.
    for path in [playlist, "/live/over/manifest.mpd"] {
        let wanted = |answer: &Answer| answer.status == StatusCode::OK;
        let (plain, asked) = (studio.until(path, wanted).await, studio.get(&format!("{path}?start=0")).await);
        assert_eq!((plain.body, plain.fields.get("etag")), (asked.body, asked.fields.get("etag")), "{path}");
    }
}

/// The end releases all who wait, and what was live is complete.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_stream() {
    let studio = Studio::new(SHORT);
    let mut hand = Hand::new(&studio, "end").await;
    hand.send(8).await;
    let playlist = "/live/end/v1/media.m3u8";
    let text = studio.until(playlist, |answer| answer.text().contains("TYPE=PART")).await.text();
    let url = format!("{playlist}?_HLS_msn={}", newest(&text).0 + 2);
    let (answer, ()) = tokio::join!(studio.get(&url), hand.finish());
    assert_eq!(answer.status, StatusCode::OK);
    let text = studio.ended(playlist).await;
    assert!(!text.contains("PRELOAD-HINT"), "{text}");
    let mpd = studio.get("/live/end/manifest.mpd").await.text();
    assert!(mpd.contains("type=\"static\"") && !mpd.contains("minimumUpdatePeriod"), "{mpd}");
    let past = studio.get(&format!("{playlist}?_HLS_msn=1000&_HLS_part=3")).await;
    assert_eq!(past.status, StatusCode::OK, "directives are ignored after the end");
}
