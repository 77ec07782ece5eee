//! Whom to ask who may publish and play: `[hooks]`.

use std::time::Duration;

use anyhow::ensure;
use http::Uri;
use serde::{Deserialize, Deserializer, de::Error};

use crate::duration::parse_duration;

/// Whom to ask.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    /// Who may publish, where `publish` is `hook`.
    #[serde(deserialize_with = "url")]
    pub on_publish: Option<Uri>,
    /// Who may play, where `play` is `hook`.
    #[serde(deserialize_with = "url")]
    pub on_play: Option<Uri>,
    /// How long an answer is waited for.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    /// How long an answer counts.
    #[serde(deserialize_with = "duration")]
    pub cache: Duration,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { on_publish: None, on_play: None, timeout: Duration::from_secs(2), cache: Duration::from_secs(10) }
    }
}

impl Hooks {
    /// What cannot be.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let times = Duration::from_millis(100)..=Duration::from_secs(30);
        ensure!(times.contains(&self.timeout), "timeout is {:?}: it may be 100ms to 30s", self.timeout);
        ensure!(self.cache <= Duration::from_hours(1), "cache is {:?}: it may be 1h at most", self.cache);
        Ok(())
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// A URL to which something is posted.
pub(super) fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uri>, D::Error> {
    let uri = String::deserialize(deserializer)?.parse::<Uri>().ok();
    let uri = uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty()));
    uri.map(Some).ok_or_else(|| D::Error::custom("this is no URL as https://host/path"))
}
