//! What a hostile HTTP/3 client may try, written by hand on a QUIC connection. Each was seen to hurt h3 0.0.8 with h3-quinn 0.0.10.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "transport_support.rs"]
mod support;

use quinn::{Connection, ConnectionError, ReadError, VarInt, WriteError};
use reelway::net::Settings;
use support::{PARTS, Server, receive, soon};

const H3_NO_ERROR: u64 = 0x100;
const H3_FRAME_UNEXPECTED: u64 = 0x105;
const H3_FRAME_ERROR: u64 = 0x106;
const H3_EXCESSIVE_LOAD: u64 = 0x107;
const H3_ID_ERROR: u64 = 0x108;
const H3_MISSING_SETTINGS: u64 = 0x10a;
const H3_REQUEST_INCOMPLETE: u64 = 0x10d;

/// Zeroes for what is too large to be true.
static ZEROES: [u8; 65536] = [0; 65536];

/// A control stream with empty SETTINGS, as every client has to open one.
const CONTROL: &[u8] = &[0x00, 0x04, 0x00];

/// `GET https://localhost/PATH` as a HEADERS frame: QPACK with the static table and literals only (RFC 9204 section 4.5).
fn head(method: u8, path: &str) -> Vec<u8> {
    let mut section = vec![0, 0, 0xc0 | method, 0xc0 | 0x17, 0x50, 9];
    section.extend_from_slice(b"localhost");
    section.extend_from_slice(&[0x51, u8::try_from(path.len()).expect("a short path")]);
    section.extend_from_slice(path.as_bytes());
    let mut frame = vec![0x01, u8::try_from(section.len()).expect("a short path")];
    frame.extend(section);
    frame
}

/// Entries of the static table (RFC 9204 appendix A).
const GET: u8 = 0x11;
const POST: u8 = 0x14;

/// The header of a frame with an eight byte length.
fn frame(kind: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend((0xc000_0000_0000_0000 | length).to_be_bytes());
    bytes
}

/// Writes until the server has had enough, and says how much that was.
async fn flood(mut write: impl AsyncFnMut() -> Result<(), WriteError>, step: u64) -> u64 {
    let mut written = 0;
    while soon(write()).await.is_ok() {
        written += step;
        assert!(written < 256 << 20, "no end of it after 256 MiB");
    }
    written
}

async fn closed_with(connection: &Connection) -> u64 {
    match soon(connection.closed()).await {
        ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => panic!("{other}"),
    }
}

/// The server still answers others.
async fn is_well(server: &Server) {
    assert_eq!(receive(&mut server.h3().await.get("/small").await.unwrap()).await.unwrap().1, "hello");
}

#[tokio::test]
async fn a_request_written_by_hand_is_answered() {
    let server = Server::start(Settings::default());
    let connection = server.quic().await;
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&head(GET, "/small")).await.unwrap();
    send.finish().unwrap();
    let answer = soon(receive.read_to_end(1000)).await.unwrap();
    assert!(answer.ends_with(b"\x00\x05hello"), "{answer:x?}");
    server.ended().await;
}

#[tokio::test]
async fn a_frame_that_declares_too_much_is_refused_by_its_header() {
    let server = Server::start(Settings::default());
    // HEADERS, an unknown type, and both again where trailers may be.
    for (prefix, kind) in [(vec![], 0x01), (vec![], 0x21), (head(POST, "/echo"), 0x01), (head(POST, "/echo"), 0x21)] {
        let connection = server.quic().await;
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        send.write_all(&[prefix, frame(kind, 1 << 40)].concat()).await.unwrap();
        let written = flood(async || send.write_all(&ZEROES).await, 65536).await;
        assert!(written < 8 << 20, "{written} bytes taken");
        assert_eq!(closed_with(&connection).await, H3_EXCESSIVE_LOAD);
    }
    is_well(&server).await;
    server.ended().await;
}

#[tokio::test]
async fn a_control_stream_that_floods_is_refused() {
    let server = Server::start(Settings::default());
    let floods: [(&str, Vec<u8>); 4] = [
        ("one frame without end", frame(0x21, 1 << 40)),
        ("settings without end", frame(0x04, 1 << 40)),
        ("empty frames", [0x21, 0x00].repeat(4096)),
        ("larger frames", [frame(0x21, 8000), vec![0; 8000]].concat().repeat(4)),
    ];
    for (what, bytes) in floods {
        let connection = server.quic().await;
        let mut control = connection.open_uni().await.unwrap();
        control.write_all(if what.starts_with("settings") { &CONTROL[..1] } else { CONTROL }).await.unwrap();
        let written = flood(async || control.write_all(&bytes).await, bytes.len() as u64).await;
        assert!(written < 8 << 20, "{what}: {written} bytes taken");
        assert_eq!(closed_with(&connection).await, H3_EXCESSIVE_LOAD, "{what}");
    }
    is_well(&server).await;
    server.ended().await;
}

