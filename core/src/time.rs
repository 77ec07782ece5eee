//! Time as integer ticks. This is the only place that rounds.

use core::{cmp::Ordering, fmt, num::NonZeroU32};

/// Ticks a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timescale(NonZeroU32);

impl Timescale {
    /// Milliseconds.
    pub const MILLIS: Self = Self::of(1000);
    /// Microseconds.
    pub const MICROS: Self = Self::of(1_000_000);

    /// `None` for zero, which would make every time infinite.
    pub fn new(ticks_per_second: u32) -> Option<Self> {
        NonZeroU32::new(ticks_per_second).map(Self)
    }

    const fn of(ticks_per_second: u32) -> Self {
        match NonZeroU32::new(ticks_per_second) {
            Some(value) => Self(value),
            None => Self(NonZeroU32::MIN),
        }
    }

    /// Ticks a second.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// The coarsest scale in which ticks of both are whole; `None` where it does not fit into 32 bits.
    pub fn common(self, other: Self) -> Option<Self> {
        let divisor = greatest_common_divisor(self.get(), other.get());
        self.get().checked_mul(other.get().checked_div(divisor)?).and_then(Self::new)
    }
}

/// `ticks` of the scale `from` in ticks of the scale `to`: the nearest one, halves upward; saturates at the ends of `i64`.
pub fn rescale(ticks: i64, from: Timescale, to: Timescale) -> i64 {
    if from == to {
        return ticks;
    }
    let from = i128::from(from.get());
    let scaled = (2 * i128::from(ticks) * i128::from(to.get()) + from).div_euclid(2 * from);
    i64::try_from(scaled).unwrap_or(if scaled < 0 { i64::MIN } else { i64::MAX })
}

/// Like [`rescale`], for lengths.
pub fn rescale_length(ticks: u64, from: Timescale, to: Timescale) -> u64 {
    if from == to {
        return ticks;
    }
    let from = u128::from(from.get());
    let scaled = (2 * u128::from(ticks) * u128::from(to.get()) + from) / (2 * from);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// Which of two times comes first, exactly; each is ticks and their scale.
pub fn compare(a: (u64, Timescale), b: (u64, Timescale)) -> Ordering {
    (u128::from(a.0) * u128::from(b.1.get())).cmp(&(u128::from(b.0) * u128::from(a.1.get())))
}

/// Whether two times are the same moment, as far as their scales and an edit list can tell it: no further apart than half a tick of the
/// coarser scale, or a millisecond, which is a tick of most movies.
pub fn same_moment(a: (i64, Timescale), b: (i64, Timescale)) -> bool {
    let (a_scale, b_scale) = (u128::from(a.1.get()), u128::from(b.1.get()));
    let distance = (i128::from(a.0) * i128::from(b.1.get())).abs_diff(i128::from(b.0) * i128::from(a.1.get()));
    // In units of one second by both scales.
    distance * 1000 <= (a_scale * b_scale).max(a_scale.max(b_scale) * 500)
}

/// A length of time as decimal seconds, written with a fixed number of places, the last one rounded.
#[derive(Clone, Copy, Debug)]
pub struct Seconds {
    /// The length in ticks of `timescale`.
    pub ticks: u64,
    /// Ticks a second.
    pub timescale: Timescale,
    /// Decimal places, at most 9.
    pub places: u8,
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = u32::from(self.places.min(9));
        let unit = u128::from(10u32.pow(places));
        let scale = u128::from(self.timescale.get());
        let scaled = (2 * u128::from(self.ticks) * unit + scale) / (2 * scale);
        let (whole, part) = (u64::try_from(scaled / unit).unwrap_or(u64::MAX), u64::try_from(scaled % unit).unwrap_or(0));
        if places == 0 { write!(f, "{whole}") } else { write!(f, "{whole}.{part:0width$}", width = usize::from(self.places.min(9))) }
    }
}

/// A moment in milliseconds since 1970 (UTC, no leap seconds), written as RFC 3339 and ISO 8601 have it: `2026-11-21T10:00:00.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(pub i64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: i64 = 86_400_000;
        let (day, time) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        // Years that begin in March, counted in cycles of 400 from the year 0, so that the leap day is the last day of its year.
        let day = day.saturating_add(719_468);
        let (cycle, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (year, month) = (cycle * 400 + year + i64::from(month >= 10), if month < 10 { month + 3 } else { month - 9 });
        let (hour, minute, second) = (time / 3_600_000, time / 60_000 % 60, time / 1000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", time % 1000)
    }
}

