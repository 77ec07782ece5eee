//! Clients that ask and throw away what they get.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

use super::{
    PATIENCE,
    servers::{Server, certificate},
};

/// How a load asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
    Http3,
}

/// So many requests for one path, on so many connections, with so many at once on each.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub protocol: Protocol,
    pub path: &'static str,
    pub size: u64,
    pub requests: usize,
    pub connections: usize,
    pub streams: usize,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, path, requests, connections, streams, .. } = self;
        write!(f, "{protocol:?} {path}: {requests} requests, {connections} connections, {streams} at once on each")
    }
}

impl Load {
    /// Asks until all is answered, and tells how long that took.
    pub async fn run(self, server: &Server) -> anyhow::Result<Duration> {
        let tls = Arc::new(client_config(match self.protocol {
            Protocol::Http1 => b"http/1.1",
            Protocol::Http2 => b"h2",
            Protocol::Http3 => b"h3",
        })?);
        let (address, path) = (server.address, server.path(self.path));
        let left = Arc::new(AtomicUsize::new(self.requests));
        let begun = Instant::now();
        let mut connections = JoinSet::new();
        for _ in 0..self.connections {
            let (tls, path, left) = (Arc::clone(&tls), path.clone(), Arc::clone(&left));
            connections.spawn(async move {
                match self.protocol {
                    Protocol::Http3 => {
                        let connection = connect(&endpoint()?, &tls, address, quinn::TransportConfig::default()).await?;
                        let mut streams = JoinSet::new();
                        for _ in 0..self.streams {
                            let (connection, path, left) = (connection.clone(), path.clone(), Arc::clone(&left));
                            streams.spawn(async move {
                                while take(&left) {
                                    let bytes = fetch(&connection, &path).await?;
                                    ensure!(bytes >= self.size, "{bytes} bytes of {}", self.size);
                                }
                                Ok(())
                            });
                        }
                        all(streams).await
                    }
                    Protocol::Http1 | Protocol::Http2 => Box::pin(self.tcp(&tls, address, &path, &left)).await,
                }
            });
        }
        timeout(PATIENCE, all(connections)).await.context("it hangs")??;
        Ok(begun.elapsed())
    }

    async fn tcp(self, tls: &Arc<ClientConfig>, address: SocketAddr, path: &str, left: &Arc<AtomicUsize>) -> anyhow::Result<()> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = tokio_rustls::TlsConnector::from(Arc::clone(tls)).connect(ServerName::try_from("localhost")?, stream).await?;
        let io = TokioIo::new(stream);
        let uri = format!("https://localhost:{}{path}", address.port());
        if self.protocol == Protocol::Http1 {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
            tokio::spawn(connection);
            while take(left) {
                let host = format!("localhost:{}", address.port());
                let request = http::Request::get(path).header(http::header::HOST, host).body(Empty::<Bytes>::new())?;
                discard(sender.send_request(request).await?.into_body(), self.size).await?;
            }
            return Ok(());
        }
        let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(2 << 20).initial_connection_window_size(16 << 20);
        let (sender, connection) = builder.handshake(io).await?;
        tokio::spawn(connection);
        let mut streams = JoinSet::new();
        for _ in 0..self.streams {
            let (mut sender, uri, left) = (sender.clone(), uri.clone(), Arc::clone(left));
            streams.spawn(async move {
                while take(&left) {
                    let request = http::Request::get(&uri).body(Empty::<Bytes>::new())?;
                    discard(sender.send_request(request).await?.into_body(), self.size).await?;
                }
                Ok(())
            });
        }
        all(streams).await
    }
}

/// A client with one connection, which asks for one thing after the other.
pub enum Client {
    Http1(hyper::client::conn::http1::SendRequest<Empty<Bytes>>, SocketAddr),
    Http2(hyper::client::conn::http2::SendRequest<Empty<Bytes>>, SocketAddr),
    Http3(quinn::Connection),
}

impl Client {
    /// Connects.
    pub async fn open(protocol: Protocol, address: SocketAddr) -> anyhow::Result<Self> {
        let alpn: &[u8] = match protocol {
            Protocol::Http1 => b"http/1.1",
            Protocol::Http2 => b"h2",
            Protocol::Http3 => b"h3",
        };
        let tls = client_config(alpn)?;
        if protocol == Protocol::Http3 {
            return Ok(Self::Http3(connect(&endpoint()?, &tls, address, quinn::TransportConfig::default()).await?));
        }
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(ServerName::try_from("localhost")?, stream).await?;
        let io = TokioIo::new(stream);
        if protocol == Protocol::Http1 {
            let (sender, connection) = hyper::client::conn::http1::handshake(io).await?;
            tokio::spawn(connection);
            return Ok(Self::Http1(sender, address));
        }
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        Ok(Self::Http2(sender, address))
    }

    /// A GET; the bytes of its answer.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<u64> {
        if let Self::Http3(connection) = self {
            return fetch(connection, path).await;
        }
        let (mut body, mut bytes) = (self.send(path).await?.into_body(), 0);
        while let Some(frame) = body.frame().await {
            bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
        }
        Ok(bytes)
    }

    /// A GET; the content of its answer, `None` where its status is not 200.
    pub async fn read(&mut self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let Self::Http3(connection) = self else {
            let response = self.send(path).await?;
            let good = response.status() == http::StatusCode::OK;
            let content = response.into_body().collect().await?.to_bytes();
            return Ok(good.then(|| content.into()));
        };
        let mut receive = begin(connection, path).await?;
        let mut frames = Vec::new();
        while let Some(chunk) = receive.read_chunk(1 << 20, true).await? {
            frames.extend_from_slice(&chunk.bytes);
        }
        content(&frames)
    }

    /// A GET of HTTP/1.1 or HTTP/2.
    async fn send(&mut self, path: &str) -> anyhow::Result<http::Response<hyper::body::Incoming>> {
        let request = http::Request::get(path);
        Ok(match self {
            Self::Http1(sender, address) => {
                let host = format!("localhost:{}", address.port());
                sender.send_request(request.header(http::header::HOST, host).body(Empty::new())?).await?
            }
            Self::Http2(sender, address) => {
                let uri = format!("https://localhost:{}{path}", address.port());
                sender.send_request(request.uri(uri).body(Empty::new())?).await?
            }
            Self::Http3(_) => bail!("HTTP/3 has requests of its own"),
        })
    }
}

