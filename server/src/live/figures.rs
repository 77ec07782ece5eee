//! What is counted of live streams, over all of them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// What is counted of live streams.
#[derive(Debug, Default)]
pub struct Figures {
    /// Bytes that publishers sent.
    pub ingest_bytes: AtomicU64,
    /// Requests of publishers that were refused or failed.
    pub ingest_faults: AtomicU64,
    /// Parts published, of all renditions.
    pub parts: AtomicU64,
    /// Requests of viewers that wait for something to be published.
    pub held: AtomicU64,
    /// Viewers of endless files.
    pub endless: AtomicU64,
    /// Viewers that were reset because they fell out of the log.
    pub too_slow: AtomicU64,
    /// Bytes of recordings written.
    pub recorded_bytes: AtomicU64,
    /// Recordings that could not go on.
    pub recording_faults: AtomicU64,
}

impl Figures {
    /// A viewer was reset because it fell out of the log.
    pub fn too_slow(&self) {
        self.too_slow.fetch_add(1, Relaxed);
    }
}

/// Counts one more of something, until dropped.
#[derive(Debug)]
pub struct Counted {
    figures: Arc<Figures>,
    gauge: fn(&Figures) -> &AtomicU64,
}

impl Counted {
    /// One more of `gauge`.
    pub fn new(figures: Arc<Figures>, gauge: fn(&Figures) -> &AtomicU64) -> Self {
        gauge(&figures).fetch_add(1, Relaxed);
        Self { figures, gauge }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.gauge)(&self.figures).fetch_sub(1, Relaxed);
    }
}
