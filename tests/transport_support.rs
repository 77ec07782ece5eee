//! A server for the tests of the transports, and clients for it: hyper for HTTP/1.1 and HTTP/2, h3 on h3-quinn for HTTP/3.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, missing_docs, reason = "these are tests, though not marked as such")]

use std::{
    collections::VecDeque,
    future::{pending, poll_fn},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http::{Method, Request, Response, StatusCode, header, response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use quinn::crypto::rustls::QuicClientConfig;
use reelway::net::{Identity, Listeners, Service, Settings};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    net::TcpStream,
    sync::{Notify, oneshot},
    task::JoinHandle,
    time::timeout,
};

/// Guards against hangs. No test depends on how long anything takes.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Waits within [`PATIENCE`].
pub async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("this should not hang")
}

/// The protocols that all tests of HTTP semantics run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    H1,
    H2,
    H3,
}

pub const ALL: [Protocol; 3] = [Protocol::H1, Protocol::H2, Protocol::H3];

/// A service whose answers are named by the path.
#[derive(Default)]
pub struct Lab {
    /// Handlers and bodies alive.
    pub live: Arc<AtomicUsize>,
    /// Lets `/late` go on.
    pub go: Notify,
    /// `/late` has begun.
    pub begun: Notify,
}

/// Counts itself while it lives.
pub struct Live(Arc<AtomicUsize>);

impl Live {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Chunks, then an end, an error, or nothing for ever.
pub struct TestBody {
    parts: VecDeque<io::Result<Bytes>>,
    waits: bool,
    _live: Live,
}

impl Body for TestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.parts.pop_front() {
            Some(part) => Poll::Ready(Some(part.map(Frame::data))),
            None if self.waits => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

/// Bytes of `/parts`.
pub const PARTS: usize = 8 << 20;

/// 50 MB whose every part is different.
pub static BIG: LazyLock<Bytes> = LazyLock::new(|| (0u32..12_500_000).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect());

impl Service for Lab {
    type Body = TestBody;

    async fn call(&self, request: reelway::http::Request) -> Response<TestBody> {
        let live = Live::new(&self.live);
        let body = |parts: Vec<io::Result<Bytes>>, waits| TestBody { parts: parts.into(), waits, _live: live };
        let chunk = || Ok(Bytes::from(vec![7; 100_000]));
        match request.uri().path() {
            "/small" => Response::builder()
                .header("x-method", request.method().as_str())
                .header("x-version", format!("{:?}", request.version()))
                .header(header::CONTENT_LENGTH, "5")
                .body(body(vec![Ok("hello".into())], false)),
            "/uri" => {
                let authority = request
                    .uri()
                    .authority()
                    .map_or_else(|| request.headers()[header::HOST].to_str().unwrap_or_default().to_owned(), ToString::to_string);
                Response::builder().body(body(vec![Ok(format!("{authority} {}", request.uri().path()).into())], false))
            }
            "/big" => {
                let chunks = (0..BIG.len()).step_by(256 << 10).map(|at| Ok(BIG.slice(at..BIG.len().min(at + (256 << 10)))));
                Response::builder().body(body(chunks.collect(), false))
            }
            "/parts" => {
                let part = Bytes::from(vec![7; 128 << 10]);
                Response::builder().body(body((0..PARTS).step_by(part.len()).map(|_| Ok(part.clone())).collect(), false))
            }
            "/fails" => Response::builder().body(body(vec![chunk(), Err(io::Error::other("the disk is gone"))], false)),
            "/short" => Response::builder().header(header::CONTENT_LENGTH, 200_000).body(body(vec![chunk()], false)),
            "/long" => Response::builder().header(header::CONTENT_LENGTH, 50_000).body(body(vec![chunk()], false)),
            "/panics" => panic!("this handler panics, as the test wants"),
            "/waits" => pending().await,
            "/drips" => Response::builder().body(body(vec![chunk()], true)),
            "/late" => {
                self.begun.notify_one();
                self.go.notified().await;
                Response::builder().body(body(vec![Ok("late".into())], false))
            }
            "/echo" => match request.into_body().collect().await {
                Ok(content) => Response::builder().body(body(vec![Ok(content.to_bytes())], false)),
                Err(_) => Response::builder().status(StatusCode::BAD_REQUEST).body(body(vec![], false)),
            },
            "/ignores" => Response::builder().status(StatusCode::FORBIDDEN).body(body(vec![], false)),
            "/hop" => Response::builder().header("keep-alive", "1").body(body(vec![], false)),
            _ => Response::builder().status(StatusCode::NOT_FOUND).body(body(vec![], false)),
        }
        .unwrap()
    }
}

/// A running server on ports of the system's choice.
pub struct Server<S = Lab> {
    pub secure: SocketAddr,
    pub plain: SocketAddr,
    pub addresses: Vec<SocketAddr>,
    pub lab: Arc<S>,
    pub identity: Identity,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    running: JoinHandle<()>,
}

impl Server {
    pub fn start(settings: Settings) -> Self {
        Self::serving(Arc::default(), settings)
    }

