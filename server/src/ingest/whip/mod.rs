//! WHIP: browsers and encoders publish by WebRTC, told by one request of HTTP (RFC 9725).
//!
//! ```text
//! POST /whip/NAME: offer -> key -> answer -> session (who publishes)
//! UDP -> endpoint: whose is it -> publisher: ICE, DTLS, SRTP, access units -> demuxer of RTP -> source -> live
//! ```
//!
//! H.264 and Opus are taken. The server is an ICE agent of the lite kind (RFC 8445 2.5): it says where it is, and answers.

mod answer;
pub mod crypto;
mod endpoint;
mod publisher;

use std::{
    io,
    net::{IpAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts};
use http_body_util::BodyExt;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::timeout;

use super::{Ingest, fault::Fault, session::Manner};
use crate::{
    auth::Credentials,
    http::{Body, IngestPath, Request, RequestBody, Response, problem},
    metrics::Metrics,
    net::{Gate, Peer, Settings},
};
use answer::Terms;
use endpoint::Endpoint;
use publisher::Publisher;

/// The most publishers at once, and those of one network.
const MOST: usize = 256;
const MOST_OF_ONE: usize = 32;
/// The longest offer, in bytes, and how long it may take to come.
const LONGEST_OFFER: usize = 64 << 10;
const OFFER: Duration = Duration::from_secs(5);
/// How long it may take to tell all publishers that it is over.
const END: Duration = Duration::from_secs(1);

/// The media type of offers and answers (RFC 8866 8.1).
const SDP: &str = "application/sdp";

/// Takes publishers by WebRTC.
#[derive(Clone)]
pub struct Whip(Arc<Inner>);

struct Inner {
    ingest: Ingest,
    endpoint: Arc<Endpoint>,
    terms: Terms,
    gate: Arc<Gate>,
}

/// Why a request comes to nothing.
enum Refusal {
    Fault(Fault),
    Status(StatusCode, String),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Refusal {
    fn answer(self) -> Response {
        match self {
            Self::Fault(fault) => fault.answer(),
            Self::Status(status, detail) => problem(status, &detail),
        }
    }
}

impl Whip {
    /// Publishers come to `socket`, which they are told is at `address` if that is given, and publish into `ingest`; those that find no room
    /// are counted.
    ///
    /// # Errors
    /// The socket cannot be used, or no certificate can be made.
    pub fn new(socket: UdpSocket, address: Option<IpAddr>, ingest: Ingest, metrics: Arc<Metrics>) -> anyhow::Result<Self> {
        let endpoint = Endpoint::new(socket, address)?;
        let terms = Terms::new(endpoint.candidates().to_vec())?;
        let settings = Settings { max_connections: MOST, max_connections_per_ip: MOST_OF_ONE, ..Settings::default() };
        let gate = Arc::new(Gate::new(&settings, metrics));
        tokio::spawn(Arc::clone(&endpoint).run());
        Ok(Self(Arc::new(Inner { ingest, endpoint, terms, gate })))
    }

    /// Tells all publishers that it is over for now: they may come again. Waits until they are told, but not for long.
    pub async fn end(&self) {
        let _ = timeout(END, self.0.endpoint.end()).await;
    }

    /// Answers a request for `/whip/NAME` or a session below it. Nothing is read of its body before it is known to be welcome.
    pub async fn handle(&self, path: IngestPath, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let inner = Arc::clone(&self.0);
        let done = match (&parts.method, path.file.is_empty()) {
            (&Method::OPTIONS, _) => return options(&path),
            // Whoever reads offers may be wrong about them: that is the end of this request alone.
            (&Method::POST, true) => tokio::spawn(async move { inner.publish(path, &parts, body).await }).await,
            (&Method::DELETE, false) => Ok(inner.delete(&path, &parts).await),
            // Neither candidates nor restarts are taken later (RFC 9725 4.3).
            _ => return not_allowed(&path),
        };
        let done = done.unwrap_or_else(|error| Err(Fault::Internal(error.to_string()).into()));
        let mut response = done.unwrap_or_else(|refusal| {
            let figures = self.0.ingest.0.streams.figures();
            figures.ingest_faults.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            refusal.answer()
        });
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl Inner {
    /// Takes an offer, and whoever made it as the publisher of the stream.
    async fn publish(&self, path: IngestPath, request: &Parts, body: RequestBody) -> Result<Response, Refusal> {
        let from = self.admit(&path, request).await?;
        let fields = &request.headers;
        if media_type(fields) != Some(SDP) {
            return Err(Refusal::Status(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("an offer is of type {SDP} (RFC 9725 4.2)")));
        }
        if !accepts_sdp(fields) {
            return Err(Refusal::Status(StatusCode::NOT_ACCEPTABLE, format!("an answer is of type {SDP}")));
        }
        let place = from.map(|from| self.gate.connection(from).ok_or(Fault::Full)).transpose()?;
        let url = request.uri.path().trim_end_matches('/');
        let offer = read(body).await?;
        let accepted = self.terms.accept(&offer)?;
        let id = id().map_err(|error| Fault::Internal(error.to_string()))?;
        let ingest = &self.ingest.0;
        let session = ingest.sessions.begin(&ingest.streams, &path.name, Manner::Body, false).await?;
        let way = self.endpoint.open(path.name, id.clone(), accepted.ice.clone());
        let answer = accepted.answer.clone();
        let (publisher, ingest) = (Publisher::new(accepted, way, session), Arc::clone(ingest));
        tokio::spawn(async move {
            Box::pin(publisher.run(&ingest)).await;
            drop(place);
        });
        Ok(created(&answer, &format!("{url}/{id}"), &id))
    }

    /// Ends a session, for who may publish the stream.
    async fn delete(&self, path: &IngestPath, request: &Parts) -> Result<Response, Refusal> {
        self.admit(path, request).await?;
        let [id] = path.file.as_slice() else { return Err(nothing()) };
        if !self.endpoint.close(&path.name, id) {
            return Err(nothing());
        }
        Ok(Response::new(Body::default()))
    }

    /// Lets in who may publish the stream; from where that is.
    async fn admit(&self, path: &IngestPath, request: &Parts) -> Result<Option<IpAddr>, Fault> {
        let from = request.extensions.get::<Peer>().map(|peer| peer.address.ip());
        let credentials = Credentials::of(from, &request.headers, path.key.as_deref());
        let credentials = if is_of_another_page(&request.headers, &request.uri) { credentials.of_anybody() } else { credentials };
        self.ingest.0.admit(&path.name, &credentials).await?;
        Ok(from)
    }
}

/// Whether a page of another origin asks: that it runs on this machine says nothing of who made it.
fn is_of_another_page(fields: &HeaderMap, uri: &Uri) -> bool {
    let Some(origin) = fields.get(header::ORIGIN) else { return false };
    let host = || fields.get(header::HOST).and_then(|host| host.to_str().ok());
    let own = uri.authority().map(http::uri::Authority::as_str).or_else(host);
    let theirs = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    theirs.is_none() || theirs != own
}

/// The type of the body, without parameters.
fn media_type(fields: &HeaderMap) -> Option<&str> {
    fields.get(header::CONTENT_TYPE)?.to_str().ok()?.split(';').next().map(str::trim)
}

fn accepts_sdp(fields: &HeaderMap) -> bool {
    let Some(accept) = fields.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()) else { return true };
    accept.split(',').filter_map(|range| range.split(';').next()).any(|range| [SDP, "application/*", "*/*"].contains(&range.trim()))
}

/// The whole of an offer.
async fn read(mut body: RequestBody) -> Result<String, Refusal> {
    let mut bytes = BytesMut::new();
    let all = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Fault::Cut(error.to_string()))?;
            bytes.extend_from_slice(frame.data_ref().map_or(&[][..], Bytes::as_ref));
            if bytes.len() > LONGEST_OFFER {
                return Err(Refusal::Status(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("an offer of more than {LONGEST_OFFER} bytes is not read"),
                ));
            }
        }
        Ok(())
    };
    timeout(OFFER, all).await.unwrap_or_else(|_| Err(Fault::Cut("it takes too long".into()).into()))?;
    String::from_utf8(bytes.into()).map_err(|_| Refusal::Status(StatusCode::BAD_REQUEST, "the offer is no text in UTF-8".into()))
}

