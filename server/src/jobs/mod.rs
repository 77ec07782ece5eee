//! Jobs: ladders that are made while the server serves, one after the other, by their priority. A job that was accepted is done, whatever
//! happens to the process, or tells why it cannot be.
//!
//! ```text
//! POST /api/v1/jobs -> api -> Jobs (queue: which is next) -> ladder, on a thread of its own
//!                             '-> store (catalogue)   '-> events (SSE), webhook
//! ```

mod api;
mod job;
pub mod key;
mod queue;
mod sources;
mod store;
mod webhook;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::{
    sync::{Notify, watch},
    task::spawn_blocking,
};

pub use api::JobsApi;
pub use job::{Job, Order, Progress, State};
pub use sources::Sources;

use crate::{
    catalogue::{Catalogue, CatalogueError},
    ladder::{Cancel, Event, LadderError, Request, Settings, Tool, make},
};
use store::Store;

/// How much ffmpeg steps back for whoever plays.
const NICE: u8 = 10;

/// Jobs that may wait, and jobs that are over and still told.
const MOST_WAITING: usize = 1000;
const MOST_OVER: usize = 1000;

/// Why an order is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The order is wrong.
    #[error("{0}")]
    Order(String),
    /// There is no such file.
    #[error("there is no file of that name in the media folder, and no upload that is whole")]
    NoAsset,
    /// The folder for the ladder is something else.
    #[error("{0} is there and is no ladder: move it away")]
    Occupied(String),
    /// The upload has its ladder.
    #[error("{0} has its ladder")]
    Made(String),
    /// Too many are waiting.
    #[error("too many jobs are waiting")]
    Full,
    /// It cannot be kept.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

/// The jobs of a server. Clones are the same.
#[derive(Clone)]
pub struct Jobs(Arc<Shared>);

struct Shared {
    store: Store,
    sources: Sources,
    table: Mutex<Table>,
    /// Counts the changes of the table, for those who look at it.
    version: watch::Sender<u64>,
    /// There may be something to begin.
    work: Notify,
}

#[derive(Default)]
struct Table {
    jobs: BTreeMap<String, Job>,
    running: BTreeMap<String, Cancel>,
    /// How many are done at once.
    parallel: usize,
    ending: bool,
}

impl Jobs {
    /// The jobs that the catalogue holds, of these sources; `parallel` are done at once. Those that were being done when the server ended
    /// wait again.
    pub fn open(catalogue: Catalogue, sources: Sources, parallel: usize) -> io::Result<Self> {
        let store = Store::new(catalogue);
        let mut table = Table { parallel, ..Table::default() };
        for mut job in store.all()? {
            if job.state == State::Running {
                job.state = State::Queued;
                store.put(&job)?;
            }
            table.jobs.insert(job.id.clone(), job);
        }
        let (version, work) = (watch::Sender::new(0), Notify::new());
        Ok(Self(Arc::new(Shared { store, sources, table: Mutex::new(table), version, work })))
    }

    /// Does jobs, until the server ends. Dropping it cancels nothing: see [`end`](Self::end).
    pub async fn run(self) {
        loop {
            self.begin_what_can();
            let wait = queue::next_time(&self.table().jobs)
                .map_or(Duration::from_hours(1), |time| Duration::from_millis(time.saturating_sub(now())));
            // Where all places are taken, the end of a job wakes.
            tokio::select! {
                () = self.0.work.notified() => {}
                () = tokio::time::sleep(wait.max(Duration::from_millis(100))) => {}
            }
        }
    }

    /// From now on so many are done at once. What runs goes on.
    pub fn adjust(&self, parallel: usize) {
        self.table().parallel = parallel;
        self.0.work.notify_one();
    }

    /// The server ends: nothing new is begun, what runs is stopped, and goes on when the server is started again.
    pub fn end(&self) {
        let mut table = self.table();
        table.ending = true;
        table.running.values().for_each(Cancel::cancel);
    }

    /// All jobs, the newest first.
    pub fn list(&self) -> Vec<Job> {
        let mut jobs: Vec<Job> = self.table().jobs.values().cloned().collect();
        jobs.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        jobs
    }

    /// A job.
    pub fn get(&self, id: &str) -> Option<Job> {
        self.table().jobs.get(id).cloned()
    }

    /// Tells of changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// Takes an order: it is on the disk when this returns. An order for what a job already makes is that job; whether it is new is told.
    pub fn add(&self, order: Order) -> Result<(Job, bool), Refusal> {
        order.settings().map_err(Refusal::Order)?;
        if let Some(webhook) = &order.webhook {
            webhook::check(webhook).map_err(Refusal::Order)?;
        }
        let place = self.0.sources.place(&order.asset)?;
        place.check()?;
        let mut table = self.table();
        let waiting = || table.jobs.values().filter(|job| !job.state.is_over());
        if let Some(same) = waiting().find(|job| Order { priority: order.priority, ..job.order.clone() } == order) {
            return Ok((same.clone(), false));
        }
        if waiting().count() >= MOST_WAITING {
            return Err(Refusal::Full);
        }
        let job = Job {
            id: new_id(),
            order,
            output: place.output,
            state: State::Queued,
            attempts: 0,
            created: now(),
            not_before: 0,
            ended: None,
            problem: None,
            notes: Vec::new(),
            products: Vec::new(),
            progress: None,
        };
        self.0.store.put(&job)?;
        table.jobs.insert(job.id.clone(), job.clone());
        for id in queue::forgotten(&table.jobs, MOST_OVER) {
            table.jobs.remove(&id);
            self.0.store.remove(&id)?;
        }
        drop(table);
        self.changed();
        self.0.work.notify_one();
        Ok((job, true))
    }

