//! The configuration as it is now: it may be read again while the server runs.

use std::sync::Arc;

use tokio::sync::watch;

use super::Config;

/// The configuration as it is now. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Current(Arc<watch::Sender<Arc<Config>>>);

impl From<Config> for Current {
    fn from(config: Config) -> Self {
        Arc::new(config).into()
    }
}

impl From<Arc<Config>> for Current {
    fn from(config: Arc<Config>) -> Self {
        Self(Arc::new(watch::Sender::new(config)))
    }
}

impl Current {
    /// As it is now. Whoever holds it sees one state of it.
    pub fn get(&self) -> Arc<Config> {
        Arc::clone(&self.0.borrow())
    }

    /// Hears of each that comes from now on.
    pub fn changes(&self) -> watch::Receiver<Arc<Config>> {
        self.0.subscribe()
    }

    /// From now on it is `config`.
    pub fn replace(&self, config: Config) {
        self.0.send_replace(Arc::new(config));
    }
}
