//! Start-over: a viewer that begins where it is told to, and not near the newest part (RFC 8216bis 4.4.2.2).

use alloc::string::String;
use core::fmt::Write;

use super::Live;
use crate::time::{Seconds, Timescale, rescale};

/// The least distance from the first picture that is told, in milliseconds: Shaka Player takes 0 for nothing said.
const LEAST: i64 = 1;

impl Live {
    /// The HLS multivariant playlist for viewers that begin `start` seconds behind the first picture that is listed or, where it is less
    /// than 0, before the newest; `None` while not [ready](Self::is_ready). Media playlists stay the same for all viewers.
    ///
    /// What is about to leave the window would be gone before it is played: those who ask for it begin a little later.
    pub fn multivariant_playlist_from(&self, start: i32) -> Option<String> {
        let mut text = self.multivariant_playlist()?;
        let offset = self.offset(i64::from(start).saturating_mul(1000));
        let seconds = Seconds { ticks: offset.unsigned_abs(), timescale: Timescale::MILLIS, places: 3 };
        let _ = writeln!(text, "\n#EXT-X-START:TIME-OFFSET={}{seconds}", if offset < 0 { "-" } else { "" });
        Some(text)
    }

    /// Where viewers begin that want to begin at `start`, in milliseconds.
    fn offset(&self, start: i64) -> i64 {
        // So long, at least, a segment stays that a viewer begins with: as far as players of no low latency lie behind the newest.
        let hold = self.promise.hold_micros() / 1000;
        let window = i64::from(self.config.window).max(hold);
        let stays = hold.min(window / 2);
        let furthest = if self.is_ended() { i64::MAX } else { window.saturating_sub(stays) };
        if start < 0 { start.max(furthest.saturating_neg()) } else { start.max(self.listed().saturating_sub(furthest)).max(LEAST) }
    }

    /// How much is listed of the rendition that leads, in milliseconds.
    fn listed(&self) -> i64 {
        let Some(leader) = self.leader.and_then(|leader| self.renditions.get(leader)) else { return 0 };
        let first = leader.window.segments.front().or(leader.window.open.as_ref()).map_or(0, |first| first.start);
        let ticks = leader.shown().saturating_sub(i64::try_from(first).unwrap_or(i64::MAX));
        rescale(ticks, leader.window.timescale, Timescale::MILLIS)
    }
}
