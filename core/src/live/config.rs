//! How a live stream is made. All of it is constant while the stream lasts, because players rely on it.

use alloc::{format, string::String};

use super::LiveEncryption;
use crate::{
    error::{Error, Result},
    window::PartAddressing,
};

/// How a live stream is made; lengths in milliseconds.
#[derive(Clone, Debug)]
pub struct Config {
    /// The segment duration that is aimed at: a segment ends at the first key frame from then on.
    pub segment_target: u32,
    /// The part duration that is aimed at; the promise is this, raised to whole frames.
    pub part_target: u32,
    /// The longest segment that is promised, raised to whole seconds; `None`: twice the segment target. A source whose key frames are
    /// further apart is refused.
    pub target_duration: Option<u32>,
    /// How far the first two key frames may be apart, where that is further than is promised: the promise then follows them, before the
    /// first playlist tells it. `None`: it is kept from the start.
    pub follow: Option<u32>,
    /// How much is listed.
    pub window: u32,
    /// How long viewers are held when the source is lost.
    pub grace: u32,
    /// The latency that players of DASH are to aim at; `None`: five parts, of which players of HLS keep three, one is being made, and one is
    /// for the way.
    pub latency: Option<u32>,
    /// Whether players of HLS may ask for playlists without what they have.
    pub delta_updates: bool,
    /// How players of HLS ask for parts.
    pub part_addressing: PartAddressing,
    /// Where players of DASH ask for the time, if somebody tells it: a URL that answers with a date of ISO 8601.
    pub utc_timing: Option<String>,
    /// Number of the first segment and of the first header, not 0. A stream that begins anew under the names of one before must not use
    /// numbers of that again.
    pub first_number: u32,
    /// How it is encrypted, if it is.
    pub encryption: Option<LiveEncryption>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            segment_target: 2000,
            part_target: 200,
            target_duration: None,
            follow: None,
            window: 60_000,
            grace: 15_000,
            latency: None,
            delta_updates: true,
            part_addressing: PartAddressing::default(),
            utc_timing: None,
            first_number: 1,
            encryption: None,
        }
    }
}

impl Config {
    /// An error where the lengths do not fit together.
    pub fn check(&self) -> Result<()> {
        let in_range = |name: &str, value: u32, least: u32, most: u32| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(Error::misuse(format!("the {name} of a live stream is {value} ms; it has to be {least} to {most} ms")))
        };
        in_range("segment target", self.segment_target, 500, 30_000)?;
        in_range("part target", self.part_target, 20, self.segment_target)?;
        in_range("target duration", self.target_duration.unwrap_or(self.segment_target), self.segment_target, 60_000)?;
        in_range("distance of key frames", self.follow.unwrap_or(self.segment_target), self.segment_target, 30_000)?;
        in_range("window", self.window, 1000, 7 * 86_400_000)?;
        in_range("grace time", self.grace, 0, 86_400_000)?;
        in_range("latency", self.latency.unwrap_or(100), 100, 120_000)?;
        let is_whole = self.encryption.as_ref().is_some_and(LiveEncryption::is_whole);
        if is_whole && self.part_addressing == PartAddressing::Ranges {
            return Err(
                Error::misuse("with AES-128 parts are encrypted each by itself: none is a range of its segment").by("RFC 8216bis 4.4.4.9")
            );
        }
        if self.first_number == 0 {
            // A player of HLS takes segment 0 for a stream that has not begun.
            return Err(Error::misuse("the first segment of a live stream has number 1 at least"));
        }
        Ok(())
    }

    /// `EXT-X-TARGETDURATION`.
    pub fn target_duration(&self) -> u32 {
        self.target_duration.unwrap_or(2 * self.segment_target).div_ceil(1000)
    }

    /// The most segments that are listed: what hostile clocks make short must not cost memory without end.
    pub fn most_segments(&self) -> usize {
        usize::try_from(self.window / self.segment_target).unwrap_or(usize::MAX).saturating_mul(2).saturating_add(64)
    }
}
