//! What players are promised, where that waits for what comes: how long parts are, and how long segments may get.

use core::mem;

use super::{
    Event, Live,
    cuts::Time,
    micros,
    pace::{longer, whole_frames},
    rendition::Rendition,
};
use crate::time::{Timescale, rescale};

impl Live {
    /// How long the segment that grows may get, in microseconds.
    pub(super) fn longest(&self) -> i64 {
        let followed = self.config.follow.filter(|_| self.follows).map(micros);
        followed.unwrap_or(0).max(self.patience())
    }

    /// The first segment of all ends at `end`: from here on players are promised how long segments are at most. One that ends with a key
    /// frame tells how far key frames are apart; of any other as much is promised as may come.
    ///
    /// A source that keeps what is promised as usual changes nothing, so that nobody is later on air than usual, and no further behind.
    pub(super) fn promise_segments(&mut self, end: Time, with_key_frame: bool) {
        let (Some(last), Some(follow)) = (self.cuts.last(), self.config.follow) else { return };
        let lasts = end.micros().saturating_sub(last.start.micros());
        // Half a frame is no longer: that much is granted to every segment.
        let leader = self.leader.and_then(|leader| self.renditions.get(leader));
        let half = leader.map_or(0, |leader| Time { ticks: leader.step() / 2, scale: leader.window.timescale }.micros());
        if mem::take(&mut self.follows) && lasts > self.patience().saturating_add(half) {
            self.promise_distance(if with_key_frame { lasts } else { micros(follow) });
        }
    }

    /// A segment ends with the first key frame from the target on: at most as far behind it as key frames are apart, which is `micros`.
    pub(super) fn promise_distance(&mut self, distance: i64) {
        let longest = micros(self.config.segment_target).saturating_add(distance);
        let seconds = u64::try_from(longest).unwrap_or(0).div_ceil(1_000_000);
        self.promise.target_duration = u32::try_from(seconds).unwrap_or(u32::MAX).max(self.promise.target_duration);
        self.events.push_back(Event::Promised { target_duration: self.promise.target_duration });
    }

    /// The promise for parts: whole frames of what leads, and room for as many parts of sound as there are of it.
    pub(super) fn promise_parts(&mut self, scale: Timescale, duration: i64) {
        if mem::replace(&mut self.promised, true) {
            return;
        }
        let target = u64::try_from(rescale(self.config.part_target.into(), Timescale::MILLIS, scale)).unwrap_or(0);
        let frame = u64::try_from(duration).unwrap_or(1).max(1);
        self.pace = (target.div_ceil(frame).max(1).saturating_mul(frame), scale);
        let sounds = self.renditions.iter().filter_map(Rendition::frame_of_sound);
        self.promise.part_target = sounds.map(|frame| whole_frames(frame, self.pace)).fold(self.pace, longer);
    }
}