    /// Waits until no handler and no body is alive.
    pub async fn all_dropped(&self) {
        soon(async {
            while self.lab.live.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Waits until so many handlers or bodies are alive.
    pub async fn alive(&self, count: usize) {
        soon(async {
            while self.lab.live.load(Ordering::SeqCst) < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

impl<S: Service> Server<S> {
    /// Serves anything.
    pub fn serving(lab: Arc<S>, settings: Settings) -> Self {
        let identity = identity();
        let any = "127.0.0.1:0".parse().unwrap();
        let listeners = Listeners::bind(Some((any, &identity.clone().into())), Some(any), settings).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        Self {
            secure: listeners.secure_addresses()[0],
            plain: listeners.plain_addresses()[0],
            addresses: listeners.secure_addresses(),
            lab: Arc::clone(&lab),
            identity,
            stop: Mutex::new(Some(stop)),
            running: tokio::spawn(listeners.serve(lab, async {
                let _ = stopped.await;
            })),
        }
    }

    /// Tells the server to drain.
    pub fn drain(&self) {
        self.stop.lock().unwrap().take();
    }

    /// Waits until it has.
    pub async fn ended(self) {
        drop(self.stop);
        soon(self.running).await.unwrap();
    }

    /// A QUIC connection that speaks whatever the test writes.
    pub async fn quic(&self) -> quinn::Connection {
        self.quic_to(self.secure).await
    }

    pub async fn quic_to(&self, address: SocketAddr) -> quinn::Connection {
        self.quic_with(address, |config| config).await
    }

    /// The same with transport parameters of its own.
    pub async fn quic_with(
        &self,
        address: SocketAddr,
        change: impl FnOnce(&mut quinn::TransportConfig) -> &mut quinn::TransportConfig,
    ) -> quinn::Connection {
        let mut transport = quinn::TransportConfig::default();
        change(&mut transport);
        let local: SocketAddr = if address.is_ipv6() { "[::1]:0" } else { "127.0.0.1:0" }.parse().unwrap();
        let mut endpoint = quinn::Endpoint::client(local).unwrap();
        endpoint.set_default_client_config(self.client_config(transport));
        soon(endpoint.connect(address, "localhost").unwrap()).await.unwrap()
    }

    fn client_config(&self, transport: quinn::TransportConfig) -> quinn::ClientConfig {
        let tls = QuicClientConfig::try_from(tls(&self.identity, "h3")).unwrap();
        let mut config = quinn::ClientConfig::new(Arc::new(tls));
        config.transport_config(Arc::new(transport));
        config
    }

    /// A QUIC client for several connections, which remembers the tickets it was given.
    pub fn client(&self) -> quinn::Endpoint {
        let mut tls = tls(&self.identity, "h3");
        tls.enable_early_data = true;
        let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap())));
        endpoint
    }

    /// An HTTP/3 client.
    pub async fn h3(&self) -> H3 {
        H3::new(self.quic().await).await
    }

    /// One request on a connection of its own.
    pub async fn fetch(&self, protocol: Protocol, method: Method, path: &str) -> Result<(response::Parts, Bytes), String> {
        let request = Request::builder().method(method).uri(format!("https://localhost:{}{path}", self.secure.port()));
        self.exchange(protocol, request.body(Bytes::new()).unwrap()).await
    }

    /// One request of any kind on a connection of its own.
    pub async fn exchange(&self, protocol: Protocol, request: Request<Bytes>) -> Result<(response::Parts, Bytes), String> {
        match protocol {
            Protocol::H3 => self.h3().await.fetch(request).await,
            Protocol::H1 | Protocol::H2 => Box::pin(soon(tcp(Some(&self.identity), self.secure, protocol, request))).await,
        }
    }

    /// One request without TLS.
    pub async fn fetch_plain(&self, protocol: Protocol, path: &str) -> Result<(response::Parts, Bytes), String> {
        let request = Request::get(format!("http://localhost:{}{path}", self.plain.port())).body(Bytes::new()).unwrap();
        Box::pin(soon(tcp(None, self.plain, protocol, request))).await
    }
}

/// One for all tests of a run.
pub fn identity() -> Identity {
    Identity::development(&DATA).unwrap()
}

/// Its certificate, PEM.
pub fn certificate_file() -> PathBuf {
    DATA.join("tls/dev-cert.pem")
}

static DATA: LazyLock<PathBuf> = LazyLock::new(|| {
    let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("transport-tests-{}", std::process::id()));
    Identity::development(&data).unwrap();
    data
});

/// Trusts just that certificate.
pub fn tls(identity: &Identity, alpn: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(identity.certificate().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    config
}

async fn tcp(
    identity: Option<&Identity>,
    address: SocketAddr,
    protocol: Protocol,
    request: Request<Bytes>,
) -> Result<(response::Parts, Bytes), String> {
    let (parts, body) = begin(identity, address, protocol, request.map(Full::new)).await?.into_parts();
    Ok((parts, body.collect().await.map_err(text)?.to_bytes()))
}

/// Sends a request over TCP, and gives the response as soon as its head is there.
pub async fn begin<B>(
    identity: Option<&Identity>,
    address: SocketAddr,
    protocol: Protocol,
    request: Request<B>,
) -> Result<Response<hyper::body::Incoming>, String>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    let stream = TcpStream::connect(address).await.map_err(text)?;
    let Some(identity) = identity else { return Box::pin(exchange(TokioIo::new(stream), protocol, request)).await };
    let alpn = if protocol == Protocol::H2 { "h2" } else { "http/1.1" };
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls(identity, alpn)));
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.map_err(text)?;
    Box::pin(exchange(TokioIo::new(stream), protocol, request)).await
}

async fn exchange<I, B>(io: I, protocol: Protocol, mut request: Request<B>) -> Result<Response<hyper::body::Incoming>, String>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    let response = if protocol == Protocol::H2 {
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.map_err(text)?;
        tokio::spawn(connection);
        sender.send_request(request).await
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.map_err(text)?;
        tokio::spawn(connection);
        let host = request.uri().authority().unwrap().as_str().parse().unwrap();
        request.headers_mut().insert(header::HOST, host);
        *request.uri_mut() = request.uri().path_and_query().unwrap().as_str().parse().unwrap();
        sender.send_request(request).await
    };
    response.map_err(text)
}

fn text(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

/// An HTTP/3 client on one connection.
pub struct H3 {
    pub connection: quinn::Connection,
    pub sender: h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>,
}

pub type H3Stream = h3::client::RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

impl H3 {
    /// Connects to a server of this certificate.
    pub async fn connect(address: SocketAddr, identity: &Identity) -> Self {
        let tls = QuicClientConfig::try_from(tls(identity, "h3")).unwrap();
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let connecting = endpoint.connect_with(quinn::ClientConfig::new(Arc::new(tls)), address, "localhost").unwrap();
        Self::new(soon(connecting).await.unwrap()).await
    }

    pub async fn new(connection: quinn::Connection) -> Self {
        let (mut driver, sender) = soon(h3::client::new(h3_quinn::Connection::new(connection.clone()))).await.unwrap();
        tokio::spawn(async move { poll_fn(|cx| driver.poll_close(cx)).await });
        Self { connection, sender }
    }

    /// Sends the head of a request.
    pub async fn begin(&mut self, request: Request<()>) -> Result<H3Stream, String> {
        soon(self.sender.send_request(request)).await.map_err(text)
    }

    /// A GET, complete.
    pub async fn get(&mut self, path: &str) -> Result<H3Stream, String> {
        let mut stream = self.begin(Request::get(format!("https://localhost{path}")).body(()).unwrap()).await?;
        soon(stream.finish()).await.map_err(text)?;
        Ok(stream)
    }

    /// A whole request.
    pub async fn fetch(&mut self, request: Request<Bytes>) -> Result<(response::Parts, Bytes), String> {
        let (parts, body) = request.into_parts();
        let mut stream = self.begin(Request::from_parts(parts, ())).await?;
        if !body.is_empty() {
            soon(stream.send_data(body)).await.map_err(text)?;
        }
        soon(stream.finish()).await.map_err(text)?;
        receive(&mut stream).await
    }
}

/// The response, to its end.
pub async fn receive(stream: &mut H3Stream) -> Result<(response::Parts, Bytes), String> {
    let (parts, ()) = soon(stream.recv_response()).await.map_err(text)?.into_parts();
    Ok((parts, content(stream).await?))
}

/// The rest of a response whose head has been received.
pub async fn content(stream: &mut H3Stream) -> Result<Bytes, String> {
    let mut body = Vec::new();
    while let Some(mut data) = soon(stream.recv_data()).await.map_err(text)? {
        body.extend_from_slice(&data.copy_to_bytes(data.remaining()));
    }
    Ok(body.into())
}
