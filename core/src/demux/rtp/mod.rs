//! From the access units that RTP brings (RFC 6184, RFC 7587), whole as a WebRTC stack gives them, to the same items that fragmented MP4
//! gives: a stream of pictures, H.264, and one of sound, Opus.
//!
//! ```text
//! access unit with its RTP time -> line: times that both share -> pictures, sound: what MP4 says of them -> samples
//! ```
//!
//! Senders of this kind lose packets, make pictures when they have some, and key frames when they are asked for one. So of pictures
//! nothing is given that needs one that is missing, and a key frame is asked for, as it is where a segment is due; sound that is missing is
//! told as that; and where no picture comes for longer than one may last there is none.

mod line;

use alloc::{collections::VecDeque, vec::Vec};

use bytes::Bytes;

use super::{byte_stream::Pictures, description, early::Early, stream::Item};
use crate::{
    codec::opus,
    error::Result,
    sample::LiveSample,
    time::{Timescale, rescale},
    track::Track,
};
use line::{Line, Shift};

/// For how long a stream that was announced is waited for, in microseconds.
const PATIENCE: u64 = 3_000_000;
/// The longest sound that is taken for lost, in ticks of 48 kHz: what is missing for longer was not sent.
const MOST_LOST: u64 = 48_000;
/// Segments are promised to be no longer than so many targets; players take them if it is this little, in microseconds (RFC 8216bis
/// 4.4.3.1: to the nearest second).
const MOST_TARGETS: u32 = 2;
const ROUNDING: u32 = 400_000;
/// Samples that encoders of Opus put before the first (as libopus does at 48 kHz).
const SKIP: u16 = 312;

/// The streams, in the order of their tracks.
const PICTURES: usize = 0;
const SOUND: usize = 1;

/// What one or more packets held: a picture, or a packet of Opus.
#[derive(Clone, Debug)]
pub struct AccessUnit {
    /// Its bytes: of pictures a byte stream (H.264 annex B).
    pub payload: Bytes,
    /// Its RTP time (RFC 3550 5.1) with the rounds of 32 bits, in ticks of 90 kHz or 48 kHz.
    pub time: u64,
    /// When it came, in microseconds of any clock that never goes back.
    pub arrival: u64,
    /// What the sender told last of its clock.
    pub report: Option<Report>,
}

/// An RTP time and the same by the clock of the sender, which is one for all its streams (RFC 3550 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The time by RTP, without rounds.
    pub time: u32,
    /// By the clock, in microseconds.
    pub clock: i64,
}

/// Reads access units that are pushed.
#[derive(Debug)]
pub struct RtpDemuxer {
    /// Which of the streams are to come.
    expected: [bool; 2],
    pictures: Pictures,
    line: Line,
    shift: Shift,
    /// The last picture that was taken, on the line, in ticks of 90 kHz.
    shown: Option<u64>,
    /// The longest that one may last, and the segment target, in the same.
    longest: u32,
    target: u32,
    /// Where the segment began, on the line: at the first key frame from a target behind the one before on.
    segment: Option<u64>,
    /// Whether one is missing that those which come may need.
    broken: bool,
    wants_key_frame: bool,
    sound: Sound,
    early: Early,
    items: VecDeque<Item>,
    begun: Option<u64>,
}

#[derive(Debug)]
struct Sound {
    line: Line,
    track: Option<Track>,
    /// When the next packet begins, on the line.
    next: Option<u64>,
}

impl RtpDemuxer {
    /// Of a sender that announced `pictures` or `sound` or both. A picture lasts `longest` at most, and segments are to be `target`; both in
    /// microseconds.
    pub fn new(pictures: bool, sound: bool, longest: u32, target: u32) -> Self {
        let [video, audio] = [90_000, 48_000].map(|rate| Timescale::new(rate).unwrap_or(Timescale::MILLIS));
        let [longest, target] = [longest, target].map(ticks);
        Self {
            expected: [pictures, sound],
            pictures: Pictures::new(1, false).lasting(longest),
            line: Line::new(video),
            shift: Shift::default(),
            shown: None,
            longest,
            target,
            segment: None,
            broken: true,
            wants_key_frame: pictures,
            sound: Sound { line: Line::new(audio), track: None, next: None },
            early: Early::default(),
            items: VecDeque::new(),
            begun: None,
        }
    }

