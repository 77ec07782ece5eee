//! Stopping: every connection hears of it at once, and of the moment when it must be over.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

/// Tells all connections to finish.
#[derive(Debug)]
pub(super) struct Stop(watch::Sender<Option<Instant>>);

/// Hears when to finish.
#[derive(Clone, Debug)]
pub(super) struct Drain(watch::Receiver<Option<Instant>>);

impl Stop {
    /// Nothing stops yet.
    pub fn new() -> (Self, Drain) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), Drain(receiver))
    }

    /// From now on nothing new is begun; what runs may go on for `time`. Returns the moment when it ends.
    pub fn begin(&self, time: Duration) -> Instant {
        let end = Instant::now() + time;
        self.0.send_replace(Some(end));
        end
    }
}

impl Drain {
    /// Waits for the beginning of the end, and says when the end is. Without a [`Stop`] that is at once.
    pub async fn begun(&mut self) -> Instant {
        let end = self.0.wait_for(Option::is_some).await.ok().and_then(|end| *end);
        end.unwrap_or_else(Instant::now)
    }
}
