//! Ingest over HTTP: what encoders PUT and POST below `/ingest/NAME` becomes a live stream; and over RTMP, in [`Rtmp`], WebRTC, in [`Whip`], and
//! SRT, through ffmpeg.
//!
//! ```text
//! request, RTMP or WebRTC -> key -> session (who publishes) -> source (demuxer) -> live
//! ```
//!
//! | what comes | is |
//! |---|---|
//! | `/ingest/NAME` | one body without end, fragmented MP4 or a transport stream; with `Content-Range` a series of requests that go on with it (GStreamer) |
//! | `/ingest/NAME/FILE` | the headers and segments of renditions, each a file: ffmpeg `-f dash` and `-f hls`, DASH-IF Interface-1 |
//! | manifests of the encoder, `DELETE` | taken and left alone: Reelway writes its own, and keeps what it has |

mod fault;
mod naming;
mod rtmp;
mod session;
mod source;
pub mod srt;
pub mod whip;

use std::{net::IpAddr, sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use reelway_core::live::Live;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::{
    auth::{Credentials, Gate, Verdict},
    http::{Body, IngestPath, Request as HttpRequest, RequestBody, Response, StreamName, problem},
    live::{Stream, Streams},
    net::Peer,
};
use fault::Fault;
use naming::FileKey;
pub use rtmp::Rtmp;
use session::{Manner, Request, Session, Sessions};
use source::{Progress, SYNC_BYTE, Source};
pub use srt::SrtFront;
pub use whip::Whip;

/// Takes what encoders send. Clones are the same one.
#[derive(Clone)]
pub struct Ingest(Arc<Inner>);

struct Inner {
    streams: Arc<Streams>,
    gate: Gate,
    sessions: Arc<Sessions>,
}

/// The methods of encoders.
const METHODS: HeaderValue = HeaderValue::from_static("PUT, POST, DELETE, OPTIONS");

/// How far media may run before the clock until reading is paused: more than an encoder sends at once, less than a viewer would miss.
const MOST_AHEAD: Duration = Duration::from_secs(3);

/// The longest manifest that is read, to be left alone.
const MOST_MANIFEST: u64 = 16 << 20;

/// How long a segment waits for its header, where other requests are under way that may bring it.
const HEADER_PATIENCE: Duration = Duration::from_secs(3);

impl Ingest {
    /// Takes streams into `streams` from those whom `gate` admits.
    pub fn new(streams: Arc<Streams>, gate: Gate) -> Self {
        Self(Arc::new(Inner { streams, gate, sessions: Arc::default() }))
    }

    /// Ends a stream, whoever publishes it.
    pub async fn end(&self, stream: &Stream) {
        self.0.sessions.dismiss(&stream.name).await;
        stream.publish(Live::end).await;
    }

    /// Answers a request of an encoder. Nothing is read of its body before it is known to be welcome: until then `100 Continue` is not
    /// sent either (RFC 9110 10.1.1).
    pub async fn handle(&self, path: IngestPath, request: HttpRequest) -> Response {
        let method = request.method().clone();
        if method == Method::OPTIONS {
            return options();
        }
        if ![Method::PUT, Method::POST, Method::DELETE].contains(&method) {
            let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "an encoder sends with PUT or POST");
            response.headers_mut().insert(header::ALLOW, METHODS);
            return response;
        }
        let inner = Arc::clone(&self.0);
        // When the encoder goes this future is dropped; what came of it is published all the same.
        let taken = tokio::spawn(async move { inner.take(path, method, request).await }).await;
        match taken.unwrap_or_else(|error| Err(Fault::Internal(error.to_string()))) {
            Ok(()) => done(),
            Err(fault) => {
                self.0.streams.figures().ingest_faults.fetch_add(1, Relaxed);
                if let Fault::Internal(error) = &fault {
                    tracing::error!(%error, "a publisher is turned away");
                }
                fault.answer()
            }
        }
    }
}

