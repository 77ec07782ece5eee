//! Which of the responses under way on one connection may go on (RFC 9218 section 10): the more urgent first; of one urgency those that
//! are of use only as a whole one after the other, and those of use in parts side by side with all.
//!
//! Whatever HTTP/2 was given is sent in turns, and into a window of QUIC writes whoever is woken first. So what is not yet due is kept
//! back, here, as long as something that goes before it has bytes to send and is not held up by its client alone.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::priority::Priority;

/// When nothing went for this long over a connection that would have taken it, the client does not take what was due, as a player does
/// not that has enough of it (flow control of one stream), and others may go on meanwhile.
const PATIENCE: Duration = Duration::from_millis(250);

/// The responses of one connection.
#[derive(Clone, Debug)]
pub(super) struct Order(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    /// By their numbers, in the order in which they began or were asked for.
    responses: BTreeMap<u64, Entry>,
    next: u64,
    /// When a piece went last, or could go again, or there was a new one to go.
    moved: Instant,
    /// The connection takes nothing at the moment.
    full: bool,
}

#[derive(Debug)]
struct Entry {
    priority: Priority,
    /// Has bytes to send, and a client that takes them, as far as is known.
    eager: bool,
    /// It asked before it was due.
    kept_back: Option<Waker>,
}

impl Default for Order {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Table { responses: BTreeMap::new(), next: 0, moved: Instant::now(), full: false })))
    }
}

impl Order {
    /// A response begins, behind all that have begun.
    pub fn begin(&self, priority: Priority) -> Turn {
        let next = self.lock().next;
        self.begin_on(next, priority)
    }

    /// A response begins on this stream, behind all that are on those with lower ids.
    pub fn begin_on(&self, number: u64, priority: Priority) -> Turn {
        let mut table = self.lock();
        table.next = table.next.max(number + 1);
        table.moved = Instant::now();
        table.responses.insert(number, Entry { priority, eager: true, kept_back: None });
        Turn { order: self.clone(), number, patience: None }
    }

    /// This holds from now on of the response on a stream, if there is one.
    pub fn update(&self, number: u64, priority: Priority) {
        self.lock().update(number, |entry| entry.priority = priority);
    }

    /// Whether the connection takes nothing at the moment, which is then nobody's fault.
    pub fn set_full(&self, full: bool) {
        let mut table = self.lock();
        if table.full && !full {
            table.moved = Instant::now();
        }
        table.full = full;
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// What has a place above this one waits for it.
    fn keeps_back(&self, number: u64) -> (u8, u64) {
        (self.priority.urgency, if self.priority.incremental { u64::MAX } else { number })
    }

    /// See [`keeps_back`](Self::keeps_back).
    fn place(&self, number: u64) -> (u8, u64) {
        (self.priority.urgency, if self.priority.incremental { 0 } else { number })
    }
}

impl Table {
    /// The place of the last that are due.
    fn front(&self) -> (u8, u64) {
        let eager = self.responses.iter().filter(|(_, entry)| entry.eager);
        eager.map(|(number, entry)| entry.keeps_back(*number)).min().unwrap_or((u8::MAX, u64::MAX))
    }

    fn wake_who_is_due(&mut self) {
        let front = self.front();
        for (number, entry) in &mut self.responses {
            if entry.place(*number) <= front
                && let Some(waker) = entry.kept_back.take()
            {
                waker.wake();
            }
        }
    }

    /// Changes what is known of one.
    fn update(&mut self, number: u64, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.responses.get_mut(&number) {
            change(entry);
            self.wake_who_is_due();
        }
    }

    /// Of those that are due, none has asked for long.
    fn pass_over_who_is_due(&mut self, now: Instant) {
        let front = self.front();
        for (number, entry) in &mut self.responses {
            if entry.place(*number) <= front && entry.kept_back.is_none() {
                entry.eager = false;
            }
        }
        self.moved = now; // those that are due now have their time too
        self.wake_who_is_due();
    }

    /// Whether a response is due, which has something to send: `None` if it is, else when to ask again if it is not woken before.
    fn ask(&mut self, number: u64, waker: &Waker, now: Instant) -> Option<Instant> {
        if !self.full && self.moved + PATIENCE <= now && !self.is_due(number)? {
            self.pass_over_who_is_due(now);
        }
        let due = self.is_due(number)?;
        let entry = self.responses.get_mut(&number)?;
        if !std::mem::replace(&mut entry.eager, true) {
            self.moved = now;
        }
        entry.kept_back = (!due).then(|| waker.clone());
        (!due).then(|| if self.full { now } else { self.moved } + PATIENCE)
    }

