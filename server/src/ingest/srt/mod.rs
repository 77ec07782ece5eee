//! SRT: ffmpeg speaks the protocol, and hands on the transport stream of one caller.
//!
//! It does not tell what a caller calls itself (the stream id). So either the address tells which stream it is, or what stands before it
//! reads that, in [`SrtFront`].

mod front;
pub mod handshake;

use std::{
    collections::HashSet,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::watch::Receiver,
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};

use super::{Ingest, Inner, fault::Fault, finish, session::Manner, source::Progress};
use crate::{
    config::{Config, Passphrase, Srt},
    http::StreamName,
    ladder::{LadderError, Pipe, Tool, listen},
};

pub use front::Front as SrtFront;

/// The waits before another try, where a listener fails at once.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Ingest {
    /// Takes streams at the addresses that the configuration gives to each of them, for as long as the server runs.
    pub async fn keep_srt(self) {
        let mut changes = self.0.streams.config().changes();
        let mut kept = HashSet::new();
        loop {
            let streams = changes.borrow_and_update().srt();
            for name in streams.into_keys().filter(|name| kept.insert(name.clone())) {
                tokio::spawn(self.clone().keep(name));
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Takes the stream `name` from callers, one after the other, wherever the configuration says.
    async fn keep(self, name: StreamName) {
        let mut changes = self.0.streams.config().changes();
        let mut wait = FIRST_WAIT;
        loop {
            let Some(srt) = changes.borrow_and_update().stream(&name).srt() else {
                match changes.changed().await {
                    Ok(()) => continue,
                    Err(_) => return,
                }
            };
            let (begun, on_air) = (Instant::now(), AtomicBool::default());
            let received = tokio::select! {
                received = self.0.receive(&name, &srt, None, &on_air) => received,
                () = is_over(&mut changes, &name, &srt, &on_air) => continue,
            };
            if let Err(error) = received {
                tracing::error!(stream = %name, %error, "SRT cannot be taken; another try in {} s", wait.as_secs());
            }
            if begun.elapsed() >= LONGEST_WAIT {
                wait = FIRST_WAIT;
            }
            let nobody = AtomicBool::default();
            tokio::select! {
                () = sleep(wait) => wait = (wait * 2).min(LONGEST_WAIT),
                () = is_over(&mut changes, &name, &srt, &nobody) => wait = FIRST_WAIT,
            }
        }
    }
}

/// Waits until the configuration does not take a stream as `srt` says any more. Who is on air then may go on.
async fn is_over(changes: &mut Receiver<Arc<Config>>, name: &StreamName, srt: &Srt, on_air: &AtomicBool) {
    let ends = changes.wait_for(|config| config.stream(name).srt().as_ref() != Some(srt)).await.is_err();
    if ends || on_air.load(Relaxed) {
        pending::<()>().await;
    }
}

impl Inner {
    /// Waits for one caller, with `patience` if that has an end, and takes what it sends to its end; `on_air` from its first byte on.
    async fn receive(
        &self,
        name: &StreamName,
        Srt { address, passphrase }: &Srt,
        patience: Option<Duration>,
        on_air: &AtomicBool,
    ) -> Result<(), LadderError> {
        let tool = spawn_blocking(|| Tool::find(0)).await.map_err(|error| LadderError::Tool(error.to_string()))??;
        let mut pipe = listen(&tool, *address, passphrase.as_ref().map(Passphrase::as_str)).await?;
        let first = match patience {
            Some(patience) => match timeout(patience, pipe.next()).await {
                Ok(first) => first,
                Err(_) => return Ok(()),
            },
            None => pipe.next().await,
        };
        on_air.store(true, Relaxed);
        let published = self.publish(name, first.map_err(|error| cut(&error)), &mut pipe).await;
        if let Err(fault) = published {
            self.streams.figures().ingest_faults.fetch_add(1, Relaxed);
            if fault.is_of_media() {
                tracing::warn!(stream = %name, "a caller of SRT is turned away: {}", fault.told().1);
            } else {
                tracing::info!(stream = %name, ?fault, "a caller of SRT came to nothing");
            }
            return Ok(());
        }
        pipe.end().await.map(drop)
    }

    /// Publishes what comes, after what came first.
    async fn publish(&self, name: &StreamName, first: Result<Option<Bytes>, Fault>, pipe: &mut Pipe) -> Result<(), Fault> {
        let Some(mut bytes) = first? else { return Ok(()) };
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
                next = pipe.next() => next.map_err(|error| cut(&error)),
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

fn cut(error: &std::io::Error) -> Fault {
    Fault::Cut(error.to_string())
}
