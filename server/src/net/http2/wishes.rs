//! What the client of one connection says by frames that h2 does not tell, for those who answer it.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use h2::Reason;

use crate::net::{
    order::Order,
    priority::Priority,
    wish::{Priorities, Wish},
};

/// What was said of responses, and what is known of the client.
#[derive(Clone, Debug)]
pub(super) struct Wishes {
    priorities: Priorities,
    order: Order,
    client: Arc<Client>,
}

#[derive(Debug, Default)]
struct Client {
    /// It broke the protocol in a frame that h2 does not read, or asked too much of us.
    fault: OnceLock<Reason>,
    /// Something came from it.
    heard: AtomicBool,
}

impl Wishes {
    /// Of up to `most` responses at once, which go in `order`.
    pub fn new(most: u32, order: Order) -> Self {
        Self { priorities: Priorities::new(most), order, client: Arc::default() }
    }

    /// A request on this stream is accepted. Those of the streams before it that are not accepted by now never are.
    pub fn accept(&self, stream: u32) -> Wish {
        self.priorities.open_next(stream.into())
    }

    /// A stream ends.
    pub fn end(&self, stream: u32) {
        self.priorities.close(stream.into());
    }

    /// The client says this of the response on a stream. False where there are more streams than there may be.
    pub fn update(&self, stream: u32, priority: Priority) -> bool {
        let kept = self.priorities.update(stream.into(), priority);
        self.order.update(stream.into(), priority);
        kept
    }

    /// The connection is to end for this.
    pub fn fail(&self, reason: Reason) {
        let _ = self.client.fault.set(reason);
    }

    /// Why the connection is to end.
    pub fn fault(&self) -> Option<Reason> {
        self.client.fault.get().copied()
    }

    /// The client is there.
    pub fn hear(&self) {
        self.client.heard.store(true, Ordering::Relaxed);
    }

    /// Whether anything came since the last call.
    pub fn heard(&self) -> bool {
        self.client.heard.swap(false, Ordering::Relaxed)
    }
}
