//! The renditions that follow: their samples wait until it is known in which segment they belong.

use alloc::format;

use super::{
    Live,
    cuts::Time,
    micros,
    rendition::{Desk, Rendition},
};
use crate::{
    codec::Kind,
    error::{Error, Result},
    time::{Moment, Seconds, Timescale},
};

impl Live {
    /// All renditions but the one that leads take what is known to belong somewhere; all close segments that are over. `force`: nothing is
    /// waited for.
    pub(super) fn follow(&mut self, now: Moment, force: bool) -> Result<()> {
        let mut done = Ok(());
        for index in 0..self.renditions.len() {
            let is_text = self.renditions.get(index).is_some_and(Rendition::is_text);
            let result = match self.leader {
                Some(leader) if leader == index => self.advance(index, now),
                _ if is_text => self.follow_text(index, now, force),
                _ => self.follow_one(index, now, force),
            };
            done = done.and(result);
        }
        let needed = self.renditions.iter().map(|rendition| rendition.window.open.as_ref().map_or(rendition.next, |open| open.number));
        let periods = self.renditions.iter().filter_map(|rendition| rendition.window.segments.front().map(|first| first.period));
        // The one before the next is needed to know where that begins.
        self.cuts.forget(needed.min().unwrap_or(0).saturating_sub(1), periods.min().unwrap_or(0));
        done
    }

    /// The rendition that leads closes what is over and opens what begins.
    pub(super) fn advance(&mut self, index: usize, now: Moment) -> Result<()> {
        let mut desk = Desk { config: &self.config, promise: &self.promise, pace: self.pace, clock: &self.clock, events: &mut self.events };
        let Some(rendition) = self.renditions.get_mut(index) else { return Ok(()) };
        let video = rendition.track.kind() == Kind::Video;
        loop {
            if let Some(open) = &rendition.window.open {
                let Some((end, _)) = self.cuts.end_of(open.number) else { return Ok(()) };
                rendition.close(end, video, &mut desk)?;
                self.changed = (now, self.changed.1 + 1);
            } else {
                let Some(cut) = self.cuts.get(rendition.next) else { return Ok(()) };
                rendition.open(cut);
            }
        }
    }

    fn follow_one(&mut self, index: usize, now: Moment, force: bool) -> Result<()> {
        let (patience, judged) = (self.patience(), self.judged);
        let target = micros(self.config.segment_target);
        // No key frame of the rendition that leads is presented before this.
        let leader = self.leader.and_then(|leader| self.renditions.get(leader));
        let half = leader.map_or(0, |leader| Time { ticks: leader.step() / 2, scale: leader.window.timescale }.micros());
        let led = leader.map_or(0, |leader| leader.decoded().micros());
        let frontier = self.cuts.last().map_or(0, |last| last.start.micros().saturating_add(target).saturating_sub(half).max(led));
        let mut desk = Desk { config: &self.config, promise: &self.promise, pace: self.pace, clock: &self.clock, events: &mut self.events };
        let Some(rendition) = self.renditions.get_mut(index) else { return Ok(()) };
        let (scale, video) = (rendition.track.timescale, rendition.track.kind() == Kind::Video);
        loop {
            let Some(open) = rendition.window.open.as_ref().map(|open| open.number) else {
                let Some(cut) = self.cuts.get(rendition.next) else { return Ok(()) };
                rendition.open(cut);
                continue;
            };
            let Some(cut) = self.cuts.get(open) else { return Ok(()) };
            let end = self.cuts.end_of(open);
            let Some(next) = rendition.waiting.front() else {
                let Some((end, made)) = end else { return Ok(()) };
                // Whatever comes next does not belong to it.
                let full =
                    !video && rendition.has_content() && rendition.shown().saturating_add(rendition.step() / 2) >= end.in_scale(scale);
                // What nobody has sent is missing in all renditions.
                let missing = cut.gap && !rendition.has_content();
                if force || full || missing || judged.since(made) >= patience {
                    rendition.close(end, video, &mut desk)?;
                    self.changed = (now, self.changed.1 + 1);
                    continue;
                }
                return Ok(());
            };
            let tolerance = i64::from(next.sample.duration / 2);
            let begins = cut.start.in_scale(scale);
            let place = if video { next.shown() } else { next.middle() };
            let early = place < begins.saturating_sub(if video { tolerance } else { 0 }) && !rendition.has_content();
            // What needs a header that another has followed by then: a segment has one.
            let outdated = next.header != rendition.header.0 && rendition.place.generation <= cut.generation;
            // Pictures begin with a key frame; those that are shown before one, decoded after it, belong to it.
            if next.generation <= cut.generation && !rendition.has_content() && (early || outdated || (video && !next.sample.sync)) {
                rendition.unwait();
                continue;
            }
            let belongs = match end {
                _ if next.generation > cut.generation => false,
                Some((end, _)) if video => {
                    let end = end.in_scale(scale);
                    let late = next.shown() > end.saturating_add(tolerance);
                    if late && self.cuts.stopped().is_none() && rendition.has_content() && !rendition.place.is_derived() {
                        let name = rendition.name.clone();
                        rendition.unwait();
                        return Err(misaligned(&name, end, scale));
                    }
                    let begins = next.sample.sync && next.shown() >= end.saturating_sub(tolerance);
                    !late && !begins
                }
                Some((end, _)) => next.middle() < end.in_scale(scale),
                None => {
                    let here = Time { ticks: if video { next.shown().saturating_add(tolerance) } else { next.middle() }, scale };
                    (video && !next.sample.sync) || here.micros() < frontier || force
                }
            };
            if belongs {
                if let Some(placed) = rendition.unwait() {
                    rendition.add(placed, &mut desk)?;
                }
            } else if let Some((end, _)) = end {
                rendition.close(end, video, &mut desk)?;
                self.changed = (now, self.changed.1 + 1);
            } else {
                return Ok(());
            }
        }
    }
}

fn misaligned(name: &str, at: i64, scale: Timescale) -> Error {
    let at = Seconds { ticks: u64::try_from(at).unwrap_or(0), timescale: scale, places: 3 };
    let message = format!(
        "{name} has no key frame where the first pictures have theirs (at {at} s of the stream): players cannot switch between them; encode \
         all from one source with closed groups of pictures and key frames at the same times (ffmpeg: -flags +cgop -force_key_frames \
         'expr:gte(t,n_forced*2)')"
    );
    Error::unsupported(message)
}
