//! HTTP/1.1 and HTTP/2 over TCP, with TLS and without.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use http::{HeaderValue, header};
use hyper::{body::Incoming, rt::Executor, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Settings,
    activity::Activity,
    answer::{Peer, Service, answer},
    challenges::ACME_TLS,
    drain::Drain,
    gate::{Gate, Place},
    gathered::{Gathered, Outflow},
    order::Order,
    pace::{PACE, Pace},
};
use crate::metrics::Link;

/// Time that a connection closed for idleness has to hear of it. A request that was on its way is still answered.
const FAREWELL: Duration = Duration::from_secs(5);

/// What one HTTP/2 stream may have written and not yet given to the socket. The kernel buffers on top of it, so it need not grow
/// with the round trip.
const HTTP2_SEND_BUFFER: usize = 128 << 10;

/// After accept failed for want of file descriptors or memory: time for others to give some back.
const SHORT_OF_RESOURCES: Duration = Duration::from_millis(100);

/// One listening socket and what it needs.
pub(super) struct Port<S> {
    pub listener: TcpListener,
    /// None: plain HTTP.
    pub tls: Option<TlsAcceptor>,
    /// Offers HTTP/3 to those who came by TCP.
    pub alt_svc: Option<HeaderValue>,
    pub service: Arc<S>,
    pub settings: Arc<Settings>,
    pub gate: Arc<Gate>,
    pub drain: Drain,
}

impl<S: Service> Port<S> {
    /// Accepts and serves until drained.
    pub async fn run(self) {
        let port = Arc::new(Shared {
            http1: builder(&self.settings).http1_only(),
            http2: builder(&self.settings).http2_only(),
            either: builder(&self.settings),
            tls: self.tls,
            alt_svc: self.alt_svc,
            service: self.service,
            settings: self.settings,
            gate: Arc::clone(&self.gate),
        });
        let mut drain = self.drain.clone();
        let mut connections = JoinSet::new();
        let end = loop {
            tokio::select! {
                biased;
                end = drain.begun() => break end,
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a TCP connection was ended by a panic");
                    }
                }
                (place, stream, address) = next(&self.listener, &self.gate) => {
                    let (port, drain) = (Arc::clone(&port), self.drain.clone());
                    connections.spawn(async move {
                        port.connection(stream, address, drain).await;
                        drop(place);
                    });
                }
            }
        };
        drop(self.listener);
        // Each connection knows the end and keeps to it; this is for one that is caught in a handler that never yields.
        let _ = timeout(end + FAREWELL - Instant::now(), async { while connections.join_next().await.is_some() {} }).await;
    }
}

/// The next connection that has a place; others are closed at once, so that they hold up nobody. Errors of accept are errors of a
/// connection that is already gone, or want of resources: neither ends the listener, and the second is not answered by asking again
/// at once.
async fn next(listener: &TcpListener, gate: &Arc<Gate>) -> (Place, TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => match gate.connection(address.ip()) {
                Some(place) => return (place, stream, address),
                None => tracing::debug!(peer = %address, "a TCP connection is turned away: there are too many"),
            },
            Err(error) => match error.kind() {
                io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused => {}
                _ => {
                    tracing::warn!(%error, "a TCP connection cannot be accepted");
                    sleep(SHORT_OF_RESOURCES).await;
                }
            },
        }
    }
}

/// Runs each HTTP/2 stream as a task that ends, and with it the stream, when its client does not take the response. hyper has no
/// such limit, and does not ask a body that waits for its client.
#[derive(Clone, Copy, Debug)]
struct Streams {
    write_timeout: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let (pace, time) = (Pace::default(), self.write_timeout);
        tokio::spawn(PACE.scope(pace.clone(), async move {
            tokio::select! {
                () = stream => {}
                () = pace.stalled(time) => tracing::debug!("a response over HTTP/2 is reset: the client does not take it"),
            }
        }));
    }
}

struct Shared<S> {
    http1: Builder<Streams>,
    http2: Builder<Streams>,
    either: Builder<Streams>,
    tls: Option<TlsAcceptor>,
    alt_svc: Option<HeaderValue>,
    service: Arc<S>,
    settings: Arc<Settings>,
    gate: Arc<Gate>,
}

