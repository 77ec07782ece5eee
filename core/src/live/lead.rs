//! The rendition that leads: where its key frames are, segments begin.

use alloc::format;

use super::{
    Epoch, Event, Live, SETTLE,
    cuts::Time,
    micros,
    rendition::{Desk, Rendition},
};
use crate::{
    codec::Kind,
    error::{Error, Result},
    time::{Moment, Seconds, Timescale, rescale},
};

/// What a sample of the rendition that leads does.
enum Step {
    /// It is the first of all. With its time and duration.
    Begin(Time, i64),
    /// It begins a segment.
    Cut(Time, i64),
    /// It begins a segment after the one before has ended.
    Resume(Time, i64),
    /// It does not follow what was before. With its time.
    Stop(Time),
    /// It belongs to the segment that is open.
    Take,
    /// It cannot be played.
    Drop,
    /// It comes when its time has been told to be missing.
    Late,
    Refuse(Error),
}

impl Live {
    /// The rendition that leads: the first of pictures, or sound where no pictures have come for a while.
    fn choose_leader(&mut self) -> Option<usize> {
        if self.leader.is_none() {
            let settled = self.first.is_some_and(|first| self.judged.since(first) >= SETTLE);
            let is_video = |index: &usize| self.renditions.get(*index).is_some_and(|found| found.track.kind() == Kind::Video);
            self.leader = self.leading().filter(|index| settled || is_video(index));
        }
        self.leader
    }

    /// The first rendition of pictures, or else of sound.
    pub(super) fn leading(&self) -> Option<usize> {
        let of = |kind: Kind| self.renditions.iter().position(|rendition| rendition.track.kind() == kind);
        of(Kind::Video).or_else(|| of(Kind::Audio))
    }

    /// Takes the samples of the rendition that leads: each begins a segment or belongs to the one that is open.
    pub(super) fn lead(&mut self, now: Moment) -> Result<()> {
        let Some(leader) = self.choose_leader() else { return Ok(()) };
        while let Some(step) = self.renditions.get(leader).and_then(|rendition| self.next_step(rendition)) {
            match step {
                Step::Begin(start, duration) => {
                    self.promise_parts(start.scale, duration);
                    let epoch = Epoch { zero: self.clock.zero(), delay: self.clock.delay() };
                    self.epoch = Some(epoch);
                    self.events.push_back(Event::Began(epoch));
                    self.cut(leader, start, duration, now);
                }
                Step::Cut(start, duration) => {
                    self.clock.settle(now);
                    self.promise_segments(start, true);
                    self.cut(leader, start, duration, now);
                }
                Step::Resume(start, duration) => {
                    self.late = None;
                    self.promise_parts(start.scale, duration);
                    self.fill(start, now);
                    self.cut(leader, start, duration, now);
                }
                Step::Stop(next) => {
                    self.stop(Some(next), false, now);
                    continue;
                }
                Step::Take => {}
                Step::Drop => {
                    self.renditions.get_mut(leader).and_then(Rendition::unwait);
                    continue;
                }
                Step::Late => {
                    self.renditions.get_mut(leader).and_then(Rendition::unwait);
                    self.note_late(now);
                    continue;
                }
                Step::Refuse(error) => {
                    self.renditions.get_mut(leader).and_then(Rendition::unwait);
                    return Err(error);
                }
            }
            self.advance(leader, now)?;
            let mut desk =
                Desk { config: &self.config, promise: &self.promise, pace: self.pace, clock: &self.clock, events: &mut self.events };
            if let Some(rendition) = self.renditions.get_mut(leader)
                && let Some(placed) = rendition.unwait()
            {
                rendition.add(placed, &mut desk)?;
            }
        }
        Ok(())
    }

    /// Where what comes stays too late, the source is as if its clock were set back.
    fn note_late(&mut self, now: Moment) {
        let since = *self.late.get_or_insert(now);
        if now.since(since) > micros(self.config.segment_target) {
            self.late = None;
            self.renditions.iter_mut().for_each(|rendition| rendition.place.behind = true);
        }
    }