/// A moment in microseconds since 1970 (UTC, no leap seconds).
///
/// Whoever calls measures it by a clock that never goes back, set to the time of day once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    /// Seconds from 1900, where NTP begins, to 1970.
    const NTP: i128 = 2_208_988_800;

    /// So many microseconds later.
    #[must_use]
    pub fn after(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Microseconds since `earlier`; negative if that is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// To the nearest millisecond.
    pub fn date(self) -> Date {
        Date(rescale(self.0, Timescale::MICROS, Timescale::MILLIS))
    }

    /// Of a timestamp of NTP (RFC 5905 6): seconds and their fraction, 32 bits each.
    pub fn from_ntp(timestamp: u64) -> Self {
        let micros = ((i128::from(timestamp) * 1_000_000) >> 32) - Self::NTP * 1_000_000;
        Self(i64::try_from(micros).unwrap_or(0))
    }

    /// As a timestamp of NTP, of the era that ends in 2036.
    pub fn ntp(self) -> u64 {
        let micros = i128::from(self.0) + Self::NTP * 1_000_000;
        // Rounded up, so that reading it again gives the same microsecond.
        u64::try_from(((micros << 32) + 999_999) / 1_000_000).unwrap_or(0)
    }
}

/// A frame rate as a fraction of whole numbers, in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate {
    /// Frames in `denominator` seconds.
    pub numerator: u32,
    /// Seconds that `numerator` frames take.
    pub denominator: u32,
}

impl FrameRate {
    /// The rate of frames that last `delta` ticks each; `None` for zero.
    pub fn new(timescale: Timescale, delta: u32) -> Option<Self> {
        let delta = NonZeroU32::new(delta)?.get();
        let common = greatest_common_divisor(timescale.get(), delta);
        Some(Self { numerator: timescale.get() / common, denominator: delta / common })
    }

    /// Frames a second in thousandths, rounded.
    pub fn thousandths(self) -> u64 {
        let denominator = u64::from(self.denominator);
        (2000 * u64::from(self.numerator) + denominator) / (2 * denominator)
    }
}

impl fmt::Display for FrameRate {
    /// As DASH writes it: `25` or `30000/1001` (ISO/IEC 23009-1, FrameRateType).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            denominator => write!(f, "{}/{denominator}", self.numerator),
        }
    }
}

/// The greatest number that divides both; 1 when either is zero.
pub fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn scale(ticks: u32) -> Timescale {
        Timescale::new(ticks).unwrap()
    }

    #[test]
    fn rescale_rounds_to_the_nearest_tick() {
        for (ticks, from, to, expected) in [
            (1278, 1000, 48_000, 61_344),
            (1, 3, 2, 1),
            (-1, 3, 2, -1),
            (1, 2, 1, 1),
            (-1, 2, 1, 0),
            (i64::MAX, 1, 1000, i64::MAX),
            (i64::MIN, 1, 1000, i64::MIN),
        ] {
            assert_eq!(rescale(ticks, scale(from), scale(to)), expected, "{ticks} of {from} in {to}");
        }
        assert_eq!(rescale_length(u64::MAX, scale(1), scale(1000)), u64::MAX);
    }

    #[test]
    fn times_are_compared_exactly() {
        for (a, b, expected) in [
            ((1, 3), (333_333_333, 1_000_000_000), Ordering::Greater),
            ((1, 30), (3003, 90_090), Ordering::Equal),
            ((u64::MAX, 1), (u64::MAX, u32::MAX), Ordering::Greater),
        ] {
            assert_eq!(compare((a.0, scale(a.1)), (b.0, scale(b.1))), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn moments_are_the_same_to_a_millisecond_or_half_a_tick() {
        for (a, b, expected) in [
            ((3_003, 90_000), (33, 1000), true),
            ((3_003, 90_000), (34, 1000), true),
            ((3_003, 90_000), (35, 1000), false),
            ((3_600, 90_000), (1, 25), true),
            ((5_400, 90_000), (1, 25), true),
            ((5_401, 90_000), (1, 25), false),
            ((-1, 1000), (0, 48_000), true),
            ((i64::MIN, u32::MAX), (i64::MAX, 1), false),
        ] {
            assert_eq!(same_moment((a.0, scale(a.1)), (b.0, scale(b.1))), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn seconds_are_exact_decimal_text() {
        for (ticks, timescale, places, expected) in
            [(1001, 30_000, 6, "0.033367"), (4, 1, 3, "4.000"), (1999, 1000, 0, "2"), (u64::MAX, 1, 1, "18446744073709551615.0")]
        {
            assert_eq!(Seconds { ticks, timescale: scale(timescale), places }.to_string(), expected);
        }
    }

    #[test]
    fn dates() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_795_255_445_678, "2026-11-21T10:04:05.678Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(Date(millis).to_string(), expected);
        }
    }

    #[test]
    fn moments_survive_ntp() {
        for micros in [0, 1, 999_999, 1_795_255_445_678_901] {
            assert_eq!(Moment::from_ntp(Moment(micros).ntp()), Moment(micros));
        }
        assert_eq!(Moment(0).ntp() >> 32, 2_208_988_800);
        assert_eq!(Moment(1_500).date(), Date(2));
    }

    #[test]
    fn frame_rates_are_in_lowest_terms() {
        assert_eq!(FrameRate::new(scale(90_000), 3003).unwrap().to_string(), "30000/1001");
        assert_eq!(FrameRate::new(scale(12_800), 512).unwrap().to_string(), "25");
        assert_eq!(FrameRate::new(scale(90_000), 3003).unwrap().thousandths(), 29_970);
        assert_eq!(FrameRate::new(scale(90_000), 0), None);
    }
}