/// The name of a session, which nobody can guess.
fn id() -> io::Result<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("no randomness"))?;
    Ok(HEXLOWER.encode(&bytes))
}

fn nothing() -> Refusal {
    Refusal::Status(StatusCode::NOT_FOUND, "there is no such session, or not any more".into())
}

fn created(answer: &str, location: &str, id: &str) -> Response {
    let body = Bytes::copy_from_slice(answer.as_bytes());
    let length = body.len();
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SDP));
    headers.insert(header::CONTENT_LENGTH, length.into());
    for (name, value) in [(header::LOCATION, location.to_owned()), (header::ETAG, format!("\"{id}\""))] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    response
}

/// What may be done at a path.
fn methods(path: &IngestPath) -> HeaderValue {
    HeaderValue::from_static(if path.file.is_empty() { "POST, OPTIONS" } else { "DELETE, OPTIONS" })
}

fn options(path: &IngestPath) -> Response {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, methods(path));
    headers.insert("accept-post", HeaderValue::from_static(SDP));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods(path));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

fn not_allowed(path: &IngestPath) -> Response {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "an offer is sent with POST, and a session ended with DELETE");
    response.headers_mut().insert(header::ALLOW, methods(path));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_origins() {
        for (origin, host, uri, expected) in [
            (None, Some("a.example"), "/whip/a", false),
            (Some("https://a.example"), Some("a.example"), "/whip/a", false),
            (Some("https://a.example:8443"), None, "https://a.example:8443/whip/a", false),
            (Some("https://b.example"), Some("a.example"), "/whip/a", true),
            (Some("http://localhost:3000"), Some("localhost:8080"), "/whip/a", true),
            (Some("null"), Some("a.example"), "/whip/a", true),
            (Some("https://a.example"), None, "/whip/a", true),
        ] {
            let fields = [(header::ORIGIN, origin), (header::HOST, host)];
            let fields = fields.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_static(value?)))).collect();
            assert_eq!(is_of_another_page(&fields, &uri.parse().unwrap()), expected, "{origin:?} {host:?} {uri}");
        }
    }

    #[test]
    fn what_is_accepted() {
        for (accept, expected) in [
            (None, true),
            (Some("application/sdp"), true),
            (Some("text/html, */*;q=0.8"), true),
            (Some("text/html, application/xml"), false),
        ] {
            let fields = accept.map(|value| (header::ACCEPT, HeaderValue::from_static(value))).into_iter().collect();
            assert_eq!(accepts_sdp(&fields), expected, "{accept:?}");
        }
    }
}
