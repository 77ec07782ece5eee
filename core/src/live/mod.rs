//! Live: from the samples of a source, as they come, to CMAF chunks, segments and manifests that grow. Viewers of every protocol see the
//! same chunks.
//!
//! ```text
//! sample -> clock: its place on the time line -> waits until its segment is known -> part -> segment -> window -> HLS / DASH text
//!                                                '- cuts: where the rendition that leads begins segments, all others do
//! ```
//!
//! It has no clock of its own: whoever calls says what time it is, and comes back when [`Live::timeout`] says so.

mod clock;
mod config;
mod cuts;
mod event;
mod rendition;
#[cfg(test)]
mod tests;
mod views;

use alloc::{collections::VecDeque, format, vec::Vec};

use crate::{
    codec::Kind,
    demux::stream::ReferenceTime,
    error::{Error, Result},
    sample::LiveSample,
    time::{Moment, Seconds, Timescale, rescale},
    track::Track,
    window::Promise,
};
use clock::Clock;
pub use config::Config;
use cuts::{Cuts, Time};
pub use event::{Event, RenditionId};
use rendition::{Desk, Rendition};
pub use views::Piece;

/// How long sound waits for pictures that it might belong to, in microseconds, before it is published alone.
const SETTLE: i64 = 1_000_000;
/// The most renditions of a stream.
const MOST_RENDITIONS: usize = 32;
/// The most samples that wait before the first key frame.
const MOST_EARLY: usize = 1024;

/// A live stream.
#[derive(Debug)]
pub struct Live {
    config: Config,
    promise: Promise,
    clock: Clock,
    cuts: Cuts,
    renditions: Vec<Rendition>,
    /// Which of them tells where segments begin.
    leader: Option<usize>,
    events: VecDeque<Event>,
    source: Source,
    /// When the first sample came, and the last of the rendition that leads.
    first: Option<Moment>,
    fed: Moment,
    /// When the first period begins by the clock, less its place on the time line, and how late samples are.
    epoch: Option<(Moment, i64)>,
    /// When what the MPD tells last changed, and how often.
    changed: (Moment, u64),
    version: u64,
}

/// Whether media comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Here,
    /// Not since then.
    Lost(Moment),
    /// Not any more.
    Ended,
}

impl Live {
    /// A stream that has not begun. Lengths that do not fit together are an error.
    pub fn new(config: Config) -> Result<Self> {
        config.check()?;
        let promise = Promise {
            target_duration: config.target_duration(),
            part_target: (config.part_target.into(), Timescale::MILLIS),
            delta_updates: config.delta_updates,
            part_addressing: config.part_addressing,
        };
        Ok(Self {
            clock: Clock::new(micros(config.segment_target)),
            cuts: Cuts::new(config.first_number),
            config,
            promise,
            renditions: Vec::new(),
            leader: None,
            events: VecDeque::new(),
            source: Source::Here,
            first: None,
            fed: Moment::default(),
            epoch: None,
            changed: (Moment::default(), 0),
            version: 0,
        })
    }