    /// What was found, in order.
    pub fn poll(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    /// Whether it is known how samples are to be decoded.
    pub fn has_header(&self) -> bool {
        self.early.is_announced()
    }

    /// Whether the sender is to be asked for a key frame now; it is told once.
    pub fn wants_key_frame(&mut self) -> bool {
        core::mem::take(&mut self.wants_key_frame)
    }

    /// Takes a picture. `follows`: no packet is missing before it.
    pub fn picture(&mut self, unit: &AccessUnit, follows: bool) -> Result<()> {
        let place = self.line.place(unit.time, unit.arrival);
        let others = self.sound.line.clock();
        let time = self.shift.apply(place, self.line.told(unit), others, self.line.scale());
        let time = self.shown.map_or(time, |shown| time.max(shown.saturating_add(1)));
        let begins = self.pictures.begins(&unit.payload);
        self.broken = if begins { self.comes_too_late(time) } else { self.broken || !follows || self.lasts_too_long(time) };
        if self.broken {
            self.wants_key_frame = true;
            self.announce(unit.arrival, false);
            return Ok(());
        }
        self.pass(time, begins);
        let (samples, changed) = self.pictures.read(&unit.payload, (time, time))?;
        self.give(PICTURES, samples);
        if changed && self.early.place(PICTURES).is_some() {
            let told = [self.pictures.track.as_ref(), self.sound.track.as_ref()];
            let told = told.into_iter().enumerate().filter(|(stream, _)| self.early.place(*stream).is_some());
            self.items.push_back(Item::Header(told.filter_map(|(_, track)| track.cloned()).collect()));
        }
        self.announce(unit.arrival, false);
        Ok(())
    }

    /// Whether the segment would be longer than is promised with a picture, which no key frame has begun.
    fn lasts_too_long(&self, time: u64) -> bool {
        let most = u64::from(self.target) * u64::from(MOST_TARGETS);
        self.segment.is_some_and(|begun| time.saturating_add(self.longest.into()) > begun.saturating_add(most))
    }

    /// Whether the segment would be longer than is promised up to a key frame. Where more than a target is missing it ends there.
    fn comes_too_late(&self, time: u64) -> bool {
        let most = u64::from(self.target) * u64::from(MOST_TARGETS) + u64::from(ticks(ROUNDING));
        let ended = self.shown.unwrap_or(0).saturating_add(self.longest.into()).saturating_add(self.target.into());
        self.segment.is_some_and(|begun| time > begun.saturating_add(most)) && time <= ended
    }

    /// A picture is taken.
    fn pass(&mut self, time: u64, begins: bool) {
        let due = self.segment.is_none_or(|begun| time >= begun.saturating_add(self.target.into()));
        // Players take what stands behind a gap from a key frame on.
        let gap = self.shown.is_some_and(|shown| time - shown > self.longest.into());
        if begins && due {
            self.segment = Some(time);
        }
        self.wants_key_frame |= !begins && (due || gap);
        self.shown = Some(time);
    }

    /// Takes a packet of sound.
    pub fn sound(&mut self, unit: &AccessUnit) -> Result<()> {
        let duration = opus::samples(&unit.payload);
        if duration == 0 {
            return Ok(());
        }
        let sound = &mut self.sound;
        if sound.track.is_none() {
            let entry = description::opus(2, SKIP, 48_000, 0, &[0]);
            sound.track = Some(description::track(2, *b"soun", sound.line.scale(), entry, (0, 0))?);
        }
        let time = sound.line.place(unit.time, unit.arrival);
        sound.line.told(unit);
        let mut samples = Vec::new();
        if let Some((mut next, (lost, length))) = sound.next.zip(opus::lost(&unit.payload)) {
            if time < next {
                return Ok(()); // sent again
            }
            // Each is told as lost, so that decoders conceal it and the sound has no hole.
            while time - next <= MOST_LOST && length > 0 && time - next >= length.into() {
                samples.push(frame(next, length, Bytes::copy_from_slice(&lost)));
                next = next.saturating_add(length.into());
            }
        }
        samples.push(frame(time, duration, unit.payload.clone()));
        sound.next = Some(time.saturating_add(duration.into()));
        self.give(SOUND, samples);
        self.announce(unit.arrival, false);
        Ok(())
    }

    /// Nothing follows: what is held is given.
    pub fn finish(&mut self) {
        self.announce(0, true);
        let last = self.pictures.finish().into_iter().collect();
        self.give(PICTURES, last);
    }

    fn give(&mut self, stream: usize, samples: Vec<LiveSample>) {
        self.early.give(stream, samples, &mut self.items);
    }

    /// Tells of the tracks once all that are expected have said how they are to be decoded, or have not for too long.
    fn announce(&mut self, arrival: u64, now: bool) {
        let begun = *self.begun.get_or_insert(arrival);
        let tracks = [self.pictures.track.as_ref(), self.sound.track.as_ref()];
        let whole = self.expected.iter().zip(&tracks).all(|(expected, track)| !expected || track.is_some());
        let waited = now || arrival.saturating_sub(begun) >= PATIENCE || self.early.is_full();
        if !self.early.is_announced() && (whole || waited) && tracks.iter().any(Option::is_some) {
            self.early.announce(&tracks, &mut self.items);
        }
    }
}

fn frame(decode_time: u64, duration: u32, payload: Bytes) -> LiveSample {
    LiveSample { decode_time, duration, composition_offset: 0, sync: true, description: 0, payload: Vec::from([payload]) }
}

/// Microseconds as ticks of pictures.
fn ticks(micros: u32) -> u32 {
    u32::try_from(u64::from(micros) * 9 / 100).unwrap_or(u32::MAX)
}

/// Ticks as microseconds.
fn micros(ticks: i64, scale: Timescale) -> i64 {
    rescale(ticks, scale, Timescale::MICROS)
}

#[cfg(test)]
mod tests;
