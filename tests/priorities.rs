//! The order of responses that are under way on one connection (RFC 9218 section 10), as clients of two protocols see it that take little
//! at a time.
#![allow(clippy::unwrap_used, missing_docs, reason = "these are tests, though not marked as such")]

#[path = "transport_support.rs"]
mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use reelway::net::Settings;
use rustls::pki_types::ServerName;
use support::{H3, PARTS, Protocol, Server, soon, tls};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// What a client takes at once: little.
const SMALL: u32 = 64 << 10;

/// No bound.
const LARGE: u32 = 16 << 20;

/// What may have gone of a response before one that goes before it began: what was written by then, and is not taken back.
const AHEAD: usize = 1 << 20;

/// A connection on which requests can be sent before anything of their responses is taken.
enum Client {
    H2(hyper::client::conn::http2::SendRequest<Empty<Bytes>>),
    H3(H3),
}

impl Client {
    /// With so much that it takes at once of the connection and of one stream.
    async fn connect(server: &Server, protocol: Protocol, connection: u32, stream: u32) -> Self {
        if protocol == Protocol::H3 {
            let quic =
                server.quic_with(server.secure, |config| config.receive_window(connection.into()).stream_receive_window(stream.into()));
            return Self::H3(H3::new(quic.await).await);
        }
        let windows = (connection, stream);
        let stream = TcpStream::connect(server.secure).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(tls(&server.identity, "h2")));
        let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
        let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        builder.initial_connection_window_size(windows.0).initial_stream_window_size(windows.1);
        let (sender, connection) = soon(builder.handshake(TokioIo::new(stream))).await.unwrap();
        tokio::spawn(connection);
        Self::H2(sender)
    }

    /// Asks; the rest, when it runs, counts in `taken` what comes.
    async fn get(&mut self, priority: &str, taken: Arc<AtomicUsize>) -> BoxFuture<'static, ()> {
        let request = Request::get("https://localhost/parts").header("priority", priority);
        match self {
            Self::H2(sender) => {
                soon(sender.ready()).await.unwrap();
                let response = sender.send_request(request.body(Empty::new()).unwrap());
                Box::pin(async move {
                    let mut body = response.await.unwrap().into_body();
                    while let Some(frame) = body.frame().await {
                        taken.fetch_add(frame.unwrap().data_ref().map_or(0, Bytes::len), Ordering::SeqCst);
                    }
                })
            }
            Self::H3(client) => {
                let mut stream = client.begin(request.body(()).unwrap()).await.unwrap();
                soon(stream.finish()).await.unwrap();
                Box::pin(async move {
                    stream.recv_response().await.unwrap();
                    while let Some(data) = stream.recv_data().await.unwrap() {
                        taken.fetch_add(data.remaining(), Ordering::SeqCst);
                    }
                })
            }
        }
    }
}

/// Asks for a response of each of these priorities, in order, and takes them when all are under way. Gives which ended first, and what had
/// come of each by then.
async fn race(protocol: Protocol, priorities: &[&str]) -> (usize, Vec<usize>) {
    let server = Server::start(Settings::default());
    let mut client = Client::connect(&server, protocol, SMALL, LARGE).await;
    let taken: Vec<Arc<AtomicUsize>> = priorities.iter().map(|_| Arc::default()).collect();
    let count = || taken.iter().map(|taken| taken.load(Ordering::SeqCst)).collect();
    let mut responses = Vec::new();
    for (index, priority) in priorities.iter().enumerate() {
        responses.push(client.get(priority, Arc::clone(&taken[index])).await);
        server.alive(index + 1).await;
    }
    let mut running = JoinSet::new();
    for (index, response) in responses.into_iter().enumerate() {
        running.spawn(async move {
            response.await;
            index
        });
    }
    let first = soon(running.join_next()).await.unwrap().unwrap();
    let at_its_end = count();
    while let Some(ended) = soon(running.join_next()).await {
        ended.unwrap();
    }
    assert_eq!(count(), vec![PARTS; priorities.len()], "all come in the end");
    drop(client);
    server.ended().await;
    (first, at_its_end)
}

#[tokio::test]
async fn what_goes_before_is_whole_before_the_rest_goes_on() {
    for protocol in [Protocol::H2, Protocol::H3] {
        for (priorities, first, clause) in [
            (&["u=5, i", "u=5", "u=1"][..], 2, "the more urgent first"),
            (&["u=6", "u=7", "u=2, i"], 2, "the more urgent first, also when it could share"),
            (&["", "u=3", "i=?0"], 0, "of one urgency one after the other"),
        ] {
            let (ended, taken) = race(protocol, priorities).await;
            assert_eq!(ended, first, "{protocol:?}: {clause}: {taken:?}");
            let rest = taken.iter().enumerate().filter(|(index, _)| *index != first);
            assert!(rest.clone().all(|(_, taken)| *taken < AHEAD), "{protocol:?}: {clause}: {taken:?}");
        }
    }
}

