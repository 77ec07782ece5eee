//! The transports over time: handlers of clients that left, ports that are taken, connections that drain.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "transport_support.rs"]
mod support;

use std::{
    io,
    net::{TcpListener, UdpSocket},
    sync::mpsc,
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request};
use reelway::net::{Address, Error, Listeners, Settings, Transport};
use support::{ALL, BIG, H3, PATIENCE, Protocol, Server, content, identity, receive, soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::spawn_blocking,
};

#[tokio::test]
async fn a_handler_is_dropped_when_its_client_gives_up() {
    let server = Server::start(Settings::default());
    for path in ["/waits", "/drips"] {
        let mut client = server.h3().await;
        let mut streams = Vec::new();
        for _ in 0..20 {
            streams.push(client.get(path).await.unwrap());
        }
        server.alive(20).await;
        for mut stream in streams {
            stream.stop_sending(h3::error::Code::H3_REQUEST_CANCELLED);
        }
        server.all_dropped().await;
        assert_eq!(receive(&mut client.get("/small").await.unwrap()).await.unwrap().1, "hello", "the connection goes on");
    }
    server.ended().await;
}

#[tokio::test]
async fn a_handler_is_dropped_when_its_connection_closes() {
    let server = Server::start(Settings::default());
    for path in ["/waits", "/drips"] {
        for protocol in ALL {
            if protocol == Protocol::H3 {
                let mut client = server.h3().await;
                let mut streams = Vec::new();
                for _ in 0..20 {
                    streams.push(client.get(path).await.unwrap());
                }
                server.alive(20).await;
                client.connection.close(0x100u32.into(), b"");
            } else {
                let request = server.fetch(protocol, Method::GET, path);
                tokio::select! {
                    _ = request => panic!("{protocol:?} {path} should not end"),
                    () = server.alive(1) => {}
                }
            }
            server.all_dropped().await;
        }
    }
    server.ended().await;
}

#[tokio::test]
async fn draining_lets_running_requests_end_and_takes_no_more() {
    let server = Server::start(Settings { drain_timeout: PATIENCE, ..Settings::default() });
    let mut client = server.h3().await;
    let mut running = client.get("/late").await.unwrap();
    let draining = async {
        server.alive(3).await;
        server.drain();
        // No new connections, and no new requests on those there are.
        soon(async { while TcpStream::connect(server.secure).await.is_ok() {} }).await;
        soon(async { while TcpStream::connect(server.plain).await.is_ok() {} }).await;
        soon(async { while client.get("/small").await.is_ok() {} }).await;
        assert!(client.connection.close_reason().is_none(), "closed before the request was answered");
        server.lab.go.notify_waiters();
    };
    let (h3, h1, h2, ()) = tokio::join!(
        receive(&mut running),
        server.fetch(Protocol::H1, Method::GET, "/late"),
        server.fetch(Protocol::H2, Method::GET, "/late"),
        draining
    );
    for (protocol, result) in ALL.into_iter().zip([h1, h2, h3]) {
        assert_eq!(result.unwrap().1, "late", "{protocol:?}");
    }
    server.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_spares_a_client_that_hears_nothing_for_a_while() {
    let server = Server::start(Settings { drain_timeout: PATIENCE, ..Settings::default() });
    let (address, identity) = (server.secure, server.identity.clone());
    let (ready, is_ready) = mpsc::channel();
    let (go, goes) = mpsc::channel::<()>();
    // In a thread and a runtime of its own, which can be stopped.
    let client = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = H3::connect(address, &identity).await;
            let mut stream = client.get("/big").await.unwrap();
            soon(stream.recv_response()).await.unwrap();
            ready.send(()).unwrap();
            goes.recv().unwrap();
            content(&mut stream).await
        })
    });
    soon(spawn_blocking(move || is_ready.recv())).await.unwrap().unwrap();
    server.drain();
    soon(async { while TcpStream::connect(server.plain).await.is_ok() {} }).await;
    // The window is full of what is not acknowledged, and both GOAWAY frames are due.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    go.send(()).unwrap();
    assert!(soon(spawn_blocking(|| client.join())).await.unwrap().unwrap().unwrap() == *BIG);
    server.ended().await;
}

/// GET https://localhost/PATH by hand, by a client that does not listen to GOAWAY.
async fn ask(connection: &quinn::Connection, path: &str) -> (u64, quinn::RecvStream) {
    let section = [&[0, 0, 0xd1, 0xd7, 0x50, 9][..], b"localhost", &[0x51, u8::try_from(path.len()).unwrap()], path.as_bytes()].concat();
    let (mut send, receive) = connection.open_bi().await.unwrap();
    let _ = send.write_all(&[&[0x01, u8::try_from(section.len()).unwrap()], &section[..]].concat()).await;
    let _ = send.finish();
    (u64::from(send.id()), receive)
}

