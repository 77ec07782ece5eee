//! Where a server says what happens to it: its log on standard error, the access log on standard output.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::{EnvFilter, Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::metrics::ACCESS_LOG;

/// The form of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AccessLog {
    /// A line for a person
    Text,
    /// A JSON object a line
    Json,
}

/// Begins to log. What is said on standard error is chosen by `RUST_LOG`; warnings and errors without it.
pub(super) fn begin(access_log: Option<AccessLog>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let events = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let not_access = tracing_subscriber::filter::filter_fn(|metadata| metadata.target() != ACCESS_LOG);
    let access = access_log.map(|form| {
        let line = fmt::layer().with_target(false).with_level(false).with_ansi(false);
        let line = match form {
            AccessLog::Text => line.boxed(),
            AccessLog::Json => line.json().flatten_event(true).boxed(),
        };
        line.with_filter(Targets::new().with_target(ACCESS_LOG, Level::INFO))
    });
    tracing_subscriber::registry().with(access).with(events.with_filter(not_access).with_filter(filter)).init();
}
