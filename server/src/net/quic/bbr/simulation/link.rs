//! A path: one bottleneck with a queue, a delay, packets that are lost on it, and the way back.

use std::time::Duration;

/// Nanoseconds since the simulation began.
pub type Nanos = u64;

const SECOND: u64 = 1_000_000_000;

/// From the server to the client there is a bottleneck; the way back only takes time.
#[derive(Clone, Debug)]
pub struct Link {
    /// Bytes a second.
    pub rate: u64,
    /// In each direction.
    pub delay: Duration,
    /// Bytes that wait at most; what comes then is dropped.
    pub queue: u64,
    /// Of a million packets that pass the queue, so many are lost at random.
    pub loss: u64,
    /// Packets come back only each so often, all at once. Zero: each at once.
    pub gather: Duration,
    /// Instead of queueing, what exceeds the rate by this many bytes is dropped.
    pub policer: Option<u64>,
    free_at: Nanos,
    tokens: u64,
    refilled: Nanos,
    random: u64,
    pub seen: Seen,
}

/// What went over the bottleneck.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub offered: u64,
    /// Dropped since the queue was full.
    pub dropped: u64,
    /// Lost at random.
    pub lost: u64,
    /// Sum and number of the waits in the queue.
    waited: Nanos,
    passed: u64,
}

impl Seen {
    /// Mean wait in the queue since `before`, in milliseconds.
    pub fn mean_wait(&self, before: &Self) -> f64 {
        Duration::from_nanos((self.waited - before.waited) / (self.passed - before.passed).max(1)).as_secs_f64() * 1000.0
    }

    /// Share of the packets since `before` that were dropped or lost.
    pub fn loss(&self, before: &Self) -> f64 {
        (self.dropped + self.lost - before.dropped - before.lost) as f64 / (self.offered - before.offered).max(1) as f64
    }
}

impl Link {
    /// `megabits` a second, a round trip of `rtt`, and a queue of so many milliseconds at that rate.
    pub fn new(megabits: u64, rtt: u64, queue: u64) -> Self {
        let rate = megabits * 125_000;
        Self {
            rate,
            delay: Duration::from_millis(rtt) / 2,
            queue: rate * queue / 1000,
            loss: 0,
            gather: Duration::ZERO,
            policer: None,
            free_at: 0,
            tokens: 0,
            refilled: 0,
            random: 0x9e37_79b9_7f4a_7c15,
            seen: Seen::default(),
        }
    }

    /// Loses so many of a million packets at random.
    pub fn losing(self, loss: u64) -> Self {
        Self { loss, ..self }
    }

    /// When a packet arrives at the client; `None` when it does not.
    pub fn forward(&mut self, now: Nanos, bytes: u64) -> Option<Nanos> {
        self.seen.offered += 1;
        let at = match self.policer {
            Some(burst) => {
                let refill = (now - self.refilled) * self.rate / SECOND;
                if refill > 0 {
                    self.tokens = (self.tokens + refill).min(burst);
                    self.refilled = now;
                }
                match self.tokens.checked_sub(bytes) {
                    Some(left) => self.tokens = left,
                    None => {
                        self.seen.dropped += 1;
                        return None;
                    }
                }
                now
            }
            None => {
                let begins = self.free_at.max(now);
                if (begins - now) * self.rate / SECOND + bytes > self.queue {
                    self.seen.dropped += 1;
                    return None;
                }
                self.free_at = begins + bytes * SECOND / self.rate;
                self.seen.waited += begins - now;
                self.seen.passed += 1;
                self.free_at
            }
        };
        if self.random() % 1_000_000 < self.loss {
            self.seen.lost += 1;
            return None;
        }
        Some(at + nanos(self.delay))
    }

    /// When a packet arrives at the server.
    pub fn back(&self, now: Nanos) -> Nanos {
        let at = now + nanos(self.delay);
        match nanos(self.gather) {
            0 => at,
            gather => at.next_multiple_of(gather),
        }
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 11
    }
}

pub fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).expect("a simulation is short")
}