/// Waits on the control stream for a GOAWAY that names stream 4 as the first that is not served, after the request on stream 0 (RFC 9114
/// section 5.2).
async fn goaway(connection: &quinn::Connection) {
    let mut control = Vec::new();
    while control.first() != Some(&0) {
        let mut stream = soon(connection.accept_uni()).await.unwrap();
        control.clear();
        while !control.ends_with(&[0x07, 0x01, 0x04]) {
            let chunk = soon(stream.read_chunk(100, true)).await.unwrap().unwrap();
            control.extend_from_slice(&chunk.bytes);
            if control[0] != 0 {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_request_rejected_while_draining_may_be_repeated_elsewhere() {
    let server = Server::start(Settings { drain_timeout: PATIENCE, ..Settings::default() });
    let connection = server.quic().await;
    let (_, mut running) = ask(&connection, "/late").await;
    server.alive(1).await;
    server.drain();
    goaway(&connection).await;
    // That very stream must be rejected: h3 by itself would serve it, and a client that repeats it elsewhere had it served twice.
    let (id, mut rejected) = ask(&connection, "/late").await;
    assert_eq!(id, 4);
    match soon(rejected.read_to_end(1000)).await.unwrap_err() {
        quinn::ReadToEndError::Read(quinn::ReadError::Reset(code)) => assert_eq!(code.into_inner(), 0x10b, "H3_REQUEST_REJECTED"),
        other => panic!("{other}"),
    }
    server.lab.go.notify_waiters();
    assert!(soon(running.read_to_end(1000)).await.unwrap().ends_with(b"late"));
    server.ended().await;
}

#[tokio::test]
async fn a_client_that_gave_no_credit_for_the_end_learns_of_it_when_it_gives_some() {
    let server = Server::start(Settings { drain_timeout: PATIENCE, ..Settings::default() });
    let connection = server.quic_with(server.secure, |config| config.receive_window(20_000u32.into())).await;
    let (_, mut running) = ask(&connection, "/big").await;
    server.alive(1).await;
    server.drain();
    soon(async { while TcpStream::connect(server.plain).await.is_ok() {} }).await;
    // Both GOAWAY frames are due meanwhile.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (read, ()) = tokio::join!(running.read_to_end(1 << 30), goaway(&connection));
    assert!(read.unwrap().ends_with(&BIG[BIG.len() - 1000..]));
    server.ended().await;
}

#[tokio::test]
async fn draining_ends_in_bounded_time_whatever_runs() {
    let server = Server::start(Settings { drain_timeout: Duration::from_millis(200), ..Settings::default() });
    let mut client = server.h3().await;
    let mut waits = client.get("/waits").await.unwrap();
    let mut drips = client.get("/drips").await.unwrap();
    let ends = async {
        server.alive(4).await;
        server.drain();
    };
    let (h1, h2, h3, body, ()) = tokio::join!(
        server.fetch(Protocol::H1, Method::GET, "/waits"),
        server.fetch(Protocol::H2, Method::GET, "/drips"),
        receive(&mut waits),
        receive(&mut drips),
        ends
    );
    assert!(h1.is_err() && h2.is_err() && h3.is_err() && body.is_err(), "cut, and not as if complete");
    server.all_dropped().await;
    server.ended().await;
}

#[tokio::test]
async fn what_was_answered_before_draining_arrives_whole() {
    let server = Server::start(Settings { drain_timeout: PATIENCE, ..Settings::default() });
    let mut client = server.h3().await;
    let mut big = client.get("/big").await.unwrap();
    server.alive(1).await;
    server.drain();
    assert!(receive(&mut big).await.unwrap().1 == *BIG);
    server.ended().await;
}

/// RFC 9000 section 9.3: a client whose address changes. The system gives its packets to any of the sockets of the port then.
#[tokio::test]
async fn a_client_over_quic_may_move() {
    let server = Server::start(Settings::default());
    let endpoint = server.client();
    let connection = soon(endpoint.connect(server.secure, "localhost").unwrap()).await.unwrap();
    let mut client = H3::new(connection).await;
    let mut big = client.get("/big").await.unwrap();
    soon(big.recv_response()).await.unwrap();
    for _ in 0..16 {
        endpoint.rebind(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
        assert_eq!(receive(&mut client.get("/small").await.unwrap()).await.unwrap().0.status, 200);
    }
    assert!(content(&mut big).await.unwrap() == *BIG);
    server.ended().await;
}

/// RFC 9112 section 9.6: the answer to what is not read to its end arrives, although the client still sends.
#[tokio::test]
async fn an_answer_that_ends_a_connection_arrives() {
    let server = Server::start(Settings::default());
    for _ in 0..20 {
        let mut client = TcpStream::connect(server.plain).await.unwrap();
        client.write_all(b"GET /small HTTP/1.1\r\nHost: localhost\r\nX-Large: ").await.unwrap();
        for _ in 0..8 {
            client.write_all(&vec![b'x'; 50_000]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut answer = String::new();
        soon(client.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    server.ended().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_before_anything_starts() {
    let identity = identity().into();
    for transport in [Transport::Tcp, Transport::Udp] {
        // One protocol of the port is taken; the error must not be about the other.
        let (tcp, udp, taken);
        match transport {
            Transport::Tcp => {
                tcp = TcpListener::bind("127.0.0.1:0").unwrap();
                taken = tcp.local_addr().unwrap();
            }
            Transport::Udp => {
                udp = UdpSocket::bind("127.0.0.1:0").unwrap();
                taken = udp.local_addr().unwrap();
            }
        }
        let error = Listeners::bind(Some((taken.into(), &identity)), None, Settings::default()).err().unwrap();
        let text = error.to_string();
        assert!(text.starts_with(&format!("{taken} ({transport}) is already in use: ")), "{text}");
        assert!(matches!(error, Error::Bind { address, .. } if address == taken));
    }
    // The plain port is taken: the secure one is free again.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let plain: Address = taken.local_addr().unwrap().into();
    assert!(Listeners::bind(Some((free.into(), &identity)), Some(plain), Settings::default()).is_err());
    drop((TcpListener::bind(free).unwrap(), UdpSocket::bind(free).unwrap()));
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let server = Server::start(Settings {
        idle_timeout: Duration::from_millis(300),
        header_timeout: Duration::from_millis(300),
        ..Settings::default()
    });
    // Nothing, half a request head, half a preface of HTTP/2; then the same with a request before.
    for bytes in [&b""[..], b"GET / HTTP/1.1\r\nhost: x", b"PRI * HTTP/2.0\r\n", b"GET /missing HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.plain).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = soon(stream.read_to_end(&mut answer)).await;
        assert_eq!(answer.starts_with(b"HTTP/1.1 404"), bytes.ends_with(b"\r\n\r\n"), "{}", String::from_utf8_lossy(bytes));
    }
    // On the TLS port, no handshake.
    let mut stream = TcpStream::connect(server.secure).await.unwrap();
    server.drain();
    let _ = soon(stream.read_to_end(&mut Vec::new())).await;
    server.ended().await;
}

/// The payload of the next PING frame over HTTP/2 (RFC 9113 sections 4.1 and 6.7) that asks something.
async fn ping(stream: &mut TcpStream) -> io::Result<[u8; 8]> {
    loop {
        let mut header = [0; 9];
        stream.read_exact(&mut header).await?;
        let [a, b, c, kind, flags, ..] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).await?;
        if kind == 0x06 && flags == 0 {
            return payload.try_into().map_err(|_| io::ErrorKind::InvalidData.into());
        }
    }
}

#[tokio::test]
async fn a_silent_client_over_http2_is_asked_whether_it_is_there() {
    let server = Server::start(Settings { http2_silence: Duration::from_secs(2), ..Settings::default() });
    let mut stream = TcpStream::connect(server.plain).await.unwrap();
    let settings = [0, 0, 0, 0x04, 0, 0, 0, 0, 0];
    // GET http://x/waits in HEADERS on stream 1, which ends it (RFC 7541 section 6, RFC 9113 section 6.2).
    let request = [&[0, 0, 13, 0x01, 0x05, 0, 0, 0, 1, 0x82, 0x86, 0x01, 1, b'x', 0x04, 6][..], b"/waits"].concat();
    stream.write_all(&[&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings, &request].concat()).await.unwrap();
    server.alive(1).await;
    for _ in 0..2 {
        // Who answers is asked again, not cut.
        let payload = soon(ping(&mut stream)).await.unwrap();
        stream.write_all(&[&[0, 0, 8, 0x06, 0x01, 0, 0, 0, 0][..], &payload].concat()).await.unwrap();
    }
    server.alive(1).await;
    soon(ping(&mut stream)).await.unwrap();
    let cut = soon(ping(&mut stream)).await.unwrap_err();
    assert!(matches!(cut.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset), "asked once for each silence: {cut}");
    server.all_dropped().await;
    server.ended().await;
}

#[tokio::test]
async fn a_server_that_is_full_serves_those_it_has() {
    let server = Server::start(Settings { max_connections: 2, max_handshakes: 2, ..Settings::default() });
    let mut first = server.h3().await;
    let mut second = server.h3().await;
    for client in [&mut first, &mut second] {
        let request = Request::get("https://localhost/small").body(Bytes::new()).unwrap();
        assert_eq!(client.fetch(request).await.unwrap().1, "hello");
    }
    let tls = quinn::crypto::rustls::QuicClientConfig::try_from(support::tls(&server.identity, "h3")).unwrap();
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(std::sync::Arc::new(tls)));
    assert!(soon(endpoint.connect(server.secure, "localhost").unwrap()).await.is_err());
    first.connection.close(0x100u32.into(), b"");
    soon(async { while endpoint.connect(server.secure, "localhost").unwrap().await.is_err() {} }).await;
    server.ended().await;
}
