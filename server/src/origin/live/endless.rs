//! `/live/NAME/stream.mp4`: one picture and one sound, from the newest sync sample on, in one file without end.
//!
//! A player that can ask for nothing has only what has come in hand, and stands still when the next part is late. `?hold-back=2s` begins
//! that much earlier, with what is there already, and so gives it as much in hand.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{future::select_all, stream::try_unfold};
use http::{HeaderValue, header};
use reelway_core::{
    codec::Kind,
    segment::mux::{muxed_header, renumbered},
};
use tokio::time::{Instant, timeout_at};

use super::{Refusal, set};
use crate::{
    duration::parse_duration,
    http::{Body, Response},
    live::{Counted, Cursor, Log, Stream},
};

/// How long a viewer waits for a stream that has just begun.
const PATIENCE: Duration = Duration::from_secs(4);

/// A viewer.
struct Endless {
    stream: Arc<Stream>,
    tracks: Vec<Track>,
    /// What goes next.
    queue: VecDeque<Bytes>,
    /// The number of the last fragment.
    sequence: u32,
}

/// A track of a viewer.
struct Track {
    log: Arc<Log>,
    cursor: Cursor,
    /// The header that its parts are of.
    header: u32,
    /// Its number in the file.
    id: u32,
}

/// The stream as one file, as the query wants it.
pub(super) async fn endless(stream: &Arc<Stream>, query: &str) -> Result<Response, Refusal> {
    let (header, tracks) = begin(stream, hold_back(query)?).await?;
    let counted = Counted::new(Arc::clone(&stream.figures), |figures| &figures.endless);
    let endless = Endless { stream: Arc::clone(stream), tracks, queue: VecDeque::from([header]), sequence: 0 };
    let parts = try_unfold((endless, counted), |(mut endless, counted)| async move {
        Ok(endless.next().await?.map(|bytes| (bytes, (endless, counted))))
    });
    let mut response = Response::new(Body::growing(parts));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    set(headers, header::HeaderName::from_static("priority"), "u=4, i");
    Ok(response)
}

/// How far behind the newest part the file is to begin.
fn hold_back(query: &str) -> Result<Duration, Refusal> {
    let Some(text) = query.split('&').find_map(|pair| pair.strip_prefix("hold-back=")) else { return Ok(Duration::ZERO) };
    parse_duration(text).map_err(|error| Refusal::BadRequest(format!("hold-back: {error}")))
}

/// The newest picture that play can begin with and the sound beside it; sound alone where there is no picture. A stream that has just
/// begun is waited for, shortly.
async fn begin(stream: &Arc<Stream>, hold_back: Duration) -> Result<(Bytes, Vec<Track>), Refusal> {
    let mut changes = stream.changes();
    let end = Instant::now() + PATIENCE;
    loop {
        changes.mark_unchanged();
        let logs = stream.logs();
        let first = |kind: Kind| logs.iter().find(|log| log.kind() == kind && log.independent(0).is_some());
        let ready = stream.view().await.is_ready();
        let chosen: Vec<&Arc<Log>> = [first(Kind::Video), first(Kind::Audio)].into_iter().flatten().collect();
        if ready && let Some(leader) = chosen.first() {
            return start(&chosen, leader, hold_back).ok_or(Refusal::Unavailable);
        }
        if stream.is_ended() || timeout_at(end, changes.changed()).await.is_err() {
            return Err(Refusal::NotYet(PATIENCE));
        }
    }
}

/// The header of these tracks, and where each of them begins: beside an independent part of the leader.
fn start(logs: &[&Arc<Log>], leader: &Arc<Log>, hold_back: Duration) -> Option<(Bytes, Vec<Track>)> {
    let (segment, part, time) = leader.independent(i64::try_from(hold_back.as_micros()).unwrap_or(i64::MAX))?;
    let headers: Option<Vec<(u32, Bytes)>> = logs.iter().map(|log| log.last_header()).collect();
    let headers = headers?;
    let bytes: Vec<&[u8]> = headers.iter().map(|(_, bytes)| bytes.as_ref()).collect();
    let header = muxed_header(&bytes).ok()?;
    let tracks = logs.iter().zip(&headers).zip(1..).map(|((log, (number, _)), id)| {
        let (segment, part) = if Arc::ptr_eq(log, leader) { (segment, part) } else { log.at(time) };
        Track { cursor: log.cursor(segment, part), log: Arc::clone(log), header: *number, id }
    });
    Some((header.into(), tracks.collect()))
}

impl Endless {
    /// What goes next; `None` at the end, which is that of the stream, or a new header: a file has one.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(bytes) = self.queue.pop_front() {
                return Ok(Some(bytes));
            }
            for track in &mut self.tracks {
                // What is of another header would not be understood.
                if track.log.last_header().is_some_and(|(number, _)| number != track.header) {
                    return Ok(None);
                }
                while let Some(bytes) = track.cursor.next_if_there().inspect_err(|_| self.stream.figures.too_slow())? {
                    self.sequence = self.sequence.wrapping_add(1);
                    let (head, payload) = renumbered(&bytes, track.id, self.sequence).map_err(io::Error::other)?;
                    self.queue.extend([Bytes::from(head), bytes.slice(payload..)]);
                }
            }
            if !self.queue.is_empty() {
                continue;
            }
            if self.tracks.iter().all(|track| track.cursor.is_over()) {
                return Ok(None);
            }
            // Parts of all tracks wake it together.
            let waits = self.tracks.iter_mut().map(|track| Box::pin(track.cursor.wait()));
            select_all(waits).await;
        }
    }
}