    /// Ends a job: one that waits or runs is cancelled, one that is over is forgotten. `None`: there is none.
    pub fn remove(&self, id: &str) -> Result<Option<Job>, CatalogueError> {
        let mut table = self.table();
        let Some(mut job) = table.jobs.get(id).cloned() else { return Ok(None) };
        if job.state.is_over() {
            self.0.store.remove(id)?;
            table.jobs.remove(id);
        } else {
            if let Some(cancel) = table.running.get(id) {
                cancel.cancel();
            }
            (job.state, job.ended, job.progress) = (State::Cancelled, Some(now()), None);
            self.0.store.put(&job)?;
            table.jobs.insert(id.into(), job.clone());
        }
        drop(table);
        self.changed();
        Ok(Some(job))
    }

    /// Begins jobs while there are places for them.
    fn begin_what_can(&self) {
        loop {
            let mut table = self.table();
            if table.ending || table.running.len() >= table.parallel {
                return;
            }
            let Some(mut job) = queue::next(&table.jobs, now()).cloned() else { return };
            (job.state, job.attempts, job.progress) = (State::Running, job.attempts + 1, Some(Progress::default()));
            if let Err(error) = self.0.store.put(&job) {
                tracing::error!(%error, job = job.id, "a job cannot be begun");
                return;
            }
            let cancel = Cancel::default();
            table.running.insert(job.id.clone(), cancel.clone());
            table.jobs.insert(job.id.clone(), job.clone());
            drop(table);
            self.changed();
            let jobs = self.clone();
            tokio::spawn(async move {
                let (id, working) = (job.id.clone(), jobs.clone());
                let made = spawn_blocking(move || working.work(&job, &cancel)).await;
                jobs.finish(&id, made.unwrap_or_else(|error| Err(LadderError::Tool(error.to_string())))).await;
            });
        }
    }

    /// Makes the ladder of a job.
    fn work(&self, job: &Job, cancel: &Cancel) -> Result<(), LadderError> {
        let gone = |refusal: Refusal| LadderError::Source(refusal.to_string());
        let place = self.0.sources.place(&job.order.asset).map_err(gone)?;
        let settings = job.order.settings().map_err(LadderError::Source)?;
        let settings = Settings { one_by_one: place.grows(), ..settings };
        let request = Request { input: place.source.clone(), output: place.folder.clone(), settings };
        let tool = Tool::find(NICE)?;
        make(&request, &tool, cancel, &mut |event| {
            self.update(&job.id, |job| match event {
                Event::Planned { products, notes } => {
                    job.products = products.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect();
                    job.notes = notes;
                }
                Event::Progress { done, speed, left } => {
                    job.progress = Some(Progress { done, speed, seconds_left: left.map(|left| left.as_secs()) });
                }
                Event::Finished { product } => job.products.push(product),
                Event::Complained { log } => job.notes.push(format!("ffmpeg went on in spite of this: {log}")),
            });
        })?;
        place.finish().map_err(|error| LadderError::Source(error.to_string()))
    }

    /// Notes what came of a job, and tells whoever wants to know.
    async fn finish(&self, id: &str, made: Result<(), LadderError>) {
        let over = {
            let mut table = self.table();
            table.running.remove(id);
            let ending = table.ending;
            let Some(job) = table.jobs.get_mut(id) else { return };
            job.progress = None;
            match made {
                // Cancelled already, by somebody who wanted that, or by the end of the server.
                _ if job.state == State::Cancelled => {}
                Err(LadderError::Cancelled) if ending => {
                    (job.state, job.attempts) = (State::Queued, job.attempts.saturating_sub(1));
                }
                Ok(()) => (job.state, job.ended, job.problem) = (State::Done, Some(now()), None),
                Err(error) => queue::failed(job, self.0.sources.told(&error.to_string()), error.is_passing(), now()),
            }
            if let Err(error) = self.0.store.put(job) {
                tracing::error!(%error, job = id, "what came of a job cannot be kept");
            }
            job.state.is_over().then(|| job.clone())
        };
        self.changed();
        self.0.work.notify_one();
        if let Some(job) = over
            && let Some(webhook) = job.order.webhook.clone()
        {
            webhook::tell(&webhook, &job).await;
        }
    }

    fn update(&self, id: &str, change: impl FnOnce(&mut Job)) {
        if let Some(job) = self.table().jobs.get_mut(id).filter(|job| job.state == State::Running) {
            change(job);
        }
        self.changed();
    }

    fn changed(&self) {
        self.0.version.send_modify(|version| *version += 1);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_id() -> String {
    let mut bytes = [0; 8];
    // What cannot be random is at least new.
    if SystemRandom::new().fill(&mut bytes).is_err() {
        bytes = now().to_be_bytes();
    }
    HEXLOWER.encode(&bytes)
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
