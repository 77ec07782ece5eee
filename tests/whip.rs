//! Publishing by WebRTC: requests of WHIP, a peer that loses packets, and those who mean no good. That a browser is understood is shown by
//! `browser/whip.test.mjs`.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "live_support.rs"]
mod support;

use std::{
    fs,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use reelway::ingest::whip::crypto;
use reelway_tests::{
    ffmpeg::{self, is_there},
    program::Serving,
};
use str0m::{
    Candidate, Event, Input, Output, Rtc,
    change::{SdpAnswer, SdpPendingOffer},
    media::{Direction, Frequency, MediaKind, MediaTime, Mid},
    net::{Protocol, Receive},
};
use support::{
    Answer, SHORT, Studio,
    transport::{self, begin, soon},
};
use tokio::{
    net::UdpSocket,
    task::spawn_blocking,
    time::{sleep, timeout},
};

const SDP: (&str, &str) = ("content-type", "application/sdp");

/// A peer that publishes, with the same stack and its own sockets.
struct Peer {
    rtc: Rtc,
    socket: UdpSocket,
    pending: Option<SdpPendingOffer>,
    offer: String,
    pictures: Mid,
    sound: Mid,
}

/// What happened to a peer.
#[derive(Debug, PartialEq, Eq)]
enum Happened {
    Connected,
    KeyFrameAsked,
    Closed,
    Nothing,
}

impl Peer {
    async fn new() -> Self {
        let (crypto, certificate) = crypto::provider().unwrap();
        let mut rtc = Rtc::builder().set_crypto_provider(crypto).set_dtls_cert(certificate).build(Instant::now());
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        rtc.add_local_candidate(Candidate::host(socket.local_addr().unwrap(), "udp").unwrap());
        let mut changes = rtc.sdp_api();
        let pictures = changes.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
        let sound = changes.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        let (offer, pending) = changes.apply().unwrap();
        Self { rtc, socket, pending: Some(pending), offer: offer.to_sdp_string(), pictures, sound }
    }

    /// Takes the answer.
    fn accept(&mut self, answer: &Answer) {
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        let answer = SdpAnswer::from_sdp_string(&answer.text()).unwrap();
        self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
    }

    /// Sends and receives for up to `patience`, or until something happens. `lost` says which datagrams do not get through.
    async fn go_on(&mut self, patience: Duration, lost: impl Fn(&[u8]) -> bool) -> Happened {
        let end = Instant::now() + patience;
        loop {
            let next = loop {
                match self.rtc.poll_output() {
                    Ok(Output::Transmit(datagram)) if lost(&datagram.contents) => {}
                    Ok(Output::Transmit(datagram)) => drop(self.socket.send_to(&datagram.contents, datagram.destination).await),
                    Ok(Output::Event(Event::Connected)) => return Happened::Connected,
                    Ok(Output::Event(Event::KeyframeRequest(_))) => return Happened::KeyFrameAsked,
                    Ok(Output::Event(Event::Closed)) | Err(_) => return Happened::Closed,
                    Ok(Output::Event(_)) => {}
                    Ok(Output::Timeout(next)) => break next,
                }
            };
            let now = Instant::now();
            if now >= end {
                return Happened::Nothing;
            }
            let mut buffer = vec![0; 2000];
            let wait = next.min(end).saturating_duration_since(now).max(Duration::from_millis(1));
            let input = match timeout(wait, self.socket.recv_from(&mut buffer)).await {
                Ok(Ok((length, source))) => {
                    let destination = self.socket.local_addr().unwrap();
                    let contents = buffer[..length].try_into().unwrap();
                    Input::Receive(Instant::now(), Receive { proto: Protocol::Udp, source, destination, contents })
                }
                _ => Input::Timeout(Instant::now()),
            };
            self.rtc.handle_input(input).unwrap();
        }
    }

    /// Goes on until it is connected.
    async fn connect(&mut self) {
        let connected = async { while self.go_on(Duration::from_secs(1), |_| false).await != Happened::Connected {} };
        soon(connected).await;
    }

    /// Sends a picture or a packet of sound, `millis` after the start.
    fn send(&mut self, mid: Mid, rate: Frequency, millis: u64, data: &[u8]) {
        let writer = self.rtc.writer(mid).unwrap();
        let kind = writer.payload_params().next().unwrap().pt();
        let time = MediaTime::new(millis * u64::from(rate.get()) / 1000, rate);
        writer.write(kind, Instant::now(), time, data.to_vec()).unwrap();
    }
}

async fn offer(studio: &Studio, path: &str, peer: &Peer) -> Answer {
    studio.ask(Method::POST, path, &[SDP], peer.offer.clone()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_as_they_should() {
    let studio = Studio::new(&format!("{SHORT}[stream.news]\nkey = \"hush\"\n"));
    let peer = Peer::new().await;
    let (good, watching) = (peer.offer.as_str(), peer.offer.replace("a=sendonly", "a=recvonly"));
    let large = "a=x\r\n".repeat(20_000);
    let key = ("authorization", "Bearer hush");
    for (method, path, fields, body, status, why) in [
        ("POST", "/whip/news", &[SDP][..], good, 401, "no key"),
        ("POST", "/whip/news~wrong", &[SDP], good, 403, "another key"),
        ("POST", "/whip/news", &[SDP, ("authorization", "Bearer wrong")], good, 403, "another key"),
        ("POST", "/whip/open", &[SDP, ("origin", "https://elsewhere.example")], good, 401, "a page of another origin, and no key"),
        ("POST", "/whip/news", &[key], good, 415, "RFC 9725 4.2: an offer has a type"),
        ("POST", "/whip/news", &[key, ("content-type", "application/json")], good, 415, "another type"),
        ("POST", "/whip/news", &[key, SDP, ("accept", "application/json")], good, 406, "RFC 9110 15.5.7"),
        ("POST", "/whip/news", &[key, SDP], "", 400, "nothing"),
        ("POST", "/whip/news", &[key, SDP], "v=0\r\nnonsense", 400, "no SDP"),
        ("POST", "/whip/news", &[key, SDP], &large, 413, "too long"),
        ("POST", "/whip/news", &[key, SDP], &watching, 422, "RFC 9725 4.2: nothing is sent"),
        ("GET", "/whip/news", &[], "", 405, "RFC 9725 4.2"),
        ("PUT", "/whip/news", &[key, SDP], good, 405, "the same"),
        ("PATCH", "/whip/news/0123", &[key], "", 405, "RFC 9725 4.3: neither candidates nor restarts"),
        ("DELETE", "/whip/news/0123", &[], "", 401, "no key"),
        ("DELETE", "/whip/news/0123", &[key], "", 404, "no such session"),
        ("DELETE", "/whip/news", &[key], "", 405, "no session"),
        ("OPTIONS", "/whip/news", &[], "", 204, "a preflight has no key"),
        ("POST", "/whip/news/0123/x", &[key, SDP], good, 404, "no place of ours"),
        ("POST", "/whip/.a", &[SDP], good, 404, "no name"),
    ] {
        let answer = studio.ask(method.parse().unwrap(), path, fields, body.to_owned()).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path} {fields:?}: {why}: {}", answer.text());
        assert!(status == 404 || answer.field("access-control-allow-origin") == "*", "{method} {path}: {why}");
        match status {
            401 => assert!(answer.fields.get_all("www-authenticate").iter().any(|field| field.as_bytes().starts_with(b"Bearer"))),
            405 => assert!(!answer.field("allow").is_empty()),
            204 => assert_eq!(answer.field("accept-post"), SDP.1, "RFC 9725 4.2"),
            _ => {}
        }
    }

    let url = "/whip/news~hush";
    let made = offer(&studio, url, &peer).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!((made.field("content-type"), made.field("cache-control")), (SDP.1, "no-store"));
    assert!(made.field("access-control-expose-headers").contains("Location"), "a page of another origin has to end it");
    assert!(made.field("etag").starts_with('"') && made.text().contains("a=ice-lite"));
    let session = made.field("location").to_owned();
    assert!(session.starts_with(&format!("{url}/")), "{session}");
    assert_eq!(offer(&studio, url, &Peer::new().await).await.status, StatusCode::CONFLICT, "one publishes");
    let elsewhere = session.replace("news~hush", "open");
    assert_eq!(studio.ask(Method::DELETE, &elsewhere, &[], Bytes::new()).await.status, StatusCode::NOT_FOUND);
    assert_eq!(studio.ask(Method::DELETE, &session, &[], Bytes::new()).await.status, StatusCode::OK);
    assert_eq!(studio.ask(Method::DELETE, &session, &[], Bytes::new()).await.status, StatusCode::NOT_FOUND, "it is over");
}

/// 160x90, 25 pictures a second and a key frame each second, by access units.
fn pictures() -> Vec<Vec<u8>> {
    let words = "-nostdin -v error -f lavfi -i testsrc2=size=160x90:rate=25 -t 8 -c:v libx264 -profile:v baseline -preset ultrafast \
                 -tune zerolatency -g 25 -x264-params aud=1:scenecut=0 -f h264 -";
    let stream = Command::new("ffmpeg").args(words.split_whitespace()).output().unwrap().stdout;
    let delimiter = [0, 0, 0, 1, 9];
    let starts: Vec<usize> =
        stream.windows(delimiter.len()).enumerate().filter(|(_, window)| *window == delimiter).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    starts.iter().zip(ends).map(|(start, end)| stream[*start..end].to_vec()).collect()
}

fn is_key(picture: &[u8]) -> bool {
    picture.windows(4).any(|window| window[..3] == [0, 0, 1] && window[3] & 0x1f == 5)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_breaks_no_picture() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(SHORT);
    let pictures = pictures();
    assert_eq!(pictures.len(), 200);
    let mut peer = Peer::new().await;
    let made = offer(&studio, "/whip/lossy", &peer).await;
    peer.accept(&made);
    peer.connect().await;
    let begun = Instant::now();
    let again = peer.rtc.writer(peer.pictures).unwrap().payload_params().next().unwrap().resend().unwrap();
    let (mut next, mut asked, mut sent) = (0, 0, 0_u64);
    while next < pictures.len() {
        let millis = sent * 40;
        for part in 0..2 {
            peer.send(peer.sound, Frequency::FORTY_EIGHT_KHZ, millis + part * 20, &[0xfc, 0xff, 0xfe]);
        }
        peer.send(peer.pictures, Frequency::NINETY_KHZ, millis, &pictures[next]);
        next += 1;
        sent += 1;
        // For a while, up to a picture in the middle between key frames, nothing gets through, and what is sent again never does.
        let lost = |datagram: &[u8]| match datagram {
            [128..192, kind, ..] => (kind & 0x7f < 64 || kind & 0x7f >= 96) && ((56..64).contains(&sent) || kind & 0x7f == *again),
            _ => false,
        };
        let until = Duration::from_millis(sent * 40);
        while let Some(left) = until.checked_sub(begun.elapsed()) {
            if peer.go_on(left, lost).await == Happened::KeyFrameAsked && sent >= 64 {
                asked += 1;
                if !pictures.get(next).is_some_and(|picture| is_key(picture)) {
                    next = (next..pictures.len()).find(|at| is_key(&pictures[*at])).unwrap_or(next);
                }
            }
        }
    }
    assert!(asked > 0, "a key frame is asked for");
    assert_eq!(studio.ask(Method::DELETE, made.field("location"), &[], Bytes::new()).await.status, StatusCode::OK);
    assert_eq!(peer.go_on(Duration::from_secs(5), |_| false).await, Happened::Closed, "it is told that it is over");
    // Times as they are: pictures come when they come.
    let words = ["-fps_mode", "passthrough", "-enc_time_base", "-1"];
    for (rendition, at_least) in [("v1", 100), ("a1", 200)] {
        let file = studio.write(&format!("{rendition}.mp4"), &studio.download("lossy", rendition).await);
        let decoded = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "warning", "-i"])
            .arg(&file)
            .args(words)
            .args(["-f", "null", "-"])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&decoded.stderr), "", "{rendition} is decoded without a complaint");
        let packets = ffmpeg::packets(&file, ffmpeg::View::Raw).unwrap();
        assert!(packets.len() >= at_least, "{rendition}: {}", packets.len());
        // Where something is missing, pictures go on with a key frame, and sound has no hole.
        let behind: Vec<bool> =
            packets.windows(2).filter(|two| two[1].dts > two[0].dts.map(|dts| dts + 22_500)).map(|two| two[1].key).collect();
        assert_eq!(behind, if rendition == "v1" { vec![true] } else { vec![] }, "{rendition}");
    }
}

