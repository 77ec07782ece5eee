//! Who publishes a stream: one encoder at a time, with as many requests as it likes.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use reelway_core::live::Live;
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, watch},
    time::{Instant, sleep_until},
};

use super::{fault::Fault, naming::FileKey, source::Source};
use crate::{
    http::StreamName,
    live::{Stream, Streams},
};

/// The most renditions that one encoder may send as files.
const MOST_SOURCES: usize = 32;

/// How an encoder publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// One body, or a series of requests that go on with one.
    Body,
    /// Files, from this address.
    Files(Option<IpAddr>),
}

/// An encoder that publishes.
pub struct Session {
    /// What it publishes.
    pub stream: Arc<Stream>,
    manner: Manner,
    /// How often the stream had lost its publisher before.
    pub turn: u64,
    /// Of files, by what names their rendition.
    sources: Mutex<BTreeMap<FileKey, Arc<AsyncMutex<Source>>>>,
    /// Of a body, for the next request that goes on with it.
    pub body: Arc<AsyncMutex<Source>>,
    activity: Mutex<Activity>,
    /// Woken when a header has come, and when a request ends.
    pub progress: Notify,
    /// Whether another encoder has taken its place.
    replaced: watch::Sender<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Activity {
    requests: usize,
    last: Instant,
}

/// A request of an encoder under way, until dropped.
pub struct Request {
    /// Of which encoder.
    pub session: Arc<Session>,
    replaced: watch::Receiver<bool>,
}

/// The encoders that publish now, by stream.
#[derive(Default)]
pub struct Sessions {
    by_name: Mutex<HashMap<StreamName, Arc<Session>>>,
    turns: AtomicU64,
}

impl Sessions {
    /// The session of a request that publishes `name` in this manner. `goes_on`: it goes on with the last body.
    ///
    /// Another encoder may come when the one before has no request under way, or has sent nothing for the time that the configuration
    /// says. The files of one address are of one encoder.
    pub async fn begin(self: &Arc<Self>, streams: &Streams, name: &StreamName, manner: Manner, goes_on: bool) -> Result<Request, Fault> {
        let (session, before) = {
            let mut by_name = lock(&self.by_name);
            let before = by_name.get(name).cloned();
            if let Some(session) = &before
                && session.manner == manner
                && (goes_on || manner != Manner::Body)
            {
                return Ok(session.request());
            }
            if before.as_ref().is_some_and(|session| !session.gives_way()) {
                return Err(Fault::Busy);
            }
            let stream = streams.to_publish(name).map_err(|error| Fault::Internal(error.to_string()))?.map_err(|_| Fault::Full)?;
            let session = Arc::new(Session {
                body: Arc::new(AsyncMutex::new(Source::new(Arc::clone(&stream)))),
                stream,
                manner,
                turn: self.turns.fetch_add(1, Relaxed),
                sources: Mutex::default(),
                activity: Mutex::new(Activity { requests: 0, last: Instant::now() }),
                progress: Notify::new(),
                replaced: watch::Sender::new(false),
            });
            by_name.insert(name.clone(), Arc::clone(&session));
            session.stream.set_published(true);
            (session, before)
        };
        let request = session.request();
        if let Some(before) = before {
            before.replaced.send_replace(true);
            before.stream.publish(Live::lost).await;
        }
        tokio::spawn(watch_over(Arc::downgrade(&session), Arc::downgrade(self)));
        Ok(request)
    }

    /// Sends the encoder of a stream away, if there is one.
    pub async fn dismiss(&self, name: &StreamName) {
        let session = lock(&self.by_name).get(name).cloned();
        if let Some(session) = session {
            self.end(&session, true).await;
        }
    }

    /// The encoder of `session` is gone, or says that it is over.
    pub async fn end(&self, session: &Arc<Session>, over: bool) {
        {
            let mut by_name = lock(&self.by_name);
            match by_name.get(&session.stream.name) {
                Some(current) if Arc::ptr_eq(current, session) => by_name.remove(&session.stream.name),
                _ => return, // replaced
            };
        }
        session.replaced.send_replace(true);
        session.stream.set_published(false);
        session.stream.publish(|live, now| if over { live.end(now) } else { live.lost(now) }).await;
    }
}

impl Session {
    fn request(self: &Arc<Self>) -> Request {
        let mut activity = lock(&self.activity);
        *activity = Activity { requests: activity.requests + 1, last: Instant::now() };
        drop(activity);
        Request { session: Arc::clone(self), replaced: self.replaced.subscribe() }
    }

    /// Whether another encoder may come.
    fn gives_way(&self) -> bool {
        let Activity { requests, last } = *lock(&self.activity);
        let silent = last.elapsed();
        silent >= self.stream.config.takeover || (requests == 0 && self.manner == Manner::Body)
    }

    /// When the encoder is taken for gone, if it sends nothing: after two of the longest segments that are announced.
    pub fn patience(&self) -> Duration {
        (self.stream.config.segment * 4).max(self.stream.config.takeover)
    }

    /// The source called `key`; a new one if there is none.
    pub fn source(&self, key: FileKey) -> Result<Arc<AsyncMutex<Source>>, Fault> {
        let mut sources = lock(&self.sources);
        let count = sources.len();
        if !sources.contains_key(&key) && count >= MOST_SOURCES {
            return Err(Fault::NoMedia(format!("there are {MOST_SOURCES} renditions already")));
        }
        let source = || Source::new(Arc::clone(&self.stream)).in_switching_set(key.switching_set());
        let source = sources.get(&key).cloned().unwrap_or_else(|| Arc::new(AsyncMutex::new(source())));
        Ok(Arc::clone(sources.entry(key).or_insert(source)))
    }

    /// The source of the segment at `file`.
    pub fn source_of_segment(&self, file: &[String]) -> Option<Arc<AsyncMutex<Source>>> {
        let sources = lock(&self.sources);
        FileKey::of_header_for(file, &sources.keys()).and_then(|key| sources.get(key).cloned())
    }

    /// Forgets the source whose header is at `file`, or of the segment there: it is beyond repair, and a new header begins anew.
    pub fn give_up(&self, source: &Arc<AsyncMutex<Source>>) {
        lock(&self.sources).retain(|_, other| !Arc::ptr_eq(other, source));
    }

    /// Takes `source` out, which says that it is over; whether it was the last one.
    pub fn is_last(&self, source: &Arc<AsyncMutex<Source>>) -> bool {
        self.give_up(source);
        lock(&self.sources).is_empty()
    }

    /// How many requests are under way.
    pub fn requests(&self) -> usize {
        lock(&self.activity).requests
    }
}

impl Request {
    /// The encoder has sent something.
    pub fn came(&self) {
        lock(&self.session.activity).last = Instant::now();
    }

    /// Waits until another encoder has taken the place of this one.
    pub async fn replaced(&mut self) {
        let _ = self.replaced.wait_for(|replaced| *replaced).await;
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut activity = lock(&self.session.activity);
        activity.requests -= 1;
        activity.last = Instant::now();
        drop(activity);
        self.session.progress.notify_waiters();
    }
}

/// Ends a session whose encoder sends nothing and has no request under way.
async fn watch_over(session: Weak<Session>, sessions: Weak<Sessions>) {
    loop {
        let next = {
            let (Some(session), Some(sessions)) = (session.upgrade(), sessions.upgrade()) else { return };
            let Activity { requests, last } = *lock(&session.activity);
            let end = last + session.patience();
            if requests == 0 && end <= Instant::now() {
                return sessions.end(&session, false).await;
            }
            if requests == 0 { end } else { Instant::now() + session.patience() }
        };
        sleep_until(next).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
