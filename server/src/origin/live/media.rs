//! Headers, segments and parts.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use reelway_core::{codec::Kind, live::Piece};
use tokio::time::{Instant, timeout_at};

use super::{Refusal, etag, growing, numbers, set};
use crate::{
    content_key::StreamKeys,
    http::{Content, Representation, Response, range_of_growing},
    live::{self, Counted, Cursor, Log, Stream},
};

/// How long nobody should ask again for a part that is not there: it may come any moment.
pub(super) const PART_AGAIN: Duration = Duration::from_secs(1);

/// A segment without media, of the brand `slat` (DASH-IF Live Media Ingest 6.4), in place of one that was not had. A player whose MPD is from before the
/// source was lost asks for it, and some players take an error for their end.
const FILLER: &[u8] = b"\0\0\0\x14stypslat\0\0\0\0slat";

/// A segment that is there.
pub(super) enum Segment {
    /// All of it.
    Closed(Representation),
    /// What comes of it.
    Growing(Response),
}

/// `init-K.mp4`.
pub(super) async fn header(stream: &Arc<Stream>, rendition: &str, number: u32) -> Result<Representation, Refusal> {
    let log = log(stream, rendition).await.ok_or(Refusal::NotFound(PART_AGAIN))?;
    let bytes = log.header(number).ok_or(Refusal::NotFound(PART_AGAIN))?;
    Ok(represent(stream, &log, Content::from_bytes(bytes), &format!("{rendition}-i{number}"), 2, "ot=i,st=l".into()))
}

/// `KID.key`: a key of AES-128.
pub(super) async fn key(stream: &Arc<Stream>, name: &str) -> Result<Representation, Refusal> {
    let keys = stream.keys.as_ref().filter(|keys| keys.are_of_segments()).ok_or(Refusal::NotFound(PART_AGAIN))?;
    let bytes = keys.bytes(name, numbers(stream).await).ok_or(Refusal::NotFound(PART_AGAIN))?;
    Ok(Representation {
        content: Content::from_bytes(bytes),
        coding: None,
        media_type: "application/octet-stream",
        cache_control: "no-store".into(),
        etag: etag(stream, name),
        modified: None,
        urgency: Some(2),
        cmsd: Some("ot=k,st=l".into()),
    })
}

/// `N.P.m4s`. One that is announced is waited for until all of it is there (RFC 8216bis 6.2.6).
pub(super) async fn part(stream: &Arc<Stream>, rendition: &str, segment: u32, part: u32) -> Result<Representation, Refusal> {
    let Found::Media(log) = wait(stream, rendition, segment, Some(part)).await? else { return Err(Refusal::NotFound(PART_AGAIN)) };
    let content = log.part(segment, part).ok_or(Refusal::Gone)?;
    Ok(represent(stream, &log, content, &format!("{rendition}-{segment}.{part}"), urgency(&log), cmsd(&log)))
}

/// `N.m4s`. One that is about to begin is waited for; one that grows is given as far as it is, and then as it comes, but where it is to be
/// encrypted whole: then it is waited for. A range of it that begins where it ends now is the next part of it, and is waited for as that
/// is (RFC 8216bis 6.2.6).
pub(super) async fn segment(
    stream: &Arc<Stream>,
    (rendition, number): (&str, u32),
    (method, fields): (&Method, &HeaderMap),
) -> Result<Segment, Refusal> {
    let log = match wait(stream, rendition, number, None).await? {
        Found::Media(log) => log,
        Found::Filler(log) => {
            let content = Content::from_bytes(Bytes::from_static(FILLER));
            return Ok(Segment::Closed(represent(stream, &log, content, &format!("{rendition}-{number}g"), urgency(&log), cmsd(&log))));
        }
    };
    let wanted = range_of_growing(method, fields);
    let is_whole = stream.keys.as_ref().is_some_and(StreamKeys::are_of_segments);
    let mut held = None;
    loop {
        let (so_far, mut cursor) = match log.segment(number).ok_or(Refusal::Gone)? {
            live::Segment::Closed(content) => {
                let closed = represent(stream, &log, content, &format!("{rendition}-{number}"), urgency(&log), cmsd(&log));
                return Ok(Segment::Closed(closed));
            }
            live::Segment::Growing(so_far, cursor) => (so_far, cursor),
        };
        let response = match wanted {
            None if !is_whole => growing::whole(stream, cursor),
            Some((first, last)) if !is_whole && first < so_far.len() => growing::range(stream, so_far, cursor, first, last),
            Some((first, _)) if !is_whole && first > so_far.len() => return Err(Refusal::NoRange),
            _ => {
                grows(stream, &mut held, &mut cursor).await?;
                continue;
            }
        };
        return Ok(Segment::Growing(described(response, stream, &log)));
    }
}

