//! Times: from the clock of the source to the time line of the stream, which never goes back, and from there to the time of day.
//!
//! The time line is that of the source, moved by one number. Where the clock of the source jumps it is moved by another from then on, which
//! begins another generation: what is cut next says that something changed. By the time of day it begins once; where the source drifts
//! away from that, a generation begins too.

use alloc::vec::Vec;

use crate::{
    demux::stream::ReferenceTime,
    sample::LiveSample,
    time::{Moment, Timescale, rescale},
};

/// Where the first sample is on the time line, in microseconds, so that what is earlier by little has a place too.
const LEAD: i64 = 10_000_000;
/// Sources whose clock is further from ours than this do not tell the time of day.
const TRUST: i64 = 60_000_000;
/// How long a drift has to last.
const DRIFT: i64 = 15_000_000;
/// Numbers of generations whose place is known: tracks that are behind may need one that is not the last.
const KEPT: usize = 8;

/// The clocks of a stream; lengths in microseconds.
#[derive(Debug)]
pub struct Clock {
    /// The segment target.
    target: i64,
    /// By how much the source is moved, with the generation that began it; the newest is the last.
    offsets: Vec<(u32, i64)>,
    generation: u32,
    /// The newest that began for more than times of the source.
    renewed: u32,
    /// When the time line begins, by the time of day.
    zero: Moment,
    /// How much later than that the first sample was there.
    delay: i64,
    /// What the source told of the time of day: a time by its own clock, and when that was.
    told: Option<(i64, Moment)>,
    /// Whether it goes on telling it.
    tells: bool,
    drift: Option<Drift>,
}

/// How far samples were from the time of day, for some time.
#[derive(Clone, Copy, Debug)]
struct Drift {
    since: Moment,
    least: i64,
    most: i64,
}

/// The place of a track on the time line; ticks of the track.
#[derive(Debug)]
pub struct Place {
    scale: Timescale,
    /// By how much the clock of the source is moved.
    offset: i64,
    /// The newest generation that it knows.
    pub generation: u32,
    /// Decoding time of the last sample, and of the next if nothing changes.
    last: Option<(i64, i64)>,
    /// Since when what comes has been there already.
    again: Option<Moment>,
    /// Whether another source may go on now.
    pub resumed: bool,
    /// Whether what comes is behind all that can be published, and has been for long: the clock of the source is to be taken for another.
    pub behind: bool,
    /// What its times are.
    pub times: Times,
}

/// What the times of a track are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Those of the source, by whose clock the time line goes.
    Source,
    /// Those of the source too, but it comes when there is something to say, as text does: no clock is told by it.
    Seldom,
    /// Those of the time line: it is made from what was published.
    Derived,
}

impl Place {
    /// Of a track of this scale.
    pub fn new(scale: Timescale, times: Times) -> Self {
        Self { scale, offset: 0, generation: 0, last: None, again: None, resumed: false, behind: false, times }
    }

    /// Whether it is made from what was published.
    pub fn is_derived(&self) -> bool {
        self.times == Times::Derived
    }

    /// Decoding time of the next sample if nothing changes, in microseconds; text has none.
    pub fn end(&self) -> Option<i64> {
        self.last.filter(|_| self.times != Times::Seldom).map(|(_, next)| self.micros(next))
    }

    /// The same track in another scale.
    pub fn set_scale(&mut self, scale: Timescale) {
        self.last = self.last.map(|(last, next)| (rescale(last, self.scale, scale), rescale(next, self.scale, scale)));
        self.scale = scale;
    }

    /// The track ended at `end`; another source may go on.
    pub fn restore(&mut self, end: i64) {
        (self.last, self.behind) = (Some((end, end)), true);
    }

    fn micros(&self, ticks: i64) -> i64 {
        rescale(ticks, self.scale, Timescale::MICROS)
    }

    fn at(&self, raw: i64, offset: i64) -> i64 {
        raw.saturating_add(rescale(offset, Timescale::MICROS, self.scale))
    }
}

impl Clock {
    /// Of a stream with this segment target in microseconds.
    pub fn new(target: i64) -> Self {
        Self {
            target,
            offsets: Vec::new(),
            generation: 0,
            renewed: 0,
            zero: Moment::default(),
            delay: 0,
            told: None,
            tells: false,
            drift: None,
        }
    }

