//! A rendition while it grows: samples wait until it is known in which segment they are, then make up parts.

mod part;
mod rate;
mod text;
mod waiting;

use alloc::{collections::VecDeque, string::String, vec::Vec};
use core::mem;

use bytes::Bytes;

use super::{
    Config,
    captions::Captions,
    cipher::PartCipher,
    clock::{Clock, Place, Times},
    cuts::{Cut, Time},
    event::{Event, RenditionId},
    messages::Messages,
    pace::{self, Length},
};
use crate::{
    codec::Kind,
    error::Result,
    hls::Lines,
    sample::LiveSample,
    segment::header::cmaf_header,
    time::{rescale, rescale_length},
    track::Track,
    window::{Promise, Segment, Window},
};
pub use rate::{Rate, bits};
pub use text::Reach;
pub use waiting::Placed;

/// The most headers that are remembered.
const MOST_HEADERS: usize = 64;
/// The most bytes of the samples that wait, and of a part.
const MOST_BYTES: u64 = 64 << 20;

/// What is needed to publish.
pub struct Desk<'a> {
    pub config: &'a Config,
    pub promise: &'a Promise,
    /// How long the parts of what leads are.
    pub pace: Length,
    pub clock: &'a Clock,
    pub events: &'a mut VecDeque<Event>,
}

/// A rendition.
#[derive(Debug)]
pub struct Rendition {
    pub id: RenditionId,
    pub name: String,
    /// As its source describes it.
    pub track: Track,
    /// Number and bytes of its header.
    pub header: (u32, Bytes),
    /// What encrypts it, if anything does.
    pub cipher: Option<PartCipher>,
    /// As it was described before, by the numbers of headers that are still used.
    pub past: VecDeque<(u32, Track)>,
    pub place: Place,
    /// What its source calls the switching set that it is in, if it says so.
    pub switching_set: Option<String>,
    /// Whether its source was lost, so that another may go on with it.
    pub free: bool,
    /// Samples that begin together and do not say how long they last: the next one tells.
    held: Vec<LiveSample>,
    pub waiting: VecDeque<Placed>,
    /// Event messages that go with its samples.
    pub messages: Messages,
    waiting_bytes: u64,
    /// The segment that is next, if none is open.
    pub next: u32,
    /// Where the pictures of the segment that is open begin.
    cut: i64,
    /// The part that grows.
    part: Vec<Placed>,
    part_duration: u64,
    part_bytes: u64,
    /// The end of what is in parts, by decoding and by presentation.
    decoded: i64,
    shown: i64,
    /// How long the last sample lasts.
    step: i64,
    /// By how many microseconds text comes behind the pictures that it belongs to.
    lag: i64,
    /// Text that came before anything told the time.
    early: VecDeque<LiveSample>,
    pub window: Window,
    /// How playlists list the whole segments of the window, each written once.
    pub lines: VecDeque<Lines>,
    /// Fragments so far.
    fragments: u32,
    /// The most and all bits, and for how many ticks.
    pub rate: Rate,
    pub captions: Captions,
}

/// The header of a track, which says nothing of its edits: they are in the time line.
fn header(track: &Track, cipher: Option<&PartCipher>) -> Result<Bytes> {
    let plain = Track { shift: 0, ..track.clone() };
    cipher.map_or_else(|| Ok(cmaf_header(&plain)), |cipher| cipher.header(&plain)).map(Bytes::from)
}

impl Rendition {
    /// Of a track; its first segment is to be `next`.
    ///
    /// # Errors
    /// It is to be encrypted and cannot be.
    pub fn new(id: RenditionId, name: String, track: &Track, next: u32, config: &Config) -> Result<Self> {
        // Text stays clear.
        let encryption = config.encryption.clone().filter(|_| track.kind() != Kind::Text);
        let cipher = encryption.map(|encryption| PartCipher::new(track, id.0, encryption)).transpose()?;
        let bytes = header(track, cipher.as_ref())?;
        Ok(Self {
            id,
            name,
            header: (config.first_number, bytes),
            cipher,
            past: VecDeque::new(),
            place: Place::new(track.timescale, if track.kind() == Kind::Text { Times::Seldom } else { Times::Source }),
            switching_set: None,
            free: false,
            held: Vec::new(),
            waiting: VecDeque::new(),
            messages: Messages::default(),
            waiting_bytes: 0,
            next,
            cut: 0,
            part: Vec::new(),
            part_duration: 0,
            part_bytes: 0,
            decoded: 0,
            shown: 0,
            step: 0,
            lag: 0,
            early: VecDeque::new(),
            window: Window::new(track.timescale),
            lines: VecDeque::new(),
            fragments: 0,
            rate: Rate::default(),
            captions: Captions::default(),
            track: track.clone(),
        })
    }

    /// Another header; `false`: it is the same.
    pub fn change(&mut self, track: &Track) -> Result<bool> {
        let bytes = header(track, self.cipher.as_ref())?;
        let same = bytes == self.header.1;
        let before = mem::replace(&mut self.track, track.clone());
        if !same {
            self.past.push_back((self.header.0, before));
            if self.past.len() > MOST_HEADERS {
                self.past.pop_front();
            }
            self.header = (self.header.0.saturating_add(1), bytes);
        }
        Ok(!same)
    }

