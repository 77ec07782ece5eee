//! The time line that the streams of a sender share. RTP counts each of them from a random number; when both were taken is told by when
//! they come, and exactly by the reports of the sender, which come later.
//!
//! Sound keeps its own count, so that it has no seams; pictures are moved, little by little, to where the reports say. So they stay together
//! though the two clocks of the sender drift.

use super::{AccessUnit, micros};
use crate::time::{Timescale, rescale};

/// RTP time that passes so much faster or slower than the time in which it comes begins anew, in microseconds.
const JUMP: i64 = 5_000_000;
/// Reports that would move pictures further are of another clock, in microseconds.
const TRUST: i64 = 5_000_000;
/// Pictures are moved by this part of the time that passes.
const SLOPE: i64 = 8;

/// RTP times of a stream on the line.
#[derive(Debug)]
pub struct Line {
    scale: Timescale,
    /// By how much they are moved, once one has come.
    base: i64,
    /// The last, and when it came, in microseconds.
    last: Option<(i64, i64)>,
    /// What the clock of the sender is behind the line, in microseconds.
    clock: Option<i64>,
}

impl Line {
    /// Of times of this scale.
    pub fn new(scale: Timescale) -> Self {
        Self { scale, base: 0, last: None, clock: None }
    }

    /// The ticks that it counts.
    pub fn scale(&self) -> Timescale {
        self.scale
    }

    /// Where an RTP time is on the line, in ticks.
    pub fn place(&mut self, time: u64, arrival: u64) -> u64 {
        let (time, arrival) = (i64::try_from(time).unwrap_or(i64::MAX), i64::try_from(arrival).unwrap_or(i64::MAX));
        let goes_on = self.last.is_some_and(|(last, came)| {
            let (passed, by_rtp) = (arrival.saturating_sub(came), micros(time.saturating_sub(last), self.scale));
            by_rtp.saturating_sub(passed).saturating_abs() <= JUMP
        });
        if !goes_on {
            self.base = rescale(arrival, Timescale::MICROS, self.scale).saturating_sub(time);
            self.clock = None;
        }
        self.last = Some((time, arrival));
        u64::try_from(time.saturating_add(self.base)).unwrap_or(0)
    }

    /// Takes what the sender told with a unit that has its place: what its clock is behind the line, in microseconds.
    pub fn told(&mut self, unit: &AccessUnit) -> Option<i64> {
        let (Some(report), Some((time, _))) = (unit.report, self.last) else { return self.clock };
        let low = u32::try_from(unit.time & u64::from(u32::MAX)).unwrap_or(0);
        let ago = i64::from(low.wrapping_sub(report.time).cast_signed());
        let place = micros(time.saturating_sub(ago).saturating_add(self.base), self.scale);
        self.clock = Some(place.saturating_sub(report.clock));
        self.clock
    }

    /// The same as it was told last.
    pub fn clock(&self) -> Option<i64> {
        self.clock
    }
}

/// By how much pictures are moved.
#[derive(Debug, Default)]
pub struct Shift {
    ticks: i64,
    last: Option<u64>,
}

impl Shift {
    /// Where a picture is that its own line has at `place`, in ticks of `scale`, with what the clock of the sender is behind its line and
    /// that of the sound.
    pub fn apply(&mut self, place: u64, own: Option<i64>, sound: Option<i64>, scale: Timescale) -> u64 {
        let passed = self.last.map_or(0, |last| i64::try_from(place.saturating_sub(last)).unwrap_or(i64::MAX));
        self.last = Some(place);
        let wanted = own.zip(sound).map(|(own, sound)| sound.saturating_sub(own)).filter(|wanted| wanted.saturating_abs() <= TRUST);
        if let Some(wanted) = wanted {
            let most = passed / SLOPE;
            self.ticks += rescale(wanted, Timescale::MICROS, scale).saturating_sub(self.ticks).clamp(-most, most);
        }
        place.saturating_add_signed(self.ticks)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{super::Report, *};

    fn unit(time: u64, report: Option<(u32, i64)>) -> AccessUnit {
        AccessUnit { payload: Bytes::new(), time, arrival: 0, report: report.map(|(time, clock)| Report { time, clock }) }
    }

    #[test]
    fn times_are_moved_by_one_number_until_they_jump() {
        let mut line = Line::new(Timescale::new(90_000).unwrap());
        for (time, arrival, expected, why) in [
            (4_000_000_000, 1_000_000, 90_000, "the first is where it came"),
            (4_000_003_000, 1_090_000, 93_000, "late by 57 ms, and where it was taken"),
            (4_294_967_300 + 99, 3_278_000_000, 295_057_399, "after a round of 32 bits"),
            (17, 3_278_040_000, 295_023_600, "another count"),
            (3_017, 3_278_050_000, 295_026_600, "which goes on"),
        ] {
            assert_eq!(line.place(time, arrival), expected, "{why}");
        }
    }

    #[test]
    fn reports_tell_the_clock() {
        let mut line = Line::new(Timescale::new(48_000).unwrap());
        line.place((1 << 32) + 4_800, 2_000_000);
        for (report, expected, why) in [
            (None, None, "nothing is told"),
            (Some((0, 900_000)), Some(1_000_000), "100 ms before"),
            (Some((u32::MAX - 47_999, 0)), Some(900_000), "in the round before"),
            (Some((9_600, 1_100_000)), Some(1_000_000), "100 ms later"),
            (None, Some(1_000_000), "as before"),
        ] {
            assert_eq!(line.told(&unit((1 << 32) + 4_800, report)), expected, "{why}");
        }
    }

    #[test]
    fn pictures_are_moved_little_by_little() {
        let (mut shift, scale) = (Shift::default(), Timescale::new(90_000).unwrap());
        let mut place =
            |place, clocks: Option<(i64, i64)>| shift.apply(place, clocks.map(|(own, _)| own), clocks.map(|(_, sound)| sound), scale);
        assert_eq!(place(90_000, None), 90_000);
        assert_eq!(place(93_000, Some((500_000, 510_000))), 93_375, "by an eighth of 3000 ticks");
        assert_eq!(place(96_000, Some((500_000, 510_000))), 96_750);
        assert_eq!(place(99_000, Some((500_000, 510_000))), 99_900, "10 ms, and no more");
        assert_eq!(place(102_000, Some((0, 6_000_000))), 102_900, "another clock");
        assert_eq!(place(105_000, Some((500_000, 490_000))), 105_525, "and back");
    }
}