    /// Goes on with a time line that begins at `zero`, of which nobody knows how the source is moved, nor all that came of it: with the next
    /// generation something is new in any case.
    pub fn restore(&mut self, zero: Moment, delay: i64) {
        self.renewed = self.generation.saturating_add(1);
        (self.zero, self.delay, self.offsets) = (zero, delay, Vec::from([(0, 0)]));
    }

    /// Whether anything has told the time.
    pub fn has_begun(&self) -> bool {
        !self.offsets.is_empty()
    }

    /// The newest generation.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The newest generation in which something else than the times of the source is new: what there is, how it is coded, the time of day.
    pub fn renewed(&self) -> u32 {
        self.renewed
    }

    /// Begins a generation in which times stay as they are.
    pub fn begin_generation(&mut self) -> u32 {
        self.generation = self.generation.saturating_add(1);
        self.renewed = self.generation;
        self.generation
    }

    /// When the time line begins, by the time of day.
    pub fn zero(&self) -> Moment {
        self.zero
    }

    /// How long after its time by the time of day a sample is there.
    pub fn delay(&self) -> i64 {
        self.delay
    }

    /// Where the time line is now, in microseconds.
    pub fn position(&self, now: Moment) -> i64 {
        now.since(self.zero)
    }

    /// Takes what a source tells of the time of day, by a track that is shifted by `shift`.
    pub fn reference(&mut self, place: &Place, reference: &ReferenceTime, shift: i64, now: Moment) {
        if now.since(reference.clock).saturating_abs() > TRUST {
            return;
        }
        let raw = i64::try_from(reference.media_time).unwrap_or(i64::MAX).saturating_add(shift);
        if self.offsets.is_empty() {
            self.told = Some((place.micros(raw), reference.clock));
            return;
        }
        // Where it did not tell at first, its clock is not ours.
        if self.tells {
            let late = reference.clock.since(self.zero).saturating_sub(place.micros(place.at(raw, place.offset)));
            self.note(late, now);
        }
    }

    /// Where a sample of a track that is shifted by `shift` is decoded on the time line. `None`: it has been there already, so it is
    /// dropped. `end`: where all that has come ends, in microseconds. `lead`: whether the track is the one that time is told by.
    pub fn place(&mut self, place: &mut Place, sample: &LiveSample, shift: i64, end: i64, lead: bool, now: Moment) -> Option<i64> {
        let raw = i64::try_from(sample.decode_time).unwrap_or(i64::MAX).saturating_add(shift);
        let duration = i64::from(sample.duration);
        if !self.has_begun() {
            self.begin(place, raw, duration, now);
        }
        let time = self.find(place, raw, duration, end, now)?;
        (place.again, place.resumed, place.behind) = (None, false, false);
        place.last = Some((time, time.saturating_add(duration)));
        if lead && !self.tells {
            let late = self.position(now).saturating_sub(place.micros(time.saturating_add(duration)));
            self.note(late.saturating_sub(self.delay), now);
        }
        Some(time)
    }

    /// The first sample of all: moved by whole seconds, which every scale tells exactly.
    fn begin(&mut self, place: &Place, raw: i64, duration: i64, now: Moment) {
        let start = place.micros(raw);
        let offset = LEAD.saturating_sub(start.div_euclid(1_000_000).saturating_mul(1_000_000));
        self.offsets.push((0, offset));
        let end = place.micros(place.at(raw, offset).saturating_add(duration));
        self.zero = match self.told {
            Some((time, clock)) => clock.after(time.saturating_add(offset).saturating_neg()),
            None => now.after(end.saturating_neg()),
        };
        self.tells = self.told.is_some();
        self.delay = self.position(now).saturating_sub(end).max(0);
    }

