//! What is remembered of samples, and for how long: the highest rate, the shortest round trip, the degree of aggregation.

use super::{Bandwidth, Micros, delivery::Sample, volume};

/// The highest rate within this cycle of probing and the one before it (`max_bw_filter`, section 5.5.3).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MaxBandwidth {
    before: Bandwidth,
    now: Bandwidth,
}

impl MaxBandwidth {
    pub fn get(self) -> Bandwidth {
        self.before.max(self.now)
    }

    /// What an application sent that had no more only tells that the path takes at least as much (section 5.5.4).
    pub fn update(&mut self, sample: &Sample) {
        if let Some(rate) = sample.rate
            && (!sample.flight.app_limited || rate >= self.get())
        {
            self.now = self.now.max(rate);
        }
    }

    /// A cycle has ended (section 5.5.6). What nothing was measured in does not end one.
    pub fn advance(&mut self) {
        if self.now > 0 {
            self.before = std::mem::take(&mut self.now);
        }
    }
}

/// The shortest round trip of ten seconds, measured anew every five (sections 5.3.4.3 and 5.5.7).
#[derive(Clone, Copy, Debug)]
pub(super) struct MinRtt {
    min: Option<Micros>,
    min_at: Micros,
    /// The shortest since the path was last given the time to empty.
    recent: Micros,
    recent_at: Micros,
}

impl MinRtt {
    /// `MinRTTFilterLen`.
    const FILTER: Micros = 10_000_000;
    /// `ProbeRTTInterval`.
    const INTERVAL: Micros = 5_000_000;

    pub fn new(now: Micros) -> Self {
        Self { min: None, min_at: now, recent: Micros::MAX, recent_at: now }
    }

    pub fn get(self) -> Option<Micros> {
        self.min
    }

    /// Whether it is time to empty the path and measure. `is_empty`: the application has given so little that it is empty already.
    pub fn update(&mut self, now: Micros, rtt: Micros, is_empty: bool) -> bool {
        let expired = now > self.recent_at + Self::INTERVAL;
        if rtt < self.recent || expired {
            self.recent = rtt;
            self.recent_at = now;
        }
        if self.min.is_none_or(|min| self.recent < min) || now > self.min_at + Self::FILTER {
            self.min = Some(self.recent);
            self.min_at = self.recent_at;
        }
        expired && !is_empty
    }

    /// The path has been given the time to empty.
    pub fn measured(&mut self, now: Micros) {
        self.recent_at = now;
    }
}

/// How much more is acknowledged at times than the rate explains (`extra_acked`, section 5.5.9).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ExtraAcked {
    since: Micros,
    delivered: u64,
    /// The most in each of two spans of [`SPAN`](Self::SPAN) rounds, the later of them not over yet: the filter forgets within 5 to 10.
    before: u64,
    now: u64,
    span_began: u64,
}

impl ExtraAcked {
    const SPAN: u64 = 5;

    pub fn get(self) -> u64 {
        self.before.max(self.now)
    }

    /// After a pause of the application.
    pub fn restart(&mut self, now: Micros) {
        self.since = now;
        self.delivered = 0;
    }

    /// In Startup, where the rate is not known yet, only the last round counts.
    pub fn update(&mut self, now: Micros, newly_acked: u64, bandwidth: Bandwidth, most: u64, (round, is_startup): (u64, bool)) {
        let mut expected = volume(bandwidth, now.saturating_sub(self.since));
        if self.delivered <= expected {
            self.restart(now);
            expected = 0;
        }
        self.delivered += newly_acked;
        let extra = (self.delivered - expected.min(self.delivered)).min(most);
        let span = if is_startup { 1 } else { Self::SPAN };
        if round >= self.span_began + span {
            self.before = if is_startup { 0 } else { self.now };
            self.now = 0;
            self.span_began = round;
        }
        self.now = self.now.max(extra);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::delivery::Flight, *};

    fn sample(rate: Bandwidth, app_limited: bool) -> Sample {
        Sample { rate: Some(rate), flight: Flight { app_limited, ..Flight::default() }, ..Sample::default() }
    }

    #[test]
    fn the_highest_rate_is_kept_for_two_cycles() {
        let mut max = MaxBandwidth::default();
        max.update(&sample(100, false));
        max.advance();
        max.update(&sample(60, false));
        assert_eq!(max.get(), 100);
        max.advance();
        assert_eq!(max.get(), 60);
        max.advance();
        assert_eq!(max.get(), 60, "nothing was measured since");
    }

    #[test]
    fn a_source_that_pauses_raises_the_rate_and_does_not_lower_it() {
        let mut max = MaxBandwidth::default();
        max.update(&sample(100, false));
        for _ in 0..10 {
            max.advance();
            max.update(&sample(10, true));
        }
        assert_eq!(max.get(), 100);
        max.update(&sample(150, true));
        assert_eq!(max.get(), 150);
    }

    #[test]
    fn a_round_trip_that_has_become_longer_is_believed_after_ten_seconds() {
        let mut min = MinRtt::new(0);
        let second = 1_000_000;
        assert!(!min.update(0, 40_000, false));
        for at in 1..=5 {
            assert!(!min.update(at * second, 80_000, false));
        }
        assert!(min.update(5 * second + 1, 80_000, false), "time to measure");
        assert_eq!(min.get(), Some(40_000));
        min.measured(5 * second + 2);
        min.update(10 * second + 1, 80_000, false);
        assert_eq!(min.get(), Some(80_000));
        min.update(10 * second + 2, 30_000, false);
        assert_eq!(min.get(), Some(30_000), "a shorter one at once");
    }

    #[test]
    fn aggregation_is_what_comes_beyond_the_rate() {
        let mut extra = ExtraAcked::default();
        // 1 MB/s, acknowledged 10,000 bytes at a time each 10 ms.
        for tick in 1..10 {
            extra.update(tick * 10_000, 10_000, 1_000_000, u64::MAX, (tick, false));
        }
        assert_eq!(extra.get(), 10_000);
        extra.update(200_000, 1000, 1_000_000, u64::MAX, (20, false));
        extra.update(300_000, 1000, 1_000_000, u64::MAX, (30, false));
        assert_eq!(extra.get(), 1000, "forgotten after some rounds");
    }
}
