//! An HTTP client: HTTP/1.1 and HTTP/2 by hyper, HTTP/3 by h3 on h3-quinn. Connections are kept; nothing is followed or tried again.

mod quic;
mod trust;

use std::{
    fmt,
    io::{self, ErrorKind},
    path::Path,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::BodyExt;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::timeout;

use quic::Quic;

use crate::http::Body;

/// An answer that takes longer than this is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which version of HTTP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/2 or HTTP/1.1, as the server chooses.
    #[default]
    Any,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; without TLS by prior knowledge.
    Http2,
    /// HTTP/3.
    Http3,
}

/// A client that keeps its connections.
#[derive(Debug)]
pub struct Client {
    way: Way,
}

enum Way {
    Tcp(Pool<HttpsConnector<HttpConnector>, Body>),
    Quic(Quic),
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp(_) => "Tcp",
            Self::Quic(_) => "Quic",
        })
    }
}

/// What a server answers.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The fields of the header.
    pub fields: HeaderMap,
    /// The content, or as much of its beginning as was asked for.
    pub content: Bytes,
    /// Whether there is no more of it.
    pub whole: bool,
}

impl Client {
    /// A client that trusts the authorities of the system, and the certificates in the PEM file at `trusted`.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate.
    pub fn new(version: Version, trusted: Option<&Path>) -> Result<Self, super::Error> {
        let tls = trust::config(trusted)?;
        if version == Version::Http3 {
            return Ok(Self { way: Way::Quic(Quic::new(tls)) });
        }
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let connector = match version {
            Version::Http1 => builder.enable_http1().build(),
            Version::Http2 => builder.enable_http2().build(),
            Version::Any | Version::Http3 => builder.enable_all_versions().build(),
        };
        let pool = Pool::builder(TokioExecutor::new()).http2_only(version == Version::Http2).build(connector);
        Ok(Self { way: Way::Tcp(pool) })
    }

    /// Sends a request with all its body, and reads the content of the answer up to `limit` bytes or a little more. How long that may
    /// take is for the caller to say. Not for a client of HTTP/3.
    ///
    /// # Errors
    /// There is no answer, or it breaks off.
    pub async fn send(&self, request: Request<Body>, limit: usize) -> io::Result<Answer> {
        match &self.way {
            Way::Tcp(pool) => tcp(pool, request, limit).await,
            Way::Quic(_) => Err(io::Error::new(ErrorKind::Unsupported, "bodies are sent over TCP alone")),
        }
    }

    /// Asks for `uri` with these fields, and reads the content up to `limit` bytes or a little more.
    ///
    /// # Errors
    /// There is no answer in 30 seconds, or it breaks off.
    pub async fn get(&self, uri: &Uri, fields: HeaderMap, limit: usize) -> io::Result<Answer> {
        let mut request = Request::get(uri).body(()).map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
        *request.headers_mut() = fields;
        request.headers_mut().entry(header::USER_AGENT).or_insert(header::HeaderValue::from_static("reelway"));
        let answer = async {
            match &self.way {
                Way::Tcp(pool) => tcp(pool, request.map(|()| Body::default()), limit).await,
                Way::Quic(_) if uri.scheme() != Some(&Scheme::HTTPS) => {
                    Err(io::Error::new(ErrorKind::InvalidInput, "HTTP/3 is spoken with https alone"))
                }
                Way::Quic(quic) => quic.get(request, limit).await,
            }
        };
        timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    }
}

async fn tcp(pool: &Pool<HttpsConnector<HttpConnector>, Body>, request: Request<Body>, limit: usize) -> io::Result<Answer> {
    let response = pool.request(request).await.map_err(told)?;
    let (head, mut body) = response.into_parts();
    let mut content = BytesMut::new();
    let mut whole = false;
    while content.len() < limit && !whole {
        match body.frame().await.transpose().map_err(told)? {
            Some(frame) => content.extend_from_slice(&frame.into_data().unwrap_or_default()),
            None => whole = true,
        }
    }
    let whole = whole || hyper::body::Body::is_end_stream(&body);
    Ok(Answer { status: head.status, fields: head.headers, content: content.freeze(), whole })
}

/// An error with its causes, in one line.
fn told(error: impl std::error::Error) -> io::Error {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    io::Error::other(text)
}