impl<S: Service> Shared<S> {
    async fn connection(&self, stream: TcpStream, address: SocketAddr, mut drain: Drain) {
        // Small last segments of a response must not wait for the acknowledgement of those before.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            let _open = self.gate.metrics.connection(Link::Plain);
            return self.http(&self.either, stream, None, Peer { address, secure: false }, drain).await;
        };
        let Some(handshaking) = self.gate.handshake() else { return };
        let handshake = timeout(self.settings.handshake_timeout, tls.accept(stream));
        let stream = tokio::select! {
            done = handshake => match done {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    self.gate.metrics.handshake_failed();
                    return tracing::debug!(peer = %address, %error, "a TLS handshake failed");
                }
                Err(_) => {
                    self.gate.metrics.handshake_failed();
                    return tracing::debug!(peer = %address, "a TLS handshake took too long");
                }
            },
            _ = drain.begun() => return,
        };
        drop(handshaking);
        // Known by ALPN, so a client that then says nothing waits under the header timeout of its protocol.
        let protocol = stream.get_ref().1.alpn_protocol();
        if protocol == Some(ACME_TLS) {
            return; // an authority has seen what it came for
        }
        let http2 = protocol == Some(b"h2");
        let _open = self.gate.metrics.connection(if http2 { Link::Http2 } else { Link::Http1 });
        let (stream, outflow) = Gathered::new(stream);
        let builder = if http2 { &self.http2 } else { &self.http1 };
        self.http(builder, stream, Some(outflow), Peer { address, secure: true }, drain).await;
    }

    /// Serves `io`, of which `outflow` is what has to be sent.
    async fn http<I>(&self, builder: &Builder<Streams>, io: I, outflow: Option<Outflow>, peer: Peer, mut drain: Drain)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::new();
        let order = Order::default();
        let service = service_fn(|request: http::Request<Incoming>| {
            let (service, settings, gate) = (Arc::clone(&self.service), Arc::clone(&self.settings), Arc::clone(&self.gate));
            let (alt_svc, busy, order) = (self.alt_svc.clone(), activity.begin(), order.clone());
            async move {
                let mut response = answer(&*service, request, peer, &settings, &gate, &order).await;
                if let Some(alt_svc) = alt_svc {
                    response.headers_mut().insert(header::ALT_SVC, alt_svc);
                }
                // Of the connection over HTTP/1.1, of the stream over HTTP/2.
                Ok::<_, Infallible>(response.map(|body| body.watched(busy, PACE.with(Pace::clone))))
            }
        });
        let pace = Pace::default();
        let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
        // When the connection has been told to end: the moment when it is cut, and whether that spares running requests.
        let mut ending: Option<(Instant, bool)> = None;
        loop {
            let cut = ending.map_or_else(Instant::now, |(end, _)| end);
            let served = poll_fn(|cx| {
                let polled = connection.as_mut().poll(cx);
                if let Some(outflow) = &outflow {
                    // An error is seen by hyper when it goes on to read or write.
                    order.set_full(outflow.poll_flush(cx).is_pending());
                }
                polled
            });
            tokio::select! {
                result = PACE.scope(pace.clone(), served) => {
                    if let Err(error) = result {
                        tracing::debug!(peer = %peer.address, error, "a TCP connection failed");
                    }
                    return;
                }
                () = pace.stalled(self.settings.write_timeout) => {
                    return tracing::debug!(peer = %peer.address, "a TCP connection is cut: the client does not take a response");
                }
                () = activity.idle_for(self.settings.idle_timeout), if ending.is_none() => {
                    connection.as_mut().graceful_shutdown();
                    ending = Some((Instant::now() + FAREWELL, true));
                }
                end = drain.begun(), if ending.is_none_or(|(_, spares)| spares) => {
                    connection.as_mut().graceful_shutdown();
                    ending = Some((end, false));
                }
                () = sleep_until(cut), if ending.is_some() => match ending {
                    Some((_, true)) if !activity.is_idle() => ending = Some((Instant::now() + FAREWELL, true)),
                    _ => return,
                }
            }
        }
    }
}

fn builder(settings: &Settings) -> Builder<Streams> {
    let mut builder = Builder::new(Streams { write_timeout: settings.write_timeout });
    // Between requests of a kept connection the same timer runs, so it is the longer of the two.
    let head = settings.header_timeout.max(settings.idle_timeout.min(Duration::from_secs(30)));
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(settings.max_header_bytes.max(8192) as usize)
        .max_headers(settings.max_header_fields);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.max_streams)
        .max_header_list_size(settings.max_header_bytes)
        .initial_stream_window_size(settings.stream_receive_window)
        .initial_connection_window_size(settings.receive_window)
        .max_send_buf_size(HTTP2_SEND_BUFFER)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}
