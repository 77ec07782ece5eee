//! Samples wait until it is known in which segment they are.

use alloc::{format, vec::Vec};
use core::mem;

use super::{super::cuts::Time, MOST_BYTES, Rendition};
use crate::{
    error::{Error, Result},
    sample::LiveSample,
};

/// The most samples that wait.
const MOST_WAITING: usize = 8192;
/// The most samples that do not say how long they last.
const MOST_HELD: usize = 64;

/// A sample on the time line.
#[derive(Debug)]
pub struct Placed {
    pub sample: LiveSample,
    /// When it is decoded, in ticks of the time line.
    pub time: i64,
    /// What it needs to have begun.
    pub generation: u32,
    /// Number of its header.
    pub header: u32,
}

impl Placed {
    /// When it is presented.
    pub fn shown(&self) -> i64 {
        self.time.saturating_add(self.sample.composition_offset.into())
    }

    /// When the next is decoded, if this one lasts as long as it says.
    pub fn end(&self) -> i64 {
        self.time.saturating_add(self.sample.duration.into())
    }

    /// The middle of the time for which it is presented: where that is, it belongs.
    pub fn middle(&self) -> i64 {
        self.shown().saturating_add(i64::from(self.sample.duration / 2))
    }
}

impl Rendition {
    /// Takes a sample as it came; returns those that can be placed.
    ///
    /// Some writers say of samples that they last no time, and begin the next at the same moment or later: they share what there is.
    pub fn take(&mut self, sample: LiveSample) -> Vec<LiveSample> {
        let begin = self.held.first().map_or(sample.decode_time, |first| first.decode_time);
        let together = sample.decode_time <= begin;
        if sample.duration == 0 && together && self.held.len() < MOST_HELD {
            self.held.push(sample);
            return Vec::new();
        }
        let mut shared = mem::take(&mut self.held);
        let mut alone = None;
        let length = if together {
            let length = u64::from(sample.duration);
            shared.push(sample);
            length
        } else {
            let length = sample.decode_time - begin;
            alone = Some(sample);
            length
        };
        let count = u64::try_from(shared.len()).unwrap_or(1).max(1);
        for (number, sample) in (0..).zip(&mut shared) {
            let (from, to) = (length * number / count, length * (number + 1) / count);
            sample.decode_time = begin.saturating_add(from);
            sample.duration = u32::try_from(to - from).unwrap_or(1).max(1);
        }
        match alone {
            Some(sample) if sample.duration == 0 => self.held.push(sample),
            alone => shared.extend(alone),
        }
        shared
    }

    /// A sample waits until its segment is known.
    pub fn wait(&mut self, sample: LiveSample, time: i64) -> Result<()> {
        self.waiting_bytes = self.waiting_bytes.saturating_add(sample.len());
        if self.waiting.len() >= MOST_WAITING || self.waiting_bytes > MOST_BYTES {
            let message = format!(
                "{} runs ahead: {} samples of {} bytes wait for the pictures that they belong to; send all tracks at the same pace",
                self.name,
                self.waiting.len(),
                self.waiting_bytes
            );
            return Err(Error::unsupported(message));
        }
        self.captions.look(&self.track, &sample);
        let (generation, header) = (self.place.generation, self.header.0);
        self.waiting.push_back(Placed { sample, time, generation, header });
        Ok(())
    }

    /// The first that waits.
    pub fn unwait(&mut self) -> Option<Placed> {
        let placed = self.waiting.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(placed.sample.len());
        Some(placed)
    }

    /// The end of what is in parts and, up to `generation`, of what waits, by presentation.
    pub fn end(&self, generation: u32) -> Time {
        let last = self.waiting.iter().rfind(|placed| placed.generation <= generation);
        let waits = last.map_or(0, |placed| placed.shown().saturating_add(placed.sample.duration.into()));
        Time { ticks: self.shown.max(waits), scale: self.window.timescale }
    }
}
