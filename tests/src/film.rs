//! A film that is uploaded by segments, without the client that browsers have.

use anyhow::Result;
use base64::{Engine, prelude::BASE64_STANDARD};
use reelway_core::{Demuxer, Options, Vod};
use serde_json::{Value, json};

use crate::movie::Movie;

/// A film, and what a client makes of it.
#[derive(Debug)]
pub struct Film {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its plan.
    pub vod: Vod,
    index: Vec<(u64, Vec<u8>)>,
}

impl Film {
    /// One of so many seconds.
    pub fn new(seconds: u32) -> Result<Self> {
        let bytes = Movie::simple(seconds, 1).write();
        let mut demuxer = Demuxer::new(bytes.len() as u64);
        let mut index = Vec::new();
        while let Some(range) = demuxer.required() {
            let part = &bytes[usize::try_from(range.start)?..usize::try_from(range.end)?];
            index.push((range.start, part.to_vec()));
            demuxer.handle(range.start, part)?;
        }
        Ok(Self { vod: Vod::new(vec![demuxer.finish()?], &Options::segments_of(4000))?, bytes, index })
    }

    /// What is sent first.
    pub fn announcement(&self) -> String {
        let index: Vec<Value> = self.index.iter().map(|(at, bytes)| json!({ "at": at, "bytes": BASE64_STANDARD.encode(bytes) })).collect();
        json!({ "size": self.bytes.len(), "segment": 4000, "name": "film.mp4", "index": index }).to_string()
    }

    /// The bytes of a segment.
    pub fn segment(&self, rendition: &str, number: u32) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for fragment in self.vod.segment(rendition, number)? {
            bytes.extend(fragment.head);
            for extent in fragment.extents {
                bytes.extend(&self.bytes[usize::try_from(extent.start)?..usize::try_from(extent.end)?]);
            }
        }
        Ok(bytes)
    }

    /// All segments, by rendition and number.
    pub fn segments(&self) -> Vec<(String, u32)> {
        let renditions = self.vod.presentation().renditions.iter();
        let counted =
            renditions.flat_map(|rendition| (1u32..).zip(&rendition.timeline.segments).map(|(number, _)| (rendition.name.clone(), number)));
        counted.collect()
    }
}