#[tokio::test]
async fn the_control_stream_may_say_what_browsers_say() {
    let server = Server::start(Settings::default());
    let connection = server.quic().await;
    let mut control = connection.open_uni().await.unwrap();
    control.write_all(CONTROL).await.unwrap();
    // PRIORITY_UPDATE (RFC 9218 section 7.2), type 0xf0700, for stream 0; a thousand of them.
    let update = [&[0x80, 0x0f, 0x07, 0x00, 0x06, 0x00][..], b"u=1,i"].concat();
    control.write_all(&update.repeat(1000)).await.unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&head(GET, "/small")).await.unwrap();
    send.finish().unwrap();
    assert!(soon(receive.read_to_end(1000)).await.unwrap().ends_with(b"hello"));
    assert!(connection.close_reason().is_none());
    server.ended().await;
}

/// RFC 9218 section 7: what is said of a response while it waits for the window of its client.
#[tokio::test]
async fn a_response_may_be_put_before_another_that_runs() {
    let server = Server::start(Settings::default());
    let connection = server.quic_with(server.secure, |config| config.receive_window((64u32 << 10).into())).await;
    let mut control = connection.open_uni().await.unwrap();
    control.write_all(CONTROL).await.unwrap();
    let mut responses = Vec::new();
    for index in 0..2 {
        let (mut send, receive) = connection.open_bi().await.unwrap();
        send.write_all(&head(GET, "/parts")).await.unwrap();
        send.finish().unwrap();
        responses.push((receive, 0));
        server.alive(index + 1).await;
    }
    control.write_all(&[&[0x80, 0x0f, 0x07, 0x00, 0x04, 0x04][..], b"u=0"].concat()).await.unwrap();
    let [(first, of_first), (second, of_second)] = &mut responses[..] else { unreachable!() };
    soon(async {
        loop {
            tokio::select! {
                chunk = first.read_chunk(1 << 16, true) => *of_first += chunk.unwrap().unwrap().bytes.len(),
                chunk = second.read_chunk(1 << 16, true) => match chunk.unwrap() {
                    Some(chunk) => *of_second += chunk.bytes.len(),
                    None => break,
                }
            }
        }
    })
    .await;
    assert!(*of_second > PARTS && *of_first < PARTS / 8, "{of_first} bytes of the first and {of_second} of the second");
    drop((responses, connection));
    server.ended().await;
}

#[tokio::test]
async fn malformed_frames_are_errors_of_the_connection() {
    let server = Server::start(Settings::default());
    // GOAWAY without an id: h3 would wait for the rest of it for ever, and keep all that comes.
    // PRIORITY_UPDATE (RFC 9218 section 7.2): of nothing, of a stream of ours, of a push.
    for (control, code) in [
        (&[0x07, 0x00][..], H3_FRAME_ERROR),
        (&[0x00, 0x00], H3_FRAME_UNEXPECTED),
        (&[0x02, 0x00], H3_FRAME_UNEXPECTED),
        (&[0x80, 0x0f, 0x07, 0x00, 0x00], H3_FRAME_ERROR),
        (&[0x80, 0x0f, 0x07, 0x00, 0x01, 0x03], H3_ID_ERROR),
        (&[0x80, 0x0f, 0x07, 0x01, 0x01, 0x00], H3_ID_ERROR),
    ] {
        let connection = server.quic().await;
        let mut stream = connection.open_uni().await.unwrap();
        stream.write_all(&[CONTROL, control].concat()).await.unwrap();
        assert_eq!(closed_with(&connection).await, code, "{control:x?} on the control stream");
    }
    // RFC 9114 section 6.2.1: SETTINGS first.
    for first in [&[0x00, 0x07, 0x01, 0x00][..], &[0x00, 0x21, 0x00], &[0x00, 0x80, 0x0f, 0x07, 0x00, 0x01, 0x00]] {
        let connection = server.quic().await;
        connection.open_uni().await.unwrap().write_all(first).await.unwrap();
        assert_eq!(closed_with(&connection).await, H3_MISSING_SETTINGS, "{first:x?}");
    }
    let torn = [head(POST, "/echo"), vec![0x00, 0x05, b'h', b'e']].concat();
    for (request, code) in [
        (vec![0x00, 0x01, 0x61], H3_FRAME_UNEXPECTED),
        (frame(0x04, 0), H3_FRAME_UNEXPECTED),
        (vec![0x80, 0x0f, 0x07, 0x00, 0x01, 0x00], H3_FRAME_UNEXPECTED),
        ([head(POST, "/echo"), frame(0x05, 2)].concat(), H3_FRAME_UNEXPECTED),
        (torn, H3_FRAME_ERROR),
        (head(GET, "/small")[..5].to_vec(), H3_FRAME_ERROR),
    ] {
        let connection = server.quic().await;
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        send.write_all(&request).await.unwrap();
        send.finish().unwrap();
        assert_eq!(closed_with(&connection).await, code, "{request:x?} on a request stream");
    }
    is_well(&server).await;
    server.all_dropped().await;
    server.ended().await;
}

