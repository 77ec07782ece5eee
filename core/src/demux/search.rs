//! What samples are asked that boxes do not tell.

use core::ops::Range;

use super::{builder::TrackBuilder, configuration::ConfigurationSearch, sync::SyncSearch};

/// A search in the samples of a movie.
#[derive(Debug)]
pub enum Search {
    /// How samples are decoded, first.
    Configuration(ConfigurationSearch),
    /// Where decoding can begin.
    Sync(SyncSearch),
}

impl Search {
    /// Begins with the first of `tracks` that needs it.
    pub fn new(tracks: &[TrackBuilder]) -> Option<Self> {
        ConfigurationSearch::new(tracks, 0).map(Self::Configuration).or_else(|| Self::of_sync(tracks))
    }

    fn of_sync(tracks: &[TrackBuilder]) -> Option<Self> {
        SyncSearch::new(tracks, 0).map(Self::Sync)
    }

    /// The bytes of the file that are needed next.
    pub fn required(&self) -> Range<u64> {
        match self {
            Self::Configuration(search) => search.required(),
            Self::Sync(search) => search.required(),
        }
    }

    /// Takes what is [`required`](Self::required); `None` when all is found.
    pub fn handle(self, bytes: &[u8], tracks: &mut [TrackBuilder]) -> Option<Self> {
        match self {
            Self::Configuration(search) => search.handle(bytes, tracks).map(Self::Configuration).or_else(|| Self::of_sync(tracks)),
            Self::Sync(search) => search.handle(bytes, tracks).map(Self::Sync),
        }
    }
}
