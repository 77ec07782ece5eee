//! How often a time was within which bounds.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::{add, exposition::Exposition};

/// Upper bounds in microseconds, and as Prometheus is told of them, in seconds.
const BOUNDS: [(u64, &str); 14] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
];

/// Counts of times.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// Those within each bound and not within the one before.
    counts: [AtomicU64; BOUNDS.len()],
    beyond: AtomicU64,
    micros: AtomicU64,
}

impl Histogram {
    /// Counts one.
    pub fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|(bound, _)| micros <= *bound);
        add(bucket.map_or(&self.beyond, |index| &self.counts[index]), 1);
        add(&self.micros, micros);
    }

    /// The samples for one protocol.
    pub fn render(&self, text: &mut Exposition, protocol: &str) {
        let mut sum = 0;
        for ((_, bound), count) in BOUNDS.iter().zip(&self.counts) {
            sum += count.load(Relaxed);
            text.part("_bucket", &[("protocol", protocol), ("le", bound)], sum);
        }
        sum += self.beyond.load(Relaxed);
        text.part("_bucket", &[("protocol", protocol), ("le", "+Inf")], sum);
        let micros = self.micros.load(Relaxed);
        text.part("_sum", &[("protocol", protocol)], format_args!("{}.{:06}", micros / 1_000_000, micros % 1_000_000));
        text.part("_count", &[("protocol", protocol)], sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up() {
        let histogram = Histogram::default();
        for micros in [1, 500, 501, 10_000_000, 10_000_001] {
            histogram.record(Duration::from_micros(micros));
        }
        let mut text = Exposition::default();
        text.begin("x", "histogram", "Times.");
        histogram.render(&mut text, "h3");
        let text = text.finish();
        for line in [
            "x_bucket{protocol=\"h3\",le=\"0.0005\"} 2",
            "x_bucket{protocol=\"h3\",le=\"0.001\"} 3",
            "x_bucket{protocol=\"h3\",le=\"10\"} 4",
            "x_bucket{protocol=\"h3\",le=\"+Inf\"} 5",
            "x_sum{protocol=\"h3\"} 20.001003",
            "x_count{protocol=\"h3\"} 5",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
        }
    }
}
