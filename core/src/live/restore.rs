//! A stream that somebody kept while it ran, and that goes on where it was.

use alloc::{format, string::String, vec::Vec};

use bytes::Bytes;

use super::{Config, Epoch, Event, Live, RenditionId, Source, cuts::Time, pace, rendition::Rendition};
use crate::{
    codec::Kind,
    demux::stream::{Item, StreamDemuxer},
    error::{Error, Result},
    time::{Moment, Timescale, rescale_length},
    track::Track,
    window::Segment,
};

/// A rendition as its events told it.
#[derive(Clone, Debug)]
pub struct Past {
    /// Its name.
    pub name: String,
    /// Number and bytes of its last header.
    pub header: (u32, Bytes),
    /// Its whole segments, in order, as [`Event::Segment`] told them; the parts of those that are not in the window are not needed. What
    /// periods begin with is among them: from the first segment on, or that of the first period that is in the window.
    pub segments: Vec<Segment>,
    /// The one that grew, with the parts of it that are there: it ends with them.
    pub open: Option<Segment>,
}

impl Live {
    /// A stream that was kept: its renditions in the order in which they were added, and when it [began](Self::epoch). Its source is lost.
    /// What comes from another begins a discontinuity.
    ///
    /// # Errors
    ///
    /// What was kept does not fit together.
    ///
    /// What players were [promised](Event::Promised) is to be in `config`.
    pub fn restore(config: Config, epoch: Epoch, past: Vec<Past>, now: Moment) -> Result<Self> {
        let mut live = Self::new(config)?;
        live.follow_past(&past);
        let mut begun = Vec::new();
        for (index, past) in past.into_iter().enumerate() {
            let track = described(&past)?;
            let mut rendition = Rendition::new(RenditionId(index), past.name, &track, live.config.first_number, &live.config)?;
            (rendition.header, rendition.free) = (past.header, true);
            live.renditions.push(rendition);
            begun.push(beginnings(past.segments.iter().chain(&past.open)));
            live.restore_segments(index, past.segments)?;
            if let Some(open) = past.open.filter(|open| !open.parts.is_empty()) {
                live.events.push_back(Event::Segment { rendition: RenditionId(index), segment: open.clone(), sealed: None });
                live.restore_segments(index, Vec::from([open]))?;
            }
        }
        live.leader = live.leading();
        let leads = live.leader.and_then(|leader| live.renditions.get(leader));
        if let Some(leader) = leads {
            let scale = leader.window.timescale;
            // Whole parts of the rendition that leads are as long as those of others were made by; the longest as long as was promised.
            if let Some(pace) = leader.longest_part() {
                let sounds = live.renditions.iter().filter(|rendition| rendition.track.kind() == Kind::Audio);
                let longest = sounds.filter_map(Rendition::longest_part).fold(pace, pace::longer);
                (live.pace, live.promise.part_target, live.promised) = (pace, longest, true);
            }
            let begun = live.leader.and_then(|leader| begun.get(leader));
            live.cuts.restore(begun.map_or(&[][..], Vec::as_slice), &leader.window);
            let last = leader.window.segments.back();
            let start = last.map_or(0, |last| i64::try_from(last.start).unwrap_or(i64::MAX));
            let zero = last.map_or(epoch.zero, |last| last.clock.after(Time { ticks: start, scale }.micros().saturating_neg()));
            live.clock.restore(zero, epoch.delay);
            live.epoch = Some(epoch);
        }
        live.even_out();
        for rendition in &mut live.renditions {
            rendition.next = live.cuts.next_number();
            rendition.place.restore(rendition.shown());
        }
        (live.source, live.fed, live.judged, live.changed) = (Source::Lost(now), now, now, (now, 1));
        live.told = live.newest();
        Ok(live)
    }

    /// Where a segment was whole, players were promised what the configuration tells. The first one that has no end yet may be of key frames
    /// that are further apart.
    fn follow_past(&mut self, past: &[Past]) {
        let follow = self.config.follow.filter(|_| core::mem::take(&mut self.follows));
        let is_whole = past.iter().any(|past| !past.segments.is_empty());
        let most = u64::from(self.promise.target_duration);
        let is_long = |open: &Segment, scale: Timescale| open.duration > most.saturating_mul(scale.get().into());
        let open = past.iter().filter_map(|past| Some((past.open.as_ref()?, described(past).ok()?.timescale)));
        if let Some(follow) = follow.filter(|_| !is_whole && open.into_iter().any(|(open, scale)| is_long(open, scale))) {
            self.promise_distance(super::micros(follow));
        }
    }

    /// What others were about to have of the last segments of the rendition that leads is missing.
    fn even_out(&mut self) {
        let Some(leader) = self.leader.and_then(|leader| self.renditions.get(leader)) else { return };
        let (scale, last) = (leader.window.timescale, leader.window.segments.clone());
        for rendition in &mut self.renditions {
            let Some(end) = rendition.window.segments.back().map(|last| (last.number, last.end(), last.header)) else { continue };
            let (mut at, to) = (end.1, rendition.window.timescale);
            for missing in last.iter().filter(|segment| segment.number > end.0) {
                let until = rescale_length(missing.end(), scale, to).max(at.saturating_add(1));
                let (start, duration) = (at, until.saturating_sub(at));
                let segment = Segment { start, duration, bytes: 0, header: end.2, gap: true, parts: Vec::new(), ..missing.clone() };
                at = until;
                self.events.push_back(Event::Segment { rendition: rendition.id, segment: segment.clone(), sealed: None });
                rendition.list(segment, &self.config, &self.promise);
            }
        }
    }

    fn restore_segments(&mut self, index: usize, segments: Vec<Segment>) -> Result<()> {
        let Some(rendition) = self.renditions.get_mut(index) else { return Ok(()) };
        let mut before = rendition.window.segments.back().map(|last| (last.number, last.start));
        for segment in segments {
            if before.is_some_and(|(number, start)| segment.number != number.saturating_add(1) || segment.start < start) {
                let message = format!("what was kept of {} has segment {} out of order", rendition.name, segment.number);
                return Err(Error::malformed(message));
            }
            before = Some((segment.number, segment.start));
            let gone = rendition.list(segment, &self.config, &self.promise);
            self.events.extend(gone.into_iter().map(|segment| Event::Removed { rendition: RenditionId(index), segment }));
        }
        Ok(())
    }
}

/// The segments with which periods begin.
fn beginnings<'a>(segments: impl Iterator<Item = &'a Segment>) -> Vec<Segment> {
    let mut before = None;
    segments.filter(|segment| before.replace(segment.period) != Some(segment.period)).cloned().collect()
}

/// The track that a header describes.
fn described(past: &Past) -> Result<Track> {
    let mut demuxer = StreamDemuxer::new();
    demuxer.push(past.header.1.clone())?;
    match demuxer.poll() {
        Some(Item::Header(tracks)) => tracks.into_iter().next(),
        _ => None,
    }
    .ok_or_else(|| Error::malformed(format!("what was kept of {} is no header", past.name)))
}
