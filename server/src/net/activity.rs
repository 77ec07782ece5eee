//! Whether a connection is at work, so that idle ones can be closed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// Requests under way on one connection, and since when there are none.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    running: usize,
    changed: Instant,
}

/// One request under way, until dropped.
#[derive(Debug)]
pub(super) struct Busy(Activity);

impl Activity {
    /// Nothing under way, as of now.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State { running: 0, changed: Instant::now() })))
    }

    /// Counts a request in.
    pub fn begin(&self) -> Busy {
        self.update(|running| running + 1);
        Busy(self.clone())
    }

    /// No request is under way.
    pub fn is_idle(&self) -> bool {
        self.read().0 == 0
    }

    /// Waits until no request has been under way for `time`.
    pub async fn idle_for(&self, time: Duration) {
        loop {
            let (running, changed) = self.read();
            let now = Instant::now();
            match changed + time {
                end if running == 0 && end <= now => return,
                end if running == 0 => sleep_until(end).await,
                _ => sleep_until(now + time).await,
            }
        }
    }

    fn read(&self) -> (usize, Instant) {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (state.running, state.changed)
    }

    fn update(&self, change: impl FnOnce(usize) -> usize) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State { running: change(state.running), changed: Instant::now() };
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.update(|running| running - 1);
    }
}
