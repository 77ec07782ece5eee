//! Timed text: WebVTT, SubRip and 3GPP timed text read to cues; cues written as WebVTT and as samples of ISO/IEC 14496-30.
//!
//! ```text
//! webvtt, srt, tx3g, wvtt -> cues -> wvtt samples, segments of WebVTT
//! ```

mod cues;
mod decode;
pub mod markup;
pub mod srt;
pub mod tx3g;
pub mod webvtt;
pub mod wvtt;

pub use cues::{Cue, Cues, Fault};

/// The largest text that is read of one track or one file, in bytes: subtitles of a film take a tenth of it.
pub const MAX_BYTES: usize = 4 << 20;
/// The most cues that may be shown at once: what splits samples must not make many of few.
pub const MAX_AT_ONCE: usize = 32;