/// All of a segment, which is waited for until it is closed.
pub(super) async fn closed(stream: &Arc<Stream>, log: &Arc<Log>, number: u32) -> Result<Content, Refusal> {
    let mut held = None;
    loop {
        match log.segment(number).ok_or(Refusal::Gone)? {
            live::Segment::Closed(content) => return Ok(content),
            live::Segment::Growing(_, mut cursor) => grows(stream, &mut held, &mut cursor).await?,
        }
    }
}

/// Waits until something has come since the cursor last looked.
async fn grows(stream: &Arc<Stream>, held: &mut Option<Held>, cursor: &mut Cursor) -> Result<(), Refusal> {
    let target = stream.view().await.promise().target_duration;
    let end = held.get_or_insert_with(|| Held::new(stream, Duration::from_secs(target.into()))).end;
    timeout_at(end, cursor.wait()).await.map_err(|_| Refusal::NotFound(PART_AGAIN))
}

/// A response with what is told of a segment that grows.
fn described(mut response: Response, stream: &Stream, log: &Log) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(log)));
    set(headers, header::CACHE_CONTROL, &keep(stream));
    set(headers, header::HeaderName::from_static("cmsd-static"), &cmsd(log));
    set(headers, header::HeaderName::from_static("priority"), &format!("u={}, i", urgency(log)));
    response
}

/// A request that waits, but no longer than three target durations.
struct Held {
    end: Instant,
    _counted: Counted,
}

impl Held {
    fn new(stream: &Stream, target: Duration) -> Self {
        Self { end: Instant::now() + 3 * target, _counted: Counted::new(Arc::clone(&stream.figures), |figures| &figures.held) }
    }
}

/// What is there under a name.
pub(super) enum Found {
    Media(Arc<Log>),
    /// Nothing, and nothing will be.
    Filler(Arc<Log>),
}

/// The log of a rendition once there is a segment or part in it that is about to come.
pub(super) async fn wait(stream: &Arc<Stream>, rendition: &str, segment: u32, part: Option<u32>) -> Result<Found, Refusal> {
    let mut held = None;
    let mut changes = None;
    loop {
        let end = {
            let live = stream.view().await;
            let target = Duration::from_secs(live.promise().target_duration.into());
            let id = live.find(rendition).ok_or(Refusal::NotFound(PART_AGAIN))?;
            match live.piece(id, segment, part) {
                Piece::Ready => return stream.log(id).map(Found::Media).ok_or(Refusal::NotFound(PART_AGAIN)),
                Piece::Gap => return stream.log(id).map(Found::Filler).ok_or(Refusal::NotFound(PART_AGAIN)),
                Piece::Gone => return Err(Refusal::Gone),
                Piece::Missing => return Err(Refusal::NotFound(if part.is_some() { PART_AGAIN } else { target })),
                Piece::Soon => {
                    if changes.is_none() {
                        changes = Some(stream.log(id).map_or_else(|| stream.changes(), |log| log.changes()));
                        continue; // what came before it listened is looked at again
                    }
                    held.get_or_insert_with(|| Held::new(stream, target)).end
                }
            }
        };
        let Some(changes) = &mut changes else { continue };
        if timeout_at(end, changes.changed()).await.is_err() {
            return Err(Refusal::NotFound(PART_AGAIN));
        }
    }
}

async fn log(stream: &Arc<Stream>, rendition: &str) -> Option<Arc<Log>> {
    let id = stream.view().await.find(rendition)?;
    stream.log(id)
}

pub(super) fn represent(stream: &Arc<Stream>, log: &Log, content: Content, place: &str, urgency: u8, cmsd: String) -> Representation {
    Representation {
        content,
        coding: None,
        media_type: media_type(log),
        cache_control: keep(stream).into(),
        etag: etag(stream, place),
        modified: None,
        urgency: Some(urgency),
        cmsd: Some(cmsd),
    }
}

/// Media never changes under its name; nobody asks for it when it has left the window.
fn keep(stream: &Stream) -> String {
    format!("public, max-age={}, immutable", stream.config.window.as_secs())
}

fn media_type(log: &Log) -> &'static str {
    match log.kind() {
        Kind::Video => "video/mp4",
        Kind::Audio => "audio/mp4",
        Kind::Text | Kind::Metadata => "application/mp4",
    }
}

/// Sound, which is small, goes before pictures (RFC 9218 4.1).
pub(super) fn urgency(log: &Log) -> u8 {
    if log.is_video() { 4 } else { 3 }
}

pub(super) fn cmsd(log: &Log) -> String {
    let object = match log.kind() {
        Kind::Video => 'v',
        Kind::Audio => 'a',
        Kind::Text | Kind::Metadata => 'c',
    };
    format!("ot={object},st=l")
}
