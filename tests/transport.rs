//! The transports: one service, the same answers by HTTP/1.1, HTTP/2 and HTTP/3, and no torn response that looks whole.

#[path = "transport_support.rs"]
mod support;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use reelway::net::Settings;
use support::{ALL, BIG, H3, Protocol, Server, receive, soon};

#[tokio::test]
async fn get_and_head_are_answered_alike_by_all_protocols() {
    let server = Server::start(Settings::default());
    for protocol in ALL {
        let (get, body) = server.fetch(protocol, Method::GET, "/small").await.unwrap();
        assert_eq!((get.status, &body[..]), (StatusCode::OK, &b"hello"[..]), "{protocol:?}");
        assert_eq!(get.headers["x-method"], "GET");
        let version = match protocol {
            Protocol::H1 => "HTTP/1.1",
            Protocol::H2 => "HTTP/2.0",
            Protocol::H3 => "HTTP/3.0",
        };
        assert_eq!(get.headers["x-version"], version);

        let (head, body) = server.fetch(protocol, Method::HEAD, "/small").await.unwrap();
        assert!(body.is_empty(), "{protocol:?}: HEAD has no content");
        for name in [header::CONTENT_LENGTH, header::DATE] {
            assert!(head.headers.contains_key(&name), "{protocol:?}: {name}");
        }
        assert_eq!(head.headers[header::CONTENT_LENGTH], "5");
        assert_eq!(get.headers[header::CONTENT_LENGTH], "5");

        let (_, body) = server.fetch(protocol, Method::GET, "/uri").await.unwrap();
        assert_eq!(body, format!("localhost:{} /uri", server.secure.port()), "{protocol:?}");
        let (missing, body) = server.fetch(protocol, Method::GET, "/missing").await.unwrap();
        assert_eq!((missing.status, body.len()), (StatusCode::NOT_FOUND, 0), "{protocol:?}");
    }
    server.ended().await;
}

/// Of the streams that HTTP/3 has for a connection QPACK needs none when it has no dynamic table (RFC 9204 section 4.2).
#[tokio::test]
async fn a_client_that_allows_a_single_stream_beside_requests_is_served() {
    let server = Server::start(Settings::default());
    let connection = server.quic_with(server.secure, |config| config.max_concurrent_uni_streams(1u32.into())).await;
    let mut client = H3::new(connection).await;
    let (parts, content) = client.fetch(Request::get("https://localhost/small").body(Bytes::new()).unwrap()).await.unwrap();
    assert_eq!((parts.status, &content[..]), (StatusCode::OK, &b"hello"[..]));
    server.ended().await;
}

#[tokio::test]
async fn plain_http_speaks_both_versions() {
    let server = Server::start(Settings::default());
    for protocol in [Protocol::H1, Protocol::H2] {
        assert_eq!(server.fetch_plain(protocol, "/small").await.unwrap().1, "hello", "{protocol:?}");
    }
    server.ended().await;
}

#[tokio::test]
async fn http3_is_offered_on_the_tls_port_and_nowhere_else() {
    let server = Server::start(Settings::default());
    for protocol in [Protocol::H1, Protocol::H2] {
        let (parts, _) = server.fetch(protocol, Method::GET, "/small").await.unwrap();
        assert_eq!(parts.headers[header::ALT_SVC], format!("h3=\":{}\"; ma=86400", server.secure.port()), "{protocol:?}");
        let (parts, _) = server.fetch_plain(protocol, "/small").await.unwrap();
        assert!(!parts.headers.contains_key(header::ALT_SVC), "{protocol:?} without TLS");
    }
    server.ended().await;
}

#[tokio::test]
async fn localhost_is_served_in_both_families_on_one_port() {
    let server = Server::start(Settings::default());
    if server.addresses.len() == 1 {
        println!("skipped: this machine has no IPv6 loopback");
        return;
    }
    assert_eq!(server.addresses[0].port(), server.addresses[1].port());
    for address in &server.addresses {
        let connection = server.quic_to(*address).await;
        assert_eq!(connection.remote_address(), *address);
    }
    server.ended().await;
}

#[tokio::test]
async fn a_large_body_arrives_as_it_was() {
    let server = Server::start(Settings::default());
    for protocol in ALL {
        let (_, body) = server.fetch(protocol, Method::GET, "/big").await.unwrap();
        assert!(body == *BIG, "{protocol:?}: {} of {} bytes, or others", body.len(), BIG.len());
    }
    server.all_dropped().await;
    server.ended().await;
}

#[tokio::test]
async fn a_body_that_fails_or_has_another_length_than_announced_is_an_error() {
    let server = Server::start(Settings::default());
    for protocol in ALL {
        for path in ["/fails", "/short", "/panics"] {
            let result = server.fetch(protocol, Method::GET, path).await;
            assert!(result.is_err(), "{protocol:?} {path}: {:?}", result.map(|(parts, body)| (parts.status, body.len())));
        }
    }
    // The head says 50,000 bytes, so a client may have stopped reading before the error; what it has must not be more.
    let long = server.fetch(Protocol::H3, Method::GET, "/long").await;
    assert!(long.is_err(), "{:?}", long.map(|(_, body)| body.len()));
    server.all_dropped().await;
    server.ended().await;
}

