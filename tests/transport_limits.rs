//! What a client may take of the server: time, rate, connections, requests, fields. Each limit holds on all protocols alike, and what
//! is within it is served.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "transport_support.rs"]
mod support;

use std::{
    convert::Infallible,
    fs,
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use reelway::net::Settings;
use support::{ALL, H3, PARTS, PATIENCE, Protocol, Server, begin, content, receive, soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

const SHORT: Duration = Duration::from_millis(200);

/// A request body that begins and does not go on.
struct Begun(Option<Bytes>);

impl Body for Begun {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(Frame::data(bytes)))))
    }
}

/// A request of `protocol` that is not HTTP/3, with its own connection.
async fn ask<B>(server: &Server, protocol: Protocol, request: http::request::Builder, body: B) -> http::Response<hyper::body::Incoming>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    soon(begin(Some(&server.identity), server.secure, protocol, request.body(body).unwrap())).await.unwrap()
}

fn url(server: &Server, path: &str) -> String {
    format!("https://localhost:{}{path}", server.secure.port())
}

#[tokio::test]
async fn a_response_that_is_not_taken_is_reset() {
    let server = Server::start(Settings { write_timeout: SHORT, ..Settings::default() });
    for protocol in ALL {
        if protocol == Protocol::H3 {
            let mut client = server.h3().await;
            let mut stream = client.get("/big").await.unwrap();
            soon(stream.recv_response()).await.unwrap();
            server.all_dropped().await;
            assert!(content(&mut stream).await.unwrap_err().contains("H3_REQUEST_CANCELLED"));
            assert_eq!(receive(&mut client.get("/small").await.unwrap()).await.unwrap().1, "hello", "the connection goes on");
        } else {
            let response = ask(&server, protocol, Request::get(url(&server, "/big")), Begun(None)).await;
            server.all_dropped().await;
            let rest = http_body_util::BodyExt::collect(response.into_body()).await;
            assert!(rest.is_err(), "{protocol:?}: whole after all");
        }
    }
    // Who has nothing to take is not late.
    for protocol in ALL {
        tokio::select! {
            _ = server.fetch(protocol, Method::GET, "/drips") => panic!("{protocol:?}: it should not end"),
            () = async { server.alive(1).await; tokio::time::sleep(SHORT * 4).await } => {}
        }
        server.all_dropped().await;
    }
    server.ended().await;
}

