//! `reelway live`.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use clap::Args;
use futures_util::stream::unfold;
use http::{HeaderValue, Request, Uri, header};
use serde_json::Value;
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep},
};

use super::signals::Signals;
use crate::{
    duration::parse_duration,
    http::{Body, StreamName},
    ladder::{LadderError, LiveSource, Pipe, Tool},
    net::client::{Client, Version},
};

/// A source that was good for this long is tried again at once.
const GOOD: Duration = Duration::from_secs(30);

/// The waits before another try.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long an answer to the end of the stream is waited for.
const LAST_ANSWER: Duration = Duration::from_secs(10);

/// Bytes that are read of an answer.
const ANSWER: usize = 16 << 10;

/// Arguments of `reelway live`.
#[derive(Debug, Args)]
pub struct Live {
    /// Where pictures come from: testsrc: (a test pattern), v4l2:/dev/video0 (a camera), rtsp://... or srt://..., or a file, which is
    /// played in a loop
    #[arg(value_name = "SOURCE")]
    source: LiveSource,
    /// The name of the stream
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    name: StreamName,
    /// The server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = parse_server)]
    server: Uri,
    /// A PEM file of certificates to trust besides those of the system
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// The key to publish the stream with, where the server wants one
    #[arg(long, value_name = "KEY", env = "REELWAY_PUBLISH_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Time between key frames: no longer than two segments of the server's
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_duration)]
    key_frames: Duration,
    /// End after so long; without it, when the source ends, or by ctrl-C
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Duration>,
}

/// Why a try came to its end before the stream did.
enum Ended {
    /// Another try ends the same way.
    ForGood(anyhow::Error),
    /// Another try may go on.
    ForNow(anyhow::Error),
}

