//! One live stream: the core's driver, and the logs that it fills.

use std::{
    io,
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use reelway_core::{
    live::{Event, Live, RenditionId},
    time::{Moment, Timescale, rescale},
    window::PartAddressing,
};
use tokio::{
    sync::{RwLock as AsyncRwLock, RwLockReadGuard, watch},
    task::spawn_blocking,
    time::sleep_until,
};

use super::{Clock, Figures, Log, Part, clear, log::Edge, recording::Recording, texts::Texts};
use crate::{
    config::{Parts, StreamConfig},
    content_key::StreamKeys,
    http::StreamName,
    storage::Extent,
};

/// What is changed when something is published.
struct Driver {
    live: Live,
    /// `None` where it is not recorded, and while somebody writes it.
    recording: Option<Recording>,
}

/// A live stream.
pub struct Stream {
    /// What it is called.
    pub name: StreamName,
    /// How it is to be.
    pub config: StreamConfig,
    /// Tells it from others of the same name, earlier and later ones, in entity tags.
    pub session: u64,
    /// The time by which it is published.
    pub clock: Clock,
    /// What is counted.
    pub figures: Arc<Figures>,
    /// What its recording is called, if it has one.
    pub recording: Option<String>,
    /// What it is encrypted with, if it is.
    pub keys: Option<StreamKeys>,
    /// Its manifests.
    pub texts: Texts,
    driver: AsyncRwLock<Driver>,
    /// By the index of the rendition.
    logs: RwLock<Vec<Arc<Log>>>,
    /// Where it is encrypted and has a ladder: its pictures as they came.
    clear: Option<Arc<Log>>,
    /// Woken when anything is published.
    changed: watch::Sender<()>,
    /// Woken when the next moment may be another.
    timer: watch::Sender<()>,
    /// Whether somebody publishes it.
    published: AtomicBool,
    ended: AtomicBool,
    /// How many of its readers are no viewers.
    own_readers: AtomicUsize,
    /// When something was published last, in microseconds since 1970.
    last: AtomicI64,
}

/// What there is of a stream at first.
pub(super) struct Beginning {
    pub live: Live,
    pub session: u64,
    /// What goes on to be written, and what the recording is called even if it is over.
    pub recording: Option<Recording>,
    pub called: Option<String>,
    /// Of a stream that was kept.
    pub logs: Vec<Arc<Log>>,
    pub keys: Option<StreamKeys>,
}

impl Stream {
    /// A stream that is as `beginning` tells.
    pub(super) fn new(name: StreamName, config: StreamConfig, beginning: Beginning, clock: Clock, figures: Arc<Figures>) -> Arc<Self> {
        let Beginning { live, session, recording, called, logs, keys } = beginning;
        let clear = (keys.is_some() && config.ladder.is_some()).then(|| Arc::new(clear::log()));
        let stream = Arc::new(Self {
            name,
            config,
            session,
            clock,
            figures,
            recording: called,
            keys,
            texts: Texts::default(),
            driver: AsyncRwLock::new(Driver { live, recording }),
            logs: RwLock::new(logs),
            clear,
            changed: watch::Sender::new(()),
            timer: watch::Sender::new(()),
            published: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            own_readers: AtomicUsize::new(0),
            last: AtomicI64::new(0),
        });
        tokio::spawn(keep_time(Arc::downgrade(&stream), stream.timer.subscribe()));
        stream
    }

    /// Lets `change` change the stream, and publishes what comes of it: all at once, and before anybody sees it in a manifest; where it
    /// is recorded, when it has been written. To be seen to its end, since what has happened happens once.
    pub async fn publish<R>(&self, change: impl FnOnce(&mut Live, Moment) -> R) -> R {
        let mut driver = self.driver.write().await;
        let result = change(&mut driver.live, self.clock.now());
        let events: Vec<Event> = std::iter::from_fn(|| driver.live.poll()).map(in_one_piece).collect();
        self.make_logs(&driver.live);
        let (events, mut extents) = match driver.recording.take() {
            Some(recording) if !events.is_empty() => {
                let (recording, events, extents) = self.record(recording, events).await;
                driver.recording = recording;
                (events, extents)
            }
            recording => {
                driver.recording = recording;
                (events, Vec::new())
            }
        };
        if !self.is_in_files() {
            extents.clear();
        }
        let scales: Vec<Timescale> =
            driver.live.renditions().filter_map(|id| driver.live.window(id)).map(|window| window.timescale).collect();
        let touched = self.take(events, extents, &scales);
        drop(driver);
        for log in touched.iter().chain(self.clear.iter().filter(|_| !touched.is_empty())) {
            log.wake();
        }
        if !touched.is_empty() {
            self.last.store(self.clock.now().0, Relaxed);
            self.changed.send_replace(());
        }
        self.timer.send_replace(());
        result
    }

    /// Writes down what has happened, on a thread that may wait for a disk.
    async fn record(&self, mut recording: Recording, events: Vec<Event>) -> (Option<Recording>, Vec<Event>, Vec<Option<Extent>>) {
        let names: Vec<String> = self.logs().iter().map(|log| log.name.clone()).collect();
        let (figures, kept) = (Arc::clone(&self.figures), events.clone());
        let written = spawn_blocking(move || {
            let extents = recording.take(&events, &names, &figures);
            (Some(recording).filter(|recording| !recording.is_over()), extents)
        });
        match written.await {
            Ok((recording, extents)) => (recording, kept, extents),
            Err(error) => {
                tracing::error!(%error, stream = %self.name, "the recording ends here");
                (None, kept, Vec::new())
            }
        }
    }

    /// Puts what has happened into the logs; gives those in which there is something new. `scales` are those of the renditions.
    fn take(&self, events: Vec<Event>, extents: Vec<Option<Extent>>, scales: &[Timescale]) -> Vec<Arc<Log>> {
        let mut touched: Vec<Arc<Log>> = Vec::new();
        for (event, extent) in events.into_iter().zip(extents.into_iter().chain(std::iter::repeat(None))) {
            let log = match &event {
                Event::Header { rendition, .. }
                | Event::Part { rendition, .. }
                | Event::Segment { rendition, .. }
                | Event::Removed { rendition, .. } => self.log(*rendition),
                Event::Began(_) | Event::Promised { .. } | Event::Opened { .. } | Event::Ended => None,
            };
            if let Some(clear) = self.clear.as_ref().filter(|clear| log.as_ref().is_none_or(|log| log.name == clear.name)) {
                clear::keep(clear, &event);
            }
            match (event, &log) {
                (Event::Header { number, bytes, .. }, Some(log)) => log.add_header(number, bytes),
                (Event::Part { rendition, segment, head, start, independent, .. }, Some(log)) => {
                    let scale = scales.get(rendition.0).copied().unwrap_or(Timescale::MICROS);
                    let start = rescale(i64::try_from(start).unwrap_or(i64::MAX), scale, Timescale::MICROS);
                    log.add_part(segment, Part { bytes: Some(head), extent, start, independent });
                    self.figures.parts.fetch_add(1, Relaxed);
                }
                (Event::Segment { segment, sealed, .. }, Some(log)) => {
                    log.close(segment.number, sealed);
                    if self.is_in_files() {
                        let memory = self.segments_in_memory();
                        // Where the disk takes nothing, as much again is what lists and those who read them need.
                        log.leave_memory(segment.number.saturating_sub(memory), segment.number.saturating_sub(2 * memory));
                    }
                }
                (Event::Removed { segment, .. }, Some(log)) => log.forget(segment + 1),
                (Event::Ended, _) => {
                    self.ended.store(true, Relaxed);
                    for log in self.logs() {
                        log.end();
                    }
                    touched = self.logs();
                }
                (Event::Promised { target_duration }, _) => {
                    tracing::info!(stream = %self.name, target_duration, "its key frames are far apart, and its segments follow them");
                }
                (Event::Began(_) | Event::Opened { .. }, _) | (_, None) => {}
            }
            touched.extend(log.filter(|log| !touched.iter().any(|other| Arc::ptr_eq(other, log))));
        }
        touched
    }

    /// Whether what viewers get is in the files of a recording too. What is encrypted is recorded as it was before.
    pub(super) fn is_in_files(&self) -> bool {
        self.recording.is_some() && self.keys.is_none()
    }

    /// How many segments stay in memory where the rest is recorded.
    fn segments_in_memory(&self) -> u32 {
        let segments = self.config.memory.as_millis() / self.config.segment.as_millis().max(1);
        u32::try_from(segments).unwrap_or(u32::MAX / 2)
    }

    /// Makes the logs of renditions that have none. They are numbered in the order in which they were added.
    fn make_logs(&self, live: &Live) {
        let mut logs = self.logs.write().unwrap_or_else(PoisonError::into_inner);
        let names = live.renditions().skip(logs.len()).filter_map(|id| live.name(id));
        let new: Vec<Arc<Log>> = names.map(|name| Arc::new(Log::new(name.to_owned()))).collect();
        logs.extend(new);
    }

    /// What the manifests are written from. To be held shortly: who publishes waits for it.
    pub async fn view(&self) -> RwLockReadGuard<'_, Live> {
        RwLockReadGuard::map(self.driver.read().await, |driver| &driver.live)
    }

    /// Leaves all that is in files to them: it is over, and seldom asked for.
    pub(super) fn leave_memory(&self) {
        for log in self.logs() {
            log.leave_memory(u32::MAX, 0);
        }
    }

    /// The log of a rendition, once there is anything in it.
    pub fn log(&self, rendition: RenditionId) -> Option<Arc<Log>> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner).get(rendition.0).cloned()
    }

    /// The pictures that others are made of, as they came.
    pub fn pictures(&self) -> Option<Arc<Log>> {
        self.clear.clone().or_else(|| self.logs().into_iter().find(|log| log.is_video()))
    }

    /// All logs.
    pub fn logs(&self) -> Vec<Arc<Log>> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hears of all that is published from now on.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Whether somebody publishes it.
    pub fn is_published(&self) -> bool {
        self.published.load(Relaxed)
    }

    /// Somebody begins to publish it, or is gone.
    pub fn set_published(&self, published: bool) {
        self.published.store(published, Relaxed);
    }

    /// Milliseconds since something was published last; `None` before.
    pub fn silence(&self) -> Option<i64> {
        let last = self.last.load(Relaxed);
        (last > 0).then(|| self.clock.now().0.saturating_sub(last) / 1000)
    }

    /// Whether it is over.
    pub fn is_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// How many requests read or wait.
    pub fn readers(&self) -> usize {
        let all = self.changed.receiver_count() + self.logs().iter().chain(&self.clear).map(|log| log.readers()).sum::<usize>();
        all.saturating_sub(self.own_readers.load(Relaxed))
    }

    /// Until what is given is dropped, one of those who read is no viewer.
    pub fn own_reader(self: &Arc<Self>) -> OwnReader {
        self.own_readers.fetch_add(1, Relaxed);
        OwnReader(Arc::clone(self))
    }

    /// The end of the log that is furthest.
    pub fn edge(&self) -> Option<Edge> {
        self.logs().iter().map(|log| log.edge()).max_by_key(|edge| (edge.segment, edge.parts))
    }
}