#[tokio::test]
async fn what_is_of_use_in_parts_shares() {
    for protocol in [Protocol::H2, Protocol::H3] {
        let (_, taken) = race(protocol, &["u=2, i", "u=2, i", "u=6, i"]).await;
        assert!(taken[0].min(taken[1]) > PARTS / 2 && taken[2] < AHEAD, "{protocol:?}: {taken:?}");
    }
}

/// An urgent response that its own client does not take holds up no other.
#[tokio::test]
async fn what_is_not_taken_is_passed_over() {
    for protocol in [Protocol::H2, Protocol::H3] {
        let server = Server::start(Settings::default());
        let mut client = Client::connect(&server, protocol, LARGE, SMALL).await;
        let (untaken, taken) = (Arc::default(), Arc::<AtomicUsize>::default());
        let urgent = client.get("u=0", untaken).await;
        server.alive(1).await;
        let late = client.get("u=7", Arc::clone(&taken)).await;
        soon(late).await;
        assert_eq!(taken.load(Ordering::SeqCst), PARTS, "{protocol:?}");
        drop((urgent, client));
        server.ended().await;
    }
}

/// A client of HTTP/2 that writes frames of its own (RFC 9113 section 4.1) and takes nothing unless it says so.
struct Frames<S>(S);

/// The types of frames that are used here, section 6, and RFC 9218 section 7.1.
const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const GOAWAY: u8 = 0x7;
const PRIORITY_UPDATE: u8 = 0x10;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request for `/parts`: entries of the static table of HPACK (RFC 7541), and literals that are not indexed.
fn request(stream: u32, more: &[u8]) -> Vec<u8> {
    frame(HEADERS, 0x5, stream, &[&[0x82, 0x87, 0x04, 6][..], b"/parts", &[0x01, 9], b"localhost", more].concat())
}

/// As many as there are, each after the other.
fn requests(streams: &[u32]) -> Vec<u8> {
    streams.iter().flat_map(|stream| request(*stream, &[])).collect()
}

fn update(stream: u32, field: &str) -> Vec<u8> {
    frame(PRIORITY_UPDATE, 0, 0, &[&stream.to_be_bytes()[..], field.as_bytes()].concat())
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// Begins, and lets the streams have all they want: the connection has 64 KiB.
    async fn begin(mut stream: S) -> Self {
        let settings = frame(0x4, 0, 0, &[&[0, 4][..], &LARGE.to_be_bytes()].concat());
        stream.write_all(&[&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat()).await.unwrap();
        Self(stream)
    }

    async fn send(&mut self, bytes: &[u8]) {
        soon(self.0.write_all(bytes)).await.unwrap();
    }

    /// The next frame: its type, its flags, its stream and its payload.
    async fn next(&mut self) -> (u8, u8, u32, Vec<u8>) {
        let mut header = [0; 9];
        soon(self.0.read_exact(&mut header)).await.unwrap();
        let [a, b, c, kind, flags, stream @ ..] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        soon(self.0.read_exact(&mut payload)).await.unwrap();
        (kind, flags, u32::from_be_bytes(stream), payload)
    }

    /// Takes the connection's 64 KiB, which go to what is due first, or are gone already.
    async fn fill(&mut self) {
        let mut taken = 0;
        while taken < 65_535 {
            if let (DATA, _, _, payload) = self.next().await {
                taken += payload.len();
            }
        }
    }

    /// Takes all that is to come of `streams`; which ended first, and what had come of the others by then.
    async fn race(&mut self, streams: &[u32]) -> (u32, usize) {
        self.send(&frame(0x8, 0, 0, &(1u32 << 30).to_be_bytes())).await;
        let (mut ended, mut others) = (Vec::new(), BTreeMap::<u32, usize>::new());
        while ended.len() < streams.len() {
            let (kind, flags, stream, payload) = self.next().await;
            if kind == DATA && streams.contains(&stream) {
                if ended.is_empty() {
                    *others.entry(stream).or_default() += payload.len();
                }
                if flags & 1 != 0 {
                    ended.push(stream);
                }
            }
            assert!(kind != GOAWAY && kind != RST_STREAM || !streams.contains(&stream), "{stream} {payload:?}");
        }
        others.remove(&ended[0]);
        (ended[0], others.values().copied().max().unwrap_or_default())
    }
}

/// RFC 9218 section 7.1: what is said of a response by a frame, before its request and while it is under way.
#[tokio::test]
async fn over_http2_a_frame_changes_what_goes_before() {
    let malformed = request(1, b"\0\x0aconnection\x01y"); // a field of HTTP/1.1 (RFC 9113 section 8.2.2)
    for (told, before, after, streams, first) in [
        ("nothing is said", requests(&[1, 3, 5]), vec![], &[1, 3, 5][..], 1),
        ("the last goes first", requests(&[1, 3, 5]), update(5, "u=1"), &[1, 3, 5], 5),
        ("the first goes last", requests(&[1, 3, 5]), [update(1, "u=7"), update(5, "u=6")].concat(), &[1, 3, 5], 3),
        ("what is said last counts", requests(&[1, 3, 5]), [update(5, "u=0"), update(5, "u=7"), update(3, "u=2")].concat(), &[1, 3, 5], 3),
        ("it is said before the request", [update(5, "u=1"), requests(&[1, 3, 5])].concat(), vec![], &[1, 3, 5], 5),
        ("it is said between requests", [requests(&[1]), update(3, "u=1"), requests(&[3, 5])].concat(), vec![], &[1, 3, 5], 3),
        ("of a request that is refused", [update(1, "u=0"), malformed.clone(), requests(&[3, 5])].concat(), update(5, "u=1"), &[3, 5], 5),
        ("behind one that is refused", [malformed, update(7, "u=1"), requests(&[3, 5, 7])].concat(), vec![], &[3, 5, 7], 7),
        (
            "of streams that are over",
            [requests(&[1, 3, 5]), frame(RST_STREAM, 0, 1, &8u32.to_be_bytes())].concat(),
            update(1, "u=0"),
            &[3, 5],
            3,
        ),
    ] {
        let server = Server::start(Settings::default());
        let tcp = TcpStream::connect(server.secure).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(tls(&server.identity, "h2")));
        let mut client = Frames::begin(connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap()).await;
        client.send(&before).await;
        client.fill().await;
        client.send(&after).await;
        // What is said has been read when this is answered.
        client.send(&frame(0x6, 0, 0, b"12345678")).await;
        while client.next().await.0 != 0x6 {}
        let (ended, others) = client.race(streams).await;
        assert_eq!(ended, first, "{told}");
        assert!(others < AHEAD, "{told}: {others}");
        drop(client);
        server.ended().await;
    }
}