#[tokio::test]
async fn a_body_torn_after_a_pause_is_not_taken_as_complete() {
    let server = Server::start(Settings::default());
    let connection = server.quic().await;
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&[head(POST, "/echo"), vec![0x00, 0x05, b'h', b'e']].concat()).await.unwrap();
    // The end comes in a packet of its own, after the handler has read what there was: h3's reader calls that a clean end.
    server.alive(1).await;
    send.finish().unwrap();
    assert_eq!(closed_with(&connection).await, H3_FRAME_ERROR);
    assert!(receive.read_to_end(1000).await.is_err());
    server.ended().await;
}

#[tokio::test]
async fn many_tiny_frames_are_refused_and_a_few_are_not() {
    let server = Server::start(Settings::default());
    for (tiny, length) in [(&[0x00, 0x01, 0x61][..], 3), (&[0x00, 0x00], 2), (&[0x21, 0x00], 2)] {
        let connection = server.quic().await;
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        send.write_all(&head(POST, "/echo")).await.unwrap();
        let many = tiny.repeat(10_000);
        let written = flood(async || send.write_all(&many).await, 10_000 * length).await;
        assert!(written < 8 << 20, "{tiny:x?}: {written} bytes taken");
        assert_eq!(closed_with(&connection).await, H3_EXCESSIVE_LOAD);
    }
    let connection = server.quic().await;
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&[head(POST, "/echo"), [0x00, 0x01, 0x61].repeat(500)].concat()).await.unwrap();
    send.finish().unwrap();
    assert!(soon(receive.read_to_end(10_000)).await.unwrap().ends_with(&[b'a'; 500]));
    server.ended().await;
}

#[tokio::test]
async fn half_open_requests_hold_up_nobody_and_time_out() {
    let server = Server::start(Settings { header_timeout: std::time::Duration::from_secs(3), ..Settings::default() });
    let connection = server.quic().await;
    let mut half_open = Vec::new();
    for _ in 0..99 {
        let (mut send, receive) = connection.open_bi().await.unwrap();
        send.write_all(&head(GET, "/small")[..5]).await.unwrap();
        half_open.push((send, receive));
    }
    let (mut send, mut answer) = connection.open_bi().await.unwrap();
    send.write_all(&head(GET, "/small")).await.unwrap();
    send.finish().unwrap();
    assert!(soon(answer.read_to_end(1000)).await.unwrap().ends_with(b"hello"));
    for (_send, mut receive) in half_open {
        match soon(receive.read_to_end(1000)).await.unwrap_err() {
            quinn::ReadToEndError::Read(ReadError::Reset(code)) => assert_eq!(code.into_inner(), H3_REQUEST_INCOMPLETE),
            other => panic!("{other}"),
        }
    }
    server.ended().await;
}

#[tokio::test]
async fn rapid_resets_are_refused() {
    let server = Server::start(Settings::default());
    let connection = server.quic().await;
    let request = head(GET, "/waits");
    let opened = flood(
        async || {
            let (mut send, mut receive) = connection.open_bi().await?;
            send.write_all(&request).await?;
            let _ = send.reset(VarInt::from_u32(0x10c));
            let _ = receive.stop(VarInt::from_u32(0x10c));
            Ok(())
        },
        1,
    )
    .await;
    assert!(opened < 20_000, "{opened} requests taken and given up");
    assert_eq!(closed_with(&connection).await, H3_EXCESSIVE_LOAD);
    server.all_dropped().await;
    is_well(&server).await;
    server.ended().await;
}

