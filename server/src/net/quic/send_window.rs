//! How much a connection may have written and not yet acknowledged.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// What every connection may have: the first congestion window, and a little more to refill it from.
pub(super) const LEAST: usize = 64 << 10;

/// What neither end can help on top of the round trip: acknowledgements are delayed, tasks wait for a processor.
const TURNAROUND: Duration = Duration::from_millis(2);

/// Round trips that the window is for, and where packets have been lost of late.
const TRIPS: u32 = 2;
const LOSSY_TRIPS: u32 = 4;

/// What a control frame may have beyond the window.
const ROOM: usize = 1 << 10;

/// What all connections together may have beyond [`LEAST`].
#[derive(Debug)]
pub(in crate::net) struct SendPool(AtomicUsize);

impl SendPool {
    /// So many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    /// Takes up to `bytes`.
    fn take(&self, bytes: usize) -> usize {
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(bytes)));
        before.unwrap_or_else(|left| left).min(bytes)
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The send window of one connection: what its path takes in two round trips, or in four while it loses packets. Less would leave the path
/// idle: what follows a lost packet is held until that has been missed, sent again and acknowledged, and at times is lost again. More would
/// only be held here, for a client that may be gone, and be sent late, after what became urgent meanwhile. quinn by itself takes all that is
/// written until its one limit, which is then either too small for a long path or too much for all connections together.
#[derive(Debug)]
pub(super) struct SendWindow {
    connection: quinn::Connection,
    most: usize,
    pool: Arc<SendPool>,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    window: usize,
    /// Packets lost until then.
    lost: u64,
    /// What quinn has taken since.
    taken: usize,
    since: Instant,
}

impl SendWindow {
    /// The smallest; `most` is its limit.
    pub fn new(connection: quinn::Connection, most: u32, pool: Arc<SendPool>) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(LEAST);
        connection.set_send_window(LEAST as u64);
        Self { connection, most, pool, state: Mutex::new(State { window: LEAST, lost: 0, taken: 0, since: Instant::now() }) }
    }

    /// Makes room for a control frame, although the client may have taken nothing for long.
    pub fn make_room(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.connection.set_send_window((state.window + ROOM) as u64);
    }

    /// The path has taken `bytes` more: quinn took them into the window, and the window moves by what is acknowledged.
    pub fn took(&self, bytes: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.taken += bytes;
        // Half a window at least, so that the round trip is not asked for at every write.
        if state.taken < state.window / 2 {
            return;
        }
        let elapsed = state.since.elapsed();
        let round = self.connection.min_rtt() + TURNAROUND;
        if elapsed < round {
            return;
        }
        let lost = self.connection.stats().path.lost_packets;
        let trips = if lost > state.lost { LOSSY_TRIPS } else { TRIPS };
        let wanted = wanted(state.taken, elapsed, round * trips).clamp(LEAST, self.most);
        let window = if wanted > state.window {
            state.window + self.pool.take(wanted.min(state.window * 2) - state.window)
        } else {
            let window = wanted.max(state.window / 2);
            self.pool.give_back(state.window - window);
            window
        };
        if window != state.window {
            self.connection.set_send_window(window as u64);
        }
        *state = State { window, lost, taken: 0, since: Instant::now() };
    }
}

/// What is taken in this `time` at the rate of late.
fn wanted(taken: usize, elapsed: Duration, time: Duration) -> usize {
    let bytes = taken as u128 * time.as_micros() / elapsed.as_micros().max(1);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Drop for SendWindow {
    fn drop(&mut self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.pool.give_back(state.window - LEAST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_some_round_trips_of_the_path() {
        let millis = Duration::from_millis;
        // 100 Mbit/s at 40 ms: 500 kB in flight.
        assert_eq!(wanted(12_500_000, millis(1000), millis(40) * TRIPS), 1_000_000);
        assert_eq!(wanted(65_536, millis(40), millis(40) * TRIPS), 131_072, "all of a window in a round trip: the window is the limit");
        // A window that waits for what is sent again lasts three round trips, and must not become the smaller for it.
        assert!(wanted(65_536, millis(120), millis(40) * LOSSY_TRIPS) > 65_536);
    }

    #[test]
    fn what_is_taken_from_the_pool_is_bounded_and_comes_back() {
        let pool = SendPool::new(100);
        assert_eq!([pool.take(60), pool.take(60), pool.take(60)], [60, 40, 0]);
        pool.give_back(100);
        assert_eq!(pool.take(100), 100);
    }
}
