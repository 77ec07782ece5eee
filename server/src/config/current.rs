//! The configuration as it is now: it may be read again while the server runs.

use std::sync::{Arc, PoisonError, RwLock};

use super::Config;

/// The configuration as it is now. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Current(Arc<RwLock<Arc<Config>>>);

impl From<Config> for Current {
    fn from(config: Config) -> Self {
        Arc::new(config).into()
    }
}

impl From<Arc<Config>> for Current {
    fn from(config: Arc<Config>) -> Self {
        Self(Arc::new(RwLock::new(config)))
    }
}

impl Current {
    /// As it is now. Whoever holds it sees one state of it.
    pub fn get(&self) -> Arc<Config> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on it is `config`.
    pub fn replace(&self, config: Config) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}
