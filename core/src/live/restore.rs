//! A stream that somebody kept while it ran, and that goes on where it was.

use alloc::{format, string::String, vec::Vec};

use bytes::Bytes;

use super::{Config, Event, Live, RenditionId, Source, cuts::Time, rendition::Rendition};
use crate::{
    demux::stream::{Item, StreamDemuxer},
    error::{Error, Result},
    time::Moment,
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
    /// Its whole segments that are still there, in order, as [`Event::Segment`] told them.
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
    pub fn restore(config: Config, epoch: Moment, past: Vec<Past>, now: Moment) -> Result<Self> {
        let mut live = Self::new(config)?;
        for (index, past) in past.into_iter().enumerate() {
            let track = described(&past)?;
            let mut rendition = Rendition::new(RenditionId(index), past.name, &track, live.config.first_number, &live.config);
            (rendition.header, rendition.free) = (past.header, true);
            live.renditions.push(rendition);
            live.restore_segments(index, past.segments)?;
            if let Some(open) = past.open.filter(|open| !open.parts.is_empty()) {
                live.events.push_back(Event::Segment { rendition: RenditionId(index), segment: open.clone() });
                live.restore_segments(index, Vec::from([open]))?;
            }
        }
        live.leader = live.leading();
        let leads = live.leader.and_then(|leader| live.renditions.get(leader));
        if let Some(leader) = leads {
            let scale = leader.window.timescale;
            // Whole parts of the rendition that leads are as long as it was promised.
            let longest = leader.window.segments.iter().flat_map(|segment| &segment.parts).map(|part| part.duration).max();
            if let Some(longest) = longest.filter(|longest| *longest > 0) {
                (live.promise.part_target, live.promised) = ((longest, scale), true);
            }
            live.cuts.restore(&leader.window);
            let last = leader.window.segments.back();
            let start = last.map_or(0, |last| i64::try_from(last.start).unwrap_or(i64::MAX));
            let zero = last.map_or(epoch, |last| last.clock.after(Time { ticks: start, scale }.micros().saturating_neg()));
            live.clock.restore(zero);
            live.epoch = Some((epoch, 0));
        }
        for rendition in &mut live.renditions {
            rendition.next = live.cuts.next_number();
            rendition.place.restore(rendition.shown());
        }
        (live.source, live.fed, live.changed) = (Source::Lost(now), now, (now, 1));
        Ok(live)
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
