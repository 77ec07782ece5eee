//! From the tags of FLV, as RTMP brings them, to the same items that fragmented MP4 gives (Adobe Flash Video File Format 10.1, Enhanced
//! RTMP v2).
//!
//! ```text
//! tag -> packets of tracks -> pictures, sound: what MP4 says of them, exact times -> samples
//! ```
//!
//! Carried: H.264, H.265, AV1, VP9; AAC, Opus, AC-3, Enhanced AC-3, FLAC; several tracks of each. What else comes is left out.

mod pictures;
mod sound;
mod tag;

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use bytes::Bytes;

use super::{LeftOut, amf, early::Early, stream::Item};
use crate::{
    boxes::FourCc,
    codec::Kind,
    error::{Error, ErrorKind, Result},
    sample::LiveSample,
    track::Track,
};
use pictures::Pictures;
use sound::Sound;
use tag::Packet;

/// The most tracks.
const MOST_TRACKS: usize = 16;
/// For how long tracks that were not announced are waited for, in milliseconds of media.
const PATIENCE: u64 = 1500;

/// Reads tags that are pushed.
#[derive(Debug, Default)]
pub struct TagDemuxer {
    tracks: Vec<Content>,
    early: Early,
    items: VecDeque<Item>,
    left_out: Vec<LeftOut>,
    /// Which kinds of media the encoder says that it sends.
    expected: Option<[bool; 2]>,
    /// The size of pictures that it tells.
    size: Option<(u32, u32)>,
    /// The last timestamp, and the same with its rounds.
    clock: Option<(u32, u64)>,
    begun: Option<u64>,
}

#[derive(Debug)]
enum Content {
    Pictures((u8, FourCc), Box<Pictures>),
    Sound((u8, FourCc), Box<Sound>),
}

impl Content {
    fn new(kind: Kind, packet: &Packet, id: u32) -> Self {
        let key = (packet.track, packet.codec);
        match kind {
            Kind::Video => Self::Pictures(key, Box::new(Pictures::new(id, packet.codec))),
            _ => Self::Sound(key, Box::new(Sound::new(id, packet.codec))),
        }
    }

    fn kind(&self) -> Kind {
        if matches!(self, Self::Pictures(..)) { Kind::Video } else { Kind::Audio }
    }

    fn number(&self) -> u8 {
        let (Self::Pictures((number, _), _) | Self::Sound((number, _), _)) = self;
        *number
    }

    fn codec(&self) -> FourCc {
        let (Self::Pictures((_, codec), _) | Self::Sound((_, codec), _)) = self;
        *codec
    }

    /// How its samples are to be decoded, once it has said so.
    fn track(&self) -> Option<&Track> {
        match self {
            Self::Pictures(_, pictures) => pictures.track.as_ref(),
            Self::Sound(_, sound) => sound.track.as_ref(),
        }
    }
}

impl TagDemuxer {
    /// Of a stream of which nothing has come.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was found in the tags, in order.
    pub fn poll(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    /// Whether it is known how samples are to be decoded.
    pub fn has_header(&self) -> bool {
        self.early.is_announced()
    }

    /// What is not carried, and why.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Takes a video tag.
    pub fn video(&mut self, timestamp: u32, body: &Bytes) -> Result<()> {
        self.media(Kind::Video, timestamp, tag::video(body))
    }

    /// Takes an audio tag.
    pub fn audio(&mut self, timestamp: u32, body: &Bytes) -> Result<()> {
        self.media(Kind::Audio, timestamp, tag::audio(body))
    }

    /// Takes a script tag: what the encoder says of all of it. One that cannot be read says nothing.
    pub fn script(&mut self, body: &[u8]) {
        let values = amf::read(body).unwrap_or_default();
        let Some(told) = values.iter().find(|value| value.is_object()) else { return };
        let number = |name| told.get(name).and_then(amf::Value::as_number);
        self.expected.get_or_insert([number("videocodecid").is_some(), number("audiocodecid").is_some()]);
        let pixels = |name| number(name).filter(|size| (1.0..=65_535.0).contains(size));
        if let (Some(width), Some(height)) = (pixels("width"), pixels("height")) {
            self.size = Some((amf::whole(width), amf::whole(height)));
        }
        self.announce(false);
    }

    /// Nothing follows: what is held is given.
    pub fn finish(&mut self) {
        self.announce(true);
        for index in 0..self.tracks.len() {
            if let Some(Content::Pictures(_, pictures)) = self.tracks.get_mut(index) {
                let last = pictures.finish().into_iter().collect();
                self.give(index, last);
            }
        }
    }

    fn media(&mut self, kind: Kind, timestamp: u32, packets: Result<Vec<Packet>>) -> Result<()> {
        let packets = match packets {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                self.leave_out(kind, None, error);
                self.announce(false);
                return Ok(());
            }
            packets => packets?,
        };
        let time = self.unwrap(timestamp);
        self.begun.get_or_insert(time);
        for packet in packets {
            let Some(index) = self.find(kind, &packet) else { continue };
            match self.read(index, &packet, time) {
                Err(error) if error.kind() == ErrorKind::Unsupported && self.early.place(index).is_none() => {
                    self.leave_out(kind, Some(packet.codec), error);
                }
                done => done?,
            }
        }
        self.announce(false);
        Ok(())
    }

