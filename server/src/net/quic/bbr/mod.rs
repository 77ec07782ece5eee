//! BBR, version 3: a congestion controller that models the path instead of waiting for it to lose packets.
//!
//! It follows draft-ietf-ccwg-bbr-06, whose sections are named without the draft, behind quinn's trait:
//!
//! ```text
//! sent, acked, lost --> delivery --Sample--> filters, full_pipe, losses --> cycle: which state --> window --> quinn
//! ```
//!
//! | file | the one idea |
//! |---|---|
//! | `delivery` | samples of the rate at which the path delivers |
//! | `filters` | the highest rate, the shortest round trip, the degree of aggregation: what of them is remembered how long |
//! | `full_pipe` | whether sending faster still brings more |
//! | `losses` | what a path that loses packets may have: for this cycle, and for long |
//! | `cycle` | the states: Startup, Drain, the four of ProbeBW, ProbeRTT |
//! | `window` | what may be in flight |
//!
//! quinn takes one number of a controller, the window, and paces at 5/4 of a window per round trip. So what the draft says of the pacing
//! rate is said by the window here: in each state it is the volume that the rate wanted keeps in flight (see `window`). Neither does quinn
//! tell of losses that were none, so that nothing is undone (section 5.5.11), nor which packets were lost, so that those of one event
//! count as one loss, of the packet that was sent last.

use std::{any::Any, sync::Arc, time::Instant};

use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics};
use quinn_proto::RttEstimator;

mod cycle;
mod delivery;
mod filters;
mod full_pipe;
mod losses;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod window;

use cycle::Cycle;
use delivery::{Delivery, Sample};
use filters::{ExtraAcked, MaxBandwidth, MinRtt};
use full_pipe::FullPipe;
use losses::Losses;

/// Since the controller was made.
type Micros = u64;

/// Bytes a second.
type Bandwidth = u64;

/// `bytes` in the time of `interval`.
fn rate(bytes: u64, interval: Micros) -> Bandwidth {
    bytes.saturating_mul(1_000_000) / interval.max(1)
}

/// What `bandwidth` is in the time of `interval`, in bytes.
fn volume(bandwidth: Bandwidth, interval: Micros) -> u64 {
    bandwidth.saturating_mul(interval) / 1_000_000
}

/// The controller of one path.
#[derive(Clone, Debug)]
pub(super) struct Bbr {
    began: Instant,
    initial_window: u64,
    /// Largest packet in bytes.
    mtu: u64,
    delivery: Delivery,
    max_bandwidth: MaxBandwidth,
    min_rtt: MinRtt,
    /// Round trip of late, with the time that acknowledgements are held back.
    smoothed_rtt: Micros,
    extra_acked: ExtraAcked,
    full_pipe: FullPipe,
    losses: Losses,
    rounds: Rounds,
    cycle: Cycle,
    /// The draft's `cwnd`: most that the model allows in flight.
    most: u64,
    /// What quinn is told: `most`, or less where the rate wants less.
    window: u64,
}

/// Round trips, counted by packets (section 5.5.1).
#[derive(Clone, Copy, Debug, Default)]
struct Rounds {
    count: u64,
    /// The round is over when a packet is acknowledged that was sent when so much was delivered.
    ends: u64,
    /// This acknowledgement ended one.
    is_start: bool,
    /// In this round, and in the one before, all was in flight that `most` allows.
    was_full: (bool, bool),
}

impl Rounds {
    fn update(&mut self, sample: &Sample, delivered: u64) {
        self.is_start = sample.prior_delivered.is_some_and(|prior| prior >= self.ends);
        if self.is_start {
            self.count += 1;
            self.was_full = (false, self.was_full.0);
            self.start(delivered);
        }
    }

    fn start(&mut self, delivered: u64) {
        self.ends = delivered;
    }
}

