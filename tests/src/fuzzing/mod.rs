//! What fuzz targets do with any bytes, and the bytes that they begin with.
//!
//! The same functions run in two places: under libFuzzer, as long as one likes (`cargo xtask fuzz`), and in the tests, for seconds, with the
//! seeds and with changes of them that are the same in every run. A failure is a panic.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is what is looked for")]

pub mod announcement;
pub mod captions;
pub mod configuration;
pub mod fragments;
pub mod frames;
pub mod headers;
pub mod movie;
pub mod mutator;
pub mod publication;
pub mod request;
pub mod rtmp;
pub mod seeds;
pub mod srt;
pub mod stream;
pub mod subsamples;
pub mod text;
pub mod transport;
pub mod webrtc;

use anyhow::Result;

/// A fuzz target.
#[derive(Clone, Copy)]
pub struct Target {
    /// As `cargo fuzz` calls it.
    pub name: &'static str,
    /// What is done with any bytes.
    pub run: fn(&[u8]),
    /// What it begins with.
    pub seeds: fn() -> Result<Vec<Vec<u8>>>,
}

/// All of them; each has a file in `tests/fuzz/fuzz_targets`.
pub const TARGETS: [Target; 17] = [
    Target { name: "movie", run: movie::movie, seeds: seeds::movies },
    Target { name: "round_trip", run: movie::round_trip, seeds: seeds::movies },
    Target { name: "fragments", run: fragments::fragments, seeds: seeds::fragments },
    Target { name: "stream", run: stream::stream, seeds: seeds::streams },
    Target { name: "transport", run: transport::transport, seeds: seeds::packets },
    Target { name: "rtmp", run: rtmp::rtmp, seeds: seeds::publishers },
    Target { name: "srt", run: srt::srt, seeds: seeds::callers },
    Target { name: "webrtc", run: webrtc::webrtc, seeds: seeds::peers },
    Target { name: "configuration", run: configuration::configuration, seeds: seeds::configurations },
    Target { name: "subsamples", run: subsamples::subsamples, seeds: seeds::samples },
    Target { name: "captions", run: captions::captions, seeds: seeds::pictures },
    Target { name: "text", run: text::text, seeds: seeds::text },
    Target { name: "publication", run: publication::publication, seeds: seeds::publications },
    Target { name: "request", run: request::request, seeds: seeds::requests },
    Target { name: "announcement", run: announcement::announcement, seeds: seeds::announcements },
    Target { name: "headers", run: headers::headers, seeds: seeds::fields },
    Target { name: "frames", run: frames::frames, seeds: seeds::request_streams },
];

/// The target of that name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