    /// The track of a packet, new where there is none; `None`: it is not carried.
    fn find(&mut self, kind: Kind, packet: &Packet) -> Option<usize> {
        let same = |track: &Content| track.kind() == kind && track.number() == packet.track;
        if let Some(index) = self.tracks.iter().position(same) {
            // The codec of a track stays: another is another track, which came too late.
            return Some(index).filter(|index| self.tracks.get(*index).is_some_and(|track| track.codec() == packet.codec));
        }
        if self.tracks.len() == MOST_TRACKS || self.early.is_announced() {
            let reason = Error::unsupported("the track comes when the others have begun");
            self.leave_out(kind, Some(packet.codec), reason);
            return None;
        }
        let id = u32::try_from(self.tracks.len()).unwrap_or(0) + 1;
        self.tracks.push(Content::new(kind, packet, id));
        Some(self.tracks.len() - 1)
    }

    fn read(&mut self, index: usize, packet: &Packet, time: u64) -> Result<()> {
        let (before, changed, after) = match self.tracks.get_mut(index) {
            Some(Content::Pictures(_, pictures)) => {
                // The picture that is whole now is the one before: it is decoded as it was told before.
                let (samples, changed) = pictures.read(packet, time, self.size)?;
                (samples, changed, Vec::new())
            }
            Some(Content::Sound(_, sound)) => {
                let (samples, changed) = sound.read(packet, time)?;
                (Vec::new(), changed, samples)
            }
            None => return Ok(()),
        };
        self.give(index, before);
        if changed && self.early.place(index).is_some() {
            let told = self.tracks.iter().enumerate().filter(|(index, _)| self.early.place(*index).is_some());
            self.items.push_back(Item::Header(told.filter_map(|(_, content)| content.track().cloned()).collect()));
        }
        self.give(index, after);
        Ok(())
    }

    fn give(&mut self, index: usize, samples: Vec<LiveSample>) {
        self.early.give(index, samples, &mut self.items);
    }

    /// Tells of the tracks once all that are expected have said how they are to be decoded, or have not for too long.
    fn announce(&mut self, now: bool) {
        let ready = |kind: Kind| self.tracks.iter().any(|track| track.kind() == kind && track.track().is_some());
        let missing = |kind: Kind| !ready(kind) && !self.left_out.iter().any(|left| left.handler == handler(kind));
        let all_said = self.tracks.iter().all(|track| track.track().is_some());
        let [video, audio] = self.expected.unwrap_or([true, true]);
        let whole = all_said && !(video && missing(Kind::Video)) && !(audio && missing(Kind::Audio));
        let waited = self.begun.zip(self.clock).is_some_and(|(begun, (_, time))| time.saturating_sub(begun) >= PATIENCE);
        let any = ready(Kind::Video) || ready(Kind::Audio);
        if self.early.is_announced() || !any || !(whole || now || waited || self.early.is_full()) {
            return;
        }
        let tracks: Vec<Option<&Track>> = self.tracks.iter().map(Content::track).collect();
        self.early.announce(&tracks, &mut self.items);
    }

    /// Notes what is not carried, once for each kind and codec.
    fn leave_out(&mut self, kind: Kind, coding: Option<FourCc>, reason: Error) {
        let handler = handler(kind);
        let known = self.left_out.iter().any(|left| left.handler == handler && left.coding == coding);
        if !known && self.left_out.len() < MOST_TRACKS {
            let id = u32::try_from(self.left_out.len()).unwrap_or(0);
            self.left_out.push(LeftOut { id, handler, coding, reason });
        }
        self.tracks.retain(|track| self.early.is_announced() || track.kind() != kind || Some(track.codec()) != coding);
    }

    /// Milliseconds without rounds of 32 bits: each timestamp is taken to be near the one before.
    fn unwrap(&mut self, timestamp: u32) -> u64 {
        let time = match self.clock {
            Some((last, time)) => time.saturating_add_signed(i64::from(timestamp.wrapping_sub(last).cast_signed())),
            None => timestamp.into(),
        };
        self.clock = Some((timestamp, time));
        time
    }
}

fn handler(kind: Kind) -> FourCc {
    FourCc(if kind == Kind::Video { *b"vide" } else { *b"soun" })
}
