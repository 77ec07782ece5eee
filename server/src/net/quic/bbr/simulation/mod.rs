//! quinn over a path that is computed: its own pacer and loss detection, a clock that is set forward, the same packets in each run.

#![expect(clippy::cast_precision_loss, reason = "far below 2^53")]
#![expect(clippy::unchecked_time_subtraction, reason = "clocks of the simulation only go forward")]

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::Arc,
    time::{Duration, Instant},
};

use quinn::congestion::{ControllerFactory, CubicConfig};

mod flow;
mod link;

pub use flow::{Flow, Source};
pub use link::{Link, Seen};

use self::{
    flow::Side,
    link::{Nanos, nanos},
};
use super::Bbr;

/// First window of the controllers, as of the server.
const INITIAL_WINDOW: u64 = 40 * 1200;

/// BBR whose probes come at the same times in each run.
#[derive(Debug)]
struct Seeded(u64);

impl ControllerFactory for Seeded {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn quinn::congestion::Controller> {
        Box::new(Bbr::new(now, current_mtu, INITIAL_WINDOW, self.0))
    }
}

pub fn bbr(seed: u64) -> Arc<dyn ControllerFactory + Send + Sync> {
    Arc::new(Seeded(seed))
}

pub fn cubic() -> Arc<dyn ControllerFactory + Send + Sync> {
    let mut config = CubicConfig::default();
    config.initial_window(INITIAL_WINDOW);
    Arc::new(config)
}

/// A path and the flows on it.
pub struct Simulation {
    pub link: Link,
    pub flows: Vec<Flow>,
    began: Instant,
    now: Nanos,
    events: BinaryHeap<Reverse<Occurrence>>,
    count: u64,
    /// The next timer of each side of each flow, client first.
    armed: Vec<[Nanos; 2]>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Occurrence {
    at: Nanos,
    /// Of two at one time, the first that was known.
    count: u64,
    flow: usize,
    is_server: bool,
    /// `None`: a timer.
    packet: Option<Vec<u8>>,
}

impl Simulation {
    pub fn new(link: Link) -> Self {
        Self { link, flows: Vec::new(), began: Instant::now(), now: 0, events: BinaryHeap::new(), count: 0, armed: Vec::new() }
    }

    /// A flow that begins now.
    pub fn add(&mut self, controller: Arc<dyn ControllerFactory + Send + Sync>, source: Source) -> usize {
        let index = self.flows.len();
        let seed = u8::try_from(index).expect("few flows");
        self.flows.push(Flow::new(controller, source, self.instant(), seed));
        self.armed.push([Nanos::MAX; 2]);
        self.drive(index, Side::Client);
        index
    }

    pub fn instant(&self) -> Instant {
        self.began + Duration::from_nanos(self.now)
    }

    fn schedule(&mut self, at: Nanos, flow: usize, side: Side, packet: Option<Vec<u8>>) {
        self.count += 1;
        self.events.push(Reverse(Occurrence { at, count: self.count, flow, is_server: side == Side::Server, packet }));
    }

    fn drive(&mut self, index: usize, side: Side) {
        let instant = self.instant();
        for packet in self.flows[index].drive(side, instant) {
            match side {
                Side::Server => {
                    if let Some(at) = self.link.forward(self.now, packet.len() as u64) {
                        self.schedule(at, index, Side::Client, Some(packet));
                    }
                }
                Side::Client => self.schedule(self.link.back(self.now), index, Side::Server, Some(packet)),
            }
        }
        if let Some(due) = self.flows[index].due(side, instant) {
            let at = nanos(due - self.began).max(self.now + 1);
            let armed = &mut self.armed[index][usize::from(side == Side::Server)];
            if at < *armed {
                *armed = at;
                self.schedule(at, index, side, None);
            }
        }
    }

    /// Lets time go by.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + nanos(time);
        while self.events.peek().is_some_and(|Reverse(next)| next.at <= end) {
            let Some(Reverse(event)) = self.events.pop() else { break };
            self.now = event.at;
            let side = if event.is_server { Side::Server } else { Side::Client };
            let instant = self.instant();
            match event.packet {
                Some(packet) => self.flows[event.flow].arrive(side, instant, &packet),
                None => self.armed[event.flow][usize::from(event.is_server)] = Nanos::MAX,
            }
            self.drive(event.flow, side);
        }
        self.now = end;
    }

    /// Megabits a second that the flow received in the last `time`.
    pub fn megabits(&self, flow: usize, time: Duration) -> f64 {
        let (flow, now) = (&self.flows[flow], self.instant());
        (flow.received_by(now) - flow.received_by(now - time)) as f64 * 8e-6 / time.as_secs_f64()
    }

    /// Runs until the flow has received so many bytes, for `most` at most; the seconds it took.
    pub fn until(&mut self, flow: usize, bytes: u64, most: Duration) -> Option<f64> {
        let end = self.now + nanos(most);
        while self.now < end && self.flows[flow].took(bytes).is_none() {
            self.run(Duration::from_millis(100));
        }
        self.flows[flow].took(bytes).map(|took| took.as_secs_f64())
    }
}