    /// What the next sample of the rendition that leads does.
    fn next_step(&self, rendition: &Rendition) -> Option<Step> {
        let next = rendition.waiting.front()?;
        let scale = rendition.track.timescale;
        let (shown, duration) = (next.shown(), i64::from(next.sample.duration));
        let start = Time { ticks: shown, scale };
        let ticks = |micros: i64| rescale(micros, Timescale::MICROS, scale);
        let target = ticks(micros(self.config.segment_target));
        let Some(last) = self.cuts.last() else {
            return Some(if next.sample.sync && shown >= 0 { Step::Begin(start, duration) } else { Step::Drop });
        };
        let begun = last.start.in_scale(scale);
        if let Some(end) = self.cuts.stopped() {
            let late = shown < end.in_scale(scale).saturating_sub(duration / 2);
            return Some(match next.sample.sync {
                _ if late => Step::Late,
                true => Step::Resume(start, duration),
                false => Step::Drop,
            });
        }
        let missing = next.time.saturating_sub(rendition.decoded().in_scale(scale)) > target;
        if next.generation > last.generation || missing {
            return Some(Step::Stop(start));
        }
        let due = match rendition.track.kind() {
            // Multiples of the target, so that rounding does not add up.
            Kind::Audio => {
                let first = self.cuts.periods().last().map_or(begun, |period| period.start.in_scale(scale));
                let count = begun.saturating_sub(first).saturating_add(target / 2).checked_div(target).unwrap_or(0).saturating_add(1);
                first.saturating_add(target.saturating_mul(count))
            }
            _ => begun.saturating_add(target),
        };
        if next.sample.sync && shown >= due.saturating_sub(duration / 2) {
            return Some(Step::Cut(start, duration));
        }
        let lasts = shown.saturating_add(duration).saturating_sub(begun);
        if lasts > ticks(self.longest()).saturating_add(duration / 2) {
            return Some(Step::Refuse(self.too_far(rendition, lasts)));
        }
        Some(Step::Take)
    }

    fn too_far(&self, rendition: &Rendition, ticks: i64) -> Error {
        let lasts = Seconds { ticks: u64::try_from(ticks).unwrap_or(0), timescale: rendition.track.timescale, places: 2 };
        let seconds = self.config.segment_target.div_ceil(1000);
        let message = format!(
            "{} has had no key frame for {lasts} s, but players were promised segments of {} s at most; send a key frame every {seconds} s \
             (ffmpeg: -force_key_frames 'expr:gte(t,n_forced*{seconds})' -sc_threshold 0, or -g of {seconds} s of frames; OBS: Keyframe Interval)",
            rendition.name,
            self.longest() / 1_000_000
        );
        Error::unsupported(message).by("RFC 8216bis 4.4.3.1")
    }

    fn cut(&mut self, leader: usize, start: Time, duration: i64, now: Moment) {
        let audio = self.renditions.get(leader).is_some_and(|rendition| rendition.track.kind() == Kind::Audio);
        let target = rescale(micros(self.config.segment_target), Timescale::MICROS, start.scale);
        // Sound alone has its cuts at multiples; pictures tell by their first segment how far key frames are apart.
        let regular = (if audio { duration } else { duration / 2 }, audio.then_some(target));
        self.cuts.push(start, regular, &self.clock, now);
        self.changed = (now, self.changed.1 + 1);
    }

    /// The last segment ends with what there is of it, and where what leads goes on at `next`, there, however far the others are. `all`: with
    /// all that waits.
    pub(super) fn stop(&mut self, next: Option<Time>, all: bool, now: Moment) {
        let Some(last) = self.cuts.last().copied() else { return };
        if self.cuts.stopped().is_none() {
            // Text that came for later does not make it longer.
            let media = self.renditions.iter().filter(|rendition| !rendition.is_text());
            let ends = media.map(|rendition| rendition.end(last.generation));
            let leader = self.leader.and_then(|leader| self.renditions.get(leader)).map(|leader| leader.end(last.generation));
            if let Some(end) = ends.max_by_key(|end| end.micros()) {
                // Its last pictures may be shown behind the first that follow.
                let next = next.zip(leader).map(|(next, led)| if led.micros() > next.micros() { led } else { next });
                let end = next.filter(|next| next.micros() < end.micros()).unwrap_or(end);
                self.promise_segments(end, false);
                self.cuts.stop(end);
                self.changed = (now, self.changed.1 + 1);
            }
        }
        // Nothing that waits can break a promise: it was taken.
        let _ = self.follow(now, all);
    }

    /// Gaps from where the last segment ended to `start`.
    fn fill(&mut self, start: Time, now: Moment) {
        let Some(end) = self.cuts.stopped() else { return };
        let target = rescale(micros(self.config.segment_target), Timescale::MICROS, end.scale).max(1);
        let missing = start.in_scale(end.scale).saturating_sub(end.ticks);
        if missing <= target / 2 {
            return;
        }
        let most = i64::try_from(self.config.most_segments()).unwrap_or(i64::MAX);
        let count = (missing.saturating_add(target / 2) / target).clamp(1, most);
        for _ in 0..count {
            self.cuts.push_gap(missing / count, &self.clock, now);
        }
    }
}
