//! Text as HLS has it: WebVTT, made of samples when it is asked for.

use std::{io, sync::Arc};

use reelway_core::live::webvtt as written;
use tokio::task::spawn_blocking;

use super::{
    Refusal,
    media::{Found, PART_AGAIN, closed, cmsd, represent, urgency, wait},
};
use crate::{
    http::{Content, Representation},
    live::Stream,
};

/// What stands in place of a segment of which nothing came.
const EMPTY: &str = "WEBVTT\n";

/// `N.vtt`, or `N.P.vtt` of part P. What is announced is waited for until all of it is there (RFC 8216bis 6.2.6).
pub(super) async fn webvtt(stream: &Arc<Stream>, rendition: &str, segment: u32, part: Option<u32>) -> Result<Representation, Refusal> {
    if !rendition.starts_with('t') {
        return Err(Refusal::NotFound(PART_AGAIN));
    }
    let (log, content) = match wait(stream, rendition, segment, part).await? {
        Found::Filler(log) => (log, None),
        Found::Media(log) => {
            let content = match part {
                Some(part) => log.part(segment, part),
                None => Some(closed(stream, &log, segment).await?),
            };
            (log, Some(content.ok_or(Refusal::Gone)?))
        }
    };
    let text = match content {
        None => EMPTY.into(),
        Some(content) => {
            let (_, header) = log.last_header().ok_or(Refusal::Gone)?;
            let media = if content.is_made() {
                content.read()
            } else {
                spawn_blocking(move || content.read()).await.map_err(io::Error::other).flatten()
            };
            media.ok().and_then(|media| written(header, media).ok()).ok_or(Refusal::NotFound(PART_AGAIN))?
        }
    };
    let place = part.map_or_else(|| format!("{rendition}-{segment}t"), |part| format!("{rendition}-{segment}.{part}t"));
    let made = represent(stream, &log, Content::from_bytes(text), &place, urgency(&log), cmsd(&log));
    Ok(Representation { media_type: "text/vtt", ..made })
}