/// The system would take megabytes for such a client, and ask for more only when a third of it is gone.
#[tokio::test]
async fn a_response_that_is_taken_slowly_is_not_reset() {
    let server = Server::start(Settings { write_timeout: Duration::from_secs(2), ..Settings::default() });
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(256 << 10).unwrap();
    let mut stream = socket.connect(server.plain).await.unwrap();
    stream.write_all(b"GET /parts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut piece = vec![0; 20_000];
    for _ in 0..60 {
        soon(stream.read_exact(&mut piece)).await.unwrap();
        tokio::time::sleep(SHORT / 2).await;
    }
    let rest = soon(stream.read_to_end(&mut piece)).await.unwrap();
    assert!(60 * 20_000 + rest > PARTS, "cut after {rest} more bytes");
    server.ended().await;
}

#[tokio::test]
async fn an_upload_that_does_not_go_on_is_given_up() {
    let server = Server::start(Settings { body_window: SHORT, ..Settings::default() });
    for protocol in ALL {
        let request = Request::post(url(&server, "/echo")).header(header::CONTENT_LENGTH, 1000);
        let status = if protocol == Protocol::H3 {
            let mut client = server.h3().await;
            let mut stream = client.begin(request.body(()).unwrap()).await.unwrap();
            soon(stream.send_data(Bytes::from_static(b"begun"))).await.unwrap();
            receive(&mut stream).await.unwrap().0.status
        } else {
            ask(&server, protocol, request, Begun(Some(Bytes::from_static(b"begun")))).await.status()
        };
        assert_eq!(status, StatusCode::BAD_REQUEST, "{protocol:?}: what the handler makes of a body that fails");
    }
    server.all_dropped().await;
    server.ended().await;
}

#[tokio::test]
async fn more_fields_than_may_be_are_answered_431() {
    let server = Server::start(Settings::default());
    for protocol in ALL {
        for (fields, expected) in [(150, StatusCode::OK), (201, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)] {
            let mut request = Request::get(url(&server, "/small"));
            for field in 0..fields {
                request = request.header(format!("x-{field}"), "1");
            }
            let status = if protocol == Protocol::H3 {
                server.h3().await.fetch(request.body(Bytes::new()).unwrap()).await.unwrap().0.status
            } else {
                ask(&server, protocol, request, Empty::<Bytes>::new()).await.status()
            };
            assert_eq!(status, expected, "{protocol:?}, {fields} fields");
        }
    }
    server.ended().await;
}

#[tokio::test]
async fn more_requests_than_may_run_are_told_to_come_again() {
    let server = Server::start(Settings { max_requests: 1, ..Settings::default() });
    for protocol in ALL {
        let waiting = server.fetch(protocol, Method::GET, "/waits");
        let others = async {
            server.alive(1).await;
            for other in ALL {
                let (refused, _) = server.fetch(other, Method::GET, "/small").await.unwrap();
                assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{other:?} beside {protocol:?}");
                assert_eq!(refused.headers[header::RETRY_AFTER], "1");
            }
        };
        tokio::select! {
            _ = waiting => panic!("it waits for ever"),
            () = others => {}
        }
        server.all_dropped().await;
    }
    let again = async { while server.fetch(Protocol::H3, Method::GET, "/small").await.unwrap().0.status != StatusCode::OK {} };
    soon(Box::pin(again)).await;
    server.ended().await;
}

/// Datagrams that came to a UDP port of this machine and found the buffer of its socket full, as Linux tells.
fn lost(port: u16) -> u64 {
    let sockets = fs::read_to_string("/proc/net/udp").unwrap();
    let port = format!(":{port:04X}");
    let own = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    own.filter(|fields| fields[1].ends_with(&port)).map(|fields| fields.last().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_handshakes_at_once_succeed() {
    let settings = Settings { max_connections_per_ip: 2000, handshake_timeout: PATIENCE, ..Settings::default() };
    let server = Server::start(settings);
    // With one socket for all, the clients themselves would lose datagrams.
    let clients: Vec<_> = (0..20).map(|_| server.client()).collect();
    let connecting: Vec<_> = clients.iter().cycle().take(1000).map(|client| client.connect(server.secure, "localhost").unwrap()).collect();
    let mut connected = Vec::new();
    for connecting in connecting {
        connected.push(soon(connecting).await.unwrap());
    }
    // Where others take the processors meanwhile some are lost, and sent again; `cargo xtask bench transport` asks for none.
    println!("{} datagrams of them found the buffer full", lost(server.secure.port()));
    let mut client = H3::new(connected.pop().unwrap()).await;
    assert_eq!(receive(&mut client.get("/small").await.unwrap()).await.unwrap().1, "hello");
    drop(connected);
    server.ended().await;
}

#[tokio::test]
async fn one_address_has_its_share_of_connections() {
    let server = Server::start(Settings { max_connections_per_ip: 3, ..Settings::default() });
    let quic = server.quic().await;
    let mut plain = TcpStream::connect(server.plain).await.unwrap();
    let secure = TcpStream::connect(server.secure).await.unwrap();
    // A fourth is closed without a word, whatever it speaks.
    for address in [server.plain, server.secure] {
        let mut fourth = TcpStream::connect(address).await.unwrap();
        assert!(!matches!(soon(fourth.read(&mut [0; 1])).await, Ok(1..)), "{address}");
    }
    let client = server.client();
    assert!(soon(client.connect(server.secure, "localhost").unwrap()).await.is_err());
    // The three are as well as ever, and others may come when one of them has left.
    plain.write_all(b"GET /small HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    soon(plain.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.ends_with(b"hello"));
    soon(async { while client.connect(server.secure, "localhost").unwrap().await.is_err() {} }).await;
    drop((quic, secure));
    server.ended().await;
}

#[tokio::test]
async fn a_connection_kept_alive_without_requests_is_closed() {
    let server = Server::start(Settings { idle_timeout: SHORT, ..Settings::default() });
    let quic = server.quic_with(server.secure, |config| config.keep_alive_interval(Some(Duration::from_millis(20)))).await;
    match soon(quic.closed()).await {
        quinn::ConnectionError::ApplicationClosed(close) => assert_eq!(close.error_code.into_inner(), 0x100, "H3_NO_ERROR"),
        other => panic!("{other}"),
    }
    // Not while a request runs, however long.
    let mut client = server.h3().await;
    let mut late = client.get("/late").await.unwrap();
    soon(server.lab.begun.notified()).await;
    tokio::time::sleep(SHORT * 4).await;
    server.lab.go.notify_waiters();
    assert_eq!(receive(&mut late).await.unwrap().1, "late");
    server.ended().await;
}

/// Of requests that run already, each alone: what h2 counts are those that come faster than it hands them over.
#[tokio::test]
async fn rapid_resets_are_refused_over_http2() {
    let server = Server::start(Settings::default());
    let stream = TcpStream::connect(server.plain).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut given_up = 0;
    while soon(sender.ready()).await.is_ok() {
        let request = Request::get("http://localhost/waits").body(Empty::<Bytes>::new()).unwrap();
        let response = tokio::spawn(sender.send_request(request));
        soon(async {
            while server.lab.live.load(Ordering::SeqCst) == 0 && !response.is_finished() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        response.abort();
        server.all_dropped().await;
        given_up += 1;
        assert!(given_up < 20_000, "{given_up} requests taken and given up");
    }
    let error = soon(connection).await.unwrap().unwrap_err();
    assert!(format!("{error:?}").contains("ENHANCE_YOUR_CALM"), "{error:?}");
    server.ended().await;
}