impl Live {
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        if let LiveSource::File(path) = &self.source {
            self.source = LiveSource::File(path.canonicalize().with_context(|| format!("cannot open {}", path.display()))?);
        }
        let tool = Tool::find(0)?;
        let client = Client::new(Version::Http1, self.trust.as_deref())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
        runtime.block_on(self.publish(&tool, &client))
    }

    /// Publishes until the source has ended, or nobody wants it any more. A source or a server that goes away is tried again.
    async fn publish(&self, tool: &Tool, client: &Client) -> anyhow::Result<()> {
        let mut signals = Signals::listen().context("cannot listen for signals")?;
        let stop = watch::Sender::new(false);
        let publishing = async {
            let (mut wait, begun, mut sent_any) = (FIRST_WAIT, Instant::now(), false);
            if io::stderr().is_terminal() {
                let (server, name) = (self.server.to_string(), &self.name);
                eprintln!("{name}: {server}live/{name}/master.m3u8, {server}live/{name}/manifest.mpd");
            }
            loop {
                let (started, sent) = (Instant::now(), Arc::new(AtomicU64::new(0)));
                let left = self.duration.map(|duration| duration.saturating_sub(begun.elapsed()));
                let problem = match self.try_once(tool, client, left, Arc::clone(&sent), stop.subscribe()).await {
                    Ok(()) => return Ok(()),
                    Err(Ended::ForGood(error)) => return Err(error),
                    Err(Ended::ForNow(error)) => error,
                };
                sent_any |= sent.load(Relaxed) > 0;
                // What never began does not begin by itself.
                if !sent_any {
                    return Err(problem);
                }
                if started.elapsed() > GOOD {
                    wait = FIRST_WAIT;
                }
                eprintln!("reelway: {}: {problem:#}; another try in {} s", self.name, wait.as_secs());
                sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        };
        let ending = async {
            signals.next().await;
            stop.send_replace(true);
            // A second one, or a server that does not answer.
            tokio::select! {
                () = signals.next() => {}
                () = sleep(LAST_ANSWER) => {}
            }
        };
        tokio::select! {
            published = publishing => published.context(format!("{}", self.name)),
            () = ending => Ok(()),
        }
    }

    /// Sends what the source gives as one body, until it ends.
    async fn try_once(
        &self,
        tool: &Tool,
        client: &Client,
        length: Option<Duration>,
        sent: Arc<AtomicU64>,
        stop: watch::Receiver<bool>,
    ) -> Result<(), Ended> {
        if *stop.borrow() {
            return Ok(());
        }
        let pipe = self.source.open(tool, self.key_frames, length).map_err(|error| Ended::ForGood(error.into()))?;
        let stopped = stop.clone();
        let (body, ended) = Sending::begin(pipe, sent, stop);
        let request = self.request(body).map_err(Ended::ForGood)?;
        let answer = client.send(request, ANSWER).await;
        // Of a body that was dropped, nothing comes.
        let ended = ended.await.unwrap_or(Ok(String::new()));
        if *stopped.borrow() {
            return Ok(());
        }
        match (answer, ended) {
            (Ok(answer), ended) if !answer.status.is_success() => {
                let told: Value = serde_json::from_slice(&answer.content).unwrap_or_default();
                let detail = told["detail"].as_str().unwrap_or("it does not say why");
                let error = anyhow!("{} refuses it: {}: {detail}", self.server, answer.status);
                // What ffmpeg says is told where the server saw the body break off.
                match ended {
                    Err(error) => Err(Ended::ForNow(error.into())),
                    Ok(_) if answer.status.is_server_error() => Err(Ended::ForNow(error)),
                    Ok(_) => Err(Ended::ForGood(error)),
                }
            }
            (_, Err(error)) => Err(Ended::ForNow(error.into())),
            (Err(error), Ok(_)) => {
                Err(Ended::ForNow(anyhow!("cannot send to {}: {error}; is `reelway serve` running there?", self.server)))
            }
            (Ok(_), Ok(log)) if log.is_empty() || self.duration.is_some() => Ok(()),
            (Ok(_), Ok(log)) => Err(Ended::ForNow(anyhow!("the source has ended: {log}"))),
        }
    }

    fn request(&self, body: Body) -> anyhow::Result<Request<Body>> {
        let mut request = Request::put(format!("{}ingest/{}", self.server, self.name)).header(header::CONTENT_TYPE, "video/mp4");
        if let Some(key) = &self.key {
            let mut value = HeaderValue::try_from(format!("Bearer {key}")).context("this cannot be a key")?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        Ok(request.body(body)?)
    }
}

/// ffmpeg, while its output is sent.
struct Sending {
    pipe: Pipe,
    sent: Arc<AtomicU64>,
    stop: watch::Receiver<bool>,
    stopping: bool,
    tell: oneshot::Sender<Result<String, LadderError>>,
}

/// What the body of a request gives next, and what comes behind it.
type Piece = Option<(io::Result<Bytes>, Option<Sending>)>;

impl Sending {
    /// The body that ffmpeg writes, and what comes of ffmpeg. Once it is to stop it ends its file as a whole one.
    fn begin(pipe: Pipe, sent: Arc<AtomicU64>, stop: watch::Receiver<bool>) -> (Body, oneshot::Receiver<Result<String, LadderError>>) {
        let (tell, told) = oneshot::channel();
        let sending = Self { pipe, sent, stop, stopping: false, tell };
        let pieces = unfold(Some(sending), |sending| async move { sending?.next().await });
        (Body::growing(pieces), told)
    }

    async fn next(mut self) -> Piece {
        let next = loop {
            tokio::select! {
                next = self.pipe.next() => break next,
                _ = self.stop.wait_for(|stop| *stop), if !self.stopping => {
                    self.stopping = true;
                    self.pipe.stop();
                }
            }
        };
        match next {
            Ok(Some(bytes)) => {
                self.sent.fetch_add(bytes.len() as u64, Relaxed);
                Some((Ok(bytes), Some(self)))
            }
            Ok(None) => self.end().await,
            Err(error) => Some((Err(error), None)),
        }
    }

    /// A body that ffmpeg did not finish is not ended as if it were whole.
    async fn end(self) -> Piece {
        let ended = self.pipe.end().await;
        let failed = ended.is_err() && !self.stopping;
        let _ = self.tell.send(ended);
        failed.then(|| (Err(io::Error::other("ffmpeg failed")), None))
    }
}

fn parse_name(text: &str) -> Result<StreamName, String> {
    StreamName::new(text).ok_or_else(|| format!("no stream can be called '{text}': use letters, digits, '-', '_' and '.'"))
}

/// `http://host[:port]` or `https://host[:port]`, with a slash behind.
fn parse_server(text: &str) -> Result<Uri, String> {
    let fault = || format!("'{text}' is no server: write it as http://localhost:8080");
    let uri: Uri = format!("{}/", text.trim_end_matches('/')).parse().map_err(|_| fault())?;
    let fits = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
    if fits && uri.path_and_query().is_some_and(|path| path == "/") { Ok(uri) } else { Err(fault()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_servers_are_checked() {
        assert!(["cam-1", "News_2.hd"].iter().all(|name| parse_name(name).is_ok()));
        assert!(["", ".x", "a/b", "a b", "a~b"].iter().all(|name| parse_name(name).is_err()));
        for (text, expected) in [("http://localhost:8080", "http://localhost:8080/"), ("https://a.example/", "https://a.example/")] {
            assert_eq!(parse_server(text).unwrap().to_string(), expected);
        }
        assert!(["", "localhost:8080", "ftp://a", "http://a/x", "http://a?b", "file:///a"].iter().all(|url| parse_server(url).is_err()));
    }
}
