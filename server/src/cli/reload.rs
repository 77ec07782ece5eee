//! What a running server reads again: certificates whose files have changed, and on SIGHUP its configuration too. Of that, what can be is
//! applied at once; what needs a restart, and streams that go on as they began, are named.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::{ArgMatches, FromArgMatches};
use tokio::{signal::unix::Signal, sync::watch, task::spawn_blocking, time::sleep};

use super::{
    serve::{Serve, read_config, token_keys, upload_limits},
    settings,
};
use crate::{
    auth::{Playback, Secret},
    config::{Config, Current},
    jobs::Jobs,
    live::Streams,
    net::{Certificates, Gate},
    upload::Uploads,
};

/// The settings of `[server]` that count from when they are read.
const APPLIED: [&str; 5] = ["drain", "drain_delay", "max_connections", "max_connections_per_ip", "max_requests"];

/// How often the certificate files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long it takes to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// What running requests have.
    pub drain: Duration,
    /// What passes before.
    pub delay: Duration,
}

/// What of a running server can be told to be otherwise.
pub(super) struct Running {
    pub config: Current,
    pub secret: Secret,
    pub playback: Arc<Playback>,
    pub streams: Arc<Streams>,
    pub times: watch::Sender<Times>,
    pub gate: Arc<Gate>,
    pub uploads: Option<Arc<Uploads>>,
    pub jobs: Option<Jobs>,
}

/// What is read again.
pub(super) struct Reload {
    file: Option<PathBuf>,
    running: Running,
    /// As they were when the server started.
    options: ArgMatches,
}

impl Reload {
    /// For a server that has just read its configuration from `file`.
    ///
    /// # Errors
    /// The options of this process cannot be read.
    pub fn new(file: Option<PathBuf>, running: Running) -> anyhow::Result<Self> {
        Ok(Self { file, running, options: settings::read()? })
    }

    /// Reads the certificates again when their files have changed, and on `hangup` with the configuration.
    pub async fn keep(self, certificates: Certificates, mut hangup: Signal) {
        loop {
            let asked = tokio::select! {
                _ = hangup.recv() => true,
                () = sleep(LOOK) => false,
            };
            if asked {
                match self.run().await {
                    Ok(()) => tracing::info!("the configuration is as it stands in its file now"),
                    Err(error) => tracing::error!(error = format!("{error:#}"), "the configuration stays as it is"),
                }
            }
            let files = certificates.clone();
            match spawn_blocking(move || files.reload(asked)).await {
                Ok(Ok(true)) => tracing::info!("new certificates are in use"),
                Ok(Ok(false)) | Err(_) => {}
                Ok(Err(error)) => tracing::error!(%error, "the certificates stay as they are"),
            }
        }
    }

    /// Takes the configuration as it stands in its file now; one with a fault changes nothing.
    async fn run(&self) -> anyhow::Result<()> {
        let config = read_config(self.file.as_deref())?;
        let options = settings::read()?;
        let serve = Serve::from_arg_matches(&options)?;
        self.running.playback.exchange(token_keys(&config, &self.running.secret).await?);
        let kept = self.running.apply(&serve, config, settings::changed(&self.options, &options));
        if !kept.is_empty() {
            let (s, them) = if kept.len() == 1 { ("", "it takes") } else { ("s", "they take") };
            tracing::warn!("setting{s} {} changed; {them} a restart", kept.join(", "));
        }
        for (stream, settings) in self.running.streams.lasting() {
            tracing::warn!(%stream, "the stream goes on as it began; when it begins anew it has another {}", settings.join(", "));
        }
        Ok(())
    }
}

impl Running {
    /// Is from now on as these say. Gives those of the settings in `changed` that it cannot apply.
    fn apply(&self, serve: &Serve, config: Config, mut changed: Vec<String>) -> Vec<String> {
        self.times.send_replace(serve.times());
        self.gate.adjust(&serve.limits());
        if let Some(uploads) = &self.uploads {
            uploads.adjust(upload_limits(&config));
        }
        changed.retain(|name| !APPLIED.contains(&name.as_str()));
        // Where there were none, there is nothing that makes them.
        if let Some(jobs) = self.jobs.as_ref().filter(|_| serve.parallel_jobs() > 0) {
            jobs.adjust(serve.parallel_jobs());
            changed.retain(|name| name != "jobs");
        }
        self.config.replace(config);
        changed
    }
}
