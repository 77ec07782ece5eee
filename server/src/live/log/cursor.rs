//! Where somebody reads on in a log.

use std::{io, sync::Arc};

use bytes::Bytes;
use tokio::sync::watch;

use super::Log;

/// A place in a log: where somebody reads on.
#[derive(Debug)]
pub struct Cursor {
    log: Arc<Log>,
    changes: watch::Receiver<()>,
    segment: u32,
    part: usize,
    /// How much of the part is left out.
    offset: usize,
}

/// What is at a place in a log.
enum Look {
    Part(Bytes),
    SegmentEnd,
    Nothing,
    Ended,
    Lost,
}

impl Cursor {
    /// Before part `part` of `segment`.
    pub(super) fn new(log: &Arc<Log>, segment: u32, part: usize) -> Self {
        Self { changes: log.changes(), log: Arc::clone(log), segment, part, offset: 0 }
    }

    /// Leaves out the next `bytes` of its segment, which are there.
    pub fn skip(&mut self, bytes: u64) {
        let state = self.log.state();
        let parts = state.find(self.segment).map_or(&[][..], |segment| &segment.parts);
        let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
        for part in parts.iter().skip(self.part) {
            let length = part.bytes.as_ref().map_or(0, Bytes::len);
            if left < length {
                break;
            }
            left -= length;
            self.part += 1;
        }
        self.offset = left;
    }

    /// The next part of the segment; `None` at its end. Waits for what is not there yet.
    ///
    /// # Errors
    /// The reader was too slow: what it would read next is no longer there.
    pub async fn next_of_segment(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self.look() {
                Look::Part(bytes) => return Ok(Some(bytes)),
                Look::SegmentEnd | Look::Ended => return Ok(None),
                Look::Nothing => self.wait().await,
                Look::Lost => return Err(too_slow()),
            }
        }
    }

    /// The next part, of whatever segment, if it is there; `Ok(None)` where it is not yet. [`is_over`](Self::is_over) tells whether it
    /// ever will.
    ///
    /// # Errors
    /// As [`next_of_segment`](Self::next_of_segment).
    pub fn next_if_there(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self.look() {
                Look::Part(bytes) => return Ok(Some(bytes)),
                Look::SegmentEnd => {
                    self.segment += 1;
                    self.part = 0;
                }
                Look::Nothing | Look::Ended => return Ok(None),
                Look::Lost => return Err(too_slow()),
            }
        }
    }

    /// The segment in which it is.
    pub fn segment(&self) -> u32 {
        self.segment
    }

    /// Whether nothing comes behind it.
    pub fn is_over(&self) -> bool {
        let state = self.log.state();
        state.ended && state.segments.back().is_none_or(|last| (self.segment, self.part) >= (last.number, last.parts.len()))
    }

    /// Waits until something has been published since it last looked.
    pub async fn wait(&mut self) {
        // The sender lives as long as the log, which is held here.
        let _ = self.changes.changed().await;
    }

    fn look(&mut self) -> Look {
        self.changes.mark_unchanged(); // before it looks, so that it misses nothing
        let state = self.log.state();
        let Some(segment) = state.find(self.segment) else {
            let edge = state.edge();
            return match state.segments.front() {
                // A number that was left out, because nothing came.
                Some(first) if first.number < self.segment && self.segment < edge.segment => Look::SegmentEnd,
                Some(first) if self.segment < first.number => Look::Lost,
                _ if edge.ended => Look::Ended,
                _ => Look::Nothing,
            };
        };
        match segment.parts.get(self.part) {
            Some(part) => match &part.bytes {
                Some(bytes) => {
                    self.part += 1;
                    Look::Part(bytes.slice(std::mem::take(&mut self.offset).min(bytes.len())..))
                }
                None => Look::Lost,
            },
            None if segment.closed => Look::SegmentEnd,
            None => Look::Nothing,
        }
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the viewer is too slow: what it would read next is no longer there")
}
