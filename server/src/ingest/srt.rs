//! SRT: a listener for each stream that is to have one. ffmpeg speaks the protocol, and hands on the transport stream of the caller.
//!
//! It does not tell what a caller calls itself (the stream id), so that the address tells which stream it is, and the passphrase who may.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use super::{Ingest, Inner, fault::Fault, finish, session::Manner, source::Progress};
use crate::{
    config::{Passphrase, Srt},
    http::StreamName,
    ladder::{LadderError, Pipe, Tool, listen},
};

/// The waits before another try, where a listener fails at once.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Ingest {
    /// Takes the stream `name` from callers, one after the other, for as long as the server runs.
    pub async fn keep_srt(self, name: StreamName, srt: Srt) {
        let mut wait = FIRST_WAIT;
        loop {
            let begun = Instant::now();
            match self.0.receive(&name, &srt).await {
                Ok(()) => {}
                Err(error) => tracing::error!(stream = %name, %error, "SRT cannot be taken; another try in {} s", wait.as_secs()),
            }
            if begun.elapsed() >= LONGEST_WAIT {
                wait = FIRST_WAIT;
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

impl Inner {
    /// Waits for one caller, and takes what it sends to its end.
    async fn receive(&self, name: &StreamName, Srt { address, passphrase }: &Srt) -> Result<(), LadderError> {
        let tool = spawn_blocking(|| Tool::find(0)).await.map_err(|error| LadderError::Tool(error.to_string()))??;
        let mut pipe = listen(&tool, *address, passphrase.as_ref().map(Passphrase::as_str)).await?;
        let published = self.publish(name, &mut pipe).await;
        if let Err(fault) = published {
            self.streams.figures().ingest_faults.fetch_add(1, Relaxed);
            tracing::info!(stream = %name, ?fault, "a caller of SRT came to nothing");
            return Ok(());
        }
        pipe.end().await.map(drop)
    }

    /// Publishes what comes, from the first byte on.
    async fn publish(&self, name: &StreamName, pipe: &mut Pipe) -> Result<(), Fault> {
        let cut = |error: std::io::Error| Fault::Cut(error.to_string());
        let Some(mut bytes) = pipe.next().await.map_err(cut)? else { return Ok(()) };
        let mut request = self.sessions.begin(&self.streams, name, Manner::Body, false).await?;
        let session = Arc::clone(&request.session);
        let mut source = session.body.lock().await;
        let read = loop {
            self.streams.figures().ingest_bytes.fetch_add(bytes.len() as u64, Relaxed);
            match source.take(bytes, session.turn).await {
                Ok(Progress::GoesOn) => {}
                ended => break ended,
            }
            let next = tokio::select! {
                next = pipe.next() => next.map_err(cut),
                () = request.replaced() => Err(Fault::Replaced),
            };
            match next {
                Ok(Some(more)) => bytes = more,
                Ok(None) => break Ok(Progress::GoesOn),
                Err(fault) => break Err(fault),
            }
            request.came();
        };
        let ended = finish(read, &mut source, session.turn).await;
        drop((source, request));
        self.sessions.end(&session, matches!(ended, Ok(Progress::Over))).await;
        ended.map(drop)
    }
}
