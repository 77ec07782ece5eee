//! Ingest over RTMP and RTMPS: `rtmp://HOST/live/NAME`, the key behind the name as `?key=KEY` or `~KEY`.
//!
//! Both come to one port: a TLS connection begins with another byte than RTMP does.

use std::{io, net::SocketAddr, sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use reelway_core::demux::{
    rtmp::{Event, Session},
    stream::Item,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Ingest, Inner,
    fault::Fault,
    session::{Manner, Request},
    source::{Progress, Source},
};
use crate::{
    auth::Credentials,
    http::StreamName,
    metrics::Metrics,
    net::{Certificates, Error, Gate, Settings},
};

/// The application of the URL.
const APPLICATION: &str = "live";

/// The most connections at once, and those of one address.
const MOST: usize = 256;
const MOST_OF_ONE: usize = 32;

/// How long a peer may take from its first byte until it asks to publish.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long it may take what is written to it.
const WRITE: Duration = Duration::from_secs(10);
/// How long it may publish without saying how it is to be decoded.
const HEADER: Duration = Duration::from_secs(10);

/// What a TLS connection begins with: a record of a handshake (RFC 8446 5.1).
const TLS: u8 = 0x16;

/// A port for RTMP, and who comes in by it.
pub struct Rtmp {
    ingest: Ingest,
    listeners: Vec<TcpListener>,
    tls: TlsAcceptor,
    gate: Arc<Gate>,
}

impl Rtmp {
    /// Publishers at `listeners` publish into `ingest`; RTMPS is spoken with `certificates`.
    ///
    /// # Errors
    /// TLS refuses the certificates.
    pub fn new(ingest: Ingest, listeners: Vec<TcpListener>, certificates: &Certificates, metrics: Arc<Metrics>) -> Result<Self, Error> {
        let settings = Settings { max_connections: MOST, max_connections_per_ip: MOST_OF_ONE, ..Settings::default() };
        let gate = Arc::new(Gate::new(&settings, metrics));
        Ok(Self { ingest, listeners, tls: TlsAcceptor::from(certificates.tcp()?), gate })
    }

    /// Takes publishers until dropped.
    pub async fn run(self) {
        let mut running = JoinSet::new();
        for listener in self.listeners {
            let port = Port { ingest: self.ingest.clone(), tls: self.tls.clone(), gate: Arc::clone(&self.gate) };
            running.spawn(port.run(listener));
        }
        while running.join_next().await.is_some() {}
    }
}

struct Port {
    ingest: Ingest,
    tls: TlsAcceptor,
    gate: Arc<Gate>,
}

impl Port {
    async fn run(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let Some(place) = self.gate.connection(peer.ip()) else { continue };
                        let (inner, tls) = (Arc::clone(&self.ingest.0), self.tls.clone());
                        connections.spawn(async move {
                            connection(inner, stream, peer, tls).await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "an RTMP connection cannot be accepted");
                        sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
    }
}

async fn connection(inner: Arc<Inner>, stream: TcpStream, peer: SocketAddr, tls: TlsAcceptor) {
    let _ = stream.set_nodelay(true);
    let begun = async {
        let mut first = [0];
        stream.peek(&mut first).await?;
        Ok::<_, io::Error>(first == [TLS])
    };
    let result = match timeout(HANDSHAKE, begun).await {
        Ok(Ok(true)) => match timeout(HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => Publisher::new(inner.clone(), stream, peer).run().await,
            _ => return tracing::debug!(%peer, "a TLS handshake for RTMP failed"),
        },
        Ok(Ok(false)) => Publisher::new(inner.clone(), stream, peer).run().await,
        _ => return,
    };
    if let Err(fault) = result {
        inner.streams.figures().ingest_faults.fetch_add(1, Relaxed);
        tracing::info!(%peer, ?fault, "a publisher over RTMP is turned away");
    }
}

/// A peer.
struct Publisher<S> {
    inner: Arc<Inner>,
    stream: S,
    peer: SocketAddr,
    session: Session,
}

/// What it publishes.
struct Publishing {
    request: Request,
    begun: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Publisher<S> {
    fn new(inner: Arc<Inner>, stream: S, peer: SocketAddr) -> Self {
        Self { inner, stream, peer, session: Session::new() }
    }

    /// From the first byte to the last. A peer that is at fault is told so.
    async fn run(mut self) -> Result<(), Fault> {
        let mut publishing = None;
        let mut result = self.session(&mut publishing).await;
        if let Err(fault) = &result {
            let (_, detail) = fault.told();
            self.session.refuse(&detail);
            let _ = self.flush().await;
        }
        if let Some(Publishing { request, .. }) = publishing {
            let session = Arc::clone(&request.session);
            let over = matches!(result, Ok(Progress::Over));
            self.session.finish();
            let items = self.items();
            let mut source = session.body.lock().await;
            if result.is_ok()
                && let Err(fault) = source.give(items, session.turn).await
            {
                result = Err(fault);
            }
            drop((source, request));
            self.inner.sessions.end(&session, over).await;
            if let Some(fault) = result.as_ref().err().filter(|fault| fault.is_of_media()) {
                tracing::warn!(stream = %session.stream.name, peer = %self.peer, "a publisher over RTMP is turned away: {}", fault.told().1);
            }
        }
        let _ = self.stream.shutdown().await;
        result.map(drop)
    }

    async fn session(&mut self, publishing: &mut Option<Publishing>) -> Result<Progress, Fault> {
        let end = Instant::now() + HANDSHAKE;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let wait = match publishing {
                // A connection that is dead is noticed by who watches over sessions; this is for one that is left open.
                Some(Publishing { request, .. }) => request.session.patience() * 2,
                None => end.saturating_duration_since(Instant::now()),
            };
            let read = match publishing {
                Some(Publishing { request, .. }) => tokio::select! {
                    read = timeout(wait, self.stream.read(&mut buffer)) => read,
                    () = request.replaced() => return Err(Fault::Replaced),
                },
                None => timeout(wait, self.stream.read(&mut buffer)).await,
            };
            let length = match read {
                Ok(Ok(length)) => length,
                Ok(Err(error)) => return Err(Fault::Cut(error.to_string())),
                Err(_) => return Err(Fault::Cut("nothing came for too long".into())),
            };
            let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else { return Ok(Progress::GoesOn) };
            let pushed = self.session.push(bytes);
            let progress = self.events(publishing, length).await;
            self.flush().await?;
            pushed?;
            if progress? == Progress::Over {
                return Ok(Progress::Over);
            }
        }
    }

    /// Does what the session tells.
    async fn events(&mut self, publishing: &mut Option<Publishing>, length: usize) -> Result<Progress, Fault> {
        let (mut items, mut over) = (Vec::new(), false);
        while let Some(event) = self.session.poll() {
            match event {
                Event::Publish { app, name } => {
                    *publishing = Some(self.admit(&app, &name).await?);
                    self.session.accept()?;
                }
                Event::Item(item) => items.push(item),
                Event::Ended => over = true,
            }
        }
        let Some(Publishing { request, begun }) = publishing else { return Ok(Progress::GoesOn) };
        request.came();
        self.inner.streams.figures().ingest_bytes.fetch_add(length as u64, Relaxed);
        if !self.session.has_header() && begun.elapsed() > HEADER {
            let reasons: Vec<String> = self.session.left_out().iter().map(|left| left.reason.to_string()).collect();
            let none = "nothing says how it is to be decoded".to_owned();
            return Err(Fault::NoMedia(if reasons.is_empty() { none } else { reasons.join("; ") }));
        }
        let session = Arc::clone(&request.session);
        let mut source: tokio::sync::MutexGuard<'_, Source> = session.body.lock().await;
        source.give(items, session.turn).await?;
        self.inner.pace(request, &source).await?;
        Ok(if over { Progress::Over } else { Progress::GoesOn })
    }

    /// Lets a peer publish that may.
    async fn admit(&self, app: &str, name: &str) -> Result<Publishing, Fault> {
        let (name, key) = target(app, name).ok_or_else(|| {
            Fault::NoMedia(format!(
                "'{app}' is no place to publish to: rtmp://HOST/{APPLICATION}/NAME is, with a name of letters and digits"
            ))
        })?;
        let credentials = Credentials::of(Some(self.peer.ip()), &HeaderMap::new(), key.as_deref());
        self.inner.admit(&name, &credentials).await?;
        let request = self.inner.sessions.begin(&self.inner.streams, &name, Manner::Body, false).await?;
        Ok(Publishing { request, begun: Instant::now() })
    }

    fn items(&mut self) -> Vec<Item> {
        std::iter::from_fn(|| self.session.poll())
            .filter_map(|event| if let Event::Item(item) = event { Some(item) } else { None })
            .collect()
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        let bytes = self.session.to_send();
        let written = timeout(WRITE, async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Fault::Cut(error.to_string())),
            Err(_) => Err(Fault::Cut("the peer does not read".into())),
        }
    }
}

/// The stream and the key, out of the application and the name that a peer tells: `live` and `NAME?key=KEY` or `NAME~KEY`.
fn target(app: &str, name: &str) -> Option<(StreamName, Option<String>)> {
    let (name, query) = name.split_once('?').unwrap_or((name, ""));
    let (name, in_name) = name.split_once('~').map_or((name, None), |(name, key)| (name, Some(key)));
    let in_query = query.split('&').find_map(|pair| pair.strip_prefix("key="));
    let key = in_name.or(in_query).map(|key| percent_decode_str(key).decode_utf8_lossy().into_owned());
    let name = StreamName::new(name.trim_matches('/'))?;
    (app.trim_matches('/') == APPLICATION).then_some((name, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_where() {
        for (app, name, expected) in [
            ("live", "news", Some(("news", None))),
            ("live/", "news", Some(("news", None))),
            ("/live", "/news", Some(("news", None))),
            ("live", "news?key=abc", Some(("news", Some("abc")))),
            ("live", "news?a=b&key=a%2Bb", Some(("news", Some("a+b")))),
            ("live", "news~a~b", Some(("news", Some("a~b")))),
            ("live", "news?key=", Some(("news", Some("")))),
            ("live", "a b", None),
            ("live", "", None),
            ("live", "../x", None),
            ("app", "news", None),
            ("", "news", None),
        ] {
            let found = target(app, name);
            let found = found.as_ref().map(|(name, key)| (name.as_str(), key.as_deref()));
            assert_eq!(found, expected, "{app} {name}");
        }
    }
}
