//! What happens to a stream, written down as it happens.

use std::{io, path::Path, sync::atomic::Ordering::Relaxed};

use reelway_core::live::{Event, RenditionId};

use super::Figures;
use crate::storage::{Entry, Extent, Recorder};

/// The recording of a stream. When the disk fails the stream goes on; what can be written is, once there is room again.
#[derive(Debug)]
pub struct Recording {
    /// The name of its folder, in that of the stream.
    pub session: String,
    recorder: Recorder,
    /// Whether the last attempt to write failed.
    failing: bool,
}

impl Recording {
    /// Begins, or goes on with, the recording in `folder`, which is called `session`.
    pub fn open(folder: &Path, session: String) -> io::Result<Self> {
        Ok(Self { session, recorder: Recorder::open(folder)?, failing: false })
    }

    /// Writes down `events`, whose parts are in one piece; gives where each of them is. `names` are those of the renditions.
    pub fn take(&mut self, events: &[Event], names: &[String], figures: &Figures) -> Vec<Option<Extent>> {
        events
            .iter()
            .map(|event| {
                let written = self.write(event, names);
                let failed = written.is_err();
                match written {
                    Ok(Some(extent)) => {
                        figures.recorded_bytes.fetch_add(extent.range.end - extent.range.start, Relaxed);
                        self.failing = false;
                        return Some(extent);
                    }
                    Err(error) if !self.failing => tracing::error!(%error, "a recording has a gap from here on: it cannot be written"),
                    Ok(None) | Err(_) => {}
                }
                if failed {
                    self.failing = true;
                    figures.recording_faults.fetch_add(1, Relaxed);
                }
                None
            })
            .collect()
    }

    fn write(&mut self, event: &Event, names: &[String]) -> io::Result<Option<Extent>> {
        let name = |id: &RenditionId| names.get(id.0).cloned().unwrap_or_default();
        match event {
            Event::Header { rendition, number, bytes } => self.recorder.header(&name(rendition), *number, bytes)?,
            Event::Part { rendition, segment, head, start, duration, independent, .. } => {
                return self.recorder.part(&name(rendition), *segment, head, *start, *duration, *independent).map(Some);
            }
            Event::Segment { rendition, segment } => {
                self.recorder.note(&Entry::Segment { rendition: name(rendition), segment: segment.number, gap: segment.gap })?;
            }
            Event::Removed { .. } => {}
            Event::Ended => self.recorder.note(&Entry::End)?,
        }
        Ok(None)
    }
}