    fn is_due(&self, number: u64) -> Option<bool> {
        self.responses.get(&number).map(|entry| entry.place(number) <= self.front())
    }
}

/// The place of one response in the [`Order`], until dropped.
#[derive(Debug)]
pub(super) struct Turn {
    order: Order,
    number: u64,
    patience: Option<Pin<Box<Sleep>>>,
}

impl Turn {
    /// Waits until the response is due. One task at a time may.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let asked = self.order.lock().ask(self.number, cx.waker(), Instant::now());
            let Some(end) = asked else {
                self.patience = None;
                return Poll::Ready(());
            };
            ready!(self.patience.get_or_insert_with(|| Box::pin(sleep_until(end))).as_mut().poll(cx));
            self.patience = None;
        }
    }

    /// It was asked for its next piece, and gave one or has none for now.
    pub fn gave(&self, piece: bool) {
        let mut table = self.order.lock();
        if piece {
            table.moved = Instant::now();
        } else {
            table.update(self.number, |entry| entry.eager = false);
        }
    }

    /// What holds of it.
    pub fn priority(&self) -> Priority {
        self.order.lock().responses.get(&self.number).map(|entry| entry.priority).unwrap_or_default()
    }

    /// What holds of it from now on.
    pub fn set_priority(&self, priority: Priority) {
        self.order.update(self.number, priority);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut table = self.order.lock();
        table.responses.remove(&self.number);
        if table.responses.is_empty() {
            // An empty map that was in use keeps a node.
            table.responses = BTreeMap::new();
        }
        table.wake_who_is_due();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const fn priority(urgency: u8, incremental: bool) -> Priority {
        Priority { urgency, incremental }
    }

    /// Asks so long after something went last.
    fn ask_after(turn: &Turn, pause: Duration) -> bool {
        let mut table = turn.order.lock();
        let now = table.moved + pause;
        table.ask(turn.number, Waker::noop(), now).is_none()
    }

    fn is_due(turn: &Turn) -> bool {
        ask_after(turn, Duration::ZERO)
    }

    #[test]
    fn who_is_due() {
        let (late, whole, part) = (priority(5, false), priority(3, false), priority(3, true));
        for (told, priorities, due) in [
            ("alone", &[late][..], &[true][..]),
            ("the more urgent first", &[late, whole], &[false, true]),
            ("wholes one after the other", &[whole, whole, whole], &[true, false, false]),
            ("parts side by side", &[part, part, late], &[true, true, false]),
            ("parts beside a whole", &[whole, part, whole], &[true, true, false]),
            ("late parts behind all", &[priority(7, true), whole], &[false, true]),
        ] {
            let order = Order::default();
            let turns: Vec<Turn> = priorities.iter().map(|priority| order.begin(*priority)).collect();
            assert_eq!(turns.iter().map(is_due).collect::<Vec<_>>(), due, "{told}");
        }
    }

    #[test]
    fn the_next_is_due_when_the_one_before_has_nothing_or_ends_or_comes_behind_it() {
        let order = Order::default();
        let (urgent, late) = (order.begin(priority(1, false)), order.begin(priority(5, false)));
        assert!(is_due(&urgent) && !is_due(&late));
        urgent.gave(false);
        assert!(is_due(&late), "nothing to send");
        assert!(is_due(&urgent) && !is_due(&late), "something again");
        urgent.set_priority(priority(7, false));
        assert!(is_due(&late) && !is_due(&urgent), "put behind");
        drop(late);
        assert!(is_due(&urgent), "ended");
        drop(urgent);
        assert!(order.lock().responses.is_empty(), "nothing is kept of what has ended");
    }

    #[tokio::test]
    async fn who_is_kept_back_is_woken() {
        let order = Order::default();
        let (urgent, mut late) = (order.begin(priority(1, false)), order.begin(priority(5, false)));
        order.set_full(true);
        let waiting = tokio::spawn(async move { poll_fn(|cx| late.poll(cx)).await });
        tokio::task::yield_now().await;
        drop(urgent);
        waiting.await.unwrap();
    }

    #[test]
    fn what_the_client_does_not_take_is_passed_over_until_it_does() {
        let order = Order::default();
        let turns = [1, 4, 6].map(|urgency| order.begin(priority(urgency, false)));
        let [stuck, next, last] = &turns;
        assert!(is_due(stuck) && !is_due(next) && !is_due(last));
        order.set_full(true);
        assert!(!ask_after(last, PATIENCE), "the connection takes nothing from anybody");
        order.set_full(false);
        assert!(!ask_after(last, PATIENCE) && !is_due(last), "in place of the first comes the next, and no other");
        assert!(is_due(next) && !is_due(last), "as long as nothing changes");
        assert!(is_due(stuck) && !is_due(next), "its client takes it again");
    }
}