impl Bbr {
    /// `seed` spreads the times at which connections probe.
    fn new(now: Instant, mtu: u16, initial_window: u64, seed: u64) -> Self {
        Self {
            began: now,
            initial_window,
            mtu: mtu.into(),
            delivery: Delivery::default(),
            max_bandwidth: MaxBandwidth::default(),
            min_rtt: MinRtt::new(0),
            smoothed_rtt: 0,
            extra_acked: ExtraAcked::default(),
            full_pipe: FullPipe::default(),
            losses: Losses::default(),
            rounds: Rounds::default(),
            cycle: Cycle::new(seed),
            most: initial_window,
            window: initial_window,
        }
    }

    fn micros(&self, at: Instant) -> Micros {
        u64::try_from(at.saturating_duration_since(self.began).as_micros()).unwrap_or(u64::MAX)
    }

    /// The rate that the path is believed to take (`bw`).
    fn bandwidth(&self) -> Bandwidth {
        self.max_bandwidth.get().min(self.losses.bandwidth)
    }

    /// An acknowledgement is read (section 5.2.3).
    fn update(&mut self, now: Micros, sample: &Sample) {
        self.smoothed_rtt = match self.smoothed_rtt {
            0 => sample.rtt,
            smoothed => (smoothed * 7 + sample.rtt) / 8,
        };
        let delivered = self.delivery.delivered;
        self.rounds.update(sample, delivered);
        let ends_loss_round = self.losses.observe(sample, delivered);
        self.max_bandwidth.update(sample);
        if self.rounds.is_start {
            self.full_pipe.check(sample);
        }
        if ends_loss_round {
            self.react_to_losses(sample);
        }
        let round = (self.rounds.count, !self.full_pipe.ever);
        self.extra_acked.update(now, sample.newly_acked, self.bandwidth(), self.most, round);
        self.advance(now, sample);
        if ends_loss_round {
            self.losses.begin_round(sample);
        }
        self.resize(sample.newly_acked);
    }
}

impl Controller for Bbr {
    fn on_sent(&mut self, now: Instant, bytes: u64, _last_packet_number: u64) {
        let now = self.micros(now);
        if self.delivery.in_flight == 0 && self.delivery.is_app_limited() {
            self.resume(now);
        }
        self.delivery.sent(now, bytes, self.smoothed_rtt);
        if self.window == self.most && self.delivery.in_flight + self.mtu >= self.window {
            self.rounds.was_full.0 = true;
        }
    }

    fn on_ack(&mut self, _now: Instant, sent: Instant, bytes: u64, _app_limited: bool, _rtt: &RttEstimator) {
        self.delivery.acked(self.micros(sent), bytes);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, _largest_packet_num_acked: Option<u64>) {
        let now = self.micros(now);
        let sample = self.delivery.sample(now, in_flight, self.min_rtt.get());
        if app_limited {
            self.delivery.limit();
        }
        if let Some(sample) = sample {
            self.update(now, &sample);
        }
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        let (now, sent) = (self.micros(now), self.micros(sent));
        self.lost(now, sent, lost_bytes);
        if is_persistent_congestion {
            // The draft sends one packet after a timeout (section 5.6.4.4); as many acknowledge each other's loss.
            self.most = self.least_window();
            self.window = self.most;
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = new_mtu.into();
        self.most = self.most.max(self.least_window());
        self.window = self.window.max(self.least_window());
    }

    fn window(&self) -> u64 {
        self.window
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = ControllerMetrics::default();
        metrics.congestion_window = self.window;
        metrics.pacing_rate = Some(self.bandwidth().saturating_mul(8));
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.initial_window
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Makes a controller for each path.
#[derive(Clone, Copy, Debug)]
pub(super) struct BbrConfig {
    /// In bytes, until something is known of the path.
    pub initial_window: u64,
}

impl ControllerFactory for BbrConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        // Controllers live at different addresses, and start at different times.
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), now);
        Box::new(Bbr::new(now, current_mtu, self.initial_window, seed))
    }
}
