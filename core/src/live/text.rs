//! The renditions of text: they are cut as the pictures are, part by part, whatever comes of them.
//!
//! Nobody waits for text. Of what comes when its part has been published, the rest is shown; from then on the rendition stays as far behind
//! the pictures as its source does, a segment at most.

use alloc::format;

use super::{
    Live, micros,
    rendition::{Desk, Reach, Rendition},
};
use crate::{
    error::{Error, Result},
    time::Moment,
    track::Track,
};

impl Live {
    /// An error where `track` is of text that is not carried.
    pub(super) fn check_text(&self, track: &Track) -> Result<()> {
        /// Ticks that a part has at least, so that it is as long as it is promised to be.
        const LEAST: u64 = 10;
        if track.codec.string != "wvtt" {
            return Err(Error::unsupported(format!("text in {} is not carried in a live stream; send WebVTT (wvtt)", track.codec.string)));
        }
        let ticks = u64::from(track.timescale.get()) * u64::from(self.config.part_target) / 1000;
        if ticks < LEAST {
            return Err(Error::unsupported(format!(
                "text that counts {} ticks a second cannot be cut into parts of {} ms; send it with 1000 ticks a second",
                track.timescale.get(),
                self.config.part_target
            )));
        }
        if track.sample_entries.len() > 1 {
            return Err(Error::unsupported("text of several sample descriptions is not carried in a live stream"));
        }
        Ok(())
    }

    /// Whether the text of `track` can be in the rendition of another: it is cut by the ticks that it began with.
    pub(super) fn is_same_text(rendition: &Rendition, track: &Track) -> bool {
        rendition.track.codec == track.codec && rendition.track.timescale == track.timescale
    }

    /// Something tells the time: text that came before that is placed.
    pub(super) fn place_early_text(&mut self, now: Moment) -> Result<()> {
        for index in 0..self.renditions.len() {
            let early = self.renditions.get_mut(index).map(Rendition::take_early).unwrap_or_default();
            self.place(index, early, now)?;
        }
        Ok(())
    }

    /// A sample of text begins at this time of the stream, in microseconds: how far is it behind the pictures?
    pub(super) fn note_lag(&mut self, index: usize, start: i64) {
        let led = self.leader.and_then(|leader| self.renditions.get(leader)).map(|leader| leader.decoded().micros());
        let most = micros(self.config.segment_target);
        if let (Some(led), Some(rendition)) = (led, self.renditions.get_mut(index)) {
            rendition.note_lag(led.saturating_sub(start), most);
        }
    }

    /// A rendition of text goes as far as the one that leads lets it. `force`: nothing is to come.
    pub(super) fn follow_text(&mut self, index: usize, now: Moment, force: bool) -> Result<()> {
        let (patience, judged) = (self.patience(), self.judged);
        let Some(led) = self.leader.and_then(|leader| self.renditions.get(leader)).map(Rendition::decoded) else { return Ok(()) };
        let mut desk = Desk { config: &self.config, promise: &self.promise, pace: self.pace, clock: &self.clock, events: &mut self.events };
        let Some(rendition) = self.renditions.get_mut(index) else { return Ok(()) };
        loop {
            let Some(open) = rendition.window.open.as_ref().map(|open| open.number) else {
                let Some(cut) = self.cuts.get(rendition.next) else { return Ok(()) };
                rendition.open(cut);
                continue;
            };
            let Some(cut) = self.cuts.get(open) else { return Ok(()) };
            let scale = rendition.window.timescale;
            let end = self.cuts.end_of(open);
            let is_over = end.is_some_and(|(_, made)| force || judged.since(made) >= patience);
            let until = if is_over { i64::MAX } else { rendition.text_end(led.in_scale(scale), &desk) };
            if !cut.gap {
                rendition.tell_text(Reach { until, end: end.map(|(end, _)| end.in_scale(scale)) }, &mut desk)?;
            }
            let Some((end, _)) = end.filter(|(end, _)| cut.gap || end.in_scale(scale) <= until) else { return Ok(()) };
            rendition.close(end, false, &mut desk)?;
            self.changed = (now, self.changed.1 + 1);
        }
    }
}
