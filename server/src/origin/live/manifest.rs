//! Playlists and the MPD: written once a version, waited for where the request says so (RFC 8216bis 6.2.5).

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use reelway_core::{
    hls::{Decision, Directives, Edge},
    time::Moment,
};
use tokio::{sync::watch, time::sleep_until};

use super::{Refusal, etag};
use crate::{
    http::{Coding, Content, LivePart, Representation, Text},
    live::{Counted, Stream, Wanted},
};

const HLS: &str = "application/vnd.apple.mpegurl";
const DASH: &str = "application/dash+xml";

/// What players wait for most.
const URGENCY: u8 = 1;

/// The furthest that a viewer may ask to begin from either end, in seconds: as long as a window can be.
const FURTHEST: u32 = 7 * 86_400;

/// Where the query wants a viewer to begin: `start=SECONDS` behind the first picture or, with a minus, before the newest.
fn start(query: &str) -> Result<Option<i32>, Refusal> {
    let Some(text) = query.split('&').find_map(|pair| pair.strip_prefix("start=")) else { return Ok(None) };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let start = text.parse().ok().filter(|start: &i32| is_plain && start.unsigned_abs() <= FURTHEST);
    let refusal = || {
        Refusal::BadRequest(format!(
            "start has to be whole seconds from the beginning of what is kept or, with a minus, from its end, {FURTHEST} at most"
        ))
    };
    start.map(Some).ok_or_else(refusal)
}

/// The multivariant playlist, which tells viewers where to begin if the query does (RFC 8216bis 4.4.2.2), or the MPD. A stream that has just
/// begun is waited for, shortly.
pub(super) async fn whole(stream: &Arc<Stream>, part: &LivePart, query: &str, fields: &HeaderMap) -> Result<Representation, Refusal> {
    let is_mpd = *part == LivePart::Mpd;
    // Players of DASH keep it to themselves (ISO/IEC 23009-1 Annex C.4: `#t=0`).
    let wanted = if is_mpd { Wanted::Whole } else { start(query)?.map_or(Wanted::Whole, Wanted::From) };
    let mut changes = stream.changes();
    let (asked, mut end) = (stream.clock.now(), None);
    loop {
        changes.mark_unchanged();
        {
            let live = stream.view().await;
            let version = live.mpd_version();
            let write = || match wanted {
                Wanted::From(start) => live.multivariant_playlist_from(start),
                _ if is_mpd => live.mpd(),
                _ => live.multivariant_playlist(),
            };
            let text = if live.is_ready() { stream.texts.get(part, wanted, version, write) } else { None };
            if let Some(text) = text {
                let (media_type, format) = if is_mpd { (DASH, 'd') } else { (HLS, 'h') };
                let place = match wanted {
                    Wanted::From(start) => format!("{format}-{version}-from{start}"),
                    _ => format!("{format}-{version}"),
                };
                return Ok(represent(stream, fields, &text, media_type, "public, no-cache".into(), &place, cmsd(format, None)));
            }
            end.get_or_insert_with(|| stream.clock.instant(asked) + Duration::from_secs(live.promise().target_duration.into()));
        }
        let Some(end) = end else { return Err(Refusal::NotYet(Duration::from_secs(1))) };
        tokio::select! {
            () = changed(&mut changes) => {}
            () = sleep_until(end) => return Err(Refusal::NotYet(Duration::from_secs(1))),
        }
    }
}

/// The media playlist of a rendition, as soon as it is as the query wants it.
pub(super) async fn media_playlist(
    stream: &Arc<Stream>,
    rendition: &str,
    query: &str,
    fields: &HeaderMap,
) -> Result<Representation, Refusal> {
    let directives = Directives::parse(query).map_err(|error| Refusal::BadRequest(error.to_string()))?;
    let asked = stream.clock.now();
    let mut waited = None;
    let mut changes = None;
    loop {
        let until = {
            let live = stream.view().await;
            let target = Duration::from_secs(live.promise().target_duration.into());
            let id = live.find(rendition).ok_or(Refusal::NotFound(target))?;
            let now = stream.clock.now();
            match live.reload(id, &directives) {
                Decision::Ready => {
                    let version = live.edge(id).map_or(0, version);
                    let part = LivePart::MediaPlaylist(rendition.to_owned());
                    let write = || live.media_playlist(id, directives.skip);
                    let wanted = if directives.skip { Wanted::Delta } else { Wanted::Whole };
                    let text = stream.texts.get(&part, wanted, version, write).ok_or(Refusal::NotYet(target))?;
                    let ended = live.is_ended();
                    drop(live);
                    let cache = match directives.segment {
                        _ if ended => "public, no-cache".to_owned(),
                        Some(_) => format!("public, max-age={}", target.as_secs() * 6),
                        None => format!("public, max-age={}", target.as_secs() / 2),
                    };
                    let held = waited.is_some().then(|| now.0.saturating_sub(asked.0) / 1000);
                    let place = format!("{rendition}-{version}{}", if directives.skip { "-s" } else { "" });
                    return Ok(represent(stream, fields, &text, HLS, cache, &place, cmsd('h', held)));
                }
                Decision::Refuse => {
                    return Err(Refusal::BadRequest("_HLS_msn or _HLS_part is too far ahead (RFC 8216bis 6.2.5.2)".into()));
                }
                Decision::Wait => {
                    let until = Moment(asked.0.saturating_add(live.promise().hold_micros()));
                    if now >= until {
                        return Err(if live.edge(id).is_some() { Refusal::Unavailable } else { Refusal::NotYet(target) });
                    }
                    if changes.is_none() {
                        changes = Some(stream.log(id).map_or_else(|| stream.changes(), |log| log.changes()));
                        continue; // what came before it listened is looked at again
                    }
                    stream.clock.instant(until)
                }
            }
        };
        waited.get_or_insert_with(|| Counted::new(Arc::clone(&stream.figures), |figures| &figures.held));
        let Some(changes) = &mut changes else { continue };
        tokio::select! {
            () = changed(changes) => {}
            () = sleep_until(until) => {}
        }
    }
}

/// The version of a media playlist: where its rendition ends. What it tells of other renditions may lag (RFC 8216bis 4.4.5.4), so that all
/// who wait for a part get the same text.
fn version(edge: Edge) -> u64 {
    u64::from(edge.whole) << 32 | u64::from(edge.parts) << 1 | u64::from(edge.ended)
}

async fn changed(changes: &mut watch::Receiver<()>) {
    // The sender lives as long as the stream, which is held.
    let _ = changes.changed().await;
}

fn represent(
    stream: &Arc<Stream>,
    fields: &HeaderMap,
    text: &Text,
    media_type: &'static str,
    cache_control: String,
    place: &str,
    cmsd: String,
) -> Representation {
    let (coding, bytes) = text.coded(Coding::preferred(fields));
    Representation {
        content: Content::from_bytes(bytes),
        coding,
        media_type,
        cache_control: cache_control.into(),
        etag: etag(stream, place),
        modified: None,
        urgency: Some(URGENCY),
        cmsd: Some(cmsd),
    }
}

/// A manifest of a live stream, held for so many milliseconds (CTA-5006): a player would else take a long wait for a slow network.
fn cmsd(format: char, held: Option<i64>) -> String {
    let held = held.map_or_else(String::new, |millis| format!(",ht={millis}"));
    format!("ot=m,sf={format},st=l{held}")
}
