//! HTTP/1.1 and HTTP/2 over TCP, with TLS and without.

use std::{
    convert::Infallible,
    fmt::Display,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, join},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Settings,
    activity::{Activity, Busy},
    answer::{Peer, Service, answer},
    challenges::ACME_TLS,
    drain::Drain,
    gate::{Gate, Place},
    gathered::{Gathered, Outflow},
    http2::{self, Http2},
    linger::linger,
    measured::Measured,
    order::Order,
    pace::Pace,
    wish::Wish,
};
use crate::{http::BodyError, metrics::Link};

/// Time that a connection closed for idleness has to hear of it. A request that was on its way is still answered.
const FAREWELL: Duration = Duration::from_secs(5);

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
    /// Connections are spread over these.
    pub threads: Vec<Handle>,
}

impl<S: Service> Port<S> {
    /// Accepts and serves until drained.
    pub async fn run(self) {
        let port = Arc::new(Shared {
            http1: http1(&self.settings),
            tls: self.tls,
            origin: Arc::new(Origin {
                service: self.service,
                settings: self.settings,
                gate: Arc::clone(&self.gate),
                alt_svc: self.alt_svc,
            }),
        });
        let mut drain = self.drain.clone();
        let mut connections = JoinSet::new();
        let mut threads = self.threads.iter().cycle();
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
                    // What the thread that accepted knows of the socket, the other has to learn.
                    let Some(thread) = threads.next() else { continue };
                    let stream = stream.into_std();
                    let serve = async move {
                        match stream.and_then(TcpStream::from_std) {
                            Ok(stream) => port.connection(stream, address, drain).await,
                            Err(error) => tracing::warn!(peer = %address, %error, "a TCP connection cannot be served"),
                        }
                        drop(place);
                    };
                    connections.spawn_on(serve, thread);
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

struct Shared<S> {
    http1: http1::Builder,
    tls: Option<TlsAcceptor>,
    origin: Arc<Origin<S>>,
}

/// What answers the requests of all connections.
pub(super) struct Origin<S> {
    service: Arc<S>,
    pub settings: Arc<Settings>,
    gate: Arc<Gate>,
    alt_svc: Option<HeaderValue>,
}

/// One connection, as its requests see it.
pub(super) struct Connected {
    peer: Peer,
    pub order: Order,
    activity: Activity,
}

/// What comes with a request.
pub(super) struct Asked {
    peer: Peer,
    order: Order,
    busy: Busy,
    wish: Option<Wish>,
    pace: Pace,
}

impl Connected {
    /// A request comes, of whose response the client may `wish` something, and takes it at this `pace`.
    pub fn asks(&self, wish: Option<Wish>, pace: Pace) -> Asked {
        Asked { peer: self.peer, order: self.order.clone(), busy: self.activity.begin(), wish, pace }
    }
}

impl<S: Service> Origin<S> {
    /// Answers a request over TCP.
    pub async fn answer<B>(&self, request: http::Request<B>, asked: Asked) -> http::Response<Measured<S::Body>>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BodyError>,
    {
        let Asked { peer, order, busy, wish, pace } = asked;
        let mut response = answer(&*self.service, request, peer, &self.settings, &self.gate, (&order, wish.as_ref())).await;
        if let Some(alt_svc) = &self.alt_svc {
            response.headers_mut().insert(header::ALT_SVC, alt_svc.clone());
        }
        response.map(|body| body.watched(busy, wish, pace))
    }
}

impl<S: Service> Shared<S> {
    async fn connection(&self, stream: TcpStream, address: SocketAddr, mut drain: Drain) {
        // Small last segments of a response must not wait for the acknowledgement of those before.
        let _ = stream.set_nodelay(true);
        let (settings, gate) = (&self.origin.settings, &self.origin.gate);
        let Some(tls) = &self.tls else {
            let _open = gate.metrics.connection(Link::Plain);
            return self.plain(stream, address, drain).await;
        };
        let Some(handshaking) = gate.handshake() else { return };
        let handshake = timeout(settings.handshake_timeout, tls.accept(stream));
        let stream = tokio::select! {
            done = handshake => match done {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    gate.metrics.handshake_failed();
                    return tracing::debug!(peer = %address, %error, "a TLS handshake failed");
                }
                Err(_) => {
                    gate.metrics.handshake_failed();
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
        let _open = gate.metrics.connection(if http2 { Link::Http2 } else { Link::Http1 });
        let (stream, outflow) = Gathered::new(stream);
        self.http(http2, stream, Some(outflow), Peer { address, secure: true }, drain).await;
    }

    /// Serves a client that shows by what it sends which version it speaks.
    async fn plain(&self, mut stream: TcpStream, address: SocketAddr, mut drain: Drain) {
        let settings = &self.origin.settings;
        let (http2, begun) = tokio::select! {
            sniffed = timeout(settings.idle_timeout.min(head_timeout(settings)), http2::sniff(&mut stream)) => match sniffed {
                Ok(Ok(sniffed)) => sniffed,
                _ => return,
            },
            _ = drain.begun() => return,
        };
        let (rest, write) = stream.into_split();
        let io = join(io::Cursor::new(begun).chain(rest), write);
        self.http(http2, io, None, Peer { address, secure: false }, drain).await;
    }

    /// Serves `io`, of which `outflow` is what has to be sent.
    async fn http<I>(&self, http2: bool, io: I, outflow: Option<Outflow>, peer: Peer, mut drain: Drain)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connected = Connected { peer, order: Order::default(), activity: Activity::new() };
        let life = Life {
            settings: &self.origin.settings,
            outflow,
            order: connected.order.clone(),
            activity: connected.activity.clone(),
            peer,
            drain: drain.clone(),
        };
        let pace = Pace::default();
        if http2 {
            let connection = Http2::new(io, Arc::clone(&self.origin), connected);
            life.live(pin!(connection), Http2::graceful_shutdown, &pace).await;
        } else {
            let service = service_fn(|request: http::Request<Incoming>| {
                let (origin, asked) = (Arc::clone(&self.origin), connected.asks(None, pace.clone()));
                async move { Ok::<_, Infallible>(origin.answer(request, asked).await) }
            });
            let mut connection = self.http1.serve_connection(TokioIo::new(io), service);
            if life.live(Pin::new(&mut connection), http1::Connection::graceful_shutdown, &pace).await {
                linger(connection.into_parts().io.into_inner(), &mut drain).await;
            }
        }
    }
}

/// What one connection lives by, until it ends or is ended.
struct Life<'a> {
    settings: &'a Settings,
    outflow: Option<Outflow>,
    order: Order,
    activity: Activity,
    peer: Peer,
    drain: Drain,
}

impl Life<'_> {
    /// Polls `connection`, which can be told to `retire`: to end after what is under way. Its client takes responses at this `pace`.
    /// Whether it came to its end without being told.
    async fn live<C, E>(mut self, mut connection: Pin<&mut C>, retire: impl Fn(Pin<&mut C>), pace: &Pace) -> bool
    where
        C: Future<Output = Result<(), E>>,
        E: Display,
    {
        // When the connection has been told to end: the moment when it is cut, and whether that spares running requests.
        let mut ending: Option<(Instant, bool)> = None;
        loop {
            let cut = ending.map_or_else(Instant::now, |(end, _)| end);
            let served = poll_fn(|cx| {
                let polled = connection.as_mut().poll(cx);
                if let Some(outflow) = &self.outflow {
                    // An error is seen by the connection when it goes on to read or write.
                    self.order.set_full(outflow.poll_flush(cx).is_pending());
                }
                polled
            });
            tokio::select! {
                result = served => {
                    if let Err(error) = result {
                        tracing::debug!(peer = %self.peer.address, %error, "a TCP connection failed");
                    }
                    return ending.is_none();
                }
                () = pace.stalled(self.settings.write_timeout) => {
                    tracing::debug!(peer = %self.peer.address, "a TCP connection is cut: the client does not take a response");
                    return false;
                }
                () = self.activity.idle_for(self.settings.idle_timeout), if ending.is_none() => {
                    retire(connection.as_mut());
                    ending = Some((Instant::now() + FAREWELL, true));
                }
                end = self.drain.begun(), if ending.is_none_or(|(_, spares)| spares) => {
                    retire(connection.as_mut());
                    ending = Some((end, false));
                }
                () = sleep_until(cut), if ending.is_some() => match ending {
                    Some((_, true)) if !self.activity.is_idle() => ending = Some((Instant::now() + FAREWELL, true)),
                    _ => return false,
                }
            }
        }
    }
}

/// Time for the header section of a request. Between requests of a kept connection the same timer runs, so it is the longer of the two.
fn head_timeout(settings: &Settings) -> Duration {
    settings.header_timeout.max(settings.idle_timeout.min(Duration::from_secs(30)))
}

fn http1(settings: &Settings) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout(settings))
        .max_buf_size(settings.max_header_bytes.max(8192) as usize)
        .max_headers(settings.max_header_fields);
    builder
}
