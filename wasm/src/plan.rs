//! The plan of a file: its tracks, its manifests, and the heads and ranges of every segment.

use alloc::{boxed::Box, string::String, vec::Vec};

use reelway_core::{Error, Vod};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{
    describe,
    error::{JsResult, throw},
    number,
};

/// The plan of a file.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Plan {
    vod: Vod,
}

impl Plan {
    pub(crate) fn new(vod: Vod) -> Self {
        Self { vod }
    }
}

#[wasm_bindgen]
impl Plan {
    /// Tracks and problems, as JSON.
    pub fn describe(&self) -> String {
        describe::plan(&self.vod)
    }

    /// The segments of a rendition, four numbers each: start and duration in ticks, bytes, and 0 or, where it can be decoded without
    /// those before it, 1.
    ///
    /// # Errors
    ///
    /// There is no such rendition.
    pub fn timeline(&self, rendition: &str) -> Box<[f64]> {
        let renditions = self.vod.presentation().renditions.iter().filter(|found| found.name == rendition);
        let segments = renditions.flat_map(|rendition| &rendition.timeline.segments);
        let numbers = segments.flat_map(|segment| [segment.start, segment.duration, segment.bytes, segment.closed.into()].map(number));
        numbers.collect()
    }

    /// A manifest by its path: `master.m3u8`, `manifest.mpd`, `REP/media.m3u8`, of video `REP/iframes.m3u8`, or of text, as HLS has it,
    /// a segment of WebVTT: `REP/N.vtt`.
    ///
    /// # Errors
    ///
    /// There is nothing of that name.
    pub fn text(&self, path: &str) -> JsResult<String> {
        let vod = &self.vod;
        let (rendition, name) = path.split_once('/').unwrap_or(("", path));
        let made = match (name, name.strip_suffix(".vtt").and_then(|number| number.parse().ok())) {
            ("master.m3u8", _) => Ok(vod.multivariant_playlist()),
            ("manifest.mpd", _) => Ok(vod.mpd()),
            ("media.m3u8", _) => vod.media_playlist(rendition),
            ("iframes.m3u8", _) => vod.i_frame_playlist(rendition),
            (_, Some(number)) => vod.webvtt_segment(rendition, number),
            _ => Err(Error::misuse("there is no manifest of that name")),
        };
        made.map_err(throw)
    }

    /// The CMAF header of a rendition.
    ///
    /// # Errors
    ///
    /// There is no such rendition.
    pub fn header(&self, rendition: &str) -> JsResult<Vec<u8>> {
        self.vod.header(rendition).map_err(throw)
    }

    /// Segment `number`, from 1, of a rendition.
    ///
    /// # Errors
    ///
    /// There is no such rendition or segment.
    pub fn segment(&self, rendition: &str, number: u32) -> JsResult<Segment> {
        let (mut heads, mut layout) = (Vec::new(), Vec::new());
        for fragment in self.vod.segment(rendition, number).map_err(throw)? {
            layout.push(crate::number(fragment.head.len() as u64));
            layout.push(crate::number(fragment.extents.len() as u64));
            layout.extend(fragment.extents.iter().flat_map(|extent| [extent.start, extent.end]).map(crate::number));
            heads.extend(fragment.head);
        }
        Ok(Segment { heads, layout })
    }
}

/// A segment: fragments one behind the other, each a head that is made and then ranges of the file.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Segment {
    heads: Vec<u8>,
    layout: Vec<f64>,
}

#[wasm_bindgen]
impl Segment {
    /// The heads of all fragments, one behind the other.
    pub fn heads(&self) -> Vec<u8> {
        self.heads.clone()
    }

    /// For each fragment the bytes of its head, the number of its ranges, and these: the first byte, and that behind the last. The
    /// segment is used up.
    pub fn layout(self) -> Vec<f64> {
        self.layout
    }
}
