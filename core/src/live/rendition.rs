//! A rendition while it grows: samples wait until it is known in which segment they are, then make up parts.

use alloc::{collections::VecDeque, format, string::String, vec::Vec};
use core::mem;

use bytes::Bytes;

use super::{
    Config,
    captions::Captions,
    cipher::PartCipher,
    clock::{Clock, Place},
    cuts::{Cut, Time},
    event::{Event, RenditionId},
    messages::Messages,
};
use crate::{
    codec::Kind,
    coding::Writer,
    error::{Error, Result},
    hls::Lines,
    sample::{LiveSample, Sample, SampleTableBuilder},
    segment::{
        chunk::{self, Additions},
        header::{TRACK_ID, cmaf_header},
    },
    time::{Moment, Timescale, rescale, rescale_length},
    track::Track,
    window::{Part, Promise, Segment, Window},
};

/// The most samples that wait.
const MOST_WAITING: usize = 8192;
/// The most samples that do not say how long they last.
const MOST_HELD: usize = 64;
/// The most headers that are remembered.
const MOST_HEADERS: usize = 64;
/// The most bytes of the samples that wait, and of a part.
const MOST_BYTES: u64 = 64 << 20;

/// A sample on the time line.
#[derive(Debug)]
pub struct Placed {
    pub sample: LiveSample,
    /// When it is decoded, in ticks of the time line.
    pub time: i64,
    /// What it needs to have begun.
    pub generation: u32,
    /// Number of its header.
    header: u32,
}

impl Placed {
    /// When it is presented.
    pub fn shown(&self) -> i64 {
        self.time.saturating_add(self.sample.composition_offset.into())
    }

    /// The middle of the time for which it is presented: where that is, it belongs.
    pub fn middle(&self) -> i64 {
        self.shown().saturating_add(i64::from(self.sample.duration / 2))
    }
}

/// What is needed to publish.
pub struct Desk<'a> {
    pub config: &'a Config,
    pub promise: &'a Promise,
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
    /// The part that grows.
    part: Vec<Placed>,
    part_duration: u64,
    part_bytes: u64,
    /// The end of what is in parts, by decoding and by presentation.
    decoded: i64,
    shown: i64,
    /// How long the last sample lasts.
    step: i64,
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

/// The payload of samples, in the pieces in which it came.
fn pieces(samples: Vec<Placed>) -> Vec<Bytes> {
    samples.into_iter().flat_map(|placed| placed.sample.payload).collect()
}

/// Bytes of whole segments that are not gaps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    pub peak: u64,
    pub bytes: u64,
    pub ticks: u64,
}