/// A reader of a stream that is no viewer.
pub struct OwnReader(Arc<Stream>);

impl Drop for OwnReader {
    fn drop(&mut self) {
        self.0.own_readers.fetch_sub(1, Relaxed);
    }
}

/// An event whose part has its bytes in one piece, as its head. One copy here saves each of its viewers a write for every sample.
fn in_one_piece(mut event: Event) -> Event {
    if let Event::Part { head, payload, clear, .. } = &mut event {
        *head = joined(head, std::mem::take(payload));
        *clear = clear.take().map(|(head, payload)| (joined(&head, payload), Vec::new()));
    }
    event
}

fn joined(head: &Bytes, payload: Vec<Bytes>) -> Bytes {
    let length = head.len() + payload.iter().map(Bytes::len).sum::<usize>();
    let mut bytes = BytesMut::with_capacity(length);
    bytes.extend_from_slice(head);
    for piece in payload {
        bytes.extend_from_slice(&piece);
    }
    bytes.freeze()
}

/// Tells the driver when its moment has come, as long as there is a stream.
async fn keep_time(stream: Weak<Stream>, mut timer: watch::Receiver<()>) {
    loop {
        timer.mark_unchanged();
        let next = {
            let Some(stream) = stream.upgrade() else { return };
            let next = stream.view().await.timeout();
            next.map(|moment| stream.clock.instant(moment))
        };
        let wait = async {
            match next {
                Some(moment) => sleep_until(moment).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // The stream is gone.
            changed = timer.changed() => if changed.is_err() { return },
            () = wait => {
                let Some(stream) = stream.upgrade() else { return };
                stream.publish(Live::handle_timeout).await;
            }
        }
    }
}

/// How far apart key frames may be where nobody has said how long segments are, in milliseconds: as encoders have them who are not told (OBS
/// and x264: 250 frames, 8.4 s), and as long as a segment may be said to be.
const FURTHEST_KEY_FRAMES: u32 = 10_000;

/// The configuration as the core takes it, for a stream whose first segment is `first`.
pub(super) fn core_config(config: &StreamConfig, first: u32) -> reelway_core::live::Config {
    let millis = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
    let defaults = reelway_core::live::Config::default();
    reelway_core::live::Config {
        segment_target: millis(config.segment),
        follow: config.follows.then_some(FURTHEST_KEY_FRAMES),
        part_target: millis(config.part),
        window: millis(config.window),
        grace: millis(config.grace),
        latency: config.latency.map(millis),
        part_addressing: match config.parts {
            Parts::Files => PartAddressing::Files,
            Parts::Ranges => PartAddressing::Ranges,
        },
        first_number: first,
        utc_timing: Some("/api/v1/time".into()),
        ..defaults
    }
}

/// An error of the driver that nobody can do anything about here.
pub(super) fn other(error: reelway_core::Error) -> io::Error {
    io::Error::other(error)
}
