//! What time alone brings: that something is missing, and that it is waited for no longer.

use super::{Live, SETTLE, Source, micros};
use crate::time::{Moment, Timescale, rescale};

impl Live {
    /// When [`handle_timeout`](Self::handle_timeout) is to be called, if nothing comes before.
    pub fn timeout(&self) -> Option<Moment> {
        let due = self.due()?;
        Some(self.excused.map_or(due, |until| due.max(until)))
    }

    /// When something is due.
    fn due(&self) -> Option<Moment> {
        let lost = match self.source {
            Source::Here => None,
            Source::Lost(at) => Some(at.after(micros(self.config.grace))),
            Source::Ended => return None,
        };
        let settle = self.first.filter(|_| self.leader.is_none()).map(|first| first.after(SETTLE));
        let stall = self.cuts.last().map(|_| match self.cuts.stopped() {
            Some(end) => self.clock.zero().after(end.micros() + micros(self.config.segment_target) + self.clock.delay()),
            None => self.fed.after(self.patience()),
        });
        let late = self.renditions.iter().filter_map(|rendition| {
            let (_, made) = self.cuts.end_of(rendition.window.open.as_ref()?.number)?;
            Some(made.after(self.patience()))
        });
        [lost, settle, stall].into_iter().flatten().chain(late).min()
    }

    /// Does what time alone brings: publishes that something is missing, gives up waiting. Where the call comes late, its caller was held up,
    /// and what is waited for may lie unread: it is waited for as long again, a segment at most.
    pub fn handle_timeout(&mut self, now: Moment) {
        if self.is_excused(now) {
            return;
        }
        self.judged = now;
        if let Source::Lost(at) = self.source
            && now.since(at) >= micros(self.config.grace)
        {
            return self.end(now);
        }
        if self.source == Source::Ended {
            return;
        }
        // Samples that break a promise were refused when they came.
        let _ = self.lead(now);
        if self.cuts.last().is_some() && self.cuts.stopped().is_none() && now.since(self.fed) >= self.patience() {
            self.stop(None, false, now);
        }
        let target = micros(self.config.segment_target);
        let behind = self.clock.position(now).saturating_sub(self.clock.delay()).saturating_sub(target);
        for _ in 0..self.config.most_segments() {
            let Some(end) = self.cuts.stopped().filter(|end| end.micros() <= behind) else { break };
            self.cuts.push_gap(rescale(target, Timescale::MICROS, end.scale), &self.clock, now);
        }
        let _ = self.follow(now, false);
        self.note_at(now);
    }

    /// Whether what is due is put off.
    fn is_excused(&mut self, now: Moment) -> bool {
        let Some(due) = self.due() else { return false };
        // One of before, behind which all has come that was due then, says nothing.
        let excused = self.excused.take().filter(|until| due <= *until);
        let late = now.since(due.max(self.judged));
        self.excused = match excused {
            Some(until) => Some(until).filter(|until| now < *until),
            None if late > micros(self.config.part_target) => Some(now.after(late.min(micros(self.config.segment_target)))),
            None => None,
        };
        self.excused.is_some()
    }

    /// How long something that belongs to the stream is waited for, in microseconds.
    pub(super) fn patience(&self) -> i64 {
        i64::from(self.promise.target_duration).saturating_mul(1_000_000)
    }
}
