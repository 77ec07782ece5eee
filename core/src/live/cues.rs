//! Cues of SCTE 35 that the source sends: playlists tell them by the clock for as long as they list what they are about.

use alloc::{
    collections::VecDeque,
    string::{String, ToString},
};

use crate::{
    boxes::event::{EventMessage, EventTime, UNKNOWN_DURATION},
    hls::{SPLICE_INFO, write_date_range},
    time::{Moment, Timescale, rescale_length},
};

/// The most cues that are told at once; the oldest make room.
const MOST: usize = 128;
/// No `splice_info_section` is longer: its length has 12 bits (SCTE 35 9.6).
const MOST_BYTES: usize = 4098;

/// The cues of a stream.
#[derive(Debug, Default)]
pub struct Cues {
    told: VecDeque<Cue>,
    /// How many there were so far: each is called by its number, so that no two have one name.
    count: usize,
}

#[derive(Debug)]
struct Cue {
    /// What is repeated has the same value and number.
    value: String,
    id: u32,
    end: Moment,
    line: String,
}

impl Cues {
    /// Takes a message, told on a time line that begins at `zero`. What is no cue, or has been told, is none to be told.
    pub fn take(&mut self, message: &EventMessage<'_>, zero: Moment) {
        let EventTime::Absolute(time) = message.time else { return };
        let again = || self.told.iter().any(|cue| cue.id == message.id && cue.value == message.value);
        if message.scheme != SPLICE_INFO || message.data.len() > MOST_BYTES || again() {
            return;
        }
        let after = |ticks| i64::try_from(rescale_length(ticks, message.timescale, Timescale::MICROS)).unwrap_or(i64::MAX);
        let start = zero.after(after(time));
        let end = if message.duration == UNKNOWN_DURATION { start } else { start.after(after(message.duration.into())) };
        self.count = self.count.saturating_add(1);
        let mut line = String::new();
        write_date_range(&mut line, message, self.count, start.date());
        if self.told.len() == MOST {
            self.told.pop_front();
        }
        self.told.push_back(Cue { value: message.value.to_string(), id: message.id, end, line });
    }

    /// Nothing is listed that begins before `first`.
    pub fn forget(&mut self, first: Moment) {
        self.told.retain(|cue| cue.end >= first);
    }

    /// A line for each.
    pub fn lines(&self) -> String {
        self.told.iter().map(|cue| cue.line.as_str()).collect()
    }
}
