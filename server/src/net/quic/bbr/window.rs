//! What may be in flight (section 5.6).
//!
//! The draft has two controls: `cwnd`, here `most`, and the pacing rate. quinn has the window alone, paces at 5/4 of it per round trip, and
//! sends the next packet when one is acknowledged: so in the long run a window is sent each round trip, and a window of gain x bandwidth x
//! round trip sends at that rate. Which round trip decides what becomes of a queue: by the shortest, a window that is a little too large
//! makes a queue of that size, but a path that has become longer is not used; by that of late, the queue is paid for by the window and stays
//! or grows. Three quarters of the queueing delay are counted: a path that becomes longer, or that others fill, is still used, and a queue of
//! our own is drained.

use super::{Bbr, volume};

/// Of the queueing delay, what the window counts.
const OF_QUEUE: (u64, u64) = (3, 4);

/// `PacingMarginPercent`: the rate stays by so much below what is believed to be possible.
const MARGIN: u64 = 0;

impl Bbr {
    /// `MinPipeCwnd`: what goes on where every second packet is acknowledged.
    pub(super) fn least_window(&self) -> u64 {
        4 * self.mtu
    }

    /// What the path holds without a queue; `None` until a round trip is measured.
    pub(super) fn bdp(&self) -> Option<u64> {
        self.min_rtt.get().map(|rtt| volume(self.bandwidth(), rtt))
    }

    /// What is sent at once (`send_quantum`, section 5.6.3): a millisecond's worth.
    fn quantum(&self) -> u64 {
        volume(self.bandwidth(), 1000).min(64 << 10).max(2 * self.mtu)
    }

    /// What fills the path, in flight (`Inflight(1.0)`, section 5.6.4.2).
    pub(super) fn full(&self) -> u64 {
        self.budget(self.bdp().unwrap_or(self.initial_window))
    }

    fn budget(&self, bytes: u64) -> u64 {
        let bytes = bytes.max(self.quantum()).max(self.least_window());
        if self.cycle.state.is_up() { bytes + 2 * self.mtu } else { bytes }
    }

    /// The window while the path empties for ProbeRTT (section 5.6.4.5).
    pub(super) fn probe_rtt_window(&self) -> u64 {
        (self.bdp().unwrap_or(self.initial_window) / 2).max(self.least_window())
    }

    /// After each acknowledgement (section 5.6.4.6): grows by no more than what has arrived.
    pub(super) fn resize(&mut self, newly_acked: u64) {
        let state = self.cycle.state;
        let gain = state.volume_gain();
        let model = self.bdp().map_or(self.initial_window, |bdp| bdp.saturating_mul(gain) / 100);
        let model = self.budget(model.saturating_add(self.extra_acked.get()));
        if self.full_pipe.ever {
            self.most = (self.most + newly_acked).min(model);
        } else if self.most < model || self.delivery.delivered < self.initial_window {
            self.most += newly_acked;
        }
        let long = match state.keeps_headroom() {
            None => u64::MAX,
            Some(false) => self.losses.long,
            Some(true) => self.losses.long_with_headroom(self.mtu),
        };
        let mut bound = self.losses.bound(long);
        if state.is_probe_rtt() {
            bound = bound.min(self.probe_rtt_window());
        }
        self.most = self.most.min(bound).max(self.least_window());
        self.window = self.paced(state.rate_gain());
    }

    /// What keeps `gain` percent of the bandwidth in flight; without a gain, and until there is a bandwidth, all that may be.
    pub(super) fn paced(&self, gain: Option<u64>) -> u64 {
        let (Some(gain), Some(min_rtt)) = (gain, self.min_rtt.get()) else { return self.most };
        let round = min_rtt + self.smoothed_rtt.saturating_sub(min_rtt) * OF_QUEUE.0 / OF_QUEUE.1;
        let paced = volume(self.bandwidth(), round).saturating_mul(gain * (100 - MARGIN)) / 10_000;
        self.most.min(self.budget(paced.saturating_add(self.extra_acked.get())))
    }
}