/// The errors of RFC 9218 section 7.1, and a flood.
#[tokio::test]
async fn over_http2_a_frame_that_is_wrong_ends_the_connection_and_no_other() {
    let server = Server::start(Settings { max_streams: 10, ..Settings::default() });
    let many = |streams: u32| (0..streams).flat_map(|index| update(index * 2 + 1, "u=1")).collect::<Vec<u8>>();
    for (told, bytes, error) in [
        ("on a stream", frame(PRIORITY_UPDATE, 0, 1, b"\0\0\0\x01u=1"), 0x1),
        ("of the connection itself", update(0, "u=1"), 0x1),
        ("of a push that was not promised", update(2, "u=1"), 0x1),
        ("too short for the id of a stream", frame(PRIORITY_UPDATE, 0, 0, b"\0\0\x01"), 0x6),
        ("of more streams than there may be", many(11), 0x1),
        ("the same, some of them under way", [requests(&[1, 3, 5]), many(11)].concat(), 0x1),
        ("a flood", update(1, "u=1").repeat(10_000), 0xb),
    ] {
        let mut client = Frames::begin(TcpStream::connect(server.plain).await.unwrap()).await;
        client.send(&[bytes, frame(0x6, 0, 0, b"12345678")].concat()).await;
        let payload = loop {
            match client.next().await {
                (GOAWAY, _, _, payload) => break payload,
                (kind, ..) => assert_ne!(kind, 0x6, "{told}: the connection goes on"),
            }
        };
        assert_eq!(payload[4..8], u32::to_be_bytes(error), "{told}");
    }
    // As many as there may be, with what a later version may have put into them; and the same again when they are over.
    let mut client = Frames::begin(TcpStream::connect(server.plain).await.unwrap()).await;
    client.send(&[many(10), frame(PRIORITY_UPDATE, 0, 0, &[1; 300]), frame(PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01\xff")].concat()).await;
    client.send(&requests(&[1, 3, 5, 7, 9, 11, 13, 15, 17, 19])).await;
    client.fill().await;
    assert_eq!(client.race(&[1, 3, 5, 7, 9, 11, 13, 15, 17, 19]).await.0, 1);
    client.send(&(10..20).flat_map(|index| update(index * 2 + 1, "u=1")).collect::<Vec<u8>>()).await;
    client.send(&requests(&[21])).await;
    assert_eq!(client.race(&[21]).await.0, 21);
    drop(client);
    server.ended().await;
}
