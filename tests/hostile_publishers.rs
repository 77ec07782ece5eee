//! Those who publish, upload and order with no good in mind, against the program as it is: ingest over HTTP and RTMP, uploads, the API.
//! While they last others are answered; after all of it the memory is back, and nothing has panicked.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "running_support.rs"]
mod running;
#[path = "transport_support.rs"]
mod support;

use std::{fs, net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use running::Running;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// How long a peer holds what it has opened.
const HELD: Duration = Duration::from_secs(1);
/// How many peers of HTTP do the same at once.
const PEERS: usize = 4;

/// A request whose body is `body`, and of which it is said that it has `length` bytes.
fn request(method: &str, path: &str, fields: &str, length: u64, body: &[u8]) -> Vec<u8> {
    [format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {length}\r\n\r\n").as_bytes(), body].concat()
}

/// The same, whole.
fn whole(method: &str, path: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    request(method, path, fields, body.len() as u64, body)
}

/// What is sent over HTTP: why, and the bytes.
fn over_http(jobs: &str) -> Vec<(&'static str, Vec<u8>)> {
    let nested = [b"[".repeat(8 << 10), b"]".repeat(8 << 10)].concat();
    let objects = [b"{\"a\":".repeat(3000), b"1".to_vec(), b"}".repeat(3000)].concat();
    let deep = b"[".repeat(4 << 20);
    let many_fields = (0..400).map(|n| format!("X-{n}: a\r\n")).collect::<Vec<_>>().concat();
    let long_field = format!("X: {}\r\n", "a".repeat(200 << 10));
    let jobs = format!("Authorization: Bearer {jobs}\r\n");
    let chunked = |path: &str, rest: &[u8]| {
        [format!("PUT {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n").as_bytes(), rest].concat()
    };
    // Boxes that are said to be larger than anything.
    let movie = [&[0, 0, 0, 16][..], b"ftypisom\0\0\0\0", &[0xff, 0xff, 0xff, 0xff], b"moov"].concat();
    let longer = [&[0, 0, 0, 1][..], b"moov", &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &vec![0; 64 << 10]].concat();
    let inside = [[0, 0, 0x7f, 0xff].as_slice(), b"moov"].concat().repeat(4 << 10);
    let packets = [&[0x47, 0x5f, 0xff, 0x30, 0xff][..], &[0xff; 183]].concat().repeat(2000);
    let plan = format!(
        "{{\"key\":\"{}\",\"size\":18446744073709551615,\"type\":\"video/mp4\",\"plan\":\"{}\"}}",
        "a".repeat(64),
        "A".repeat(256 << 10)
    );
    vec![
        ("a body of which little comes", request("PUT", "/ingest/slow", "", 1 << 30, b"abc")),
        ("a body said to be of any length", request("PUT", "/ingest/long", "", u64::MAX, &movie)),
        (
            "a length that is no number",
            request("PUT", "/ingest/long", "", 1, b"").iter().map(|byte| if *byte == b'1' { b'x' } else { *byte }).collect(),
        ),
        ("many fields", whole("PUT", "/ingest/fields", &many_fields, b"")),
        ("a long field", whole("PUT", "/ingest/field", &long_field, b"")),
        ("a chunk of any length", chunked("/ingest/chunk", b"FFFFFFFFFFFFFFFF\r\nabc")),
        ("a chunk with a long extension", chunked("/ingest/chunk", &[b"1;".as_slice(), &b"a".repeat(256 << 10)].concat())),
        ("chunks of one byte", chunked("/ingest/chunks", &b"1\r\n\0\r\n".repeat(20_000))),
        ("a box of 4 GiB", chunked("/ingest/box", &[b"20\r\n".as_slice(), &[&movie[..], &[0; 8]].concat(), b"\r\n"].concat())),
        ("a box of any length", whole("PUT", "/ingest/longer", "", &longer)),
        ("boxes in boxes", whole("PUT", "/ingest/inside", "", &inside)),
        ("packets of nothing", whole("PUT", "/ingest/packets", "", &packets)),
        ("a manifest without end", request("PUT", "/ingest/films/manifest.mpd", "", 1 << 40, &b"<MPD>".repeat(50_000))),
        ("a playlist of nothing", whole("PUT", "/ingest/films/media.m3u8", "", &b"#EXTINF:1,\n".repeat(50_000))),
        ("an announcement of arrays", whole("POST", "/api/v1/uploads", "", &nested)),
        ("an announcement of objects", whole("POST", "/api/v1/uploads", "", &objects)),
        ("an announcement that goes deep", whole("POST", "/api/v1/uploads", "", &deep)),
        ("an announcement of any length", request("POST", "/api/v1/uploads", "", u64::MAX, &plan.as_bytes()[..100])),
        ("an announcement of a huge file", whole("POST", "/api/v1/uploads", "Content-Type: application/json\r\n", plan.as_bytes())),
        (
            "a file of any length by tus",
            whole("POST", "/upload/tus/", "Tus-Resumable: 1.0.0\r\nUpload-Length: 18446744073709551615\r\n", b""),
        ),
        (
            "metadata without end by tus",
            whole(
                "POST",
                "/upload/tus/",
                &format!("Tus-Resumable: 1.0.0\r\nUpload-Length: 9\r\nUpload-Metadata: {}\r\n", "a YQ==,".repeat(5000)),
                b"",
            ),
        ),
        (
            "a piece of no file",
            request(
                "PATCH",
                "/upload/tus/none",
                "Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n",
                1 << 40,
                b"abc",
            ),
        ),
        ("a segment of no upload", request("PUT", "/upload/none/v1/1.m4s", "", 1 << 40, b"abc")),
        ("an order of arrays", whole("POST", "/api/v1/jobs", &jobs, &nested)),
        ("an order of objects", whole("POST", "/api/v1/jobs", &jobs, &objects)),
        ("an order of any length", request("POST", "/api/v1/jobs", &jobs, u64::MAX, b"{")),
        ("an order without a key", request("POST", "/api/v1/jobs", "", u64::MAX, b"{")),
        ("a request of arrays for keys", whole("POST", "/live/none/clearkey", "", &nested)),
        ("a request of objects for keys", whole("POST", "/vod/big.mp4/clearkey", "", &objects)),
        ("an end of a stream that is none", whole("DELETE", "/api/v1/streams/none", "", &nested)),
    ]
}

/// A message of RTMP in one chunk, of chunk stream 3.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[3, 0, 0, 0][..], &length[1..], &[kind, 0, 0, 0, 0], body].concat()
}

/// What is sent over RTMP: why, and the bytes.
fn over_rtmp() -> Vec<(&'static str, Vec<u8>)> {
    let shake = [[3].as_slice(), &[0; 2 * 1536]].concat();
    let chunks = message(1, &(1u32 << 20).to_be_bytes());
    let connect = [&[2, 0, 7][..], b"connect", &[0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]].concat();
    let told = |body: &[u8]| [&shake[..], &chunks, &message(20, &[&connect[..], body].concat())].concat();
    let text = |length: usize| [&[2][..], &u16::try_from(length).unwrap().to_be_bytes(), &vec![b'a'; length]].concat();
    let aggregate = [&[22, 0, 0xff, 0xff][..], &[0; 8 << 10]].concat();
    vec![
        ("nothing", Vec::new()),
        ("half a handshake", vec![3; 700]),
        ("a handshake and no more", shake.clone()),
        (
            "chunks of one byte",
            [&shake[..], &message(1, &1u32.to_be_bytes()), &[3, 0, 0, 0, 0, 0xff, 0xff, 9, 0, 0, 0, 0], &b"\xc3a".repeat(60_000)].concat(),
        ),
        ("chunks of no byte", [&shake[..], &message(1, &0u32.to_be_bytes())].concat()),
        (
            "chunks of any length",
            [&shake[..], &message(1, &0x7fff_ffff_u32.to_be_bytes()), &[3, 0, 0, 0, 0xff, 0xff, 0xff, 9, 0, 0, 0, 0]].concat(),
        ),
        (
            "messages that begin and do not end",
            [
                &shake[..],
                &chunks,
                &(2..=63u8).flat_map(|id| [&[id, 0, 0, 0, 0x0f, 0xff, 0xff, 9, 0, 0, 0, 0][..], &[0; 512]].concat()).collect::<Vec<_>>(),
            ]
            .concat(),
        ),
        ("a window of nothing", [&shake[..], &message(5, &[0; 4]), &message(6, &[0; 5])].concat()),
        ("objects in objects", told(&[3, 0, 1, b'a'].repeat(20_000))),
        ("arrays in arrays", told(&[10, 0, 0, 0, 1].repeat(20_000))),
        ("an array of four thousand million", told(&[10, 0xff, 0xff, 0xff, 0xff])),
        ("a map of four thousand million", told(&[8, 0xff, 0xff, 0xff, 0xff, 0, 1, b'a', 5])),
        ("a text of 4 GiB", told(&[12, 0xff, 0xff, 0xff, 0xff, b'a'])),
        ("a name of 64 KiB", told(&text(65_535))),
        ("references to nothing", told(&[7, 0xff, 0xff].repeat(1000))),
        ("an aggregate of aggregates", [&shake[..], &chunks, &message(22, &aggregate.repeat(4))].concat()),
        (
            "commands without end",
            [&shake[..], &chunks, &message(20, &[2, 0, 1, b'a', 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]).repeat(20_000)].concat(),
        ),
    ]
}

/// Sends `bytes`, takes what comes, and goes when it has been closed or has held on long enough.
async fn attack(server: SocketAddr, bytes: &[u8]) {
    let Ok(mut stream) = TcpStream::connect(server).await else { return };
    let (mut reads, mut writes) = stream.split();
    let mut answer = [0; 4096];
    let _ = timeout(HELD, async {
        let sending = async {
            let _ = writes.write_all(bytes).await;
            std::future::pending::<()>().await;
        };
        let reading = async { while let Ok(1..) = reads.read(&mut answer).await {} };
        tokio::select! { () = sending => {}, () = reading => {} }
    })
    .await;
}

/// All of them at once, again and again; meanwhile others are answered. Returns when the server has seen all of them go.
async fn attack_by_all(running: &Running, rtmp: SocketAddr, jobs: &str, rounds: usize) {
    let (http, published) = (over_http(jobs), over_rtmp());
    for _ in 0..rounds {
        let by_http = http.iter().cycle().take(http.len() * PEERS).map(|(_, bytes)| attack(running.plain, bytes));
        // More of one address are turned away.
        let by_rtmp = published.iter().map(|(_, bytes)| attack(rtmp, bytes));
        let peers = async { tokio::join!(join_all(by_http), join_all(by_rtmp)) };
        let others = async {
            for path in ["/healthz", "/api/v1/assets", "/media/big.mp4"].repeat(3) {
                assert_eq!(running.status(path).await, 200, "{path}");
            }
        };
        tokio::join!(peers, others);
    }
    support::soon(async {
        while running.descriptors() > 40 {
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_all_attacks_the_server_is_as_before() {
    let rtmp = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let running = Running::start(&["--rtmp", &rtmp.to_string(), "--uploads"]);
    let data = running.folder.path().join("data");
    let jobs = fs::read_to_string(data.join("jobs.key")).unwrap();
    let jobs = jobs.trim();
    let start = running.memory();
    // The first times also load code and fill the caches of the runtime, which stay.
    attack_by_all(&running, rtmp, jobs, 4).await;
    let before = running.memory();
    attack_by_all(&running, rtmp, jobs, 4).await;
    let settled = async {
        while running.memory() > before + before / 5 {
            sleep(Duration::from_millis(200)).await;
        }
    };
    let back = timeout(support::PATIENCE, settled).await.is_ok();
    let after = running.memory();
    println!("resident: {start} KiB at the start, {before} KiB after 4 rounds of attacks, {after} KiB after 4 more");
    assert!(back, "{after} KiB, and {before} KiB before");
    // Nothing of it is on air, and nothing was kept.
    assert_eq!(running.status("/live/slow/master.m3u8").await, 404);
    assert_eq!(fs::read_dir(data.join("uploads")).unwrap().count(), 0);
    assert!(!running.complaints().contains("panic"), "{}", running.complaints());
    running.signal("TERM");
    assert_eq!(running.ended().await, Some(0));
}
