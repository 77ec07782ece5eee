//! The media core for JavaScript: a thin face on [`reelway_core`], which does all the work. The TypeScript beside it is what people use.
//!
//! ```js
//! const opener = new Opener(file.size);
//! for (let range; (range = opener.required()); ) {
//!   const [start, end] = range;
//!   opener.handle(start, new Uint8Array(await file.slice(start, end).arrayBuffer()));
//! }
//! const plan = opener.finish(4000);
//! JSON.parse(plan.describe()); plan.playlist('v1'); plan.segment('v1', 1); // head, then ranges of the file
//! ```
//!
//! Bytes of media never come here: a segment is its head and the ranges of the file that follow it. Sizes and positions are numbers of
//! JavaScript, exact up to 2^53. What has more than one field crosses as JSON or as an array of numbers: each class and each field of one
//! would cost bytes on both sides. What is thrown is JSON too, see `error.rs`.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

#[cfg(target_arch = "wasm32")]
mod bare;
mod describe;
mod error;
mod json;
mod plan;

use alloc::{boxed::Box, vec, vec::Vec};

use reelway_core::{Demuxer, Options, Vod};
use wasm_bindgen::prelude::wasm_bindgen;

pub use plan::{Plan, Segment};

use error::{JsResult, throw};

/// Reads the index of a file by asking for the ranges that it needs.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Opener {
    demuxer: Demuxer,
}

#[wasm_bindgen]
impl Opener {
    /// Opens a file of `size` bytes.
    #[wasm_bindgen(constructor)]
    pub fn new(size: f64) -> Self {
        Self { demuxer: Demuxer::new(whole(size)) }
    }

    /// The bytes that are needed next, from the first to behind the last; undefined when the index is complete.
    pub fn required(&self) -> Option<Box<[f64]>> {
        self.demuxer.required().map(|range| vec![number(range.start), number(range.end)].into())
    }

    /// Takes bytes of the file from `position` on: what is required, or more.
    ///
    /// # Errors
    ///
    /// The file is no MP4, or breaks its rules.
    pub fn handle(&mut self, position: f64, bytes: &[u8]) -> JsResult<()> {
        self.demuxer.handle(whole(position), bytes).map_err(throw)
    }

    /// The plan of the whole file, cut into segments of about `millis` milliseconds. The opener is used up.
    ///
    /// # Errors
    ///
    /// There is nothing in the file that can be played.
    pub fn finish(self, millis: u32) -> JsResult<Plan> {
        let movie = self.demuxer.finish().map_err(throw)?;
        let options = Options::segments_of(millis.max(1).into());
        Vod::new(Vec::from([movie]), &options).map(Plan::new).map_err(throw)
    }
}

/// A number of JavaScript as a position: what is none counts as 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, and positions are below 2^53")]
fn whole(number: f64) -> u64 {
    number as u64
}

/// A position as a number of JavaScript, exact for files below 8 PiB.
#[expect(clippy::cast_precision_loss, reason = "no file is that large")]
fn number(position: u64) -> f64 {
    position as f64
}
