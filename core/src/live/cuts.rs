//! Where segments begin, the same for all renditions, and the periods of DASH that they make up.

use alloc::collections::VecDeque;

use super::clock::Clock;
use crate::{
    time::{Moment, Timescale, rescale},
    window::{Segment, Window},
};

/// A time on the time line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Ticks of `scale`.
    pub ticks: i64,
    /// Ticks a second.
    pub scale: Timescale,
}

impl Time {
    /// The nearest tick of another scale.
    pub fn in_scale(self, scale: Timescale) -> i64 {
        rescale(self.ticks, self.scale, scale)
    }

    /// In microseconds.
    pub fn micros(self) -> i64 {
        self.in_scale(Timescale::MICROS)
    }
}

/// The beginning of a segment.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Number of the segment.
    pub number: u32,
    /// When it begins.
    pub start: Time,
    /// The same by the clock.
    pub clock: Moment,
    /// The newest generation that may be in it.
    pub generation: u32,
    /// Whether something other than time changes here.
    pub discontinuity: bool,
    /// How many cuts up to this one are discontinuities.
    pub discontinuities: u32,
    /// Number of its period.
    pub period: u32,
    /// Whether the rendition that leads has nothing of it.
    pub gap: bool,
    /// When it was made: from then on, nobody is waited for without end.
    pub made: Moment,
}

/// A period of DASH (ISO/IEC 23009-1 5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its number, from 1.
    pub number: u32,
    /// The first of its segments.
    pub first: u32,
    /// When that begins.
    pub start: Time,
    /// The same by the clock.
    pub clock: Moment,
    /// Ticks of each of its segments, where all are the same: it can be told by number. Not known while there is only one.
    pub duration: Option<i64>,
    /// Whether its segments are told one by one.
    pub listed: bool,
}

/// The cuts that somebody still needs.
#[derive(Debug, Default)]
pub struct Cuts {
    list: VecDeque<Cut>,
    periods: VecDeque<Period>,
    /// Where the last segment ends, if nothing begins there yet.
    end: Option<Time>,
    /// Whether the segment before the next cut is a gap.
    gap: bool,
    /// Whether a segment has not been where its number would have told it.
    irregular: bool,
    /// How long the segments of the last regular period are, in ticks of the rendition that leads.
    usual: Option<i64>,
    first: u32,
}

impl Cuts {
    /// None yet; the first segment is to have this number.
    pub fn new(first: u32) -> Self {
        Self { first, ..Self::default() }
    }

    /// Goes on behind the segments of the rendition that leads; `begun`: those with which periods begin. All that was is told one by one.
    pub fn restore(&mut self, begun: &[Segment], window: &Window) {
        let time = |ticks: u64| Time { ticks: i64::try_from(ticks).unwrap_or(i64::MAX), scale: window.timescale };
        let listed = window.segments.front().map_or(0, |first| first.period);
        for segment in begun.iter().filter(|segment| segment.period >= listed) {
            let (number, first, start, clock) = (segment.period, segment.number, time(segment.start), segment.clock);
            self.periods.push_back(Period { number, first, start, clock, duration: None, listed: true });
        }
        let Some(last) = window.segments.back() else { return };
        self.list.push_back(Cut {
            number: last.number,
            start: time(last.start),
            clock: last.clock,
            generation: 0,
            discontinuity: last.discontinuity,
            discontinuities: last.discontinuities,
            period: last.period,
            gap: last.gap,
            made: last.clock,
        });
        self.end = Some(time(last.end()));
    }

    /// The last.
    pub fn last(&self) -> Option<&Cut> {
        self.list.back()
    }

    /// The first segment that begins from now on.
    pub fn next_number(&self) -> u32 {
        self.last().map_or(self.first, |last| last.number.saturating_add(1))
    }

