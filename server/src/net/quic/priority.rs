//! Which response goes first (RFC 9218): said by the client in the header `priority` of a request, by the origin in that of its
//! response, and by the client again in PRIORITY_UPDATE frames, which may come at any time. What was said last counts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Waker},
};

use http::{HeaderMap, HeaderName};

const PRIORITY: HeaderName = HeaderName::from_static("priority");

/// Section 4.1: what a message without a priority has; 0 is the most urgent, 7 the least.
const DEFAULT_URGENCY: i32 = 3;

/// The priority of a response for quinn, where more goes first. What the origin says in the response goes before what the client
/// said in the request (section 8). Responses of one urgency share the connection evenly.
pub(super) fn priority(request: Option<i32>, response: &HeaderMap) -> i32 {
    -urgency(response).or(request).unwrap_or(DEFAULT_URGENCY)
}

/// The parameter `u` of the header `priority`, if there is a valid one. Section 4: other members, and values out of range, are ignored.
pub(super) fn urgency(headers: &HeaderMap) -> Option<i32> {
    urgency_of(headers.get_all(PRIORITY).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')))
}

fn urgency_of<'a>(members: impl DoubleEndedIterator<Item = &'a str>) -> Option<i32> {
    // RFC 8941 section 3.2: of members with the same key the last one counts.
    let last = members.filter_map(|member| member.trim().strip_prefix("u=")).next_back()?;
    let value = last.split(';').next().unwrap_or(last).trim();
    value.parse().ok().filter(|urgency| (0..=7).contains(urgency))
}

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
    urgency: Option<i32>,
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
        let urgency = Some(urgency_of(field.split(',')).unwrap_or(DEFAULT_URGENCY));
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(update) = table.streams.get_mut(&id) {
            update.urgency = urgency;
            if let Some(waker) = update.waker.take() {
                waker.wake();
            }
        } else if id >= table.next && table.early < table.most_early {
            table.early += 1;
            table.streams.insert(id, Update { urgency, ..Update::default() });
        }
        // Else the stream has ended.
    }

    /// A stream begins.
    pub fn open(&self, id: quinn::StreamId) -> Wish {
        let id = u64::from(id);
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.next = table.next.max(id + 4);
        if table.streams.entry(id).or_default().urgency.is_some() {
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
    pub fn take(&self) -> Option<i32> {
        self.update(|update| update.urgency.take())
    }

    /// What was said since the last call, as a priority for quinn; when nothing was, the task is woken when something is.
    pub fn poll(&self, cx: &mut Context<'_>) -> Option<i32> {
        self.update(|update| {
            if update.urgency.is_none() && !update.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                update.waker = Some(cx.waker().clone());
            }
            update.urgency.take().map(|urgency| -urgency)
        })
    }

    fn update<R>(&self, with: impl FnOnce(&mut Update) -> Option<R>) -> Option<R> {
        let mut table = self.priorities.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.streams.get_mut(&self.id).and_then(with)
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        self.priorities.0.lock().unwrap_or_else(PoisonError::into_inner).streams.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn urgency_is_read_as_browsers_write_it() {
        for (text, expected) in [
            ("u=0", Some(0)),
            ("u=1, i", Some(1)),
            ("i, u=7", Some(7)),
            ("i", None),
            ("u=8", None),
            ("u=-1", None),
            ("u=x", None),
            ("u=2, u=5;x=1", Some(5)),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(PRIORITY, HeaderValue::from_static(text))]);
            assert_eq!(urgency(&headers), expected, "{text}");
        }
    }

    #[test]
    fn the_origin_goes_before_the_client_and_urgent_before_late() {
        let none = HeaderMap::new();
        let urgent = HeaderMap::from_iter([(PRIORITY, HeaderValue::from_static("u=0"))]);
        assert!(priority(Some(7), &urgent) > priority(Some(1), &none));
        assert_eq!(priority(None, &none), priority(Some(3), &none));
    }

    #[test]
    fn updates_reach_streams_that_run_and_those_to_come_and_no_others() {
        let id = |index: u64| quinn::StreamId::from(quinn::VarInt::from_u64(index * 4).unwrap());
        let priorities = Priorities::new(2);
        let mut cx = Context::from_waker(Waker::noop());
        for (index, field) in [(1, "u=7"), (1, "u=0, i"), (2, "i"), (3, "u=1")] {
            priorities.update(index * 4, field);
        }
        let wishes: Vec<Wish> = (0..4).map(|index| priorities.open(id(index))).collect();
        let taken: Vec<_> = wishes.iter().map(Wish::take).collect();
        assert_eq!(taken, [None, Some(0), Some(3), None], "the last counts, absent is the default, and of a third nothing is kept");
        priorities.update(0, "u=5");
        assert_eq!((wishes[0].poll(&mut cx), wishes[0].poll(&mut cx)), (Some(-5), None));
        drop(wishes);
        priorities.update(4, "u=1");
        let table = priorities.0.lock().unwrap();
        assert!(table.streams.is_empty() && table.early == 0, "nothing is kept of streams that ended");
    }
}