    fn find(&mut self, place: &mut Place, raw: i64, duration: i64, end: i64, now: Moment) -> Option<i64> {
        let newest = self.offsets.last().copied().unwrap_or_default();
        let target = rescale(self.target, Timescale::MICROS, place.scale);
        if place.is_derived() {
            return Some(raw).filter(|time| *time >= 0 && place.last.is_none_or(|(last, _)| *time > last));
        }
        if place.times == Times::Seldom {
            return self.find_text(place, raw, now);
        }
        let Some((last, next)) = place.last else {
            // It begins where the others are, unless its clock is another.
            (place.generation, place.offset) = (newest.0.max(place.generation), newest.1);
            let time = place.at(raw, newest.1);
            let off = self.position(now).saturating_sub(place.micros(time));
            return Some(if off.saturating_abs() > TRUST { self.jump(place, raw, duration, end, now) } else { time })
                .filter(|time| *time >= 0);
        };
        let time = place.at(raw, place.offset);
        let here = self.position(now).saturating_sub(self.delay);
        let late = here.saturating_sub(place.micros(time));
        let step = time.saturating_sub(next);
        let follows = !place.behind && time > last && step >= -(duration / 2).max(1) && step <= target;
        if follows {
            return Some(time);
        }
        // Another track has jumped, and this one does now: it follows on there, or comes in time.
        let others = place.at(raw, newest.1);
        let in_time = here.saturating_sub(place.micros(others)).saturating_abs() <= self.target;
        let joins = others > last && (in_time || others.saturating_sub(next).saturating_abs() <= target);
        if newest.1 != place.offset && joins {
            (place.generation, place.offset) = (newest.0.max(place.generation), newest.1);
            return Some(others);
        }
        if place.behind {
            return Some(self.jump(place, raw, duration, end, now));
        }
        if step < 0 {
            // What is sent again is no older than a few segments, and does not last. Another source may begin its clock at zero.
            let since = *place.again.get_or_insert(now);
            let far = step < target.saturating_mul(-4) || (place.resumed && (raw < target || late > self.target.saturating_mul(4)));
            if !far && now.since(since) <= self.target {
                return None;
            }
        } else if late.saturating_neg() <= place.micros(step) / 2 {
            // So much time has passed: the source lost what is missing.
            return Some(time);
        }
        Some(self.jump(place, raw, duration, end, now))
    }

    /// Text follows the newest clock of the source by which it comes in time, in ascending order; what comes before all else has no place.
    fn find_text(&self, place: &Place, raw: i64, now: Moment) -> Option<i64> {
        let mut times = self.offsets.iter().rev().map(|(_, offset)| place.at(raw, *offset));
        let time = times.find(|time| self.position(now).saturating_sub(place.micros(*time)).saturating_abs() <= TRUST)?;
        Some(time).filter(|time| *time >= 0 && (place.resumed || place.last.is_none_or(|(last, _)| *time > last)))
    }

    /// The clock of the source is another from here on: the time line goes on at its end or, where more time has passed, now.
    fn jump(&mut self, place: &mut Place, raw: i64, duration: i64, end: i64, now: Moment) -> i64 {
        let here = self.position(now).saturating_sub(self.delay).saturating_sub(place.micros(duration));
        let end = end.max(place.end().unwrap_or(0));
        let start = if here.saturating_sub(end) > self.target / 2 { here } else { end };
        let offset = start.saturating_sub(place.micros(raw));
        self.generation = self.generation.saturating_add(1);
        let generation = self.generation;
        self.offsets.push((generation, offset));
        if self.offsets.len() > KEPT {
            self.offsets.remove(0);
        }
        (place.generation, place.offset) = (generation, offset);
        place.at(raw, offset)
    }

    fn note(&mut self, late: i64, now: Moment) {
        let drift = self.drift.get_or_insert(Drift { since: now, least: late, most: late });
        (drift.least, drift.most) = (drift.least.min(late), drift.most.max(late));
    }

    /// Where the source has been away from the time of day for long enough, by more than half a segment, the time of day is taken anew, and
    /// a generation begins.
    pub fn settle(&mut self, now: Moment) {
        let Some(drift) = self.drift.filter(|drift| now.since(drift.since) >= DRIFT) else { return };
        self.drift = None;
        let off = if drift.least > 0 { drift.least } else { drift.most.min(0) };
        if off.saturating_abs() > self.target / 2 {
            self.zero = self.zero.after(off);
            self.begin_generation();
        }
    }
}
