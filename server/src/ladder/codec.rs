//! The codecs that rungs are encoded in, with what is usual for their encoders.

use reelway_core::time::FrameRate;
use serde::{Deserialize, Serialize};

/// A codec of rungs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// H.264, which everything plays.
    #[default]
    H264,
    /// H.265.
    Hevc,
    /// AV1.
    Av1,
}

impl Codec {
    /// As it is written in options and names of files.
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Hevc => "hevc",
            Self::Av1 => "av1",
        }
    }

    /// ffmpeg's encoder for it.
    pub(super) fn encoder(self) -> &'static str {
        match self {
            Self::H264 => "libx264",
            Self::Hevc => "libx265",
            Self::Av1 => "libsvtav1",
        }
    }

    /// The preset of the encoder that is used unless another is named.
    pub(super) fn usual_preset(self) -> &'static str {
        match self {
            Self::H264 | Self::Hevc => "medium",
            Self::Av1 => "8",
        }
    }

    /// The quality that is aimed at below the cap: good for a film on a large screen.
    pub(super) fn usual_crf(self) -> u8 {
        match self {
            Self::H264 => 21,
            Self::Hevc => 24,
            Self::Av1 => 32,
        }
    }

    /// The cap that fits pictures of this size, in bits a second: 5 Mbit/s for H.264 of 1920x1080 at 30 frames a second and less; with the
    /// pixels it grows more slowly than they do, and half as much again for twice as many frames.
    pub(super) fn usual_bitrate(self, width: u32, height: u32, rate: FrameRate) -> u64 {
        /// (1920 * 1080)^(3/4).
        const FULL: u64 = 54_643;
        let pixels = u64::from(width) * u64::from(height);
        // The power of 3/4 in whole numbers.
        let root = pixels.isqrt();
        let power = (root * root.isqrt()).max(1);
        let fast = u64::from(rate.numerator) > 33 * u64::from(rate.denominator);
        let bits = 5_000_000 * power / FULL * if fast { 3 } else { 2 } / 2;
        let hundredths = match self {
            Self::H264 => 100,
            Self::Hevc => 65,
            Self::Av1 => 55,
        };
        // In whole kilobits.
        (bits * hundredths / 100_000 * 1000).max(100_000)
    }
}
