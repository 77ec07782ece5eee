//! Event messages of the source (`emsg`; ISO/IEC 23009-1 5.10.3.3): each goes with the sample that it stood before, told on the time line
//! of the stream.

use alloc::{collections::VecDeque, format, string::String, vec::Vec};

use bytes::Bytes;

use super::cues::Cues;
use crate::{
    boxes::{
        BoxHeader, FourCc,
        event::{EventMessage, EventTime},
    },
    coding::{Reader, Writer},
    error::{Error, Result},
    sample::LiveSample,
    time::{Moment, Timescale, rescale},
};

/// The most messages, and bytes of them, that wait for a sample or for its part.
const MOST_MESSAGES: usize = 64;
const MOST_BYTES: usize = 256 << 10;
/// More kinds than any programme has.
const MOST_KINDS: usize = 32;

/// The messages of a rendition.
#[derive(Debug, Default)]
pub struct Messages {
    /// Those that no sample has followed yet, as they came.
    waiting: Vec<Bytes>,
    /// Those whose sample is decoded at this time, in microseconds, and is in no part yet.
    placed: VecDeque<(i64, Vec<u8>)>,
    /// `scheme_id_uri` and `value` of all so far, each once.
    pub kinds: Vec<(String, String)>,
}

impl Messages {
    /// Takes the box of a message that stands before the next sample.
    pub fn take(&mut self, message: Bytes) -> Result<()> {
        let read = read(&message)?;
        let bytes: usize = self.waiting.iter().map(Bytes::len).chain(self.placed.iter().map(|(_, bytes)| bytes.len())).sum();
        if self.waiting.len().saturating_add(self.placed.len()) >= MOST_MESSAGES || bytes.saturating_add(message.len()) > MOST_BYTES {
            return Err(Error::unsupported(format!(
                "more than {MOST_MESSAGES} event messages, or {MOST_BYTES} bytes of them, before a sample"
            )));
        }
        let known = self.kinds.iter().any(|(scheme, value)| scheme == read.scheme && value == read.value);
        if !known && self.kinds.len() < MOST_KINDS {
            self.kinds.push((read.scheme.into(), read.value.into()));
        }
        self.waiting.push(message);
        Ok(())
    }

    /// The sample before which they stood is decoded at tick `time` of the time line, which begins at `zero`. Its track is shifted by `shift`.
    pub fn place(&mut self, sample: &LiveSample, shift: i64, (time, scale): (i64, Timescale), zero: Moment, cues: &mut Cues) {
        let source = i64::try_from(sample.decode_time).unwrap_or(i64::MAX).saturating_add(shift);
        let shown = u64::try_from(time.saturating_add(sample.composition_offset.into())).unwrap_or(0);
        for message in self.waiting.drain(..) {
            let Ok(message) = read(&message) else { continue };
            let moved = match message.time {
                EventTime::InSegment(_) => message.absolute(shown, scale),
                EventTime::Absolute(at) => {
                    let by = rescale(time.saturating_sub(source), scale, message.timescale);
                    EventMessage { time: EventTime::Absolute(at.saturating_add_signed(by)), ..message }
                }
            };
            cues.take(&moved, zero);
            self.placed.push_back((rescale(time, scale, Timescale::MICROS), moved.to_bytes()));
        }
    }

    /// The sample before which they stood has been there already, and so have they.
    pub fn drop_waiting(&mut self) {
        self.waiting.clear();
    }

    /// Writes those whose samples are decoded before `end`, in microseconds: they stand before the part that ends there.
    pub fn write_before(&mut self, end: i64, w: &mut Writer) {
        while let Some((_, message)) = self.placed.pop_front_if(|(time, _)| *time < end) {
            w.bytes(&message);
        }
    }
}

fn read(message: &[u8]) -> Result<EventMessage<'_>> {
    let mut reader = Reader::new(message, 0);
    BoxHeader::read(&mut reader).and_then(|_| EventMessage::read(reader)).map_err(|error| error.within(FourCc(*b"emsg")))
}