impl Inner {
    async fn take(&self, path: IngestPath, method: Method, request: HttpRequest) -> Result<(), Fault> {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.address.ip());
        self.admit(&path.name, &Credentials::of(peer, request.headers(), path.key.as_deref())).await?;
        if method == Method::DELETE {
            return Ok(());
        }
        let (parts, body) = request.into_parts();
        let result = match path.file.as_slice() {
            [] => self.take_body(&path, &parts.headers, body).await,
            file if naming::is_manifest(file) => discard(body).await,
            file => self.take_file(&path, file, peer, body).await,
        };
        if let Err(fault) = &result {
            tracing::info!(stream = %path.name, file = path.file.join("/"), ?fault, "a publisher's request came to nothing");
        }
        result
    }

    async fn admit(&self, name: &StreamName, credentials: &Credentials) -> Result<(), Fault> {
        let config = self.streams.config().get().stream(name);
        match self.gate.decide(name.as_str(), &config, credentials).await {
            Verdict::Admitted => Ok(()),
            Verdict::Unanswered => Err(Fault::Undecided),
            Verdict::Refused if credentials.has_key() => Err(Fault::Forbidden),
            Verdict::Refused => Err(Fault::Unauthorized),
        }
    }

    /// One body, or the next request of a series.
    async fn take_body(&self, path: &IngestPath, fields: &HeaderMap, body: RequestBody) -> Result<(), Fault> {
        let from = content_range(fields)?;
        let goes_on = from.is_some_and(|from| from > 0);
        let mut request = self.sessions.begin(&self.streams, &path.name, Manner::Body, goes_on).await?;
        let session = Arc::clone(&request.session);
        let source = Arc::clone(&session.body);
        let mut source = source.lock().await;
        if goes_on && from != Some(source.position) {
            return Err(Fault::Range { expected: source.position });
        }
        // A request with a length may be one of a series, and the next one goes on in the middle of a box.
        let ends_itself = from.is_none() && !fields.contains_key(header::CONTENT_LENGTH);
        let result = self.read(body, &mut request, &mut source).await;
        let result = if ends_itself || source.is_whole() { finish(result, &mut source, session.turn).await } else { result };
        match &result {
            Ok(Progress::Over) => self.sessions.end(&session, true).await,
            Ok(Progress::GoesOn) if !ends_itself => {}
            _ => self.sessions.end(&session, false).await,
        }
        result.map(drop)
    }

    /// Reads a body to its end. What came before a failure stays.
    async fn read(&self, mut body: RequestBody, request: &mut Request, source: &mut Source) -> Result<Progress, Fault> {
        let turn = request.session.turn;
        while let Some(bytes) = next(&mut body, request).await? {
            self.streams.figures().ingest_bytes.fetch_add(bytes.len() as u64, Relaxed);
            if source.take(bytes, turn).await? == Progress::Over {
                return Ok(Progress::Over);
            }
            self.pace(request, source).await?;
        }
        Ok(Progress::GoesOn)
    }

    /// Waits while the media runs too far before the clock.
    async fn pace(&self, request: &mut Request, source: &Source) -> Result<(), Fault> {
        let end = Instant::now() + source.ahead.saturating_sub(MOST_AHEAD);
        while Instant::now() < end {
            let step = Duration::from_millis(500).min(end - Instant::now());
            tokio::select! {
                () = sleep(step) => request.came(),
                () = request.replaced() => return Err(Fault::Replaced),
            }
        }
        Ok(())
    }

    /// A file of an encoder that sends each header and each segment by itself.
    async fn take_file(&self, path: &IngestPath, file: &[String], peer: Option<IpAddr>, mut body: RequestBody) -> Result<(), Fault> {
        let mut request = self.sessions.begin(&self.streams, &path.name, Manner::Files(peer), true).await?;
        let session = Arc::clone(&request.session);
        let mut first = BytesMut::new();
        while first.len() < 8 {
            match next(&mut body, &mut request).await? {
                Some(bytes) => first.extend_from_slice(&bytes),
                None if first.is_empty() => return Ok(()), // Interface-1: an encoder tries the way first
                None => return Err(Fault::NoMedia(format!("{} has only {} bytes", file.join("/"), first.len()))),
            }
        }
        let first = first.freeze();
        let is_transport = first.starts_with(&[SYNC_BYTE]);
        let is_header = match first.get(4..8) {
            _ if is_transport => true,
            Some(b"ftyp" | b"moov") => true,
            Some(b"styp" | b"moof" | b"prft" | b"emsg" | b"sidx" | b"free" | b"skip" | b"mdat" | b"mfra") => false,
            _ => {
                return Err(Fault::NoMedia(format!(
                    "{} is neither a fragmented MP4 (ISO/IEC 14496-12) nor a transport stream (ISO/IEC 13818-1)",
                    file.join("/")
                )));
            }
        };
        let source = match is_header {
            true if is_transport => session.source(FileKey::of_segment(file))?,
            true => session.source(FileKey::of(file))?,
            false => header_of(&session, file).await?,
        };
        let mut locked = source.lock().await;
        self.streams.figures().ingest_bytes.fetch_add(first.len() as u64, Relaxed);
        let result = match locked.take(first, session.turn).await {
            Ok(Progress::GoesOn) => self.read(body, &mut request, &mut locked).await,
            ended => ended,
        };
        let result = finish(result, &mut locked, session.turn).await;
        drop(locked);
        if matches!(result, Err(Fault::Media(_) | Fault::NoMedia(_))) {
            session.give_up(&source);
        }
        if is_header {
            session.progress.notify_waiters();
        }
        if result? == Progress::Over && session.is_last(&source) {
            drop(request);
            self.sessions.end(&session, true).await;
        }
        Ok(())
    }
}

