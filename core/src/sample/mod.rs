//! Samples, and the compact table that holds those of a track.

mod builder;
mod columns;
mod table;

use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;

pub use builder::SampleTableBuilder;
pub use table::{CHUNK, SampleTable, Samples};

/// One sample: when it is decoded and composed, how long it lasts, where its bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Decoding time in ticks of the track.
    pub decode_time: u64,
    /// Ticks of the track until the next sample is decoded.
    pub duration: u32,
    /// Composition time less decoding time, in ticks of the track.
    pub composition_offset: i32,
    /// Whether decoding can begin here.
    pub sync: bool,
    /// Byte of the input where it begins.
    pub offset: u64,
    /// Bytes.
    pub size: u32,
}

impl Sample {
    /// Composition time in ticks of the track, before the edit list.
    pub fn composition_time(&self) -> i64 {
        i64::try_from(self.decode_time).unwrap_or(i64::MAX).saturating_add(self.composition_offset.into())
    }

    /// The bytes of the sample in the input.
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.size.into())
    }
}

/// A sample of a stream that goes on, with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSample {
    /// Decoding time in ticks of the track, by the clock of the source.
    pub decode_time: u64,
    /// Ticks of the track until the next sample is decoded.
    pub duration: u32,
    /// Composition time less decoding time, in ticks of the track.
    pub composition_offset: i32,
    /// Whether decoding can begin here.
    pub sync: bool,
    /// Index in [`Track::sample_entries`](crate::track::Track::sample_entries).
    pub description: u8,
    /// Its bytes, in the pieces in which they came.
    pub payload: Vec<Bytes>,
}

impl LiveSample {
    /// Bytes of it.
    pub fn len(&self) -> u64 {
        self.payload.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
