//! What a path that loses packets may have (section 5.5.10).
//!
//! For long: what was in flight when probing lost more than 2 %. For this cycle: what arrives, and no less than 0.7 of it a round trip.

use super::{
    Bandwidth, Bbr, Micros,
    delivery::{Flight, Sample},
};

/// `LossThresh`: so many percent of a round trip's packets may be lost when probing.
const THRESHOLD: u64 = 2;

/// `BBRStartupFullLossCnt`: so many losses in a round trip show that Startup has filled the path.
const STARTUP_LOSSES: u32 = 6;

/// The bounds, and what they are set by. A bound that is not set is the largest number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Losses {
    /// `bw_shortterm`.
    pub bandwidth: Bandwidth,
    /// `inflight_shortterm`, in bytes.
    short: u64,
    /// `inflight_longterm`, in bytes.
    pub long: u64,
    /// Losses of this round trip, by events.
    events: u32,
    /// The round trip of losses ends when a packet is acknowledged that was sent when so much was delivered.
    round_ends: u64,
    /// The highest rate of this round trip, and the most that was delivered in one.
    latest_rate: Bandwidth,
    latest_volume: u64,
}

impl Default for Losses {
    fn default() -> Self {
        Self { bandwidth: Bandwidth::MAX, short: u64::MAX, long: u64::MAX, events: 0, round_ends: 0, latest_rate: 0, latest_volume: 0 }
    }
}

impl Losses {
    /// Whether a round trip of losses ends by this acknowledgement.
    pub fn observe(&mut self, sample: &Sample, delivered: u64) -> bool {
        self.latest_rate = self.latest_rate.max(sample.rate.unwrap_or(0));
        self.latest_volume = self.latest_volume.max(sample.delivered);
        let ends = sample.prior_delivered.is_some_and(|prior| prior >= self.round_ends);
        if ends {
            self.round_ends = delivered;
        }
        ends
    }

    pub fn begin_round(&mut self, sample: &Sample) {
        self.events = 0;
        self.latest_rate = sample.rate.unwrap_or(0);
        self.latest_volume = sample.delivered;
    }

    /// Forgets the round trip that runs.
    pub fn forget_round(&mut self) {
        self.events = 0;
        self.latest_rate = 0;
        self.latest_volume = 0;
    }

    /// Forgets the bounds of this cycle.
    pub fn forget_cycle(&mut self) {
        self.bandwidth = Bandwidth::MAX;
        self.short = u64::MAX;
    }

    /// The bound in bytes: that of this cycle, and where there is one, of those before.
    pub fn bound(&self, long: u64) -> u64 {
        self.short.min(long)
    }

    /// A little less than what was too much, left free for others (`Headroom`).
    pub fn long_with_headroom(&self, mtu: u64) -> u64 {
        if self.long == u64::MAX { u64::MAX } else { self.long - (self.long * 15 / 100).max(mtu).min(self.long) }
    }

    /// Lower for this cycle, not by more than to 0.7 (`Beta`).
    fn lower(&mut self, bandwidth: Bandwidth, most: u64) {
        let bandwidth = self.bandwidth.min(bandwidth);
        let short = self.short.min(most);
        self.bandwidth = self.latest_rate.max(seven_tenths(bandwidth));
        self.short = self.latest_volume.max(seven_tenths(short));
    }
}

fn seven_tenths(of: u64) -> u64 {
    of / 10 * 7 + of % 10 * 7 / 10
}

/// Whether more was lost than probing may lose.
pub(super) fn is_too_much(flight: &Flight) -> bool {
    flight.lost * 100 > flight.bytes * THRESHOLD
}

impl Bbr {
    /// At the end of a round trip of losses: slower, unless this is the time to find out what the path takes.
    pub(super) fn react_to_losses(&mut self, sample: &Sample) {
        if self.losses.events == 0 {
            return;
        }
        if !self.cycle.state.is_probing() {
            self.losses.lower(self.max_bandwidth.get(), self.most);
        }
        // Section 5.3.1.3, and only where the rate has stopped to grow: on a path that always loses some, it goes on.
        let is_lossy = self.losses.events >= STARTUP_LOSSES && is_too_much(&sample.flight);
        if !self.full_pipe.ever && is_lossy && self.full_pipe.has_slowed() {
            self.full_pipe.ever = true;
            self.losses.long = self.bdp().unwrap_or(0).max(self.losses.latest_volume);
        }
    }

    /// Packets are lost, the latest of them sent then; or, with no bytes, were marked where the path is full. Such a mark is as much as
    /// probing may not lose (section 3.7 leaves it open).
    pub(super) fn lost(&mut self, now: Micros, sent: Micros, bytes: u64) {
        let mut flight = self.delivery.lost(sent, bytes);
        if self.losses.events == 0 {
            self.losses.round_ends = self.delivery.delivered;
        }
        self.losses.events += 1;
        if bytes == 0 {
            flight.lost = flight.bytes * THRESHOLD / 100 + 1;
        }
        if !self.cycle.is_probe_sample || !is_too_much(&flight) {
            return;
        }
        flight.bytes = in_flight_at_loss(&flight, bytes);
        self.cycle.went_too_high();
        if !flight.app_limited {
            self.losses.long = flight.bytes.max(seven_tenths(self.target())).max(self.least_window());
        }
        if self.cycle.state.is_up() {
            self.go_down(now);
        }
    }

    /// What is wanted in flight: a round trip's worth, unless losses have cut it.
    pub(super) fn target(&self) -> u64 {
        self.bdp().unwrap_or(self.most).min(self.most)
    }
}

/// What was in flight when the losses became too much, which may have been before the last of the packets that were lost at once.
fn in_flight_at_loss(flight: &Flight, size: u64) -> u64 {
    let in_flight_before = flight.bytes.saturating_sub(size);
    let lost_before = flight.lost.saturating_sub(size);
    in_flight_before + (in_flight_before * THRESHOLD).saturating_sub(lost_before * 100) / (100 - THRESHOLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_in_flight_when_losses_became_too_much() {
        // 100,000 bytes, none of them lost before 20,000 at once: the first 1,632 of these are 2 % of what was in flight then.
        let flight = Flight { bytes: 100_000, lost: 20_000, app_limited: false };
        assert!(is_too_much(&flight));
        assert_eq!(in_flight_at_loss(&flight, 20_000), 80_000 + 1632);
    }

    #[test]
    fn losses_lower_to_what_arrives_and_by_three_tenths_at_most() {
        let mut losses = Losses { latest_rate: 900, latest_volume: 100, ..Losses::default() };
        losses.lower(1000, 1000);
        assert_eq!((losses.bandwidth, losses.short), (900, 700));
        losses.latest_rate = 0;
        losses.lower(1000, 1000);
        assert_eq!((losses.bandwidth, losses.short), (630, 490));
        losses.forget_cycle();
        assert_eq!(losses.bound(u64::MAX), u64::MAX);
    }
}