/// A body has ended as `read` tells: what is not whole of it is forgotten.
async fn finish(read: Result<Progress, Fault>, source: &mut Source, turn: u64) -> Result<Progress, Fault> {
    match read {
        Ok(Progress::GoesOn) => source.end_body(turn).await,
        Err(fault) => {
            let _ = source.end_body(turn).await; // the first fault counts
            Err(fault)
        }
        over => over,
    }
}

/// The next bytes of a body; `None` at its end.
async fn next(body: &mut RequestBody, request: &mut Request) -> Result<Option<Bytes>, Fault> {
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = request.replaced() => return Err(Fault::Replaced),
        };
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(Fault::Cut(error.to_string())),
            Some(Ok(frame)) => {
                request.came();
                if let Ok(bytes) = frame.into_data()
                    && !bytes.is_empty()
                {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// The source of the segment at `file`. Its header may be on the way on another connection.
async fn header_of(session: &Session, file: &[String]) -> Result<Arc<Mutex<Source>>, Fault> {
    let end = Instant::now() + HEADER_PATIENCE;
    loop {
        let progress = session.progress.notified();
        if let Some(source) = session.source_of_segment(file)
            && source.lock().await.has_header()
        {
            return Ok(source);
        }
        if session.requests() <= 1 || timeout_at(end, progress).await.is_err() {
            return Err(Fault::NoHeader(file.join("/")));
        }
    }
}

/// Reads what is of no use here, within bounds.
async fn discard(mut body: RequestBody) -> Result<(), Fault> {
    let mut bytes = 0;
    let all = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Fault::Cut(error.to_string()))?;
            bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
            if bytes > MOST_MANIFEST {
                return Err(Fault::NoMedia(format!("a manifest of more than {MOST_MANIFEST} bytes is not read")));
            }
        }
        Ok(())
    };
    timeout(Duration::from_mins(1), all).await.unwrap_or_else(|_| Err(Fault::Cut("it takes too long".into())))
}

/// Where the bytes of a request with `Content-Range: bytes FIRST-LAST/*` begin (RFC 9110 14.4, 14.5).
fn content_range(fields: &HeaderMap) -> Result<Option<u64>, Fault> {
    let Some(field) = fields.get(header::CONTENT_RANGE) else { return Ok(None) };
    let first = field.to_str().ok().and_then(|text| text.trim().strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok());
    first.map(Some).ok_or(Fault::MalformedRange)
}

fn options() -> Response {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type, Content-Range"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

fn done() -> Response {
    let mut response = Response::new(Body::default());
    response.headers_mut().insert(header::CONTENT_LENGTH, 0.into());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_go_on() {
        for (field, expected) in [
            (None, Some(None)),
            (Some("bytes 0-99/*"), Some(Some(0))),
            (Some("bytes 4096-8191/*"), Some(Some(4096))),
            (Some("bytes 100-199/200"), Some(Some(100))),
            (Some("bytes */200"), None),
            (Some("items 0-9/*"), None),
            (Some("bytes x-9/*"), None),
        ] {
            let fields = field.map(|field| (header::CONTENT_RANGE, HeaderValue::from_static(field))).into_iter().collect();
            assert_eq!(content_range(&fields).ok(), expected, "{field:?}");
        }
    }
}
