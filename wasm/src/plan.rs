//! The plan of a file: its tracks, its manifests, and the heads and ranges of every segment.

use reelway_core::{Vod, codec::Media};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{
    error::{JsResult, throw},
    number,
};

/// A range of bytes of the file: `start` is in it, `end` is not.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The first byte.
    pub start: f64,
    /// The byte behind the last.
    pub end: f64,
}

impl From<std::ops::Range<u64>> for Range {
    fn from(range: std::ops::Range<u64>) -> Self {
        Self { start: number(range.start), end: number(range.end) }
    }
}

/// A track of the file, as a rendition.
#[wasm_bindgen(getter_with_clone)]
#[derive(Clone, Debug)]
pub struct Track {
    /// Its name in URLs: `v1`, `a1`, ...
    pub rendition: String,
    /// `video` or `audio`.
    pub kind: String,
    /// RFC 6381 codecs string.
    pub codec: String,
    /// BCP 47 tag, the shortest there is.
    pub language: Option<String>,
    /// Coded width in pixels.
    pub width: Option<u32>,
    /// Coded height in pixels.
    pub height: Option<u32>,
    /// Frames a second, as a fraction such as `30000/1001`.
    #[wasm_bindgen(js_name = frameRate)]
    pub frame_rate: Option<String>,
    /// Channels.
    pub channels: Option<u32>,
    /// Samples a second in Hz.
    #[wasm_bindgen(js_name = sampleRate)]
    pub sample_rate: Option<u32>,
    /// Number of samples.
    pub samples: u32,
    /// Number of segments.
    pub segments: u32,
    /// Bits a second on average.
    pub bitrate: f64,
}

/// A fragment of a segment: `head`, followed by `extents` of the file.
#[wasm_bindgen(getter_with_clone)]
#[derive(Clone, Debug)]
pub struct Fragment {
    /// The bytes that are made.
    pub head: Vec<u8>,
    /// The ranges of the file that follow them, in order.
    pub extents: Vec<Range>,
}

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
    /// Length of the presentation in milliseconds.
    #[wasm_bindgen(getter, js_name = durationMillis)]
    pub fn duration_millis(&self) -> f64 {
        number(self.vod.presentation().duration_millis())
    }

    /// The tracks that can be played: video first, then sound.
    pub fn tracks(&self) -> Vec<Track> {
        let renditions = self.vod.renditions().map(|(rendition, track)| {
            let (width, height, channels, sample_rate) = match &track.codec.media {
                Media::Video(video) => (Some(video.width), Some(video.height), None, None),
                Media::Audio(audio) => (None, None, Some(audio.channels), Some(audio.sample_rate)),
                Media::Text => (None, None, None, None),
            };
            Track {
                rendition: rendition.name.clone(),
                kind: rendition.kind().name().into(),
                codec: track.codec.string.clone(),
                language: rendition.language.clone(),
                width,
                height,
                frame_rate: rendition.frame_rate.map(|rate| rate.to_string()),
                channels,
                sample_rate,
                samples: track.samples.len(),
                segments: u32::try_from(rendition.timeline.segments.len()).unwrap_or(u32::MAX),
                bitrate: number(rendition.bandwidth.average),
            }
        });
        renditions.collect()
    }

    /// The HLS multivariant playlist.
    #[wasm_bindgen(js_name = multivariantPlaylist)]
    pub fn multivariant_playlist(&self) -> String {
        self.vod.multivariant_playlist()
    }

    /// The HLS media playlist of a rendition.
    ///
    /// # Errors
    ///
    /// There is no such rendition.
    #[wasm_bindgen(js_name = mediaPlaylist)]
    pub fn media_playlist(&self, rendition: &str) -> JsResult<String> {
        self.vod.media_playlist(rendition).map_err(throw)
    }

    /// The HLS playlist of the I-frames of a rendition of video.
    ///
    /// # Errors
    ///
    /// There is no such rendition, or it is sound.
    #[wasm_bindgen(js_name = iFramePlaylist)]
    pub fn i_frame_playlist(&self, rendition: &str) -> JsResult<String> {
        self.vod.i_frame_playlist(rendition).map_err(throw)
    }

    /// The DASH manifest.
    pub fn mpd(&self) -> String {
        self.vod.mpd()
    }

    /// The CMAF header of a rendition.
    ///
    /// # Errors
    ///
    /// There is no such rendition.
    pub fn header(&self, rendition: &str) -> JsResult<Vec<u8>> {
        self.vod.header(rendition).map_err(throw)
    }

    /// Segment `number`, from 1, of a rendition: its fragments, one behind the other.
    ///
    /// # Errors
    ///
    /// There is no such rendition or segment.
    pub fn segment(&self, rendition: &str, number: u32) -> JsResult<Vec<Fragment>> {
        let fragments = self.vod.segment(rendition, number).map_err(throw)?.into_iter();
        Ok(fragments.map(|part| Fragment { head: part.head, extents: part.extents.into_iter().map(Range::from).collect() }).collect())
    }
}
