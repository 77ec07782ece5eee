//! All live streams of a server, by name.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, Weak, atomic::Ordering::Relaxed},
    time::Duration,
};

use reelway_core::{
    live::{Config as CoreConfig, Live},
    time::{Date, Moment, Timescale, rescale_length},
};
use tokio::{sync::watch, time::sleep};

use super::{
    Clock, Figures, Stream, past,
    recording::Recording,
    stream::{Beginning, core_config, other},
};
use crate::{
    auth::Secret,
    config::{Current, StreamConfig},
    content_key::StreamKeys,
    http::StreamName,
    storage::{Form, Kept},
};

/// The most streams at once.
const MOST: usize = 1024;

/// How often it is looked for streams that are over.
const LOOK: Duration = Duration::from_secs(30);

/// All live streams.
#[derive(Default)]
pub struct Streams {
    config: Current,
    clock: Clock,
    figures: Arc<Figures>,
    /// Where recordings are; without it nothing is recorded.
    recordings: Option<PathBuf>,
    by_name: Arc<ByName>,
    /// What keys are made of; without it no stream is encrypted.
    secret: Option<Secret>,
    /// The last segments of streams from before that do not go on.
    last: Mutex<HashMap<StreamName, u32>>,
    /// Woken when a stream begins.
    begun: watch::Sender<()>,
}

type ByName = RwLock<HashMap<StreamName, Arc<Stream>>>;

/// Forgets a stream that is over once nobody needs to ask for what was in its window; one that is recorded is left to its files.
async fn forget(by_name: Weak<ByName>, stream: Weak<Stream>) {
    let window = loop {
        sleep(LOOK).await;
        match stream.upgrade().map(|stream| (stream.is_ended(), stream.config.window)) {
            Some((true, window)) => break window,
            Some(_) => {}
            None => return,
        }
    };
    sleep(window).await;
    if let (Some(by_name), Some(stream)) = (by_name.upgrade(), stream.upgrade()) {
        if stream.is_in_files() {
            return stream.leave_memory();
        }
        let mut by_name = by_name.write().unwrap_or_else(PoisonError::into_inner);
        if by_name.get(&stream.name).is_some_and(|there| Arc::ptr_eq(there, &stream)) {
            by_name.remove(&stream.name);
        }
    }
}

/// There are as many streams as there may be.
#[derive(Debug)]
pub struct Full;

impl Streams {
    /// None, to be as `config` says, recorded below the folder `recordings`.
    pub fn new(config: impl Into<Current>, recordings: PathBuf) -> Self {
        Self { config: config.into(), recordings: Some(recordings), ..Self::default() }
    }

    /// The same, with keys of `secret` for those that are to be encrypted.
    #[must_use]
    pub fn with_secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// The same, published by this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How streams are to be.
    pub fn config(&self) -> &Current {
        &self.config
    }

    /// The folder of recordings.
    pub fn recordings(&self) -> Option<&Path> {
        self.recordings.as_deref()
    }

    /// What is counted.
    pub fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// The time by which streams are published.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Hears of streams that begin from now on.
    pub fn begun(&self) -> watch::Receiver<()> {
        self.begun.subscribe()
    }

