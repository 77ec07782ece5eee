//! The requests of one connection as its frames show them, for those who answer them.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::net::{
    order::Order,
    priority::Priority,
    wish::{Priorities, Wish},
};

/// What was seen of requests, and said of their responses.
#[derive(Clone, Debug)]
pub(in crate::net) struct Requests {
    arrival: Arc<Mutex<Arrival>>,
    priorities: Priorities,
    order: Order,
}

/// The request that came last.
#[derive(Debug, Default)]
struct Arrival {
    /// Its stream, until hyper has handed it over.
    stream: Option<u32>,
    /// hyper may still be at it.
    is_fresh: bool,
}

impl Requests {
    /// Up to `most` at once, their responses in `order`.
    pub fn new(most: u32, order: Order) -> Self {
        Self { arrival: Arc::default(), priorities: Priorities::new(most), order }
    }

    /// What the client wishes of the request that hyper hands over.
    pub fn hand_over(&self) -> Option<Wish> {
        let stream = self.arrival().stream.take()?;
        Some(self.priorities.open(stream.into()))
    }

    /// hyper has done what it could. Whether it was kept from more by [`is_fresh`](Self::is_fresh), which is over now.
    pub fn go_on(&self) -> bool {
        mem::take(&mut self.arrival().is_fresh)
    }

    /// Nothing may follow the last request as yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.arrival().is_fresh
    }

    /// A request comes.
    pub(super) fn arrive(&self, stream: u32) {
        *self.arrival() = Arrival { stream: Some(stream), is_fresh: true };
    }

    /// A stream ends.
    pub(super) fn end(&self, stream: u32) {
        self.priorities.close(stream.into());
    }

    /// The client says this of the response on a stream. False where there are more streams than there may be.
    pub(super) fn update(&self, stream: u32, priority: Priority) -> bool {
        let kept = self.priorities.update(stream.into(), priority);
        self.order.update(stream.into(), priority);
        kept
    }

    fn arrival(&self) -> MutexGuard<'_, Arrival> {
        self.arrival.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
