//! What happens to a stream, written down as it happens.

use std::{io, path::Path, sync::atomic::Ordering::Relaxed};

use reelway_core::{
    live::{Event, RenditionId},
    window::Segment,
};

use super::Figures;
use crate::storage::{Entry, Extent, Form, Kept, Opening, Recorder};

/// The recording of a stream. Where the disk takes no more it ends with what is whole, and the stream goes on.
#[derive(Debug)]
pub struct Recording {
    /// The name of its folder, in that of the stream.
    pub session: String,
    recorder: Recorder,
    /// Whether it is over.
    over: bool,
}

impl Recording {
    /// Begins the recording in `folder`, which is called `session`.
    pub fn begin(folder: &Path, session: String, form: Form) -> io::Result<Self> {
        Ok(Self { session, recorder: Recorder::begin(folder, form)?, over: false })
    }

    /// Goes on with the recording in `folder`, of which `kept` was read.
    pub fn resume(folder: &Path, session: String, kept: &Kept) -> io::Result<Self> {
        Ok(Self { session, recorder: Recorder::resume(folder, kept)?, over: false })
    }

    /// Whether nothing is written any more.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Writes down `events`, whose parts are in one piece, as they are before they are encrypted; gives where each of them is. `names` are those of the renditions.
    pub fn take(&mut self, events: &[Event], names: &[String], figures: &Figures) -> Vec<Option<Extent>> {
        let mut extents = Vec::with_capacity(events.len());
        for event in events {
            match self.write(event, names) {
                Ok(extent) => {
                    figures.recorded_bytes.fetch_add(extent.as_ref().map_or(0, |extent| extent.range.end - extent.range.start), Relaxed);
                    self.over |= *event == Event::Ended;
                    extents.push(extent);
                }
                Err(error) => {
                    tracing::error!(%error, recording = %self.session, "the recording ends here: it cannot be written; the stream goes on");
                    figures.recording_faults.fetch_add(1, Relaxed);
                    self.over = true;
                    // A server that finds it is not to go on with it. What could not be written has left a little room.
                    let _ = self.recorder.note(&Entry::End);
                }
            }
            if self.over {
                break;
            }
        }
        extents
    }

    fn write(&mut self, event: &Event, names: &[String]) -> io::Result<Option<Extent>> {
        let name = |id: &RenditionId| names.get(id.0).cloned().unwrap_or_default();
        match event {
            Event::Began(epoch) => self.recorder.note(&Entry::Began { zero: epoch.zero.0, delay: epoch.delay })?,
            Event::Header { rendition, number, bytes, clear } => {
                self.recorder.header(&name(rendition), *number, clear.as_ref().unwrap_or(bytes))?;
            }
            Event::Opened { rendition, segment } => {
                self.recorder.note(&Entry::Opened { rendition: name(rendition), opening: opening(segment) })?;
            }
            Event::Part { rendition, segment, head, clear, start, duration, independent, .. } => {
                let bytes = clear.as_ref().map_or(head, |(head, _)| head);
                return self.recorder.part(&name(rendition), *segment, bytes, *start, *duration, *independent).map(Some);
            }
            Event::Segment { rendition, segment, .. } => {
                let (gap, duration) = (segment.gap, segment.duration);
                let opening = gap.then(|| opening(segment));
                self.recorder.note(&Entry::Segment { rendition: name(rendition), segment: segment.number, gap, duration, opening })?;
            }
            Event::Removed { .. } => {}
            Event::Promised { target_duration } => self.recorder.note(&Entry::Promised { target_duration: *target_duration })?,
            Event::Ended => self.recorder.note(&Entry::End)?,
        }
        Ok(None)
    }
}

fn opening(segment: &Segment) -> Opening {
    let Segment { number, start, header, clock, discontinuity, discontinuities, period, .. } = *segment;
    Opening { segment: number, start, header, clock: clock.0, discontinuity, discontinuities, period }
}
