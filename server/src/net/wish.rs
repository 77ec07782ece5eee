//! PRIORITY_UPDATE (RFC 9218 section 7): what the client says of a response beside its request, at any time. What was said last counts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
};

use super::priority::Priority;

/// A PRIORITY_UPDATE frame holds an integer and a short text; what is longer says nothing to us. In bytes.
pub(super) const LARGEST_UPDATE: usize = 256;

/// What PRIORITY_UPDATE frames said of the request streams of one connection.
#[derive(Clone, Debug)]
pub(super) struct Priorities(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    /// Streams that are open, and those to come of which something was said.
    streams: BTreeMap<u64, Update>,
    most: usize,
    /// The id after the last stream that was opened.
    next: u64,
}

#[derive(Debug, Default)]
struct Update {
    /// What was said and is not yet heeded.
    said: Option<Priority>,
    waker: Option<Waker>,
}

impl Priorities {
    /// Of a connection that may have `most` requests at once, under way and announced by what is said of them.
    pub fn new(most: u32) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Self(Arc::new(Mutex::new(Table { streams: BTreeMap::new(), most, next: 0 })))
    }

    /// A frame said this of stream `id`. False where there would be more streams than there may be; then nothing is kept of it.
    pub fn update(&self, id: u64, said: Priority) -> bool {
        let said = Some(said);
        let mut table = self.lock();
        if let Some(update) = table.streams.get_mut(&id) {
            update.said = said;
            if let Some(waker) = update.waker.take() {
                waker.wake();
            }
        } else if id >= table.next {
            if table.streams.len() >= table.most {
                return false;
            }
            table.streams.insert(id, Update { said, ..Update::default() });
        }
        // Else the stream has ended.
        true
    }

    /// A stream begins.
    pub fn open(&self, id: u64) -> Wish {
        let mut table = self.lock();
        table.next = table.next.max(id + 1);
        table.streams.entry(id).or_default();
        Wish { priorities: self.clone(), id }
    }

    /// A stream begins where they do in the order of their ids: of those that were to be before it nothing is kept.
    pub fn open_next(&self, id: u64) -> Wish {
        let mut table = self.lock();
        let passed = table.next..id;
        table.streams.retain(|stream, _| !passed.contains(stream));
        drop(table);
        self.open(id)
    }

    /// A stream has ended, or is not to be.
    pub fn close(&self, id: u64) {
        let mut table = self.lock();
        table.streams.remove(&id);
        if table.streams.is_empty() {
            // An empty map that was in use keeps a node.
            table.streams = BTreeMap::new();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the client wishes of one stream, as long as it is open.
#[derive(Debug)]
pub(super) struct Wish {
    priorities: Priorities,
    id: u64,
}

impl Wish {
    /// Of which stream.
    pub fn stream(&self) -> u64 {
        self.id
    }

    /// What was said since the last call.
    pub fn take(&self) -> Option<Priority> {
        self.update(|update| update.said.take())
    }

    /// What was said since the last call; when nothing was, the task is woken when something is.
    pub fn poll(&self, cx: &mut Context<'_>) -> Option<Priority> {
        self.update(|update| {
            if update.said.is_none() && !update.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                update.waker = Some(cx.waker().clone());
            }
            update.said.take()
        })
    }

    fn update<R>(&self, with: impl FnOnce(&mut Update) -> Option<R>) -> Option<R> {
        self.priorities.lock().streams.get_mut(&self.id).and_then(with)
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        self.priorities.close(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_reach_streams_that_run_and_those_to_come_and_no_others() {
        let said = |urgency, incremental| Some(Priority { urgency, incremental });
        let priorities = Priorities::new(2);
        let mut cx = Context::from_waker(Waker::noop());
        for (index, field, kept) in [(1, "u=7", true), (1, "u=0, i", true), (2, "i", true), (3, "u=1", false)] {
            assert_eq!(priorities.update(index * 4, Priority::of_field(field)), kept, "{index}");
        }
        let wishes: Vec<Wish> = (0..4).map(|index| priorities.open(index * 4)).collect();
        let taken: Vec<_> = wishes.iter().map(Wish::take).collect();
        assert_eq!(
            taken,
            [None, said(0, true), said(3, true), None],
            "the last counts, absent is the default, and of a third nothing is kept"
        );
        assert!(priorities.update(0, Priority::of_field("u=5")));
        assert_eq!((wishes[0].poll(&mut cx), wishes[0].poll(&mut cx)), (said(5, false), None));
        assert!(!priorities.update(16, Priority::default()), "those under way count");
        priorities.close(8);
        drop(wishes);
        assert!(priorities.update(4, Priority::of_field("u=1")));
        assert!(priorities.lock().streams.is_empty(), "nothing is kept of streams that ended");
    }
}
