//! `/api/v1/streams`: the live streams there are.

use reelway_core::time::Date;
use serde::Serialize;

use super::api;
use crate::{
    http::{Coding, Representation, Text},
    live::{Stream, Streams},
};

#[derive(Serialize)]
struct Listing {
    streams: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    name: String,
    state: &'static str,
    started: String,
    /// Milliseconds since something was published last.
    silence_ms: Option<i64>,
    viewers: usize,
    segment_ms: u64,
    part_ms: u64,
    window_ms: u64,
    /// The recording as a title.
    #[serde(skip_serializing_if = "Option::is_none")]
    vod: Option<String>,
    renditions: Vec<Rendition>,
    hls: String,
    dash: String,
    mp4: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rendition {
    id: String,
    /// The newest segment, and how many parts of it there are.
    segment: u32,
    parts: u32,
}

/// The list as it is now.
pub(super) struct Now(Listing);

pub(super) fn list(streams: &Streams) -> Now {
    Now(Listing { streams: streams.all().iter().map(|stream| entry(stream)).collect() })
}

impl Now {
    pub(super) fn represent(&self, preferred: Coding) -> Representation {
        let text = serde_json::to_vec(&self.0).unwrap_or_default();
        let etag = api::tag(&text);
        api::json(&Text::new(text), etag, preferred)
    }
}

fn entry(stream: &Stream) -> Entry {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let at = |file| format!("/live/{}/{file}", stream.name);
    Entry {
        name: stream.name.to_string(),
        state: match (stream.is_ended(), stream.is_published()) {
            (true, _) => "ended",
            (false, true) => "live",
            (false, false) => "waiting",
        },
        started: Date(i64::try_from(stream.session / 1000).unwrap_or(0)).to_string(),
        silence_ms: stream.silence(),
        viewers: stream.readers(),
        segment_ms: millis(stream.config.segment),
        part_ms: millis(stream.config.part),
        window_ms: millis(stream.config.window),
        vod: stream.recording.as_ref().map(|session| format!("/vod/live/{}/{session}/master.m3u8", stream.name)),
        renditions: stream
            .logs()
            .iter()
            .map(|log| {
                let edge = log.edge();
                Rendition { id: log.name.clone(), segment: edge.segment, parts: edge.parts }
            })
            .collect(),
        hls: at("master.m3u8"),
        dash: at("manifest.mpd"),
        mp4: at("stream.mp4"),
    }
}