    /// Adds a rendition for a track of the source. After the source was lost, the track goes on with the rendition that it had: the first of
    /// its kind that is not taken, of the same codec, size and language if there is one.
    ///
    /// # Errors
    ///
    /// Text is not carried in live streams, nor are pictures that join when sound has begun alone.
    pub fn add(&mut self, track: &Track, now: Moment) -> Result<RenditionId> {
        let kind = track.kind();
        if self.source == Source::Ended {
            return Err(ended());
        }
        if kind == Kind::Text {
            return Err(Error::unsupported("text is not carried in a live stream"));
        }
        let free = |rendition: &&Rendition| rendition.free && rendition.track.kind() == kind;
        let alike = |rendition: &&Rendition| rendition.track.codec == track.codec && rendition.track.language == track.language;
        let found = self.renditions.iter().filter(free).find(alike).or(self.renditions.iter().find(free)).map(|rendition| rendition.id);
        if let Some(id) = found {
            self.change(id, track)?;
            if let Some(rendition) = self.renditions.get_mut(id.0) {
                rendition.free = false;
            }
            (self.source, self.fed) = (Source::Here, now);
            return Ok(id);
        }
        if self.renditions.len() == MOST_RENDITIONS {
            return Err(Error::unsupported(format!("a live stream has {MOST_RENDITIONS} renditions at most")));
        }
        let leads = self.leader.and_then(|leader| self.renditions.get(leader)).map(|leader| leader.track.kind());
        if kind == Kind::Video && leads == Some(Kind::Audio) && self.cuts.last().is_some() {
            return Err(Error::unsupported("pictures join a stream that has begun with sound alone; send all tracks from the start"));
        }
        let number = self.renditions.iter().filter(|rendition| rendition.track.kind() == kind).count() + 1;
        let name = format!("{}{number}", kind.letter());
        let id = RenditionId(self.renditions.len());
        if self.cuts.last().is_some() {
            // Which renditions there are does not change within a period.
            self.clock.begin_generation();
        }
        let rendition = Rendition::new(id, name, track, self.cuts.next_number(), &self.config);
        self.events.push_back(Event::Header { rendition: id, number: rendition.header.0, bytes: rendition.header.1.clone() });
        self.renditions.push(rendition);
        (self.source, self.fed) = (Source::Here, now);
        self.note();
        Ok(id)
    }

    /// The source describes a rendition anew. What follows needs another header and begins a segment; the same description changes nothing.
    pub fn change(&mut self, id: RenditionId, track: &Track) -> Result<()> {
        let rendition = self.renditions.get_mut(id.0).ok_or_else(no_rendition)?;
        if rendition.track.kind() != track.kind() {
            return Err(Error::unsupported(format!("{} becomes {}; a rendition stays of one kind", rendition.name, track.kind().name())));
        }
        if rendition.change(track) {
            rendition.place.set_scale(track.timescale);
            rendition.place.generation = self.clock.begin_generation();
            self.events.push_back(Event::Header { rendition: id, number: rendition.header.0, bytes: rendition.header.1.clone() });
            self.note();
        }
        Ok(())
    }

    /// Takes what the source tells of the time of day. What it tells before its first sample sets the clock of the stream.
    pub fn reference(&mut self, id: RenditionId, reference: ReferenceTime, now: Moment) {
        if let Some(rendition) = self.renditions.get(id.0) {
            self.clock.reference(&rendition.place, &reference, rendition.track.shift, now);
        }
    }

    /// Takes the next sample of a rendition, in decoding order. One that has been there already is dropped.
    ///
    /// # Errors
    ///
    /// The source breaks what is promised to players, or sends its tracks too far apart. It is to be told, and is lost.
    pub fn push(&mut self, id: RenditionId, sample: LiveSample, now: Moment) -> Result<()> {
        if self.source == Source::Ended {
            return Err(ended());
        }
        let rendition = self.renditions.get_mut(id.0).ok_or_else(no_rendition)?;
        self.first.get_or_insert(now);
        let samples = rendition.take(sample);
        let done = self.place(id.0, samples, now).and_then(|()| self.lead(now)).and_then(|()| self.follow(now, false));
        self.note();
        done
    }

    /// The source is gone. What it sent is published; it is missed, and after some time the stream is over.
    pub fn lost(&mut self, now: Moment) {
        if self.source == Source::Here {
            self.stop(true, now);
            for rendition in &mut self.renditions {
                (rendition.free, rendition.place.resumed) = (true, true);
            }
            self.source = Source::Lost(now);
            self.note();
        }
    }

    /// The stream is over.
    pub fn end(&mut self, now: Moment) {
        if self.source != Source::Ended {
            self.stop(true, now);
            self.source = Source::Ended;
            self.events.push_back(Event::Ended);
            self.changed = (now, self.changed.1 + 1);
            self.note();
        }
    }

