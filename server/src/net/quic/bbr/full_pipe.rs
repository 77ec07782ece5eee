//! Whether sending faster still brings more (section 5.3.1.2).

use super::{Bandwidth, delivery::Sample};

/// So many rounds without growth by a quarter, and the path is full.
const ROUNDS: u8 = 3;

/// Looks for the rate at which growth ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FullPipe {
    /// Found since it was last looked for.
    pub now: bool,
    /// Found once on this connection.
    pub ever: bool,
    rate: Bandwidth,
    rounds: u8,
}

impl FullPipe {
    /// Looks anew, from `rate` on.
    pub fn look(&mut self, rate: Bandwidth) {
        *self = Self { ever: self.ever, rate, ..Self::default() };
    }

    /// The last round brought little growth.
    pub fn has_slowed(&self) -> bool {
        self.rounds > 0
    }

    /// At the end of a round.
    pub fn check(&mut self, sample: &Sample) {
        let Some(rate) = sample.rate else { return };
        if self.now || sample.flight.app_limited {
            return;
        }
        if rate >= self.rate + self.rate / 4 {
            self.look(rate);
            return;
        }
        self.rounds += 1;
        self.now = self.rounds >= ROUNDS;
        self.ever |= self.now;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::delivery::Flight, *};

    #[test]
    fn three_rounds_without_growth_fill_the_path() {
        let mut pipe = FullPipe::default();
        let round =
            |rate, app_limited| Sample { rate: Some(rate), flight: Flight { app_limited, ..Flight::default() }, ..Sample::default() };
        for rate in [100, 200, 400, 480, 490] {
            pipe.check(&round(rate, false));
        }
        pipe.check(&round(10, true));
        assert!(!pipe.now, "a source that pauses does not show it");
        pipe.check(&round(500, false));
        assert!(!pipe.now, "500 is a quarter more than 400");
        for _ in 0..3 {
            pipe.check(&round(500, false));
        }
        assert!(pipe.now && pipe.ever);
        pipe.look(500);
        assert!(!pipe.now && pipe.ever);
    }
}
