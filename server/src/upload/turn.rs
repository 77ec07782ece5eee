//! Whose turn it is to write to a file: one request at a time, and the newest. A connection that has died without a word would otherwise
//! keep out the client that comes back on another.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};

/// The turns of all files that are being written.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<String, Weak<Line>>>);

/// Those who want to write to one file.
#[derive(Debug)]
struct Line {
    held: Arc<AsyncMutex<()>>,
    waiting: watch::Sender<usize>,
}

/// The turn, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    line: Arc<Line>,
    _held: OwnedMutexGuard<()>,
}

/// One who waits, even if it gives up.
struct Waits<'a>(&'a Line);

impl Turns {
    /// Waits for the turn, and asks whoever has it to give it up.
    pub async fn take(&self, id: &str) -> Turn {
        let line = self.line(id);
        let held = {
            let _waits = Waits::new(&line);
            Arc::clone(&line.held).lock_owned().await
        };
        Turn { line, _held: held }
    }

    fn line(&self, id: &str) -> Arc<Line> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(id).and_then(Weak::upgrade) {
            return line;
        }
        lines.retain(|_, line| line.strong_count() > 0);
        let line = Arc::new(Line { held: Arc::default(), waiting: watch::Sender::new(0) });
        lines.insert(id.to_owned(), Arc::downgrade(&line));
        line
    }
}

impl Turn {
    /// Returns once somebody else wants the turn.
    pub async fn is_asked_for(&self) {
        let _ = self.line.waiting.subscribe().wait_for(|waiting| *waiting > 0).await;
    }
}

impl<'a> Waits<'a> {
    fn new(line: &'a Line) -> Self {
        line.waiting.send_modify(|waiting| *waiting += 1);
        Self(line)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| *waiting -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_has_the_turn_is_asked_for_it_and_who_gives_up_waits_no_more() {
        let turns = Turns::default();
        let first = turns.take("a").await;
        drop(turns.take("b").await);
        {
            let mut second = std::pin::pin!(turns.take("a"));
            assert!(futures_util::poll!(second.as_mut()).is_pending());
            first.is_asked_for().await;
        }
        assert!(futures_util::poll!(std::pin::pin!(first.is_asked_for())).is_pending());
        drop(first);
        turns.take("a").await;
    }
}