    /// The beginning of segment `number`.
    pub fn get(&self, number: u32) -> Option<&Cut> {
        let first = self.list.front()?.number;
        self.list.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// Where segment `number` ends, if that is known.
    pub fn end_of(&self, number: u32) -> Option<(Time, Moment)> {
        let next = self.get(number.saturating_add(1)).map(|next| (next.start, next.made));
        next.or_else(|| self.last().filter(|last| last.number == number).and_then(|last| Some((self.end?, last.made))))
    }

    /// Where nothing begins yet though the last segment ends.
    pub fn stopped(&self) -> Option<Time> {
        self.end
    }

    /// The last segment ends here. What begins next has to be begun by a key frame.
    pub fn stop(&mut self, end: Time) {
        // All cuts are told in ticks of the rendition that leads.
        self.end = self
            .last()
            .map(|last| Time { ticks: end.in_scale(last.start.scale).max(last.start.ticks.saturating_add(1)), scale: last.start.scale });
    }

    /// A segment of which nobody has the media that leads: from where the last one ends, for so many ticks.
    pub fn push_gap(&mut self, ticks: i64, clock: &Clock, now: Moment) {
        let Some(start) = self.end else { return };
        self.add(start, clock, 0, now);
        self.gap = true;
        if let Some(cut) = self.list.back_mut() {
            cut.gap = true;
        }
        self.end = Some(Time { ticks: start.ticks.saturating_add(ticks), ..start });
    }

    /// A segment begins at `start`. Cuts that are `tolerance` ticks from where they should be count as regular; `usual`: how long segments
    /// are to be, where not the first tells.
    pub fn push(&mut self, start: Time, (tolerance, usual): (i64, Option<i64>), clock: &Clock, now: Moment) {
        self.usual = self.usual.or(usual);
        self.add(start, clock, tolerance, now);
        (self.end, self.gap) = (None, false);
    }

    fn add(&mut self, start: Time, clock: &Clock, tolerance: i64, now: Moment) {
        let before = self.last().copied();
        // Behind a gap the time line has gone on by itself: where a source comes back as it was, segments carry on with it, and there is no
        // discontinuity (RFC 8216bis 4.4.4.3).
        let is_another = |before: Cut| if self.gap { before.generation < clock.renewed() } else { before.generation != clock.generation() };
        let discontinuity = before.is_some_and(is_another);
        let at = clock.zero().after(start.micros());
        let irregular = match self.periods.back_mut() {
            Some(period) if !discontinuity && !self.gap && self.end.is_none() => !period.is_regular(before.as_ref(), start, tolerance),
            _ => false,
        };
        if discontinuity || irregular || self.gap || self.end.is_some() || before.is_none() {
            // The first segment of all may be an odd one, such as where sound begins a little before the pictures. It told the length of
            // those behind it, so once that is told anew by the second.
            let first = self.periods.back().filter(|last| last.number == 1 && last.first.saturating_add(2) == self.next_number());
            match (irregular, first, before) {
                (true, Some(_), Some(before)) => {
                    self.usual = Some(start.ticks.saturating_sub(before.start.in_scale(start.scale))).filter(|length| *length > 0);
                }
                _ => self.irregular |= irregular,
            }
            let listed = self.irregular;
            let number = self.periods.back().map_or(1, |last| last.number.saturating_add(1));
            let duration = self.usual.filter(|_| !listed);
            self.periods.push_back(Period { number, first: self.next_number(), start, clock: at, duration, listed });
        }
        self.usual = self.periods.back().and_then(|last| last.duration).or(self.usual);
        let discontinuities = before.map_or(0, |before| before.discontinuities).saturating_add(discontinuity.into());
        self.list.push_back(Cut {
            number: self.next_number(),
            start,
            clock: at,
            generation: clock.generation(),
            discontinuity,
            discontinuities,
            period: self.periods.back().map_or(1, |period| period.number),
            gap: false,
            made: now,
        });
    }

    /// When the next cut is to be expected, if segments last `target` ticks of `scale` where nothing tells more.
    pub fn expected(&self, target: i64, scale: Timescale) -> Option<Time> {
        let last = self.last()?;
        let usual = self.usual.filter(|_| last.start.scale == scale).unwrap_or(target);
        Some(Time { ticks: last.start.in_scale(scale).saturating_add(usual), scale })
    }

    /// The periods.
    pub fn periods(&self) -> impl Iterator<Item = &Period> {
        self.periods.iter()
    }

    /// Nobody needs cuts before that of segment `number`, nor periods before `period`.
    pub fn forget(&mut self, number: u32, period: u32) {
        while self.list.len() > 1 && self.list.front().is_some_and(|cut| cut.number < number) {
            self.list.pop_front();
        }
        while self.periods.len() > 1 && self.periods.front().is_some_and(|found| found.number < period) {
            self.periods.pop_front();
        }
    }
}

impl Period {
    /// Whether a segment that begins at `start` is where its number tells it. The first two segments tell how long all are.
    fn is_regular(&mut self, before: Option<&Cut>, start: Time, tolerance: i64) -> bool {
        let Some(before) = before.filter(|_| !self.listed) else { return true };
        let scale = self.start.scale;
        let here = start.in_scale(scale).saturating_sub(self.start.ticks);
        let count = i64::from(before.number.saturating_sub(self.first)).saturating_add(1);
        let duration = *self.duration.get_or_insert(here);
        here.saturating_sub(duration.saturating_mul(count)).saturating_abs() <= tolerance
    }
}