#[tokio::test]
async fn streams_without_meaning_are_refused_one_by_one_and_then_all() {
    let server = Server::start(Settings::default());
    let connection = server.quic().await;
    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(&[0x21, 0x00]).await.unwrap();
    assert_eq!(soon(stream.stopped()).await.unwrap().map(VarInt::into_inner), Some(0x103), "H3_STREAM_CREATION_ERROR");
    assert!(connection.close_reason().is_none());
    flood(
        async || {
            let mut stream = connection.open_uni().await?;
            stream.write_all(&[0x21, 0x00]).await?;
            let _ = stream.finish();
            Ok(())
        },
        1,
    )
    .await;
    assert_eq!(closed_with(&connection).await, H3_EXCESSIVE_LOAD);
    server.ended().await;
}

#[tokio::test]
async fn giving_up_a_body_in_the_middle_panics_nobody() {
    let server = Server::start(Settings::default());
    let connection = server.quic().await;
    // The handler answers without reading; the rest is awaited a while, then stopped, with a read pending.
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&[head(POST, "/ignores"), vec![0x00, 0x40, 0x64, 1, 2, 3]].concat()).await.unwrap();
    soon(receive.read_to_end(1000)).await.unwrap();
    assert_eq!(soon(send.stopped()).await.unwrap().map(VarInt::into_inner), Some(H3_NO_ERROR));
    // The handler is reading when the client wants no answer any more.
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&[head(POST, "/echo"), vec![0x00, 0x40, 0x64, 1, 2, 3]].concat()).await.unwrap();
    server.alive(1).await;
    receive.stop(VarInt::from_u32(0x10c)).unwrap();
    soon(send.stopped()).await.unwrap();
    server.all_dropped().await;
    // The handler is reading when the client resets the upload: it sees an error, not an end.
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&[head(POST, "/echo"), vec![0x00, 0x40, 0x64, 1, 2, 3]].concat()).await.unwrap();
    server.alive(1).await;
    send.reset(VarInt::from_u32(0x10c)).unwrap();
    let answer = soon(receive.read_to_end(1000)).await.unwrap();
    assert!(!answer.windows(3).any(|bytes| bytes == [1, 2, 3]), "{answer:x?}");
    assert!(connection.close_reason().is_none());
    is_well(&server).await;
    server.ended().await;
}

#[tokio::test]
async fn early_data_is_not_taken() {
    let server = Server::start(Settings::default());
    let client = server.client();
    for round in 0..2 {
        let connecting = client.connect(server.secure, "localhost").unwrap();
        // A ticket that promises nothing for early data leaves nothing to send it with.
        let connection = match connecting.into_0rtt() {
            Ok(_) => panic!("round {round}: the server takes early data"),
            Err(connecting) => soon(connecting).await.unwrap(),
        };
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        send.write_all(&head(GET, "/small")).await.unwrap();
        send.finish().unwrap();
        assert!(soon(receive.read_to_end(1000)).await.unwrap().ends_with(b"hello"));
        connection.close(0u8.into(), b"");
    }
    server.ended().await;
}

#[tokio::test]
async fn qpack_bombs_are_refused_where_they_are_large_and_held_back_where_they_are_endless() {
    let server = Server::start(Settings::default());
    // One byte each on the wire, 130 in the list: entries of the static table (RFC 9204 appendix A), the largest that fits one byte.
    let section = [vec![0, 0], vec![0xc0 | 0x3e; 60_000]].concat();
    let connection = server.quic().await;
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&[frame(0x01, section.len() as u64), section].concat()).await.unwrap();
    send.finish().unwrap();
    let answer = soon(receive.read_to_end(1000)).await.unwrap();
    // :status 431: a literal with the name of an entry of the static table, "431" in the code of Huffman.
    assert!(answer.windows(3).any(|bytes| bytes == [0x69, 0x90, 0xff]), "{answer:x?}");
    // A dynamic table that we never allowed.
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&[0x01, 0x03, 0x02, 0x00, 0x80]).await.unwrap();
    send.finish().unwrap();
    assert!(soon(receive.read_to_end(1000)).await.is_err());

    let connection = server.quic().await;
    let mut encoder = connection.open_uni().await.unwrap();
    encoder.write_all(&[0x02]).await.unwrap();
    let mut written = 0;
    while let Ok(Ok(())) = tokio::time::timeout(std::time::Duration::from_millis(500), encoder.write_all(&ZEROES)).await {
        written += ZEROES.len();
    }
    assert!(written <= 4 << 20, "{written} bytes taken");
    is_well(&server).await;
    server.ended().await;
}
