//! All live streams of a server, by name.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, Weak, atomic::Ordering::Relaxed},
    time::Duration,
};

use reelway_core::{live::Live, time::Date};
use tokio::{sync::watch, time::sleep};

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

/// How often it is looked for streams that are over.
const LOOK: Duration = Duration::from_secs(30);

/// All live streams.
#[derive(Default)]
pub struct Streams {
    config: Arc<Config>,
    clock: Clock,
    figures: Arc<Figures>,
    /// Where recordings are; without it nothing is recorded.
    recordings: Option<PathBuf>,
    by_name: Arc<ByName>,
    /// Woken when a stream begins.
    begun: watch::Sender<()>,
}

type ByName = RwLock<HashMap<StreamName, Arc<Stream>>>;

/// Forgets a stream that is over and not recorded, once nobody needs to ask for what was in its window.
async fn forget(by_name: Weak<ByName>, stream: Weak<Stream>) {
    let window = loop {
        sleep(LOOK).await;
        match stream.upgrade().map(|stream| (stream.is_ended(), stream.config.window)) {
            Some((true, window)) => break window,
            Some(_) => {}
            None => return,
        }
    };
    sleep(window).await;
    if let (Some(by_name), Some(stream)) = (by_name.upgrade(), stream.upgrade())
        && stream.recording.is_none()
    {
        let mut by_name = by_name.write().unwrap_or_else(PoisonError::into_inner);
        if by_name.get(&stream.name).is_some_and(|there| Arc::ptr_eq(there, &stream)) {
            by_name.remove(&stream.name);
        }
    }
}

/// There are as many streams as there may be.
#[derive(Debug)]
pub struct Full;

impl Streams {
    /// None, to be as `config` says, recorded below the folder `recordings`.
    pub fn new(config: impl Into<Arc<Config>>, recordings: PathBuf) -> Self {
        Self { config: config.into(), recordings: Some(recordings), ..Self::default() }
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

    /// Hears of streams that begin from now on.
    pub fn begun(&self) -> watch::Receiver<()> {
        self.begun.subscribe()
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
        // Segments of an earlier stream of this name may be in caches, under their numbers.
        let before = by_name.get(name).and_then(|ended| ended.edge()).map_or(0, |edge| edge.segment);
        let live = Live::new(core_config(&config, before.saturating_add(1))).map_err(other)?;
        let recording = self.recording(name, &config).unwrap_or_else(|error| {
            tracing::error!(%error, stream = %name, "the stream cannot be recorded");
            self.figures.recording_faults.fetch_add(1, Relaxed);
            None
        });
        let stream = Stream::new(name.clone(), config, live, recording, self.clock, Arc::clone(&self.figures));
        by_name.insert(name.clone(), Arc::clone(&stream));
        drop(by_name);
        self.begun.send_replace(());
        tokio::spawn(forget(Arc::downgrade(&self.by_name), Arc::downgrade(&stream)));
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