    /// Tells its header.
    pub fn header_event(&self) -> Event {
        let (number, bytes) = self.header.clone();
        // Without a cipher nothing can be wrong with a header.
        let clear = self.cipher.as_ref().and_then(|_| header(&self.track, None).ok());
        Event::Header { rendition: self.id, number, bytes, clear }
    }

    /// The end of what is in parts, by decoding: no key frame is presented before that.
    pub fn decoded(&self) -> Time {
        Time { ticks: self.decoded, scale: self.window.timescale }
    }

    /// The end of what is in parts, by presentation.
    pub fn shown(&self) -> i64 {
        self.shown
    }

    /// How long its last sample lasts.
    pub fn step(&self) -> i64 {
        self.step
    }

    /// How long a frame lasts, if it is of sound and that is known.
    pub fn frame_of_sound(&self) -> Option<Length> {
        let first = self.waiting.front().filter(|_| self.track.kind() == Kind::Audio);
        first.map(|first| (first.sample.duration.into(), self.track.timescale)).or_else(|| pace::usual_frame(&self.track))
    }

    /// How long the longest of the parts is that are listed.
    pub fn longest_part(&self) -> Option<Length> {
        let parts = self.window.segments.iter().flat_map(|segment| &segment.parts);
        Some((parts.map(|part| part.duration).max().filter(|longest| *longest > 0)?, self.window.timescale))
    }

    /// Whether something is in the segment that grows.
    pub fn has_content(&self) -> bool {
        !self.part.is_empty() || self.window.open.as_ref().is_some_and(|open| !open.parts.is_empty())
    }

    /// Begins a segment.
    pub fn open(&mut self, cut: &Cut) {
        if self.window.timescale != self.track.timescale {
            self.rescale();
        }
        self.cut = cut.start.in_scale(self.window.timescale);
        let start = self.cut;
        let last = self.window.segments.back().map_or(0, |last| i64::try_from(last.end()).unwrap_or(i64::MAX));
        // Sound begins where it ended, no further than a sample from the pictures; or behind them, where it was ahead when they changed.
        let is_near = !cut.discontinuity && start.saturating_sub(last).saturating_abs() <= self.step;
        let start = if is_near { last } else { start.max(last) };
        let shift = Time { ticks: start.saturating_sub(self.cut), scale: self.window.timescale };
        let known = self.window.segments.back().map(|last| last.header);
        self.window.open = Some(Segment {
            number: cut.number,
            start: u64::try_from(start).unwrap_or(0),
            duration: 0,
            bytes: 0,
            header: known.unwrap_or(self.header.0),
            clock: cut.clock.after(shift.micros()),
            discontinuity: cut.discontinuity,
            discontinuities: cut.discontinuities,
            period: cut.period,
            gap: false,
            parts: Vec::new(),
        });
        self.next = cut.number.saturating_add(1);
    }

    /// Another scale of time: what is listed is told in it.
    fn rescale(&mut self) {
        let (from, to) = (self.window.timescale, self.track.timescale);
        let ticks = |ticks: u64| rescale_length(ticks, from, to);
        for segment in &mut self.window.segments {
            (segment.start, segment.duration) = (ticks(segment.start), ticks(segment.end()).saturating_sub(ticks(segment.start)));
            segment.parts.iter_mut().for_each(|part| part.duration = ticks(part.duration));
        }
        self.window.set_timescale(to);
        self.rate.ticks = ticks(self.rate.ticks);
        (self.decoded, self.shown) = (rescale(self.decoded, from, to), rescale(self.shown, from, to));
    }

    /// The segment that is open ends at `end`.
    pub fn close(&mut self, end: Time, video: bool, desk: &mut Desk<'_>) -> Result<()> {
        self.close_part(desk)?;
        let Some(mut segment) = self.window.open.take() else { return Ok(()) };
        let mut end = end.in_scale(self.window.timescale);
        segment.gap = segment.parts.is_empty();
        if !segment.gap && !video && self.shown.saturating_add(self.step) >= end {
            end = self.shown;
        }
        segment.duration = u64::try_from(end).unwrap_or(0).saturating_sub(segment.start).max(1);
        let sealed = self.cipher.as_mut().and_then(|cipher| cipher.seal_segment(segment.number)).map(Bytes::from);
        desk.events.push_back(Event::Segment { rendition: self.id, segment: segment.clone(), sealed });
        let gone = self.list(segment, desk.config, desk.promise);
        desk.events.extend(gone.into_iter().map(|segment| Event::Removed { rendition: self.id, segment }));
        Ok(())
    }

    /// Lists a whole segment; returns the numbers of those that are gone.
    pub fn list(&mut self, segment: Segment, config: &Config, promise: &Promise) -> Vec<u32> {
        let end = i64::try_from(segment.end()).unwrap_or(i64::MAX);
        (self.shown, self.decoded) = (self.shown.max(end), self.decoded.max(end));
        if !segment.gap {
            self.rate.note(&segment, self.window.timescale);
        }
        self.lines.push_back(Lines::new(&segment, self.window.timescale, self.form()));
        let gone = self.window.close(segment, u64::from(config.window).div_ceil(1000), config.most_segments(), promise);
        while self.lines.len() > self.window.segments.len() {
            self.lines.pop_front();
        }
        let first = self.window.segments.front().map_or(0, |first| first.header);
        while self.past.pop_front_if(|(number, _)| *number < first).is_some() {}
        gone
    }
}
