//! Those who call the address of SRT with no good in mind, from many ports of two addresses: half a handshake, floods, forged and torn packets,
//! callers that fall silent. While they last an encoder comes on air and stays there; after them no listener, socket or memory is left.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "running_support.rs"]
mod running;
#[path = "transport_support.rs"]
mod support;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::{Child, Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use http_body_util::{BodyExt, Empty};
use reelway_tests::ffmpeg::speaks_srt;
use running::Running;
use support::{Protocol, begin, soon};
use tokio::{
    net::UdpSocket,
    time::{sleep, timeout},
};

/// How long a caller waits for each answer, and goes on when there is none.
const HELD: Duration = Duration::from_millis(500);
/// How many ports of each address do the same at once: with all that they do, more than one address may have places.
const PORTS: usize = 2;

/// What comes of a listener: one that waits for each of the eight that may, one for the encoder that is on air, and as many that are asked
/// what they can do before they begin.
const MOST_PROGRAMS: usize = 2 * (8 + 1);

/// A handshake of a caller (draft-sharabayko-srt-01 3.2.1): version, step, number of its socket, cookie, extensions.
fn handshake(version: u32, step: u32, socket: u32, cookie: u32, extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut packet = Vec::new();
    for word in [0x8000_0000, 0, 0, 0, version, if version == 4 { 2 } else { 7 }, 1, 1500, 8192, step, socket, cookie, 0x7f00_0001, 0, 0, 0]
    {
        packet.extend_from_slice(&u32::to_be_bytes(word));
    }
    for (kind, content) in extensions {
        packet.extend_from_slice(&kind.to_be_bytes());
        packet.extend_from_slice(&u16::try_from(content.len() / 4).unwrap().to_be_bytes());
        packet.extend_from_slice(content);
    }
    packet
}

fn induction() -> Vec<u8> {
    handshake(4, 1, 77, 0, &[])
}

/// The second step: of this socket, for this stream, and with something that is no key.
fn conclusion(cookie: u32, socket: u32, stream: &str, encrypted: bool) -> Vec<u8> {
    let wants = [0x0001_0501_u32, 0x3f, 0x0078_0078].map(u32::to_be_bytes).concat();
    // Each word of it stands the wrong way round (3.2.1.3).
    let mut id = stream.as_bytes().to_vec();
    id.resize(id.len().next_multiple_of(4), 0);
    id.chunks_exact_mut(4).for_each(<[u8]>::reverse);
    let key = encrypted.then(|| (3, vec![0x12; 76]));
    handshake(5, 0xffff_ffff, socket, cookie, &[Some((1, wants)), key, Some((5, id))].into_iter().flatten().collect::<Vec<_>>())
}

/// A packet of data (3.1) for a socket.
fn data(sequence: u32, socket: u32, payload: usize) -> Vec<u8> {
    let head = [sequence, 0xe000_0001, sequence, socket].map(u32::to_be_bytes).concat();
    [head, vec![0x47; payload]].concat()
}

/// What somebody sends who has no cookie: why, and the packets.
fn without_cookie() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let torn = |packet: &[u8]| (1..packet.len()).map(|length| packet[..length].to_vec()).collect();
    let forged = |cookie: u32| conclusion(cookie.wrapping_mul(0x9e37_79b9), cookie, "good", true);
    vec![
        ("nothing", vec![Vec::new(); 50]),
        ("single bytes", (0..=255).map(|byte| vec![byte]).collect()),
        ("no packets of this protocol", (0..200).map(|n| vec![0xa5 ^ u8::try_from(n).unwrap(); 7 * n]).collect()),
        ("inductions without end", vec![induction(); 500]),
        ("torn inductions", torn(&induction())),
        ("torn conclusions", torn(&conclusion(1, 2, "good", true))),
        ("guessed cookies", (0..500).map(forged).collect()),
        ("packets as large as they can be", vec![vec![0x80; 60_000]; 20]),
        ("media for sockets that are none", (0..500).map(|n| data(n, n.wrapping_mul(0x0101_0101), 1316)).collect()),
    ]
}

/// What somebody sends who is where it says that it is: why, and the packets.
fn with_cookie(cookie: u32) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let begin = conclusion(cookie, 5, "half", false);
    let then = |packets: Vec<Vec<u8>>| [vec![begin.clone()], packets].concat();
    let long = |length| handshake(5, 0xffff_ffff, 5, cookie, &[(5, vec![b'a'; length])]);
    let mut lies = handshake(5, 0xffff_ffff, 5, cookie, &[(5, vec![b'a'; 16])]);
    lies[66..68].copy_from_slice(&[0xff; 2]);
    vec![
        ("a wish and no more", then(vec![])),
        ("the same wish without end", then(vec![begin.clone(); 300])),
        ("another socket each time", (0..300).map(|n| conclusion(cookie, n, "half", false)).collect()),
        ("another stream each time", (0..300).map(|n| conclusion(cookie, n, &format!("s{n}"), n % 2 == 0)).collect()),
        ("a stream of others, with no key", (0..100).map(|n| conclusion(cookie, n, "good", true)).collect()),
        ("names that are none", ["", "..", "a/b", "#!::", "#!::r=good", "\u{7f}"].map(|id| conclusion(cookie, 5, id, false)).to_vec()),
        ("a name that is too long", vec![long(512), long(516), long(1200)]),
        ("an extension that ends behind the packet", vec![lies]),
        ("media for sockets that are none", then((0..500).map(|n| data(n, n.wrapping_mul(0x0101_0101), 1316)).collect())),
        ("media larger than a packet", then((0..20).map(|n| data(n, 5, 60_000)).collect())),
        ("control packets of all kinds", then((0..=255).map(|kind| [&[0x80, kind][..], &[0xff; 40]].concat()).collect())),
    ]
}

