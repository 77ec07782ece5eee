//! The end of a job, told to a URL that its order names: the job in JSON, posted until somebody says that it has arrived.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::Job;

/// How long an answer may take, and how long it is waited before each try.
const ANSWER: Duration = Duration::from_secs(10);
const TRIES: [Duration; 4] = [Duration::ZERO, Duration::from_secs(5), Duration::from_secs(30), Duration::from_mins(3)];

/// What is wrong with a URL that is to be told.
pub fn check(url: &str) -> Result<(), String> {
    let fault = || format!("webhook: '{url}' is no URL as http://host/path");
    let uri: Uri = url.parse().map_err(|_| fault())?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(host)) if !host.is_empty() => Ok(()),
        _ => Err(fault()),
    }
}

/// Tells of a job.
pub async fn tell(url: &str, job: &Job) {
    let content = Bytes::from(serde_json::to_vec(job).unwrap_or_default());
    for wait in TRIES {
        tokio::time::sleep(wait).await;
        match timeout(ANSWER, post(url, content.clone())).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::warn!(url, job = job.id, error = format!("{error:#}"), "a webhook does not answer"),
            Err(_) => tracing::warn!(url, job = job.id, "a webhook does not answer in time"),
        }
    }
}

async fn post(url: &str, content: Bytes) -> anyhow::Result<()> {
    let uri: Uri = url.parse()?;
    let host = uri.host().context("no host")?;
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::post(path)
        .header(header::HOST, uri.authority().context("no host")?.as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(content))?;
    let answer = sender.send_request(request).await;
    connection.abort();
    let status = answer?.status();
    ensure!(status.is_success(), "it says {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked() {
        for url in ["http://localhost/", "http://127.0.0.1:9000/hook?x=1", "http://[::1]:80/a"] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
        for url in ["", "/hook", "https://host/", "ftp://host/", "file:///etc/passwd", "http://", "http:///x", "host:80"] {
            assert!(check(url).is_err(), "{url}");
        }
    }
}
