//! `/vod/ID/...`: an upload as a presentation, as far as it has come.

use reelway_core::hls;

use super::{
    error::{Refusal, Result},
    store::Uploads,
    transfer::Upload,
};
use crate::{
    http::{Content, Representation, VodPart},
    origin::write_chapters,
};

const HLS: &str = "application/vnd.apple.mpegurl";
/// A segment that has arrived never changes.
const SEGMENT: &str = "public, max-age=31536000, immutable";

/// What a player finds.
pub enum Found {
    /// This.
    Here(Representation),
    /// What it looks for is there, as seen from here.
    There(&'static str),
}

/// Finds a part of the upload `id`. Once its ladder is whole, who begins to play is led there; who plays already goes on here.
pub fn find(uploads: &Uploads, id: &str, part: &VodPart) -> Result<Found> {
    let upload = uploads.find(id)?;
    let place = match part {
        VodPart::MultivariantPlaylist => Some("ladder/master.m3u8"),
        VodPart::Mpd => Some("ladder/manifest.mpd"),
        _ => None,
    };
    match place.filter(|_| uploads.ladder(id).is_dir()) {
        Some(place) => Ok(Found::There(place)),
        None => represent(&upload, part).map(Found::Here),
    }
}

/// A part of an upload. While it is not complete, playlists grow (RFC 8216bis 4.4.3.5) and tell of no I-frames, and the MPD is one that
/// grows, which is there once something is to be told of every rendition.
fn represent(upload: &Upload, part: &VodPart) -> Result<Representation> {
    let vod = &upload.vod;
    let complete = upload.is_complete();
    let missing = |_| Refusal::not_found();
    let text = |text: String, media_type| (Content::from_bytes(text), media_type, "public, no-cache");
    let media_type = |name: &str| vod.renditions().find(|(found, _)| found.name == name).map_or("", |(found, _)| found.kind().media_type());
    let there = |name: &str, number| if upload.has(name, number) { Ok(()) } else { Err(Refusal::not_found()) };
    let (content, media_type, cache_control) = match part {
        VodPart::MultivariantPlaylist if complete => text(vod.multivariant_playlist(), HLS),
        VodPart::MultivariantPlaylist => text(hls::multivariant_playlist(vod.presentation(), |_| None), HLS),
        VodPart::MediaPlaylist(name) if complete => text(vod.media_playlist(name).map_err(missing)?, HLS),
        VodPart::MediaPlaylist(name) => text(vod.event_playlist(name, upload.arrived(name)).map_err(missing)?, HLS),
        VodPart::IFramePlaylist(name) if complete => text(vod.i_frame_playlist(name).map_err(missing)?, HLS),
        VodPart::Mpd if complete => text(vod.mpd(), "application/dash+xml"),
        VodPart::Mpd if vod.presentation().renditions.iter().all(|rendition| upload.has(&rendition.name, 1)) => {
            text(vod.growing_mpd(&|rendition| upload.arrived(&rendition.name), upload.changed(), "/api/v1/time"), "application/dash+xml")
        }
        VodPart::Mpd => return Err(Refusal(http::StatusCode::NOT_FOUND, "the first segments are not there yet".into())),
        VodPart::IFramePlaylist(_) => {
            return Err(Refusal(http::StatusCode::NOT_FOUND, "this is there once all of the upload is".into()));
        }
        VodPart::Header(name) => (Content::from_bytes(vod.header(name).map_err(missing)?), media_type(name), SEGMENT),
        VodPart::Segment(name, number) => {
            there(name, *number)?;
            let fragments = vod.segment(name, *number).map_err(missing)?;
            (Content::from_fragments(fragments, upload.source.clone()), media_type(name), SEGMENT)
        }
        VodPart::Chapters => {
            let chapters = write_chapters(&upload.chapters(), vod.presentation()).ok_or_else(Refusal::not_found)?;
            text(chapters, "text/vtt")
        }
        VodPart::Key(_) | VodPart::ClearKey => return Err(Refusal::not_found()),
        VodPart::WebVttSegment(name, number) => {
            there(name, *number)?;
            (Content::from_bytes(vod.webvtt_segment(name, *number).map_err(missing)?), "text/vtt", SEGMENT)
        }
    };
    // Segments never change; a playlist does with what has arrived.
    let arrived: Vec<String> = match part {
        VodPart::Segment(..) | VodPart::WebVttSegment(..) | VodPart::Header(_) => Vec::new(),
        _ => vod.presentation().renditions.iter().map(|rendition| upload.arrived(&rendition.name).to_string()).collect(),
    };
    let etag = format!("{}-{}-{:x}-{}", upload.id, env!("CARGO_PKG_VERSION"), content.len(), arrived.join("."));
    Ok(Representation {
        content,
        coding: None,
        media_type,
        cache_control: cache_control.into(),
        etag,
        modified: None,
        urgency: None,
        cmsd: None,
    })
}