/// Who publishes while the server is asked to end is told, and all that came is in the recording; the server does not wait for it to stop.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_records_what_came() {
    if !is_there("ffmpeg") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("reelway.toml");
    fs::write(&config, SHORT).unwrap();
    let server = Serving::start(folder.path(), &["--config", config.to_str().unwrap(), "--drain", "600s"]).unwrap();
    let mut peer = Peer::new().await;
    let request = Request::post("http://localhost/whip/show").header(SDP.0, SDP.1).body(Full::from(peer.offer.clone())).unwrap();
    let (parts, body) = soon(begin(None, server.plain, transport::Protocol::H1, request)).await.unwrap().into_parts();
    let body = soon(body.collect()).await.unwrap().to_bytes();
    peer.accept(&Answer { status: parts.status, fields: parts.headers, body });
    peer.connect().await;

    // The last of the segments has not ended.
    let pictures = &pictures()[..90];
    let begun = Instant::now();
    for (millis, picture) in (0..).step_by(40).zip(pictures) {
        for part in 0..2 {
            peer.send(peer.sound, Frequency::FORTY_EIGHT_KHZ, millis + part * 20, &[0xfc, 0xff, 0xfe]);
        }
        peer.send(peer.pictures, Frequency::NINETY_KHZ, millis, picture);
        let until = Duration::from_millis(millis + 40);
        while let Some(left) = until.checked_sub(begun.elapsed()) {
            assert_ne!(peer.go_on(left, |_| false).await, Happened::Closed);
        }
    }
    let rest = Instant::now() + Duration::from_secs(1);
    while let Some(left) = rest.checked_duration_since(Instant::now()) {
        assert_ne!(peer.go_on(left, |_| false).await, Happened::Closed, "it goes on without the media for a while");
    }
    let ended = spawn_blocking(move || server.terminate().unwrap());
    let closed = async { while peer.go_on(Duration::from_secs(1), |_| false).await != Happened::Closed {} };
    soon(closed).await;
    assert!(soon(ended).await.unwrap(), "it ends well");

    let recording = fs::read_dir(folder.path().join("live/show")).unwrap().next().unwrap().unwrap().path();
    for (rendition, expected) in [("v1", pictures.len()), ("a1", pictures.len() * 2)] {
        let packets = ffmpeg::packets(&recording.join(format!("{rendition}.mp4")), ffmpeg::View::Raw).unwrap();
        assert_eq!(packets.len(), expected, "{rendition}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_leave_nothing_behind() {
    let studio = Arc::new(Studio::new(SHORT));
    let mut good = Peer::new().await;
    let made = offer(&studio, "/whip/good", &good).await;
    let candidate = made.text().lines().find_map(|line| line.strip_prefix("a=candidate:").map(str::to_owned)).unwrap();
    let words: Vec<&str> = candidate.split(' ').collect();
    let server = format!("{}:{}", words[4], words[5]);

    // Offers without end, whose makers never come: no more than one network may have.
    let mut statuses = Vec::new();
    let idle = Peer::new().await;
    for number in 0..40 {
        statuses.push(offer(&studio, &format!("/whip/idle{number}"), &idle).await.status.as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 31, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 503].contains(status)), "{statuses:?}");

    // Packets of nobody, of all kinds and lengths.
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for first in 0..=255_u8 {
        for length in [0, 1, 3, 12, 20, 28, 100, 1500, 9000] {
            let mut packet = vec![first; length];
            if length >= 20 && first < 4 {
                let rest = u16::try_from(length - 20).unwrap().to_be_bytes();
                packet[1..8].copy_from_slice(&[1, rest[0], rest[1], 0x21, 0x12, 0xa4, 0x42]);
            }
            let _ = socket.send_to(&packet, &server).await;
        }
    }

    // Who came before goes on, and who never came is gone.
    good.accept(&made);
    good.connect().await;
    let others = async {
        while offer(&studio, "/whip/later", &idle).await.status != StatusCode::CREATED {
            let _ = good.go_on(Duration::from_millis(200), |_| false).await;
        }
    };
    soon(others).await;
    sleep(Duration::from_millis(10)).await;
    assert!(good.rtc.is_alive());
}
