//! Headers, segments and parts.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream::try_unfold;
use http::{HeaderValue, header};
use reelway_core::live::Piece;
use tokio::time::{Instant, timeout_at};

use super::{Refusal, etag, set};
use crate::{
    http::{Body, Content, Representation, Response},
    live::{self, Counted, Cursor, Log, Stream},
};

/// How long nobody should ask again for a part that is not there: it may come any moment.
const PART_AGAIN: Duration = Duration::from_secs(1);

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

/// `N.P.m4s`. One that is announced is waited for until all of it is there (RFC 8216bis 6.2.6).
pub(super) async fn part(stream: &Arc<Stream>, rendition: &str, segment: u32, part: u32) -> Result<Representation, Refusal> {
    let Found::Media(log) = wait(stream, rendition, segment, Some(part)).await? else { return Err(Refusal::NotFound(PART_AGAIN)) };
    let content = log.part(segment, part).ok_or(Refusal::Gone)?;
    Ok(represent(stream, &log, content, &format!("{rendition}-{segment}.{part}"), urgency(&log), cmsd(&log)))
}

/// `N.m4s`. One that is about to begin is waited for; one that grows is given as far as it is, and then as it comes.
pub(super) async fn segment(stream: &Arc<Stream>, rendition: &str, number: u32) -> Result<Segment, Refusal> {
    let log = match wait(stream, rendition, number, None).await? {
        Found::Media(log) => log,
        Found::Filler(log) => {
            let content = Content::from_bytes(Bytes::from_static(FILLER));
            return Ok(Segment::Closed(represent(stream, &log, content, &format!("{rendition}-{number}g"), urgency(&log), cmsd(&log))));
        }
    };
    Ok(match log.segment(number).ok_or(Refusal::Gone)? {
        live::Segment::Closed(content) => {
            Segment::Closed(represent(stream, &log, content, &format!("{rendition}-{number}"), urgency(&log), cmsd(&log)))
        }
        live::Segment::Growing(cursor) => {
            let parts = try_unfold((cursor, Arc::clone(stream)), |(mut cursor, stream)| async move {
                let bytes = next(&mut cursor, &stream).await?;
                Ok(bytes.map(|bytes| (bytes, (cursor, stream))))
            });
            let mut response = Response::new(Body::growing(parts));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(&log)));
            set(headers, header::CACHE_CONTROL, &keep(stream));
            set(headers, header::HeaderName::from_static("cmsd-static"), &cmsd(&log));
            set(headers, header::HeaderName::from_static("priority"), &format!("u={}, i", urgency(&log)));
            Segment::Growing(response)
        }
    })
}

async fn next(cursor: &mut Cursor, stream: &Stream) -> std::io::Result<Option<Bytes>> {
    let read = cursor.next_of_segment().await;
    if read.is_err() {
        stream.figures.too_slow();
    }
    read
}

/// What is there under a name.
enum Found {
    Media(Arc<Log>),
    /// Nothing, and nothing will be.
    Filler(Arc<Log>),
}

/// The log of a rendition once there is a segment or part in it that is about to come.
async fn wait(stream: &Arc<Stream>, rendition: &str, segment: u32, part: Option<u32>) -> Result<Found, Refusal> {
    let mut held: Option<(Counted, Instant)> = None;
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
                    let end = || Instant::now() + 3 * target;
                    held.get_or_insert_with(|| (Counted::new(Arc::clone(&stream.figures), |figures| &figures.held), end())).1
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

fn represent(stream: &Arc<Stream>, log: &Log, content: Content, place: &str, urgency: u8, cmsd: String) -> Representation {
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
    if log.is_video() { "video/mp4" } else { "audio/mp4" }
}

/// Sound, which is small, goes before pictures (RFC 9218 4.1).
fn urgency(log: &Log) -> u8 {
    if log.is_video() { 4 } else { 3 }
}

fn cmsd(log: &Log) -> String {
    format!("ot={},st=l", if log.is_video() { 'v' } else { 'a' })
}