    /// What happened, in order.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, if nothing comes before.
    pub fn timeout(&self) -> Option<Moment> {
        let lost = match self.source {
            Source::Here => None,
            Source::Lost(at) => Some(at.after(micros(self.config.grace))),
            Source::Ended => return None,
        };
        let settle = self.first.filter(|_| self.leader.is_none()).map(|first| first.after(SETTLE));
        let stall = self.cuts.last().map(|_| match self.cuts.stopped() {
            Some(end) => self.clock.zero().after(end.micros() + micros(self.config.segment_target) + self.clock.delay()),
            None => self.fed.after(self.patience()),
        });
        let late = self.renditions.iter().filter_map(|rendition| {
            let (_, made) = self.cuts.end_of(rendition.window.open.as_ref()?.number)?;
            Some(made.after(self.patience()))
        });
        [lost, settle, stall].into_iter().flatten().chain(late).min()
    }

    /// Does what time alone brings: publishes that something is missing, gives up waiting.
    pub fn handle_timeout(&mut self, now: Moment) {
        if let Source::Lost(at) = self.source
            && now.since(at) >= micros(self.config.grace)
        {
            return self.end(now);
        }
        if self.source == Source::Ended {
            return;
        }
        // Samples that break a promise were refused when they came.
        let _ = self.lead(now);
        if self.cuts.last().is_some() && self.cuts.stopped().is_none() && now.since(self.fed) >= self.patience() {
            self.stop(false, now);
        }
        let target = micros(self.config.segment_target);
        let behind = self.clock.position(now).saturating_sub(self.clock.delay()).saturating_sub(target);
        for _ in 0..self.config.most_segments() {
            let Some(end) = self.cuts.stopped().filter(|end| end.micros() <= behind) else { break };
            self.cuts.push_gap(rescale(target, Timescale::MICROS, end.scale), &self.clock, now);
        }
        let _ = self.follow(now, false);
        self.note();
    }

    /// By how many microseconds the media that came is ahead of the clock: of a source that sends faster than it plays, nothing should be
    /// read while that is seconds.
    pub fn ahead(&self, now: Moment) -> u64 {
        let end = self.renditions.iter().filter_map(|rendition| rendition.place.end()).max().unwrap_or(0);
        u64::try_from(end.saturating_sub(self.clock.position(now))).unwrap_or(0)
    }

    /// How long something that belongs to the stream is waited for, in microseconds.
    fn patience(&self) -> i64 {
        i64::from(self.promise.target_duration).saturating_mul(1_000_000)
    }

    fn place(&mut self, index: usize, samples: impl Iterator<Item = LiveSample>, now: Moment) -> Result<()> {
        for sample in samples {
            let end = self.renditions.iter().filter_map(|rendition| rendition.place.end()).max().unwrap_or(0);
            let lead = self.leader.is_none_or(|leader| leader == index);
            let begun = self.cuts.last().is_some();
            let Some(rendition) = self.renditions.get_mut(index) else { continue };
            let shift = rendition.track.shift;
            let Some(time) = self.clock.place(&mut rendition.place, &sample, shift, end, lead, now) else { continue };
            if !begun && rendition.waiting.len() >= MOST_EARLY {
                rendition.unwait();
            }
            rendition.wait(sample, time)?;
            if lead {
                self.fed = now;
            }
        }
        Ok(())
    }

    /// The rendition that leads: the first of pictures, or sound where no pictures have come for a while.
    fn choose_leader(&mut self, now: Moment) -> Option<usize> {
        if self.leader.is_none() {
            let of = |kind: Kind| self.renditions.iter().position(|rendition| rendition.track.kind() == kind);
            let settled = self.first.is_some_and(|first| now.since(first) >= SETTLE);
            self.leader = of(Kind::Video).or_else(|| of(Kind::Audio).filter(|_| settled));
        }
        self.leader
    }