/// One of them, from a port of its own: with half a handshake if it needs a cookie.
async fn call(server: SocketAddr, from: IpAddr, case: usize) {
    let socket = UdpSocket::bind((from, 0)).await.unwrap();
    socket.connect(server).await.unwrap();
    let mut answer = [0; 1500];
    let blind = without_cookie();
    let packets = if let Some((_, packets)) = blind.get(case) {
        packets.clone()
    } else {
        let _ = socket.send(&induction()).await;
        let Ok(Ok(64)) = timeout(HELD, socket.recv(&mut answer)).await else { return };
        let cookie = u32::from_be_bytes(answer[44..48].try_into().unwrap());
        with_cookie(cookie).swap_remove(case - blind.len()).1
    };
    for packet in packets {
        // What does not go out is as good as lost.
        let _ = socket.send(&packet).await;
    }
    // Nothing that comes is acknowledged.
    while let Ok(Ok(_)) = timeout(HELD, socket.recv(&mut answer)).await {}
}

/// All of them at once, from many ports of two addresses.
async fn attack(server: SocketAddr) {
    let cases = without_cookie().len() + with_cookie(0).len();
    let addresses = [2, 3].map(|last| IpAddr::from(Ipv4Addr::new(127, 0, 0, last)));
    let all = (0..cases * PORTS).flat_map(|case| addresses.map(|from| call(server, from, case % cases)));
    join_all(all).await;
}

/// An encoder that knows the key, and does not end by itself.
struct Encoder(Child);

impl Encoder {
    fn start(server: SocketAddr, key: &str) -> Self {
        let words = format!(
            "-nostdin -v error -re -f lavfi -i testsrc2=size=160x90:rate=25 -c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p \
             -g 25 -f mpegts srt://{server}?connect_timeout=20000&streamid=good&passphrase={key}"
        );
        Self(Command::new("ffmpeg").args(words.split_whitespace()).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How many segments of the encoder are there.
async fn segments(running: &Running) -> usize {
    let request = Request::get("http://localhost/live/good/v1/media.m3u8").body(Empty::<Bytes>::new()).unwrap();
    let response = soon(begin(None, running.plain, Protocol::H1, request)).await.unwrap();
    let text = soon(response.into_body().collect()).await.unwrap().to_bytes();
    String::from_utf8_lossy(&text).matches("#EXTINF").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoder_is_on_air_whoever_else_calls() {
    if !speaks_srt() {
        return;
    }
    let address = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&config, "[live]\nsegment = \"1s\"\nrecord = false\n").unwrap();
    let running = Running::start(&["--srt", &address.to_string(), "--config", config.path().to_str().unwrap()]);
    let data = running.folder.path().join("data");
    let made = reelway_tests::program::run(&["token", "publish", "good", "--data", data.to_str().unwrap()], running.folder.path()).unwrap();
    let key = made.out.split_whitespace().last().unwrap().to_owned();
    let left = async || {
        soon(async {
            while running.children() > 0 {
                sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
    };
    // The first time also loads code and fills the caches of the runtime, which stay.
    attack(address).await;
    left().await;
    let (memory, descriptors) = (running.memory(), running.descriptors());

    let encoder = Encoder::start(address, &key);
    let mut programs = 0;
    let on_air = async {
        while segments(&running).await < 2 {
            sleep(Duration::from_millis(100)).await;
        }
    };
    let attacked = async {
        tokio::select! {
            () = async { loop { attack(address).await } } => {}
            () = async { loop { programs = programs.max(running.children()); sleep(Duration::from_millis(50)).await } } => {}
            () = on_air => {}
        }
    };
    soon(attacked).await;
    let before = segments(&running).await;
    // It stays there through one more round of all.
    attack(address).await;
    soon(async {
        while segments(&running).await <= before {
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    assert!(programs <= MOST_PROGRAMS, "{programs} programs");
    assert_eq!(running.status("/live/half/master.m3u8").await, 404, "nothing of the others is on air");

    drop(encoder);
    left().await;
    let settled = async {
        while running.memory() > memory + memory / 4 || running.descriptors() > descriptors + 4 {
            sleep(Duration::from_millis(200)).await;
        }
    };
    let back = timeout(support::PATIENCE, settled).await.is_ok();
    let (after, open) = (running.memory(), running.descriptors());
    println!("resident: {memory} KiB before, {after} KiB after; {descriptors} and {open} descriptors; {programs} programs at once");
    assert!(back, "{after} KiB and {open} descriptors, before {memory} KiB and {descriptors}");
    assert!(!running.complaints().contains("panic"), "{}", running.complaints());
    running.signal("TERM");
    assert_eq!(running.ended().await, Some(0));
}