/// The content of the DATA frames behind a HEADERS frame (RFC 9114 7.2.1, 7.2.2); `None` where that does not begin with `:status: 200`, which
/// is entry 25 of the static table (RFC 9204 4.5.2, appendix A), behind the two bytes of a prefix without a dynamic table (4.5.1).
fn content(mut frames: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
    let (mut good, mut content) = (false, Vec::new());
    while !frames.is_empty() {
        match frame(&mut frames).context("no HTTP/3 frames")? {
            (0, payload) => content.extend_from_slice(payload),
            (1, payload) => good |= payload.starts_with(&[0, 0, 0xd9]),
            _ => {}
        }
    }
    Ok(good.then_some(content))
}

/// The type and the payload of the next frame (RFC 9114 7.1).
fn frame<'a>(bytes: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let (kind, length) = (varint(bytes)?, varint(bytes)?);
    let (payload, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some((kind, payload))
}

/// A variable-length integer (RFC 9000 16).
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let (head, rest) = bytes.split_at_checked(1 << (bytes.first()? >> 6))?;
    *bytes = rest;
    let (first, others) = head.split_first()?;
    Some(others.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte)))
}

fn take(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

async fn all(mut tasks: JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

async fn discard(mut body: hyper::body::Incoming, size: u64) -> anyhow::Result<()> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    ensure!(bytes == size, "{bytes} bytes of {size}");
    Ok(())
}

/// A client that trusts the certificate of the benches.
pub fn client_config(alpn: &[u8]) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate()?.0)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(config)
}

/// A UDP socket for clients, with buffers that lose nothing.
pub fn endpoint() -> anyhow::Result<quinn::Endpoint> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
    socket.set_recv_buffer_size(4 << 20)?;
    socket.set_send_buffer_size(4 << 20)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    Ok(quinn::Endpoint::new(quinn::EndpointConfig::default(), None, socket.into(), Arc::new(quinn::TokioRuntime))?)
}

/// An HTTP/3 connection: QUIC, and a control stream with empty SETTINGS (RFC 9114 section 6.2.1).
pub async fn connect(
    endpoint: &quinn::Endpoint,
    tls: &ClientConfig,
    address: SocketAddr,
    transport: quinn::TransportConfig,
) -> anyhow::Result<quinn::Connection> {
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls.clone())?));
    config.transport_config(Arc::new(transport));
    let connection = timeout(PATIENCE, endpoint.connect_with(config, address, "localhost")?).await??;
    let mut control = connection.open_uni().await?;
    control.write_all(&[0x00, 0x04, 0x00]).await?;
    // Dropped it would be finished, which a control stream must never be.
    tokio::spawn(async move { control.stopped().await });
    Ok(connection)
}

/// Begins a GET: QPACK with the static table and literals only (RFC 9204 section 4.5).
pub async fn begin(connection: &quinn::Connection, path: &str) -> anyhow::Result<quinn::RecvStream> {
    let mut section = vec![0, 0, 0xd1, 0xd7, 0x50];
    let authority = format!("localhost:{}", connection.remote_address().port());
    section.push(u8::try_from(authority.len())?);
    section.extend_from_slice(authority.as_bytes());
    section.extend_from_slice(&[0x51, u8::try_from(path.len())?]);
    section.extend_from_slice(path.as_bytes());
    let head = [&[0x01, 0x40, u8::try_from(section.len())?][..], &section].concat();
    let (mut send, receive) = connection.open_bi().await?;
    send.write_all(&head).await?;
    send.finish()?;
    Ok(receive)
}

/// A GET; the bytes of its answer, frames and all.
pub async fn fetch(connection: &quinn::Connection, path: &str) -> anyhow::Result<u64> {
    let mut receive = begin(connection, path).await?;
    let mut bytes = 0;
    while let Some(chunk) = receive.read_chunk(1 << 20, true).await? {
        bytes += chunk.bytes.len() as u64;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_content_where_its_status_is_200() {
        for (frames, expected) in [
            (&[1, 3, 0, 0, 0xd9, 0, 2, b'a', b'b', 0, 1, b'c'][..], Some(Some(&b"abc"[..]))),
            (&[1, 3, 0, 0, 0xd9], Some(Some(b""))),
            // 404 is entry 27; 410 has the name of entry 24 and a value of its own (RFC 9204 4.5.4).
            (&[1, 3, 0, 0, 0xdb, 0, 2, b'n', b'o'], Some(None)),
            (&[1, 8, 0, 0, 0x5f, 9, 3, b'4', b'1', b'0', 0, 2, b'n', b'o'], Some(None)),
            (&[1, 3, 0, 0, 0xd9, 0, 2, b'a'], None),
        ] {
            assert_eq!(content(frames).ok().as_ref().map(Option::as_deref), expected, "{frames:x?}");
        }
    }
}
