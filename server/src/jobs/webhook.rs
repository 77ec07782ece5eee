//! The end of a job, told to a URL that its order names: the job in JSON, posted until somebody says that it has arrived.

use std::time::Duration;

use anyhow::ensure;
use bytes::Bytes;
use http::{Request, Uri, header};
use tokio::time::timeout;

use super::Job;
use crate::net::client::{Client, Version};

/// How long an answer may take, and how long it is waited before each try.
const ANSWER: Duration = Duration::from_secs(10);
const TRIES: [Duration; 4] = [Duration::ZERO, Duration::from_secs(5), Duration::from_secs(30), Duration::from_mins(3)];

/// Bytes that are read of an answer.
const ANSWER_BYTES: usize = 4096;

/// What is wrong with a URL that is to be told.
pub fn check(url: &str) -> Result<(), String> {
    let fault = || format!("webhook: '{url}' is no URL as https://host/path");
    let uri: Uri = url.parse().map_err(|_| fault())?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(()),
        _ => Err(fault()),
    }
}

/// Tells of a job. Who answers by https shows a certificate that the system trusts.
pub async fn tell(url: &str, job: &Job) {
    let client = match Client::new(Version::Any, None) {
        Ok(client) => client,
        Err(error) => return tracing::error!(%error, url, job = job.id, "a webhook cannot be called"),
    };
    let content = Bytes::from(serde_json::to_vec(job).unwrap_or_default());
    for wait in TRIES {
        tokio::time::sleep(wait).await;
        match timeout(ANSWER, post(&client, url, content.clone())).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::warn!(url, job = job.id, error = format!("{error:#}"), "a webhook does not answer"),
            Err(_) => tracing::warn!(url, job = job.id, "a webhook does not answer in time"),
        }
    }
}

async fn post(client: &Client, url: &str, content: Bytes) -> anyhow::Result<()> {
    let request = Request::post(url).header(header::CONTENT_TYPE, "application/json").body(content.into())?;
    let status = client.send(request, ANSWER_BYTES).await?.status;
    ensure!(status.is_success(), "it says {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked() {
        for url in ["http://localhost/", "http://127.0.0.1:9000/hook?x=1", "http://[::1]:80/a", "https://host/"] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
        for url in ["", "/hook", "ftp://host/", "file:///etc/passwd", "http://", "http:///x", "host:80"] {
            assert!(check(url).is_err(), "{url}");
        }
    }
}