    /// Takes the samples of the rendition that leads: each begins a segment or belongs to the one that is open.
    fn lead(&mut self, now: Moment) -> Result<()> {
        let Some(leader) = self.choose_leader(now) else { return Ok(()) };
        while let Some(step) = self.renditions.get(leader).and_then(|rendition| self.next_step(rendition)) {
            match step {
                Step::Begin(start, duration) => {
                    self.promise_parts(start.scale, duration);
                    self.epoch = Some((self.clock.zero(), self.clock.delay()));
                    self.cut(leader, start, duration, now);
                }
                Step::Cut(start, duration) => {
                    self.clock.settle(now);
                    self.cut(leader, start, duration, now);
                }
                Step::Resume(start, duration) => {
                    self.fill(start, now);
                    self.cut(leader, start, duration, now);
                }
                Step::Stop => {
                    self.stop(false, now);
                    continue;
                }
                Step::Take => {}
                Step::Drop => {
                    self.renditions.get_mut(leader).and_then(Rendition::unwait);
                    continue;
                }
                Step::Refuse(error) => {
                    self.renditions.get_mut(leader).and_then(Rendition::unwait);
                    return Err(error);
                }
            }
            self.advance(leader, now)?;
            let mut desk = Desk { config: &self.config, promise: &self.promise, clock: &self.clock, events: &mut self.events };
            if let Some(rendition) = self.renditions.get_mut(leader)
                && let Some(placed) = rendition.unwait()
            {
                rendition.add(placed, &mut desk)?;
            }
        }
        Ok(())
    }

    /// What the next sample of the rendition that leads does.
    fn next_step(&self, rendition: &Rendition) -> Option<Step> {
        let next = rendition.waiting.front()?;
        let scale = rendition.track.timescale;
        let (shown, duration) = (next.shown(), i64::from(next.sample.duration));
        let start = Time { ticks: shown, scale };
        let ticks = |micros: i64| rescale(micros, Timescale::MICROS, scale);
        let target = ticks(micros(self.config.segment_target));
        let Some(last) = self.cuts.last() else {
            return Some(if next.sample.sync && shown >= 0 { Step::Begin(start, duration) } else { Step::Drop });
        };
        let begun = last.start.in_scale(scale);
        if let Some(end) = self.cuts.stopped() {
            let follows = next.sample.sync && shown >= end.in_scale(scale).saturating_sub(duration / 2);
            return Some(if follows { Step::Resume(start, duration) } else { Step::Drop });
        }
        let missing = next.time.saturating_sub(rendition.decoded().in_scale(scale)) > target;
        if next.generation > last.generation || missing {
            return Some(Step::Stop);
        }
        let due = match rendition.track.kind() {
            // Multiples of the target, so that rounding does not add up.
            Kind::Audio => {
                let first = self.cuts.periods().last().map_or(begun, |period| period.start.in_scale(scale));
                let count = begun.saturating_sub(first).saturating_add(target / 2).checked_div(target).unwrap_or(0).saturating_add(1);
                first.saturating_add(target.saturating_mul(count))
            }
            _ => begun.saturating_add(target),
        };
        if next.sample.sync && shown >= due.saturating_sub(duration / 2) {
            return Some(Step::Cut(start, duration));
        }
        let lasts = shown.saturating_add(duration).saturating_sub(begun);
        if lasts > ticks(self.patience()).saturating_add(duration / 2) {
            return Some(Step::Refuse(self.too_far(rendition, lasts)));
        }
        Some(Step::Take)
    }

    fn too_far(&self, rendition: &Rendition, ticks: i64) -> Error {
        let lasts = Seconds { ticks: u64::try_from(ticks).unwrap_or(0), timescale: rendition.track.timescale, places: 2 };
        let seconds = self.config.segment_target.div_ceil(1000);
        let message = format!(
            "{} has had no key frame for {lasts} s, but players were promised segments of {} s at most; send a key frame every {seconds} s \
             (ffmpeg: -force_key_frames 'expr:gte(t,n_forced*{seconds})' -sc_threshold 0, or -g of {seconds} s of frames)",
            rendition.name, self.promise.target_duration
        );
        Error::unsupported(message).by("RFC 8216bis 4.4.3.1")
    }

    /// The promise for parts: whole frames.
    fn promise_parts(&mut self, scale: Timescale, duration: i64) {
        let target = u64::try_from(rescale(self.config.part_target.into(), Timescale::MILLIS, scale)).unwrap_or(0);
        let frame = u64::try_from(duration).unwrap_or(1).max(1);
        self.promise.part_target = (target.div_ceil(frame).max(1).saturating_mul(frame), scale);
    }

