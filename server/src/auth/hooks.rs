//! Somebody else decides: whether who asks may publish or play is asked of a URL, by POST of a [`Question`] in JSON. Any status from 200 to
//! 299 is a yes, from 400 to 499 a no; else, or where no answer comes in time, nobody is let in, and it is asked again.

use std::{net::IpAddr, sync::OnceLock, time::Instant};

use bytes::Bytes;
use http::{Request, Uri, header};
use quick_cache::sync::Cache;
use ring::digest::{SHA256, digest};
use serde::Serialize;
use tokio::{task::spawn_blocking, time::timeout};

use crate::{
    config::{Current, Hooks as HooksConfig},
    net::client::{Client, Version},
};

/// Answers that are remembered.
const ANSWERS: usize = 16 << 10;

/// What is asked.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Question<'a> {
    /// `publish` or `play`.
    pub event: &'static str,
    /// What is to be published or played: `/live/NAME/`, `/vod/PATH/`, `/media/PATH`, or a list of the API.
    pub path: &'a str,
    /// The key or token that came with the request, as it came.
    pub credential: Option<&'a str>,
    /// Who asks; a proxy before the server hides that.
    pub address: Option<IpAddr>,
}

/// What is remembered of a question: nothing that opens anything.
type Asked = (&'static str, String, Option<[u8; 32]>, Option<IpAddr>, u128);

/// Asks, and remembers.
#[derive(Debug)]
pub struct Hooks {
    config: Current,
    client: OnceLock<Client>,
    answers: Cache<Asked, bool>,
    begun: Instant,
}

impl Hooks {
    /// Asks where `config` says.
    pub fn new(config: impl Into<Current>) -> Self {
        Self { config: config.into(), client: OnceLock::new(), answers: Cache::new(ANSWERS), begun: Instant::now() }
    }

    /// The answer; `None`: nobody gives one.
    pub async fn ask(&self, question: Question<'_>) -> Option<bool> {
        let config = self.config.get().hooks.clone();
        let url = if question.event == "publish" { config.on_publish.as_ref() } else { config.on_play.as_ref() }?;
        if config.cache.is_zero() {
            return self.ask_now(url, &config, question).await;
        }
        // Answers are forgotten all at once at the end of a time of this length: what is asked at once is asked of the URL once.
        let time = self.begun.elapsed().as_millis() / config.cache.as_millis().max(1);
        let credential = question.credential.map(|text| digest(&SHA256, text.as_bytes()).as_ref().try_into().unwrap_or_default());
        let asked = (question.event, question.path.to_owned(), credential, question.address, time);
        self.answers.get_or_insert_async(&asked, async { self.ask_now(url, &config, question).await.ok_or(()) }).await.ok()
    }

    async fn ask_now(&self, url: &Uri, config: &HooksConfig, question: Question<'_>) -> Option<bool> {
        let client = match self.client().await {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(error, "who decides cannot be asked");
                return None;
            }
        };
        match timeout(config.timeout, post(client, url, question))
            .await
            .unwrap_or_else(|_| Err(format!("no answer in {:?}", config.timeout)))
        {
            Ok(answer) => Some(answer),
            Err(error) => {
                tracing::warn!(event = question.event, path = question.path, error, "who decides does not answer");
                None
            }
        }
    }

    /// The client, made when it is first needed: that reads whom the system trusts.
    async fn client(&self) -> Result<&Client, String> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let made = spawn_blocking(|| Client::new(Version::Any, None)).await.map_err(|error| error.to_string())?;
        let client = made.map_err(|error| error.to_string())?;
        Ok(self.client.get_or_init(|| client))
    }
}

async fn post(client: &Client, url: &Uri, question: Question<'_>) -> Result<bool, String> {
    let content = serde_json::to_vec(&question).map_err(|error| error.to_string())?;
    let request = Request::post(url).header(header::CONTENT_TYPE, "application/json").body(Bytes::from(content).into());
    let status = client.send(request.map_err(|error| error.to_string())?, 0).await.map_err(|error| error.to_string())?.status;
    match status.as_u16() {
        200..=299 => Ok(true),
        400..=499 => Ok(false),
        _ => Err(format!("it says {status}")),
    }
}