impl Rendition {
    /// Of a track; its first segment is to be `next`.
    ///
    /// # Errors
    /// It is to be encrypted and cannot be.
    pub fn new(id: RenditionId, name: String, track: &Track, next: u32, config: &Config) -> Result<Self> {
        let cipher = config.encryption.clone().map(|encryption| PartCipher::new(track, id.0, encryption)).transpose()?;
        let bytes = header(track, cipher.as_ref())?;
        Ok(Self {
            id,
            name,
            header: (config.first_number, bytes),
            cipher,
            past: VecDeque::new(),
            place: Place::new(track.timescale),
            switching_set: None,
            free: false,
            held: Vec::new(),
            waiting: VecDeque::new(),
            messages: Messages::default(),
            waiting_bytes: 0,
            next,
            part: Vec::new(),
            part_duration: 0,
            part_bytes: 0,
            decoded: 0,
            shown: 0,
            step: 0,
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

    /// Takes a sample as it came; returns those that can be placed.
    ///
    /// Some writers say of samples that they last no time, and begin the next at the same moment or later: they share what there is.
    pub fn take(&mut self, sample: LiveSample) -> Vec<LiveSample> {
        let begin = self.held.first().map_or(sample.decode_time, |first| first.decode_time);
        let together = sample.decode_time <= begin;
        if sample.duration == 0 && together && self.held.len() < MOST_HELD {
            self.held.push(sample);
            return Vec::new();
        }
        let mut shared = mem::take(&mut self.held);
        let mut alone = None;
        let length = if together {
            let length = u64::from(sample.duration);
            shared.push(sample);
            length
        } else {
            let length = sample.decode_time - begin;
            alone = Some(sample);
            length
        };
        let count = u64::try_from(shared.len()).unwrap_or(1).max(1);
        for (number, sample) in (0..).zip(&mut shared) {
            let (from, to) = (length * number / count, length * (number + 1) / count);
            sample.decode_time = begin.saturating_add(from);
            sample.duration = u32::try_from(to - from).unwrap_or(1).max(1);
        }
        match alone {
            Some(sample) if sample.duration == 0 => self.held.push(sample),
            alone => shared.extend(alone),
        }
        shared
    }

    /// A sample waits until its segment is known.
    pub fn wait(&mut self, sample: LiveSample, time: i64) -> Result<()> {
        self.waiting_bytes = self.waiting_bytes.saturating_add(sample.len());
        if self.waiting.len() >= MOST_WAITING || self.waiting_bytes > MOST_BYTES {
            let message = format!(
                "{} runs ahead: {} samples of {} bytes wait for the pictures that they belong to; send all tracks at the same pace",
                self.name,
                self.waiting.len(),
                self.waiting_bytes
            );
            return Err(Error::unsupported(message));
        }
        self.captions.look(&self.track, &sample);
        let (generation, header) = (self.place.generation, self.header.0);
        self.waiting.push_back(Placed { sample, time, generation, header });
        Ok(())
    }

    /// The first that waits.
    pub fn unwait(&mut self) -> Option<Placed> {
        let placed = self.waiting.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(placed.sample.len());
        Some(placed)
    }

    /// The end of what is in parts and, up to `generation`, of what waits, by presentation.
    pub fn end(&self, generation: u32) -> Time {
        let last = self.waiting.iter().rfind(|placed| placed.generation <= generation);
        let waits = last.map_or(0, |placed| placed.shown().saturating_add(placed.sample.duration.into()));
        Time { ticks: self.shown.max(waits), scale: self.window.timescale }
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

    /// Whether a part grows.
    pub fn has_part(&self) -> bool {
        !self.part.is_empty()
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
        let start = cut.start.in_scale(self.window.timescale);
        let last = self.window.segments.back().map_or(0, |last| i64::try_from(last.end()).unwrap_or(i64::MAX));
        // Sound begins where it ended, no further than a sample from the pictures.
        let start = if !cut.discontinuity && start.saturating_sub(last).saturating_abs() <= self.step { last } else { start };
        let shift = Time { ticks: start.saturating_sub(cut.start.in_scale(self.window.timescale)), scale: self.window.timescale };
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

    /// Adds a sample to the segment that is open.
    pub fn add(&mut self, mut placed: Placed, desk: &mut Desk<'_>) -> Result<()> {
        let scale = self.window.timescale;
        let is_stretched = self.track.kind() == Kind::Audio || self.place.derived;
        if is_stretched && !desk.promise.fits_part(placed.sample.duration.into(), scale) {
            // No frame of sound is so long: what follows it is silence that its writer had no other means to tell. Nor is one that was made
            // of others which are not: some are missing.
            let (limit, of) = desk.promise.part_target;
            placed.sample.duration = u32::try_from(rescale_length(limit, of, scale).saturating_sub(1)).unwrap_or(1).max(1);
        }
        let duration = u64::from(placed.sample.duration);
        let Some(open) = self.window.open.as_mut() else { return Ok(()) };
        if self.part.is_empty() && open.parts.is_empty() {
            open.header = placed.header;
        }
        let other = self.part.first().is_some_and(|first| first.sample.description != placed.sample.description);
        let long = !desk.promise.fits_part(self.part_duration.saturating_add(duration), scale);
        if !self.part.is_empty() && (other || long || self.part_bytes.saturating_add(placed.sample.len()) > MOST_BYTES) {
            self.close_part(desk)?;
        }
        if !desk.promise.fits_part(duration, scale) {
            let limit = desk.promise.part_micros() / 1000;
            let message = format!(
                "{}: a sample lasts {duration} ticks of {} a second, longer than the parts of {limit} ms that are promised to players; \
                 send frames at a constant rate (ffmpeg: -r 25 -vsync cfr), or promise longer parts",
                self.name,
                scale.get()
            );
            return Err(Error::unsupported(message).by("RFC 8216bis 4.4.3.7"));
        }
        self.decoded = placed.time.saturating_add(placed.sample.duration.into());
        self.shown = self.shown.max(placed.shown().saturating_add(placed.sample.duration.into()));
        self.step = placed.sample.duration.into();
        self.part_duration = self.part_duration.saturating_add(duration);
        self.part_bytes = self.part_bytes.saturating_add(placed.sample.len());
        self.part.push(placed);
        // One more that lasts as long would not fit: it is whole, and nothing is waited for.
        if !desk.promise.fits_part(self.part_duration.saturating_add(duration), scale) {
            self.close_part(desk)?;
        }
        Ok(())
    }

    /// The part that grows is whole.
    fn close_part(&mut self, desk: &mut Desk<'_>) -> Result<()> {
        let samples = mem::take(&mut self.part);
        (self.part_duration, self.part_bytes) = (0, 0);
        let (Some(first), Some(open)) = (samples.first(), self.window.open.as_mut()) else { return Ok(()) };
        let start = u64::try_from(first.time).unwrap_or(0);
        let mut table = SampleTableBuilder::default();
        table.description_run(0, first.sample.description);
        let (mut offset, mut independent) = (0u64, false);
        for placed in &samples {
            let LiveSample { duration, composition_offset, sync, .. } = placed.sample;
            let size = u32::try_from(placed.sample.len()).unwrap_or(u32::MAX);
            let decode_time = u64::try_from(placed.time).unwrap_or(0);
            table.push(&Sample { decode_time, duration, composition_offset, sync, offset, size })?;
            offset = offset.saturating_add(size.into());
            independent |= sync;
        }
        let table = table.finish();
        self.fragments = self.fragments.wrapping_add(1);
        let begins = open.parts.is_empty();
        let mut before = Writer::with_capacity(0);
        if begins {
            write_reference_time(&mut before, desk.clock, start, self.window.timescale);
        }
        self.messages.write_before(rescale(self.decoded, self.window.timescale, Timescale::MICROS), &mut before);
        let write = |additions: &Additions| Bytes::from(chunk::head_of(&table, &(0..table.len()), (0, self.fragments), begins, additions));
        let mut additions = Additions { before: before.into_bytes(), ..Additions::default() };
        let plain = write(&additions);
        let (head, payload, clear) = match &mut self.cipher {
            None => (plain, pieces(samples), None),
            Some(cipher) if cipher.is_whole() => {
                let payload = pieces(samples);
                (cipher.seal_part(open.number, &plain, &payload).into(), Vec::new(), Some((plain, payload)))
            }
            Some(cipher) => {
                if begins {
                    let past = self.past.iter().find(|(number, _)| *number == open.header);
                    cipher.begin(past.map_or(&self.track, |(_, track)| track))?;
                }
                let (payload, told) = cipher.encrypt(open.number, begins, samples.iter().map(|placed| &placed.sample))?;
                additions = Additions { before: additions.before, ..told };
                (write(&additions), Vec::from([payload.into()]), Some((plain, pieces(samples))))
            }
        };
        let bytes = payload.iter().fold(head.len(), |sum, piece| sum.saturating_add(piece.len())) as u64;
        let part = Part { duration: table.duration(), bytes, independent };
        let number = u32::try_from(open.parts.len()).unwrap_or(u32::MAX);
        if begins {
            desk.events.push_back(Event::Opened { rendition: self.id, segment: open.clone() });
        }
        open.parts.push(part);
        open.bytes = open.bytes.saturating_add(part.bytes);
        open.duration = open.duration.saturating_add(part.duration);
        desk.events.push_back(Event::Part {
            rendition: self.id,
            segment: open.number,
            part: number,
            head,
            payload,
            clear,
            start,
            duration: part.duration,
            independent,
        });
        Ok(())
    }

    /// The segment that is open ends at `end`.
    pub fn close(&mut self, end: Time, video: bool, desk: &mut Desk<'_>) -> Result<()> {
        self.close_part(desk)?;
        let Some(mut segment) = self.window.open.take() else { return Ok(()) };
        let mut end = end.in_scale(self.window.timescale);
        segment.gap = segment.parts.is_empty();
        if !segment.gap && !video && self.shown.saturating_sub(end).saturating_abs() <= self.step {
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
        self.lines.push_back(Lines::new(&segment, self.window.timescale));
        let gone = self.window.close(segment, u64::from(config.window).div_ceil(1000), config.most_segments(), promise);
        while self.lines.len() > self.window.segments.len() {
            self.lines.pop_front();
        }
        let first = self.window.segments.front().map_or(0, |first| first.header);
        while self.past.pop_front_if(|(number, _)| *number < first).is_some() {}
        gone
    }
}

impl Rate {
    fn note(&mut self, segment: &Segment, scale: Timescale) {
        self.bytes = self.bytes.saturating_add(segment.bytes);
        self.ticks = self.ticks.saturating_add(segment.duration);
        // What a segment of half a second and longer needs.
        if segment.duration.saturating_mul(2) >= u64::from(scale.get()) {
            self.peak = self.peak.max(bits(segment.bytes, segment.duration, scale));
        }
    }

    /// Bits a second of all.
    pub fn average(&self, scale: Timescale) -> u64 {
        bits(self.bytes, self.ticks, scale)
    }
}

/// Bits a second.
pub fn bits(bytes: u64, ticks: u64, scale: Timescale) -> u64 {
    let bits = u128::from(bytes) * 8 * u128::from(scale.get());
    u64::try_from(bits.div_ceil(u128::from(ticks).max(1))).unwrap_or(u64::MAX)
}

/// `prft` (ISO/IEC 14496-12 8.16.5): when the sample that is decoded at `time` was captured, as far as that is known.
fn write_reference_time(w: &mut Writer, clock: &Clock, time: u64, scale: Timescale) {
    /// The times belong together in a way that is consistent, but arbitrary.
    const ARBITRARY: u32 = 8;
    let at = Time { ticks: i64::try_from(time).unwrap_or(i64::MAX), scale };
    let moment: Moment = clock.zero().after(at.micros());
    w.full_box(b"prft", 1, ARBITRARY, |w| {
        w.u32(TRACK_ID);
        w.u64(moment.ntp());
        w.u64(time);
    });
}
