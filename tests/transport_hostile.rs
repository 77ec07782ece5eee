//! Hostile clients against the program as it is, in a process of its own: after all of it the server answers, has given its memory
//! back, and nothing has panicked. What each attack meets in detail is in `transport_attacks` and `transport_limits`.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "transport_support.rs"]
mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use quinn::{VarInt, crypto::rustls::QuicClientConfig};
use reelway::net::Identity;
use reelway_tests::program;
use support::{BIG, H3, Protocol, begin, soon, tls};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long an attack goes on that nothing but the server ends.
const LONG_ENOUGH: Duration = Duration::from_secs(3);

struct Victim {
    child: Child,
    secure: SocketAddr,
    plain: SocketAddr,
    identity: Identity,
    /// What it said on standard error.
    said: Arc<Mutex<String>>,
    _folder: tempfile::TempDir,
}

impl Victim {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let media = folder.path().join("media");
        fs::create_dir(&media).unwrap();
        fs::write(media.join("big.mp4"), &*BIG).unwrap();
        let data = folder.path().join("data");
        let mut command = Command::new(program::binary().unwrap());
        command.args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--max-connections-per-ip", "400", "--media"]);
        command.arg(media).arg("--data").arg(&data).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |scheme: &str| {
            let line = lines.find_map(|line| line.ok().filter(|line| line.contains(scheme))).expect("it tells its addresses");
            let port = line.split_once("localhost:").and_then(|(_, rest)| rest.split_once('/')).expect("a port").0;
            SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()))
        };
        let (secure, plain) = (address("https://"), address("http://"));
        std::thread::spawn(move || lines.for_each(drop));
        let said = Arc::new(Mutex::new(String::new()));
        let (mut errors, hears) = (child.stderr.take().unwrap(), Arc::clone(&said));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = errors.read(&mut buffer) {
                hears.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        Self { child, secure, plain, identity: Identity::development(&data).unwrap(), said, _folder: folder }
    }

    /// Resident memory in KiB.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a running process");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Descriptors that are open.
    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// It answers others on all protocols.
    async fn is_well(&self, after: &str) {
        let url = format!("https://localhost:{}/healthz", self.secure.port());
        let request = Request::get(&url).body(Bytes::new()).unwrap();
        assert_eq!(H3::connect(self.secure, &self.identity).await.fetch(request).await.unwrap().1, "ok\n", "HTTP/3 after {after}");
        for protocol in [Protocol::H1, Protocol::H2] {
            let request = Request::get(&url).body(Empty::<Bytes>::new()).unwrap();
            let response = soon(begin(Some(&self.identity), self.secure, protocol, request)).await.unwrap();
            assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "ok\n", "{protocol:?} after {after}");
        }
    }

    async fn tcp(&self) -> TcpStream {
        soon(TcpStream::connect(self.plain)).await.unwrap()
    }

    /// A plain HTTP/2 connection, prefaced.
    async fn http2(&self) -> TcpStream {
        let mut stream = self.tcp().await;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.write_all(&frame(0x4, 0, 0, &[])).await.unwrap();
        stream
    }

    fn client(&self) -> quinn::Endpoint {
        let config = QuicClientConfig::try_from(tls(&self.identity, "h3")).unwrap();
        let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(config)));
        endpoint
    }

    async fn quic(&self) -> quinn::Connection {
        soon(self.client().connect(self.secure, "localhost").unwrap()).await.unwrap()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET /healthz` in HPACK (RFC 7541): entries of the static table, and literals that are not indexed.
fn get() -> Vec<u8> {
    [&[0x82, 0x86, 0x04, 8][..], b"/healthz", &[0x01, 9], b"localhost"].concat()
}

/// Writes again and again until the server ends the connection; panics if it never does. Answers are read meanwhile.
async fn until_cut(stream: TcpStream, what: &str, mut next: impl FnMut(u64) -> Vec<u8>) {
    let (mut read, mut write) = stream.into_split();
    let reading = tokio::spawn(async move { tokio::io::copy(&mut read, &mut tokio::io::sink()).await });
    let mut written = 0;
    for round in 0.. {
        let bytes = next(round);
        written += bytes.len();
        if soon(write.write_all(&bytes)).await.is_err() || reading.is_finished() {
            return;
        }
        assert!(written < 512 << 20, "{what}: no end of it after {written} bytes");
    }
}

/// The same with frames of HTTP/2 on streams of the client's, 100 at a time.
async fn http2_until_cut(victim: &Victim, what: &str, mut frames: impl FnMut(u32) -> Vec<u8>) {
    let stream = victim.http2().await;
    until_cut(stream, what, |round| {
        let first = u32::try_from(round * 200 + 1).unwrap();
        (0..100).flat_map(|index| frames(first + index * 2)).collect()
    })
    .await;
}

/// The same on a stream of HTTP/3.
async fn http3_until_cut(connection: &quinn::Connection, mut send: quinn::SendStream, what: &str, begin: &[u8], bytes: &[u8]) {
    let _ = send.write_all(begin).await;
    let mut written = 0;
    while soon(send.write_all(bytes)).await.is_ok() {
        written += bytes.len();
        assert!(written < 64 << 20, "{what}: no end of it after {written} bytes");
    }
    soon(connection.closed()).await;
}

async fn slowloris(victim: &Victim) {
    let mut slow = Vec::new();
    for (round, begun) in [&b"GET / HTTP/1.1\r\nhost: x\r\nx: "[..], b"PRI * HTTP/2.0\r\n", b""].into_iter().cycle().take(300).enumerate() {
        let address = if round % 2 == 0 { victim.plain } else { victim.secure };
        let mut stream = soon(TcpStream::connect(address)).await.unwrap();
        let _ = stream.write_all(begun).await;
        slow.push(stream);
    }
    let connection = victim.quic().await;
    let mut requests = Vec::new();
    for _ in 0..100 {
        let (mut send, receive) = connection.open_bi().await.unwrap();
        let _ = send.write_all(&[0x01, 0x20, 0x00]).await;
        requests.push((send, receive));
    }
    victim.is_well("slow heads, while they last").await;
}

async fn floods_of_http1(victim: &Victim) {
    until_cut(victim.tcp().await, "a head without end", |round| match round {
        0 => b"GET / HTTP/1.1\r\nhost: x\r\n".to_vec(),
        _ => b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(100),
    })
    .await;
    until_cut(victim.tcp().await, "a target without end", |round| match round {
        0 => b"GET /".to_vec(),
        _ => vec![b'a'; 10_000],
    })
    .await;
}

async fn floods_of_http2(victim: &Victim) {
    http2_until_cut(victim, "rapid reset (CVE-2023-44487)", |id| {
        [frame(0x1, 0x5, id, &get()), frame(0x3, 0, id, &8u32.to_be_bytes())].concat()
    })
    .await;
    http2_until_cut(victim, "made-you-reset (CVE-2025-8671)", |id| {
        [frame(0x1, 0x5, id, &get()), frame(0x8, 0, id, &0u32.to_be_bytes())].concat()
    })
    .await;
    http2_until_cut(victim, "a head of many continuations", |id| match id {
        1 => frame(0x1, 0, 1, &get()),
        _ => frame(0x9, 0, 1, &[0x00, 1, b'x', 1, b'y']),
    })
    .await;
    // One field put into the dynamic table, then named by one byte each.
    let bomb = [get(), vec![0x40, 1, b'x', 0x7f, 0xf1, 0x0e], vec![b'y'; 2032], vec![0xbe; 12_000]].concat();
    http2_until_cut(victim, "HPACK bombs", |id| frame(0x1, 0x5, id, &bomb)).await;
    http2_until_cut(victim, "empty frames", |id| match id {
        1 => frame(0x1, 0x4, 1, &get()),
        _ => frame(0x0, 0, 1, &[]).repeat(100),
    })
    .await;
}

async fn floods_of_http3(victim: &Victim) {
    let section = [&[0x00, 0x00, 0xd1, 0xd7, 0x50, 9][..], b"localhost", &[0x51, 8], b"/healthz"].concat();
    let head = [&[0x01, u8::try_from(section.len()).unwrap()], &section[..]].concat();
    let long = |kind: u8| vec![kind, 0xe0, 0, 0, 0, 0, 0, 0, 0];
    let zeroes = vec![0; 65536];
    for (what, begin, bytes) in [
        ("a HEADERS frame without end", long(0x01), zeroes.clone()),
        ("an unknown frame without end", long(0x21), zeroes.clone()),
        ("tiny DATA frames", head.clone(), [0x00, 0x01, 0x61].repeat(10_000)),
        ("empty frames", head.clone(), [0x21, 0x00].repeat(10_000)),
    ] {
        let connection = victim.quic().await;
        let (send, _receive) = connection.open_bi().await.unwrap();
        http3_until_cut(&connection, send, what, &begin, &bytes).await;
    }
    for (what, begin, bytes) in [
        ("a control frame without end", [vec![0x00, 0x04, 0x00], long(0x21)].concat(), zeroes.clone()),
        ("settings without end", [vec![0x00], long(0x04)].concat(), zeroes.clone()),
        ("priorities without end", vec![0x00, 0x04, 0x00], [0x80, 0x0f, 0x07, 0x00, 0x04, 0x00, b'u', b'=', b'1'].repeat(4000)),
    ] {
        let connection = victim.quic().await;
        let send = connection.open_uni().await.unwrap();
        http3_until_cut(&connection, send, what, &begin, &bytes).await;
    }
    // QPACK instructions that nobody asked for are held back by flow control.
    let connection = victim.quic().await;
    let mut encoder = connection.open_uni().await.unwrap();
    let _ = encoder.write_all(&[0x02]).await;
    let _ = timeout(LONG_ENOUGH, async { while encoder.write_all(&zeroes).await.is_ok() {} }).await;
    // Rapid reset.
    let connection = victim.quic().await;
    for round in 0.. {
        let Ok((mut send, mut receive)) = soon(connection.open_bi()).await else { break };
        let _ = send.write_all(&head).await;
        let _ = send.reset(VarInt::from_u32(0x10c));
        let _ = receive.stop(VarInt::from_u32(0x10c));
        assert!(round < 100_000, "rapid resets do not end");
    }
    // Streams that mean nothing.
    let connection = victim.quic().await;
    for round in 0.. {
        let Ok(mut stream) = soon(connection.open_uni()).await else { break };
        let _ = stream.write_all(&[0x21, 0x00]).await;
        let _ = stream.finish();
        assert!(round < 100_000, "streams without meaning do not end");
    }
}

/// More connections than one address may have; then the handshakes of many more that never go on.
async fn floods_of_connections(victim: &Victim) {
    let mut held = Vec::new();
    for _ in 0..600 {
        if let Ok(stream) = soon(TcpStream::connect(victim.secure)).await {
            held.push(stream);
        }
    }
    let mut cut = 0;
    for stream in &mut held[400..] {
        cut += usize::from(!matches!(soon(stream.read(&mut [0; 1])).await, Ok(1..)));
    }
    assert_eq!(cut, 200, "each beyond the share of an address is closed");
    drop(held);
    // First packets with nothing good in them: a long header, version 1, some connection ids (RFC 9000 section 17.2.2).
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for index in 0u32..2000 {
        let mut packet = vec![0xc3, 0, 0, 0, 1, 8, 1, 2, 3, 4];
        packet.extend(index.to_be_bytes());
        packet.extend([0, 0, 0x44, 0xb0]);
        packet.resize(1200, 0x55);
        let _ = socket.send_to(&packet, victim.secure).await;
    }
    // Handshakes that end after the first flight.
    let clients: Vec<_> = (0..20).map(|_| victim.client()).collect();
    for client in &clients {
        let connecting: Vec<_> = (0..20).filter_map(|_| client.connect(victim.secure, "localhost").ok()).collect();
        let _ = timeout(Duration::from_millis(1), futures_first(connecting)).await;
    }
}

async fn futures_first(connecting: Vec<quinn::Connecting>) {
    for one in connecting {
        let _ = one.await;
    }
}

/// Clients that ask for much and go away without a word, or stay and take nothing.
async fn viewers_that_vanish(victim: &Victim) {
    let path = format!("https://localhost:{}/media/big.mp4", victim.secure.port());
    let mut stalled = Vec::new();
    for _ in 0..50 {
        let mut client = H3::connect(victim.secure, &victim.identity).await;
        let mut stream = client.begin(Request::get(&path).body(()).unwrap()).await.unwrap();
        let _ = soon(stream.recv_response()).await;
        stalled.push((client, stream));
    }
    let mut plain = Vec::new();
    for _ in 0..50 {
        let mut stream = victim.tcp().await;
        stream.write_all(b"GET /media/big.mp4 HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        plain.push(stream);
    }
    victim.is_well("stalled viewers, while they last").await;
}

/// All of it.
async fn attack(victim: &Victim) {
    slowloris(victim).await;
    victim.is_well("slow heads").await;
    floods_of_http1(victim).await;
    victim.is_well("floods of HTTP/1.1").await;
    floods_of_http2(victim).await;
    victim.is_well("floods of HTTP/2").await;
    floods_of_http3(victim).await;
    victim.is_well("floods of HTTP/3").await;
    viewers_that_vanish(victim).await;
    victim.is_well("viewers that vanish").await;
    floods_of_connections(victim).await;
    soon(async {
        while victim.descriptors() > 40 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    victim.is_well("floods of connections").await;
}

#[tokio::test]
async fn after_all_attacks_the_server_is_as_before() {
    let victim = Victim::start();
    victim.is_well("nothing").await;
    let start = victim.memory();
    // The first times also load code and fill the allocator's and the runtime's own caches, which stay.
    attack(&victim).await;
    let first = victim.memory();
    attack(&victim).await;
    let before = victim.memory();
    attack(&victim).await;
    let settled = async {
        while victim.memory() > before + before / 5 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let back = timeout(support::PATIENCE, settled).await.is_ok();
    let after = victim.memory();
    println!(
        "resident: {start} KiB at the start, {first} KiB after all attacks, {before} KiB after all again, {after} KiB after a third time"
    );
    assert!(back, "{after} KiB, and {before} KiB the time before");
    let said = victim.said.lock().unwrap();
    assert!(!said.contains("panic"), "{said}");
}

/// GET https://localhost/healthz over HTTP/3, so many times on one connection, 50 at once.
async fn ask_often(connection: &quinn::Connection, times: usize) {
    let section = [&[0, 0, 0xd1, 0xd7, 0x50, 9][..], b"localhost", &[0x51, 8], b"/healthz"].concat();
    let request = [&[0x01, u8::try_from(section.len()).unwrap()], &section[..]].concat();
    for _ in 0..times / 50 {
        let mut answers = Vec::new();
        for _ in 0..50 {
            let (mut send, receive) = soon(connection.open_bi()).await.unwrap();
            send.write_all(&request).await.unwrap();
            send.finish().unwrap();
            answers.push(receive);
        }
        for mut answer in answers {
            assert!(soon(answer.read_to_end(1000)).await.unwrap().ends_with(b"ok\n"));
        }
    }
}

#[tokio::test]
async fn a_connection_holds_no_more_however_many_requests_it_has_had() {
    let victim = Victim::start();
    let connection = victim.quic().await;
    let mut control = connection.open_uni().await.unwrap();
    control.write_all(&[0x00, 0x04, 0x00]).await.unwrap();
    ask_often(&connection, 2000).await;
    let before = victim.memory();
    ask_often(&connection, 10_000).await;
    let after = victim.memory();
    assert!(after < before + 1024, "{before} KiB after 2000 requests, {after} KiB after 12000: some 100 bytes of each");
}
