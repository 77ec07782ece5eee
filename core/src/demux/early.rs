//! Streams that describe themselves as they go: samples wait until it is known which tracks there are.

use alloc::{collections::VecDeque, vec::Vec};

use super::stream::Item;
use crate::{
    sample::LiveSample,
    time::{Timescale, rescale_length},
    track::Track,
};

/// The most bytes that wait.
const MOST: u64 = 8 << 20;

/// What waits, and then which track each stream is. Streams are counted from 0, as they were found.
#[derive(Debug, Default)]
pub struct Early {
    waiting: Vec<(usize, LiveSample)>,
    bytes: u64,
    /// By stream, once it is known.
    places: Option<Vec<Option<usize>>>,
}

impl Early {
    /// Whether the tracks have been told.
    pub fn is_announced(&self) -> bool {
        self.places.is_some()
    }

    /// Whether no more may wait.
    pub fn is_full(&self) -> bool {
        self.bytes > MOST
    }

    /// Which track a stream is, if it is one.
    pub fn place(&self, stream: usize) -> Option<usize> {
        self.places.as_ref()?.get(stream).copied().flatten()
    }

    /// Samples of a stream come; those of one that is no track are dropped.
    pub fn give(&mut self, stream: usize, samples: Vec<LiveSample>, items: &mut VecDeque<Item>) {
        match (self.place(stream), self.is_announced()) {
            (Some(track), _) => items.extend(samples.into_iter().map(|sample| Item::Sample { track, sample })),
            (None, true) => {}
            (None, false) => {
                self.bytes = samples.iter().fold(self.bytes, |sum, sample| sum.saturating_add(sample.len()).saturating_add(64));
                self.waiting.extend(samples.into_iter().map(|sample| (stream, sample)));
            }
        }
    }

    /// Tells of the tracks, by stream; then gives what waited, in the order of time, as it would have come.
    pub fn announce(&mut self, streams: &[Option<&Track>], items: &mut VecDeque<Item>) {
        let mut count = 0;
        let places = streams.iter().map(|track| {
            track.map(|_| {
                count += 1;
                count - 1
            })
        });
        self.places = Some(places.collect());
        items.push_back(Item::Header(streams.iter().flatten().copied().cloned().collect()));
        let time = |(stream, sample): &(usize, LiveSample)| {
            let scale = streams.get(*stream).copied().flatten().map_or(Timescale::MILLIS, |track| track.timescale);
            rescale_length(sample.decode_time, scale, Timescale::MICROS)
        };
        let mut waiting = core::mem::take(&mut self.waiting);
        waiting.sort_by_key(time);
        for (stream, sample) in waiting {
            if let Some(track) = self.place(stream) {
                items.push_back(Item::Sample { track, sample });
            }
        }
        self.bytes = 0;
    }
}
