//! Live: from the samples of a source, as they come, to CMAF chunks, segments and manifests that grow. Viewers of every protocol see the
//! same chunks.
//!
//! ```text
//! sample -> clock: its place on the time line -> waits until its segment is known -> part -> segment -> window -> HLS / DASH text
//!                                                '- cuts: where the rendition that leads begins segments, all others do
//! ```
//!
//! It has no clock of its own: whoever calls says what time it is, and comes back when [`Live::timeout`] says so.

mod captions;
#[cfg(feature = "encryption")]
mod cipher;
#[cfg(not(feature = "encryption"))]
#[path = "clear.rs"]
mod cipher;
mod clock;
mod config;
mod cues;
mod cuts;
mod event;
mod follow;
mod lead;
mod messages;
mod pace;
mod promise;
mod rendition;
mod restore;
mod start_over;
#[cfg(test)]
mod tests;
mod text;
mod timeout;
mod views;
mod webvtt;

use alloc::{collections::VecDeque, format, vec::Vec};

use bytes::Bytes;

use crate::{
    codec::Kind,
    demux::stream::ReferenceTime,
    error::{Error, Result},
    sample::LiveSample,
    time::{Moment, Timescale},
    track::Track,
    window::Promise,
};
pub use cipher::LiveEncryption;
use clock::{Clock, Times};
pub use config::Config;
use cues::Cues;
use cuts::{Cuts, Time};
pub use event::{Epoch, Event, RenditionId};
use pace::Length;
use rendition::Rendition;
pub use restore::Past;
pub use views::Piece;
pub use webvtt::webvtt;

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
    cues: Cues,
    renditions: Vec<Rendition>,
    /// Whether it is known how long parts are, and how long those of what leads are.
    promised: bool,
    pace: Length,
    /// Whether the promise of how long segments are may still follow the source.
    follows: bool,
    /// Which of them tells where segments begin.
    leader: Option<usize>,
    events: VecDeque<Event>,
    source: Source,
    /// When the first sample came, and the last of the rendition that leads.
    first: Option<Moment>,
    fed: Moment,
    /// Up to when nobody is waited for who is missing by then, and until when that is put off.
    judged: Moment,
    excused: Option<Moment>,
    /// Since when what leads comes too late to be published.
    late: Option<Moment>,
    epoch: Option<Epoch>,
    /// When what the MPD tells last changed, and how often.
    changed: (Moment, u64),
    /// The newest period that it tells, and how many renditions have something of it.
    told: (u32, usize),
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
            cues: Cues::default(),
            follows: config.follow.is_some(),
            config,
            promise,
            renditions: Vec::new(),
            promised: false,
            pace: promise.part_target,
            leader: None,
            events: VecDeque::new(),
            source: Source::Here,
            first: None,
            fed: Moment::default(),
            judged: Moment::default(),
            excused: None,
            late: None,
            epoch: None,
            changed: (Moment::default(), 0),
            told: (0, 0),
            version: 0,
        })
    }

    /// Adds a rendition for a track of the source. After the source was lost, the track goes on with the rendition that it had: the first of
    /// its kind that is not taken, of the same codec, size and language if there is one.
    ///
    /// # Errors
    ///
    /// It is of metadata, of a text that is not carried, or of pictures that join when sound has begun alone.
    pub fn add(&mut self, track: &Track, now: Moment) -> Result<RenditionId> {
        let kind = track.kind();
        if self.source == Source::Ended {
            return Err(ended());
        }
        match kind {
            Kind::Video | Kind::Audio => {}
            Kind::Text => self.check_text(track)?,
            Kind::Metadata => return Err(Error::unsupported("metadata is not carried in a live stream")),
        }
        let free = |rendition: &&Rendition| {
            rendition.free && rendition.track.kind() == kind && (kind != Kind::Text || Self::is_same_text(rendition, track))
        };
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
        let leads = self.leader.and_then(|leader| self.renditions.get(leader)).map(|leader| leader.track.kind());
        if kind == Kind::Video && leads == Some(Kind::Audio) && self.cuts.last().is_some() {
            return Err(Error::unsupported("pictures join a stream that has begun with sound alone; send all tracks from the start"));
        }
        let id = self.begin(track)?;
        (self.source, self.fed) = (Source::Here, now);
        Ok(id)
    }

    /// Adds a rendition that is made from what was published, such as its pictures in a smaller size: its times are those of the time line,
    /// and its key frames are where the pictures that it is made from have theirs. It leads nothing and holds up nobody: what is missing of
    /// it, or comes too late, is a gap in it. It stays when the source is lost.
    ///
    /// # Errors
    ///
    /// Nothing has been published yet, or the stream is over.
    pub fn derive(&mut self, track: &Track) -> Result<RenditionId> {
        if self.source == Source::Ended {
            return Err(ended());
        }
        let Some(leader) = self.leader.filter(|_| self.cuts.last().is_some()) else {
            return Err(Error::misuse("nothing has been published that a rendition could be made from"));
        };
        // One that was derived before the stream was restored.
        let found = self.renditions.iter_mut().find(|other| other.free && other.id.0 != leader && other.track.codec == track.codec);
        let id = match found {
            Some(found) => {
                found.free = false;
                found.id
            }
            None => self.begin(track)?,
        };
        if let Some(rendition) = self.renditions.get_mut(id.0) {
            rendition.place.times = Times::Derived;
        }
        self.change(id, track)?;
        Ok(id)
    }

    /// Begins a rendition of a track that is not known yet.
    fn begin(&mut self, track: &Track) -> Result<RenditionId> {
        if self.renditions.len() == MOST_RENDITIONS {
            return Err(Error::unsupported(format!("a live stream has {MOST_RENDITIONS} renditions at most")));
        }
        let kind = track.kind();
        let number = self.renditions.iter().filter(|rendition| rendition.track.kind() == kind).count() + 1;
        let name = format!("{}{number}", kind.letter());
        let id = RenditionId(self.renditions.len());
        if self.cuts.last().is_some() {
            // Which renditions there are does not change within a period.
            self.clock.begin_generation();
        }
        let rendition = Rendition::new(id, name, track, self.cuts.next_number(), &self.config)?;
        self.events.push_back(rendition.header_event());
        self.renditions.push(rendition);
        self.note();
        Ok(id)
    }

    /// The source describes a rendition anew. What follows needs another header and begins a segment; the same description changes nothing.
    pub fn change(&mut self, id: RenditionId, track: &Track) -> Result<()> {
        let rendition = self.renditions.get_mut(id.0).ok_or_else(no_rendition)?;
        if rendition.is_text() && !Self::is_same_text(rendition, track) {
            return Err(Error::unsupported(format!(
                "{} becomes a text of another codec or timescale; send it as another track",
                rendition.name
            )));
        }
        if rendition.track.kind() != track.kind() {
            return Err(Error::unsupported(format!("{} becomes {}; a rendition stays of one kind", rendition.name, track.kind().name())));
        }
        if rendition.change(track)? {
            rendition.place.set_scale(track.timescale);
            rendition.place.generation = self.clock.begin_generation();
            self.events.push_back(rendition.header_event());
            self.note();
        }
        Ok(())
    }

    /// The source says in which switching set a rendition is: players change between those of one, and not to others.
    pub fn switching_set(&mut self, id: RenditionId, name: &str) -> Result<()> {
        let rendition = self.renditions.get_mut(id.0).ok_or_else(no_rendition)?;
        if rendition.switching_set.as_deref() != Some(name) {
            rendition.switching_set = Some(name.into());
            self.changed.1 += 1;
        }
        Ok(())
    }

    /// Takes what the source tells of the time of day. What it tells before its first sample sets the clock of the stream.
    pub fn reference(&mut self, id: RenditionId, reference: ReferenceTime, now: Moment) {
        if let Some(rendition) = self.renditions.get(id.0) {
            self.clock.reference(&rendition.place, &reference, rendition.track.shift, now);
        }
    }

    /// Takes the box of an event message (`emsg`) that stands before the next sample of a rendition. It is published with that sample.
    ///
    /// # Errors
    ///
    /// It cannot be read, or there are too many. What follows is not touched by that.
    pub fn message(&mut self, id: RenditionId, message: Bytes) -> Result<()> {
        let messages = &mut self.renditions.get_mut(id.0).ok_or_else(no_rendition)?.messages;
        let known = messages.kinds.len();
        messages.take(message)?;
        self.changed.1 += u64::from(messages.kinds.len() > known);
        Ok(())
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
        if rendition.is_text() {
            rendition.check_text(&sample)?;
        }
        let has_begun = self.clock.has_begun();
        if rendition.is_text() && !has_begun {
            rendition.keep_early(sample);
            return Ok(());
        }
        if !rendition.is_text() {
            self.first.get_or_insert(now);
        }
        let samples = rendition.take(sample);
        let placed = self.place(id.0, samples, now);
        let begins = !has_begun && self.clock.has_begun();
        let placed = if begins { placed.and_then(|()| self.place_early_text(now)) } else { placed };
        let done = placed.and_then(|()| self.lead(now)).and_then(|()| self.follow(now, false));
        self.note_at(now);
        done
    }

    /// The source is gone. What it sent is published; it is missed, and after some time the stream is over.
    pub fn lost(&mut self, now: Moment) {
        if self.source == Source::Here {
            self.stop(None, true, now);
            for rendition in self.renditions.iter_mut().filter(|rendition| !rendition.place.is_derived()) {
                (rendition.free, rendition.place.resumed) = (true, true);
                rendition.forget_text();
            }
            self.source = Source::Lost(now);
            self.note_at(now);
        }
    }

    /// The stream is over.
    pub fn end(&mut self, now: Moment) {
        if self.source != Source::Ended {
            self.stop(None, true, now);
            self.source = Source::Ended;
            self.events.push_back(Event::Ended);
            self.changed = (now, self.changed.1 + 1);
            self.note_at(now);
        }
    }

    /// What happened, in order.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// By how many microseconds the media that came is ahead of the clock: of a source that sends faster than it plays, nothing should be
    /// read while that is seconds.
    pub fn ahead(&self, now: Moment) -> u64 {
        let end = self.renditions.iter().filter_map(|rendition| rendition.place.end()).max().unwrap_or(0);
        u64::try_from(end.saturating_sub(self.clock.position(now))).unwrap_or(0)
    }

    fn place(&mut self, index: usize, samples: Vec<LiveSample>, now: Moment) -> Result<()> {
        for sample in samples {
            let ends = self.renditions.iter().filter_map(|rendition| rendition.place.end());
            let end = ends.chain(self.cuts.stopped().map(Time::micros)).max().unwrap_or(0);
            let begun = self.cuts.last().is_some();
            let Some(rendition) = self.renditions.get_mut(index) else { continue };
            let lead = !rendition.is_text() && self.leader.is_none_or(|leader| leader == index);
            let shift = rendition.track.shift;
            let Some(time) = self.clock.place(&mut rendition.place, &sample, shift, end, lead, now) else {
                rendition.messages.drop_waiting();
                continue;
            };
            let scale = rendition.track.timescale;
            rendition.messages.place(&sample, shift, (time, scale), self.clock.zero(), &mut self.cues);
            if !begun && rendition.waiting.len() >= MOST_EARLY {
                rendition.unwait();
            }
            rendition.wait(sample, time)?;
            if rendition.is_text() {
                self.note_lag(index, Time { ticks: time, scale }.micros());
            }
            if lead {
                self.fed = now;
            }
        }
        Ok(())
    }

    /// Media may have been published.
    fn note_at(&mut self, now: Moment) {
        let firsts = self.renditions.iter().filter_map(|rendition| rendition.window.segments.front().map(|first| first.clock));
        if let Some(first) = firsts.min() {
            self.cues.forget(first);
        }
        let told = self.newest();
        if told != self.told {
            (self.told, self.changed) = (told, (now, self.changed.1 + 1));
        }
        self.note();
    }

    /// Something may have happened.
    fn note(&mut self) {
        if !self.events.is_empty() {
            self.version += 1;
        }
    }
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