    /// A stream, if it is there. Takes nothing from those that are.
    pub fn get(&self, name: &StreamName) -> Option<Arc<Stream>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<Stream>> {
        let mut all: Vec<_> = self.by_name.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Those that go on as they began, where the configuration says something else now, and what that is.
    pub fn lasting(&self) -> Vec<(StreamName, Vec<&'static str>)> {
        let config = self.config.get();
        let running = self.all().into_iter().filter(|stream| !stream.is_ended());
        let lasting = running.map(|stream| (stream.name.clone(), stream.config.lasting(&config.stream(&stream.name))));
        lasting.filter(|(_, settings)| !settings.is_empty()).collect()
    }

    /// Goes on with the streams that were recorded when the server ended: as if their publishers had been lost now. Those that are over are
    /// at their addresses too.
    pub async fn restore(&self) {
        let Some(folder) = &self.recordings else { return };
        for name in folders(folder).iter().filter_map(|name| StreamName::new(name)).take(MOST) {
            let (folder, began) = (folder.join(name.as_str()), self.clock.now());
            // Sessions are called by the time when they began.
            let Some(session) = folders(&folder).into_iter().max() else { continue };
            match self.restore_one(&name, &folder.join(&session), session) {
                Ok(None) => {}
                Ok(Some((stream, over))) => {
                    // What has been written of a segment that grew is a segment.
                    stream.publish(|live, now| if over { live.end(now) } else { live.handle_timeout(now) }).await;
                    let took = self.clock.now().since(began) / 1000;
                    tracing::info!(stream = %name, over, took, "a recording is there from before");
                }
                Err(error) => {
                    tracing::error!(%error, stream = %name, "what is kept of the stream cannot be read; it plays as far as its files do");
                }
            }
        }
    }

    fn restore_one(&self, name: &StreamName, folder: &Path, session: String) -> io::Result<Option<(Arc<Stream>, bool)>> {
        let mut config = self.config.get().stream(name);
        // Of the last ones the parts are needed, also of those that are no longer listed.
        let kept = Kept::read(folder, 2 * core_config(&config, 1).most_segments())?;
        let Some(form) = kept.form else { return Ok(None) };
        if config.encrypt.is_some() {
            // What was recorded is clear. Another stream begins, with keys and numbers of its own.
            let segments = kept.renditions.iter().filter_map(|rendition| rendition.segments.last());
            let last = segments.map(|last| last.opening.segment).max().unwrap_or(0);
            self.last.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), last);
            return Ok(None);
        }
        // What players were promised holds, whatever is configured now.
        (config.segment, config.part) = (Duration::from_millis(form.segment), Duration::from_millis(form.part));
        let now = self.clock.now();
        let core = core_config(&config, kept.first_header.unwrap_or(1));
        let core = CoreConfig { target_duration: kept.target_duration.map(|seconds| seconds.saturating_mul(1000)), ..core };
        let Some((live, logs)) = past::restore(core, &kept, now)? else { return Ok(None) };
        // What was watched before the server ended is too old to be gone on with, if all of the window is missing behind it.
        let over = kept.ended || end(&live).is_none_or(|end| now.since(end) > micros(config.window));
        let recording = if over { None } else { Some(Recording::resume(folder, session.clone(), &kept)?) };
        let beginning = Beginning { live, session: form.session, recording, called: Some(session), logs, keys: None };
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Some((self.add(&mut by_name, name, config, beginning), over)))
    }

    fn add(
        &self,
        by_name: &mut HashMap<StreamName, Arc<Stream>>,
        name: &StreamName,
        config: StreamConfig,
        beginning: Beginning,
    ) -> Arc<Stream> {
        let stream = Stream::new(name.clone(), config, beginning, self.clock, Arc::clone(&self.figures));
        by_name.insert(name.clone(), Arc::clone(&stream));
        tokio::spawn(forget(Arc::downgrade(&self.by_name), Arc::downgrade(&stream)));
        stream
    }

    /// The stream to publish to: the one that runs, else a new one.
    ///
    /// # Errors
    /// [`Full`], or what the core says of the configuration.
    pub fn to_publish(&self, name: &StreamName) -> io::Result<Result<Arc<Stream>, Full>> {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(stream) = by_name.get(name).filter(|stream| !stream.is_ended()) {
            return Ok(Ok(Arc::clone(stream)));
        }
        if by_name.len() >= MOST && !by_name.contains_key(name) {
            by_name.retain(|_, stream| !stream.is_ended());
            if by_name.len() >= MOST {
                return Ok(Err(Full));
            }
        }
        let config = self.config.get().stream(name);
        // Segments of an earlier stream of this name may be in caches, under their numbers.
        let before = by_name.get(name).and_then(|ended| ended.edge()).map(|edge| edge.segment);
        let before = before.or_else(|| self.last.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()).unwrap_or(0);
        let session = u64::try_from(self.clock.now().0).unwrap_or(0);
        let keys = self.keys(name, &config, session)?;
        let encryption = keys.as_ref().map(|keys| keys.encryption(&format!("/live/{name}"))).transpose().map_err(other)?;
        let live = Live::new(CoreConfig { encryption, ..core_config(&config, before.saturating_add(1)) }).map_err(other)?;
        let recording = self.recording(name, &config, session).unwrap_or_else(|error| {
            tracing::error!(%error, stream = %name, "the stream cannot be recorded");
            self.figures.recording_faults.fetch_add(1, Relaxed);
            None
        });
        let called = recording.as_ref().map(|recording| recording.session.clone());
        let beginning = Beginning { live, session, recording, called, logs: Vec::new(), keys };
        let stream = self.add(&mut by_name, name, config, beginning);
        drop(by_name);
        self.begun.send_replace(());
        Ok(Ok(stream))
    }

    /// The keys of a stream that begins now, if it is to be encrypted.
    fn keys(&self, name: &StreamName, config: &StreamConfig, session: u64) -> io::Result<Option<StreamKeys>> {
        let Some(scheme) = config.encrypt else { return Ok(None) };
        let secret = self.secret.as_ref().ok_or_else(|| io::Error::other("there is no secret to make keys from"))?;
        let made_for = format!("live\0{name}\0{session}");
        Ok(Some(StreamKeys::new(scheme, config.keys.as_ref(), config.key_period, secret, made_for)))
    }

    /// Begins the recording of a stream that is to be recorded.
    fn recording(&self, name: &StreamName, config: &StreamConfig, session: u64) -> io::Result<Option<Recording>> {
        let Some(folder) = self.recordings.as_ref().filter(|_| config.record) else { return Ok(None) };
        // The time of the beginning, as a name of a file.
        let called = Date(self.clock.now().0 / 1000).to_string().replace(':', "-");
        let millis = |length: Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let form = Form { session, segment: millis(config.segment), part: millis(config.part) };
        Recording::begin(&folder.join(name.as_str()).join(&called), called, form).map(Some)
    }
}

/// The names of the folders in `folder`; none where it cannot be read.
fn folders(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// When what there is of a stream ends, by the clock.
fn end(live: &Live) -> Option<Moment> {
    let windows = live.renditions().filter_map(|id| live.window(id));
    let ends = windows.filter_map(|window| {
        let last = window.segments.back()?;
        let duration = rescale_length(last.duration, window.timescale, Timescale::MICROS);
        Some(last.clock.after(i64::try_from(duration).unwrap_or(0)))
    });
    ends.max()
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}
