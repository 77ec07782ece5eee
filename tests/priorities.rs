//! The order of responses that are under way on one connection (RFC 9218 section 10), as clients of two protocols see it that take little
//! at a time.
#![allow(clippy::unwrap_used, missing_docs, reason = "these are tests, though not marked as such")]

#[path = "transport_support.rs"]
mod support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use reelway::net::Settings;
use rustls::pki_types::ServerName;
use support::{H3, PARTS, Protocol, Server, soon, tls};
use tokio::{net::TcpStream, task::JoinSet};

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
