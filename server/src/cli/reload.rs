//! What a running server reads again on SIGHUP: its configuration. What of it needs a restart is named.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::{ArgMatches, FromArgMatches};
use tokio::sync::watch;

use super::{
    serve::{Serve, read_config, token_keys},
    settings,
};
use crate::{
    auth::{Playback, Secret},
    config::{Config, Current},
};

/// The settings of `[server]` that count from when they are read.
const APPLIED: [&str; 2] = ["drain", "drain_delay"];

/// How long it takes to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// What running requests have.
    pub drain: Duration,
    /// What passes before.
    pub delay: Duration,
}

/// What is read again.
pub(super) struct Reload {
    file: Option<PathBuf>,
    config: Current,
    secret: Secret,
    playback: Arc<Playback>,
    times: watch::Sender<Times>,
    /// As it was when the server started: the configuration, and its options.
    first: Arc<Config>,
    options: ArgMatches,
}

impl Reload {
    /// For a server that has just read its `config` from `file`.
    ///
    /// # Errors
    /// The options of this process cannot be read.
    pub fn new(
        file: Option<PathBuf>,
        config: Current,
        secret: Secret,
        playback: Arc<Playback>,
        times: watch::Sender<Times>,
    ) -> anyhow::Result<Self> {
        let (first, options) = (config.get(), settings::read()?);
        Ok(Self { file, config, secret, playback, times, first, options })
    }

    /// Takes the configuration as it stands in its file now; one with a fault changes nothing.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn run(&self) -> anyhow::Result<()> {
        let config = read_config(self.file.as_deref())?;
        let options = settings::read()?;
        let serve = Serve::from_arg_matches(&options)?;
        let keys = token_keys(&config, &self.secret).await?;
        self.times.send_replace(serve.times());
        let mut kept = settings::changed(&self.options, &options);
        kept.retain(|name| !APPLIED.contains(&name.as_str()));
        kept.extend(self.first.needs_restart(&config).map(str::to_owned));
        if !kept.is_empty() {
            let (s, them) = if kept.len() == 1 { ("", "it takes") } else { ("s", "they take") };
            tracing::warn!("setting{s} {} changed; {them} a restart", kept.join(", "));
        }
        self.config.replace(config);
        self.playback.exchange(keys);
        Ok(())
    }
}
