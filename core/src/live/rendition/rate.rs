//! How many bits a second a rendition takes.

use crate::{time::Timescale, window::Segment};

/// Bytes of whole segments that are not gaps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    pub peak: u64,
    pub bytes: u64,
    pub ticks: u64,
}

impl Rate {
    pub(super) fn note(&mut self, segment: &Segment, scale: Timescale) {
        self.bytes = self.bytes.saturating_add(segment.bytes);
        self.ticks = self.ticks.saturating_add(segment.duration);
        // What a segment of half a second and longer needs.
        if segment.duration.saturating_mul(2) >= u64::from(scale.get()) {
            self.peak = self.peak.max(bits(segment.bytes, segment.duration, scale));
        }
    }

    /// Bits a second of all.
    pub fn average(&self, scale: Timescale) -> u64 {
        bits(self.bytes, self.ticks, scale)
    }
}

/// Bits a second.
pub fn bits(bytes: u64, ticks: u64, scale: Timescale) -> u64 {
    let bits = u128::from(bytes) * 8 * u128::from(scale.get());
    u64::try_from(bits.div_ceil(u128::from(ticks).max(1))).unwrap_or(u64::MAX)
}
