//! The parts of text: what is shown over the end of a part stands in the next one again, and where nothing is shown there is an empty cue,
//! so that every part lasts as long as one of pictures.

use alloc::{format, vec, vec::Vec};
use core::{mem, ops::Range};

use bytes::Bytes;

use super::{Desk, Placed, Rendition};
use crate::{
    codec::Kind,
    error::{Error, Result},
    hls::Form,
    sample::LiveSample,
    time::{Timescale, rescale},
};

/// A sample in which nothing is shown (ISO/IEC 14496-30 7.4).
const EMPTY: &[u8] = b"\0\0\0\x08vtte";

/// The most bytes of a sample.
const LONGEST: u64 = 64 << 10;
/// The most samples that come before anything tells the time, and the most bytes of them.
const MOST_EARLY: usize = 64;
const MOST_EARLY_BYTES: u64 = 1 << 20;

/// How far a rendition of text is told.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// Up to this tick.
    pub until: i64,
    /// Where its segment ends, if that is known.
    pub end: Option<i64>,
}

impl Rendition {
    /// Whether it is of text.
    pub fn is_text(&self) -> bool {
        self.track.kind() == Kind::Text
    }

    /// What it is in HLS.
    pub fn form(&self) -> Form {
        if self.is_text() { Form::WebVtt } else { Form::Fragments }
    }

    /// An error where a sample is too long to stand in every part in which it is shown.
    pub fn check_text(&self, sample: &LiveSample) -> Result<()> {
        if sample.len() > LONGEST {
            return Err(Error::unsupported(format!("{}: a sample of text has {} bytes; {LONGEST} are taken", self.name, sample.len())));
        }
        Ok(())
    }

    /// A sample has come before anything that tells the time: it is kept until something does, unless there are too many.
    pub fn keep_early(&mut self, sample: LiveSample) {
        self.early.push_back(sample);
        while self.early.len() > MOST_EARLY || self.early.iter().map(LiveSample::len).sum::<u64>() > MOST_EARLY_BYTES {
            self.early.pop_front();
        }
    }

    /// The samples that were kept.
    pub fn take_early(&mut self) -> Vec<LiveSample> {
        mem::take(&mut self.early).into()
    }

    /// A sample has come that begins so many microseconds before the end of what there is of the pictures: what follows will too.
    pub fn note_lag(&mut self, micros: i64, most: i64) {
        self.lag = self.lag.max(micros.min(most));
    }

    /// Up to where it can be told when the pictures are there up to `led`: as far as its source has told it, or has had the time to.
    pub fn text_end(&self, led: i64, desk: &Desk<'_>) -> i64 {
        let (ticks, of) = desk.pace;
        let part = rescale(i64::try_from(ticks).unwrap_or(i64::MAX), of, Timescale::MICROS);
        let lag = rescale(self.lag.max(part), Timescale::MICROS, self.window.timescale);
        let known = self.waiting.back().map_or(0, Placed::end);
        led.saturating_sub(lag).max(led.min(known))
    }

    /// Tells the segment that is open: whole parts, and the rest of it where that is in reach.
    pub fn tell_text(&mut self, reach: Reach, desk: &mut Desk<'_>) -> Result<()> {
        let (ticks, of) = desk.pace;
        let part = rescale(i64::try_from(ticks).unwrap_or(i64::MAX), of, self.window.timescale);
        while let Some(open) = &mut self.window.open {
            if open.parts.is_empty() {
                open.header = self.header.0;
            }
            let start = i64::try_from(open.end()).unwrap_or(i64::MAX);
            let whole = start.saturating_add(part.max(1));
            let end = reach.end.map_or(whole, |end| end.min(whole));
            if end > reach.until || end <= start {
                break;
            }
            let mut at = start;
            while at < end {
                let piece = self.next_piece(at..end);
                at = piece.end();
                self.part.push(piece);
            }
            (self.decoded, self.shown) = (end, end);
            self.close_part(desk)?;
        }
        Ok(())
    }

    /// Nothing follows what was told: another source goes on.
    pub fn forget_text(&mut self) {
        if self.is_text() {
            self.waiting.clear();
            self.early.clear();
            self.waiting_bytes = 0;
        }
    }

    /// What is shown from the start of `span` on, until something else is or the span ends.
    fn next_piece(&mut self, span: Range<i64>) -> Placed {
        // A sample lasts until the next one begins.
        while self.waiting.front().is_some_and(|first| first.end() <= span.start)
            || self.waiting.get(1).is_some_and(|second| second.time <= span.start)
        {
            self.unwait();
        }
        let begun = self.waiting.front().filter(|first| first.time <= span.start);
        let next = self.waiting.get(usize::from(begun.is_some())).map_or(span.end, |next| next.time.min(span.end));
        let end = begun.map_or(next, |begun| begun.end().min(next));
        let payload = begun.map_or_else(|| vec![Bytes::from_static(EMPTY)], |begun| begun.sample.payload.clone());
        let sample = LiveSample {
            decode_time: 0,
            duration: u32::try_from(end.saturating_sub(span.start)).unwrap_or(u32::MAX),
            composition_offset: 0,
            sync: true,
            description: 0,
            payload,
        };
        Placed { sample, time: span.start, generation: 0, header: 0 }
    }
}
