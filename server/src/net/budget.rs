//! A rate with a burst: what is harmless now and then, and an attack when it does not stop.

use std::time::Instant;

/// Requests that a client may abandon: at once, and each second after. A player that seeks abandons a handful; rapid reset
/// (CVE-2023-44487) thousands.
pub(super) const ABANDONED: (u32, u32) = (512, 64);

/// Refills by `rate` a second up to `burst`, and is charged for what a peer does. It has to be a rate: over a long connection
/// any lifetime sum is reached by honest clients too (Chromium sends a PRIORITY_UPDATE frame a request).
#[derive(Debug)]
pub(super) struct Budget {
    left: f64,
    burst: f64,
    rate: f64,
    filled: Instant,
}

impl Budget {
    /// A full budget.
    pub fn new(burst: u32, rate: u32) -> Self {
        Self { left: burst.into(), burst: burst.into(), rate: rate.into(), filled: Instant::now() }
    }

    /// Takes `cost`; false when that is more than there was. The debt stays until time has paid it.
    #[must_use]
    pub fn charge(&mut self, cost: u32) -> bool {
        self.charge_at(cost, Instant::now())
    }

    fn charge_at(&mut self, cost: u32, now: Instant) -> bool {
        self.left = (self.left + now.duration_since(self.filled).as_secs_f64() * self.rate).min(self.burst) - f64::from(cost);
        self.filled = now;
        self.left >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_a_flood_does_not_and_time_heals() {
        let mut budget = Budget::new(10, 2);
        let start = budget.filled;
        assert!((0..10).all(|_| budget.charge_at(1, start)));
        assert!(!budget.charge_at(1, start));
        assert!(budget.charge_at(1, start + Duration::from_secs(1)));
        assert!(!budget.charge_at(11, start + Duration::from_hours(1)), "never more than the burst");
    }
}