    fn cut(&mut self, leader: usize, start: Time, duration: i64, now: Moment) {
        let audio = self.renditions.get(leader).is_some_and(|rendition| rendition.track.kind() == Kind::Audio);
        let target = rescale(micros(self.config.segment_target), Timescale::MICROS, start.scale);
        // Sound alone has its cuts at multiples; pictures tell by their first segment how far key frames are apart.
        let regular = (if audio { duration } else { duration / 2 }, audio.then_some(target));
        self.cuts.push(start, regular, &self.clock, now);
        self.changed = (now, self.changed.1 + 1);
    }

    /// The last segment ends with what there is of it; `all`: with all that waits.
    fn stop(&mut self, all: bool, now: Moment) {
        let Some(last) = self.cuts.last().copied() else { return };
        if self.cuts.stopped().is_none() {
            let ends = self.renditions.iter().map(|rendition| rendition.end(last.generation));
            if let Some(end) = ends.max_by_key(|end| end.micros()) {
                self.cuts.stop(end);
                self.changed = (now, self.changed.1 + 1);
            }
        }
        // Nothing that waits can break a promise: it was taken.
        let _ = self.follow(now, all);
    }

    /// Gaps from where the last segment ended to `start`.
    fn fill(&mut self, start: Time, now: Moment) {
        let Some(end) = self.cuts.stopped() else { return };
        let target = rescale(micros(self.config.segment_target), Timescale::MICROS, end.scale).max(1);
        let missing = start.in_scale(end.scale).saturating_sub(end.ticks);
        if missing <= target / 2 {
            return;
        }
        let most = i64::try_from(self.config.most_segments()).unwrap_or(i64::MAX);
        let count = (missing.saturating_add(target / 2) / target).clamp(1, most);
        for _ in 0..count {
            self.cuts.push_gap(missing / count, &self.clock, now);
        }
    }

    /// All renditions but the one that leads take what is known to belong somewhere; all close segments that are over. `force`: nothing is
    /// waited for.
    fn follow(&mut self, now: Moment, force: bool) -> Result<()> {
        let mut done = Ok(());
        for index in 0..self.renditions.len() {
            let result = if self.leader == Some(index) { self.advance(index, now) } else { self.follow_one(index, now, force) };
            done = done.and(result);
        }
        let needed = self.renditions.iter().map(|rendition| rendition.window.open.as_ref().map_or(rendition.next, |open| open.number));
        let periods = self.renditions.iter().filter_map(|rendition| rendition.window.segments.front().map(|first| first.period));
        // The one before the next is needed to know where that begins.
        self.cuts.forget(needed.min().unwrap_or(0).saturating_sub(1), periods.min().unwrap_or(0));
        done
    }

    /// The rendition that leads closes what is over and opens what begins.
    fn advance(&mut self, index: usize, now: Moment) -> Result<()> {
        let mut desk = Desk { config: &self.config, promise: &self.promise, clock: &self.clock, events: &mut self.events };
        let Some(rendition) = self.renditions.get_mut(index) else { return Ok(()) };
        let video = rendition.track.kind() == Kind::Video;
        loop {
            if let Some(open) = &rendition.window.open {
                let Some((end, _)) = self.cuts.end_of(open.number) else { return Ok(()) };
                rendition.close(end, video, &mut desk)?;
                self.changed = (now, self.changed.1 + 1);
            } else {
                let Some(cut) = self.cuts.get(rendition.next) else { return Ok(()) };
                rendition.open(cut);
            }
        }
    }

