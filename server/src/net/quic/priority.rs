//! PRIORITY_UPDATE (RFC 9218 section 7): what the client says of a response beside its request, at any time. What was said last counts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Waker},
};

use crate::net::priority::Priority;

/// What PRIORITY_UPDATE frames said of the request streams of one connection.
#[derive(Clone, Debug)]
pub(super) struct Priorities(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    streams: BTreeMap<u64, Update>,
    /// Streams not yet open of which something is kept: section 7.1 lets a server forget the rest.
    early: usize,
    most_early: usize,
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
    /// Keeps what is said of at most `most_early` streams that are not yet open.
    pub fn new(most_early: u32) -> Self {
        let most_early = usize::try_from(most_early).unwrap_or(usize::MAX);
        Self(Arc::new(Mutex::new(Table { streams: BTreeMap::new(), early: 0, most_early, next: 0 })))
    }

    /// A frame said `field` of stream `id`: the text of a `priority` header, whose absent members have their defaults.
    pub fn update(&self, id: u64, field: &str) {
        let said = Some(Priority::of_field(field));
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(update) = table.streams.get_mut(&id) {
            update.said = said;
            if let Some(waker) = update.waker.take() {
                waker.wake();
            }
        } else if id >= table.next && table.early < table.most_early {
            table.early += 1;
            table.streams.insert(id, Update { said, ..Update::default() });
        }
        // Else the stream has ended.
    }

    /// A stream begins.
    pub fn open(&self, id: quinn::StreamId) -> Wish {
        let id = u64::from(id);
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.next = table.next.max(id + 4);
        if table.streams.entry(id).or_default().said.is_some() {
            table.early -= 1;
        }
        Wish { priorities: self.clone(), id }
    }
}

/// What the client wishes of one stream, as long as it is open.
#[derive(Debug)]
pub(super) struct Wish {
    priorities: Priorities,
    id: u64,
}

impl Wish {
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
        let mut table = self.priorities.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.streams.get_mut(&self.id).and_then(with)
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        let mut table = self.priorities.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.streams.remove(&self.id);
        if table.streams.is_empty() {
            // An empty map that was in use keeps a node.
            table.streams = BTreeMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_reach_streams_that_run_and_those_to_come_and_no_others() {
        let id = |index: u64| quinn::StreamId::from(quinn::VarInt::from_u64(index * 4).unwrap());
        let said = |urgency, incremental| Some(Priority { urgency, incremental });
        let priorities = Priorities::new(2);
        let mut cx = Context::from_waker(Waker::noop());
        for (index, field) in [(1, "u=7"), (1, "u=0, i"), (2, "i"), (3, "u=1")] {
            priorities.update(index * 4, field);
        }
        let wishes: Vec<Wish> = (0..4).map(|index| priorities.open(id(index))).collect();
        let taken: Vec<_> = wishes.iter().map(Wish::take).collect();
        assert_eq!(
            taken,
            [None, said(0, true), said(3, true), None],
            "the last counts, absent is the default, and of a third nothing is kept"
        );
        priorities.update(0, "u=5");
        assert_eq!((wishes[0].poll(&mut cx), wishes[0].poll(&mut cx)), (said(5, false), None));
        drop(wishes);
        priorities.update(4, "u=1");
        let table = priorities.0.lock().unwrap();
        assert!(table.streams.is_empty() && table.early == 0, "nothing is kept of streams that ended");
    }
}