#[tokio::test]
async fn after_a_panic_the_connection_goes_on() {
    let server = Server::start(Settings::default());
    let mut client = server.h3().await;
    let error = receive(&mut client.get("/panics").await.unwrap()).await.unwrap_err();
    assert!(error.contains("H3_INTERNAL_ERROR"), "{error}");
    assert_eq!(receive(&mut client.get("/small").await.unwrap()).await.unwrap().1, "hello");
    drop(client);
    server.ended().await;
}

#[tokio::test]
async fn request_bodies_stream_to_the_handler() {
    let server = Server::start(Settings::default());
    let mut client = server.h3().await;
    for size in [0, 1, 20_000, 3_000_000] {
        let request = Request::post("https://localhost/echo").header(header::CONTENT_LENGTH, size).body(BIG.slice(..size)).unwrap();
        let (_, body) = client.fetch(request).await.unwrap();
        assert!(body == BIG[..size], "{size} bytes");
    }
    // In many frames of all sizes, without a length.
    let mut stream = client.begin(Request::post("https://localhost/echo").body(()).unwrap()).await.unwrap();
    let mut at = 0;
    for size in [1, 2, 3, 70_000, 1, 8192, 8191, 40_000, 5, 300_000] {
        soon(stream.send_data(BIG.slice(at..at + size))).await.unwrap();
        at += size;
    }
    soon(stream.finish()).await.unwrap();
    assert!(receive(&mut stream).await.unwrap().1 == BIG[..at]);
    server.ended().await;
}

#[tokio::test]
async fn a_request_body_of_another_length_than_announced_is_not_accepted() {
    let server = Server::start(Settings::default());
    for (announced, sent) in [(100, 99), (100, 0), (99, 100), (0, 1)] {
        let mut client = server.h3().await;
        let request = Request::post("https://localhost/echo").header(header::CONTENT_LENGTH, announced).body(BIG.slice(..sent)).unwrap();
        let accepted = client.fetch(request).await.is_ok_and(|(parts, _)| parts.status == StatusCode::OK);
        assert!(!accepted, "{sent} bytes sent, {announced} announced");
    }
    server.ended().await;
}

#[tokio::test]
async fn an_answer_may_come_before_the_upload_ends() {
    let server = Server::start(Settings::default());
    let mut client = server.h3().await;
    let mut stream = client.begin(Request::post("https://localhost/ignores").body(()).unwrap()).await.unwrap();
    let (parts, _) = receive(&mut stream).await.unwrap();
    assert_eq!(parts.status, StatusCode::FORBIDDEN);
    // The upload goes on until it is told to stop: with H3_NO_ERROR, so that the response counts.
    let error = loop {
        if let Err(error) = soon(stream.send_data(Bytes::from(vec![0; 65536]))).await {
            break format!("{error:?}");
        }
    };
    assert!(error.contains("H3_NO_ERROR"), "{error}");
    server.ended().await;
}

#[tokio::test]
async fn fields_of_a_connection_stay_out_of_http3() {
    let server = Server::start(Settings::default());
    let (parts, _) = server.fetch(Protocol::H3, Method::GET, "/hop").await.unwrap();
    assert!(!parts.headers.contains_key("keep-alive"));
    let mut client = server.h3().await;
    let request = Request::get("https://localhost/small").header("transfer-encoding", "chunked").body(Bytes::new()).unwrap();
    let error = client.fetch(request).await.unwrap_err();
    assert!(error.contains("H3_MESSAGE_ERROR"), "{error}");
    server.ended().await;
}

#[tokio::test]
async fn a_header_section_too_large_is_answered_431_and_the_connection_goes_on() {
    let server = Server::start(Settings::default());
    let connection = server.quic().await;
    let (mut driver, mut sender) = soon(h3::client::builder().build::<_, _, Bytes>(h3_quinn::Connection::new(connection))).await.unwrap();
    tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
    // Small on the wire, large as RFC 9114 section 4.2.2 counts: 32 bytes a field on top of name and value.
    let mut request = Request::get("https://localhost/small");
    for _ in 0..2000 {
        request = request.header("a", "b");
    }
    // The client knows our limit only when our SETTINGS have come; before that it sends what it is told to.
    let result = soon(sender.send_request(request.body(()).unwrap())).await;
    match result {
        Ok(mut stream) => {
            soon(stream.finish()).await.unwrap();
            assert_eq!(receive(&mut stream).await.unwrap().0.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        Err(error) => assert!(format!("{error:?}").contains("HeaderTooBig"), "{error:?}"),
    }
    let mut stream = soon(sender.send_request(Request::get("https://localhost/small").body(()).unwrap())).await.unwrap();
    soon(stream.finish()).await.unwrap();
    assert_eq!(receive(&mut stream).await.unwrap().1, "hello");
    server.ended().await;
}