    fn follow_one(&mut self, index: usize, now: Moment, force: bool) -> Result<()> {
        let patience = self.patience();
        let target = micros(self.config.segment_target);
        // No key frame of the rendition that leads is presented before this.
        let leader = self.leader.and_then(|leader| self.renditions.get(leader));
        let half = leader.map_or(0, |leader| Time { ticks: leader.step() / 2, scale: leader.window.timescale }.micros());
        let led = leader.map_or(0, |leader| leader.decoded().micros());
        let frontier = self.cuts.last().map_or(0, |last| last.start.micros().saturating_add(target).saturating_sub(half).max(led));
        let mut desk = Desk { config: &self.config, promise: &self.promise, clock: &self.clock, events: &mut self.events };
        let Some(rendition) = self.renditions.get_mut(index) else { return Ok(()) };
        let (scale, video) = (rendition.track.timescale, rendition.track.kind() == Kind::Video);
        loop {
            let Some(open) = rendition.window.open.as_ref().map(|open| open.number) else {
                let Some(cut) = self.cuts.get(rendition.next) else { return Ok(()) };
                rendition.open(cut);
                continue;
            };
            let Some(cut) = self.cuts.get(open) else { return Ok(()) };
            let end = self.cuts.end_of(open);
            let Some(next) = rendition.waiting.front() else {
                let Some((end, made)) = end else { return Ok(()) };
                // Whatever comes next does not belong to it.
                let full =
                    !video && rendition.has_content() && rendition.shown().saturating_add(rendition.step() / 2) >= end.in_scale(scale);
                if force || full || now.since(made) >= patience {
                    rendition.close(end, video, &mut desk)?;
                    self.changed = (now, self.changed.1 + 1);
                    continue;
                }
                return Ok(());
            };
            let tolerance = i64::from(next.sample.duration / 2);
            let begins = cut.start.in_scale(scale);
            let place = if video { next.shown() } else { next.middle() };
            let early = place < begins.saturating_sub(if video { tolerance } else { 0 }) && !rendition.has_content();
            // Pictures begin with a key frame; those that are shown before one, decoded after it, belong to it.
            if next.generation <= cut.generation && !rendition.has_content() && (early || (video && !next.sample.sync)) {
                rendition.unwait();
                continue;
            }
            let belongs = match end {
                _ if next.generation > cut.generation => false,
                Some((end, _)) if video => {
                    let end = end.in_scale(scale);
                    let late = next.shown() > end.saturating_add(tolerance);
                    if late && self.cuts.stopped().is_none() && rendition.has_content() {
                        let name = rendition.name.clone();
                        rendition.unwait();
                        return Err(misaligned(&name, end, scale));
                    }
                    let begins = next.sample.sync && next.shown() >= end.saturating_sub(tolerance);
                    !late && !begins
                }
                Some((end, _)) => next.middle() < end.in_scale(scale),
                None => {
                    let here = Time { ticks: if video { next.shown().saturating_add(tolerance) } else { next.middle() }, scale };
                    (video && !next.sample.sync) || here.micros() < frontier || force
                }
            };
            if belongs {
                if let Some(placed) = rendition.unwait() {
                    rendition.add(placed, &mut desk)?;
                }
            } else if let Some((end, _)) = end {
                rendition.close(end, video, &mut desk)?;
                self.changed = (now, self.changed.1 + 1);
            } else {
                return Ok(());
            }
        }
    }

    /// Something may have happened.
    fn note(&mut self) {
        if !self.events.is_empty() {
            self.version += 1;
        }
    }
}

/// What a sample of the rendition that leads does.
enum Step {
    /// It is the first of all. With its time and duration.
    Begin(Time, i64),
    /// It begins a segment.
    Cut(Time, i64),
    /// It begins a segment after the one before has ended.
    Resume(Time, i64),
    /// It does not follow what was before.
    Stop,
    /// It belongs to the segment that is open.
    Take,
    /// It cannot be played.
    Drop,
    Refuse(Error),
}

fn misaligned(name: &str, at: i64, scale: Timescale) -> Error {
    let at = Seconds { ticks: u64::try_from(at).unwrap_or(0), timescale: scale, places: 3 };
    let message = format!(
        "{name} has no key frame where the first pictures have theirs (at {at} s of the stream): players cannot switch between them; encode \
         all from one source with closed groups of pictures and key frames at the same times (ffmpeg: -flags +cgop -force_key_frames \
         'expr:gte(t,n_forced*2)')"
    );
    Error::unsupported(message)
}

fn micros(millis: u32) -> i64 {
    i64::from(millis).saturating_mul(1000)
}

fn ended() -> Error {
    Error::misuse("the live stream is over")
}

fn no_rendition() -> Error {
    Error::misuse("the live stream has no such rendition")
}
