//! All live streams of a server, by name.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, atomic::Ordering::Relaxed},
};

use reelway_core::{live::Live, time::Date};

use super::{
    Clock, Figures, Stream,
    recording::Recording,
    stream::{core_config, other},
};
use crate::{
    config::{Config, StreamConfig},
    http::StreamName,
};

/// The most streams at once.
const MOST: usize = 1024;

/// All live streams.
#[derive(Default)]
pub struct Streams {
    config: Config,
    clock: Clock,
    figures: Arc<Figures>,
    /// Where recordings are; without it nothing is recorded.
    recordings: Option<PathBuf>,
    by_name: RwLock<HashMap<StreamName, Arc<Stream>>>,
}

/// There are as many streams as there may be.
#[derive(Debug)]
pub struct Full;

impl Streams {
    /// None, to be as `config` says, recorded below the folder `recordings`.
    pub fn new(config: Config, recordings: PathBuf) -> Self {
        Self { config, recordings: Some(recordings), ..Self::default() }
    }

    /// How streams are to be.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The folder of recordings.
    pub fn recordings(&self) -> Option<&Path> {
        self.recordings.as_deref()
    }

    /// What is counted.
    pub fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// The time by which streams are published.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// A stream, if it is there. Takes nothing from those that are.
    pub fn get(&self, name: &StreamName) -> Option<Arc<Stream>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<Stream>> {
        let mut all: Vec<_> = self.by_name.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The stream to publish to: the one that runs, else a new one.
    ///
    /// # Errors
    /// [`Full`], or what the core says of the configuration.
    pub fn to_publish(&self, name: &StreamName) -> io::Result<Result<Arc<Stream>, Full>> {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(stream) = by_name.get(name).filter(|stream| !stream.is_ended()) {
            return Ok(Ok(Arc::clone(stream)));
        }
        if by_name.len() >= MOST && !by_name.contains_key(name) {
            by_name.retain(|_, stream| !stream.is_ended());
            if by_name.len() >= MOST {
                return Ok(Err(Full));
            }
        }
        let config = self.config.stream(name);
        let live = Live::new(core_config(&config)).map_err(other)?;
        let recording = self.recording(name, &config).unwrap_or_else(|error| {
            tracing::error!(%error, stream = %name, "the stream cannot be recorded");
            self.figures.recording_faults.fetch_add(1, Relaxed);
            None
        });
        let stream = Stream::new(name.clone(), config, live, recording, self.clock, Arc::clone(&self.figures));
        by_name.insert(name.clone(), Arc::clone(&stream));
        Ok(Ok(stream))
    }

    /// Begins the recording of a stream that is to be recorded.
    fn recording(&self, name: &StreamName, config: &StreamConfig) -> io::Result<Option<Recording>> {
        let Some(folder) = self.recordings.as_ref().filter(|_| config.record) else { return Ok(None) };
        // The time of the beginning, as a name of a file.
        let session = Date(self.clock.now().0 / 1000).to_string().replace(':', "-");
        Recording::open(&folder.join(name.as_str()).join(&session), session).map(Some)
    }
}
