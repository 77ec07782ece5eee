//! From the packets of an MPEG transport stream that goes on, as they come, to the same items that fragmented MP4 gives (ISO/IEC 13818-1).
//!
//! ```text
//! packet of 188 bytes -> PAT, PMT: which elementary streams -> PES: access units with times -> samples as MP4 has them
//! ```
//!
//! Carried: H.264 and H.265, whose byte streams become units with their lengths before them; AAC in ADTS; AC-3. Bytes that are no packet
//! are passed over until two packets follow each other; of a PES packet of which something is missing nothing is given.

mod audio;
mod pes;
mod tables;

use alloc::{collections::VecDeque, format, vec::Vec};

use super::{LeftOut, byte_stream::Pictures, early::Early, stream::Item};
use crate::{
    boxes::FourCc,
    error::{Error, Result},
    sample::LiveSample,
    track::Track,
};
use audio::Sound;
use pes::Assembler;
use tables::{Section, StreamType};

/// Bytes of a packet.
const PACKET: usize = 188;
/// What every packet begins with.
const SYNC: u8 = 0x47;
/// The most elementary streams of a programme.
const MOST_STREAMS: usize = 16;
/// Bytes without a packet after which it is no transport stream.
const MOST_LOST: u64 = 1 << 20;

/// Reads a transport stream that is pushed, as [`StreamDemuxer`](super::stream::StreamDemuxer) reads fragmented MP4. Of several programmes
/// it reads the first.
#[derive(Debug, Default)]
pub struct TransportDemuxer {
    /// Less than what is needed to read on.
    rest: Vec<u8>,
    position: u64,
    /// Bytes that were no packet since the last one.
    lost: u64,
    programmes: Section,
    /// The packets that tell of the programme, and what they told.
    programme: Option<(u16, Section)>,
    streams: Vec<Stream>,
    early: Early,
    left_out: Vec<LeftOut>,
    items: VecDeque<Item>,
    /// The newest time of any stream, with rounds of 33 bits.
    clock: Option<u64>,
    failed: Option<Error>,
}

/// An elementary stream.
#[derive(Debug)]
struct Stream {
    id: u16,
    packets: Assembler,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Pictures(Pictures),
    Sound(Sound),
}

impl Content {
    /// How its samples are to be decoded, once it has said so.
    fn track(&self) -> Option<&Track> {
        match self {
            Self::Pictures(pictures) => pictures.track.as_ref(),
            Self::Sound(sound) => sound.track.as_ref(),
        }
    }
}

impl TransportDemuxer {
    /// Of a stream of which nothing has come.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the bytes that come next, in pieces of any length.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut rest = core::mem::take(&mut self.rest);
        rest.extend_from_slice(bytes);
        let done = self.read(&rest);
        let read = *done.as_ref().unwrap_or(&rest.len());
        self.rest = rest.get(read..).unwrap_or_default().to_vec();
        done.map(drop).inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// What was found in it, in order.
    pub fn poll(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    /// Bytes that were read, from the first on.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether it is known how samples are to be decoded.
    pub fn has_header(&self) -> bool {
        self.early.is_announced()
    }

    /// The elementary streams that are not carried, and why.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The body ends here: what is whole is given. The next begins with a packet; what is known of the streams stays.
    pub fn finish_body(&mut self) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.rest.clear();
        for index in 0..self.streams.len() {
            self.finish_unit(index)?;
            if let Some(Content::Pictures(pictures)) = self.streams.get_mut(index).map(|stream| &mut stream.content) {
                let last = pictures.finish();
                self.give(index, last.into_iter().collect());
            }
        }
        self.announce(true);
        Ok(())
    }

    /// Reads the packets that are whole; returns how many bytes were read.
    fn read(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut start = 0;
        while let Some(rest) = bytes.get(start..).filter(|rest| rest.len() >= PACKET) {
            // After other bytes a packet is one where another follows.
            let (found, follows) = (rest.first() == Some(&SYNC), rest.get(PACKET));
            if found && self.lost > 0 && follows.is_none() {
                break;
            }
            if !found || (self.lost > 0 && follows != Some(&SYNC)) {
                start += 1;
                self.position = self.position.saturating_add(1);
                self.lost = self.lost.saturating_add(1);
                if self.lost > MOST_LOST {
                    return Err(Error::unsupported("no MPEG transport stream: no packet of 188 bytes is found").at(self.position));
                }
                continue;
            }
            self.lost = 0;
            if let Some(packet) = rest.get(..PACKET) {
                self.read_packet(packet)?;
            }
            start += PACKET;
            self.position = self.position.saturating_add(PACKET as u64);
        }
        Ok(start)
    }

    /// 2.4.3.2.
    fn read_packet(&mut self, packet: &[u8]) -> Result<()> {
        let [_, high, low, control, content @ ..] = packet else { return Ok(()) };
        let (begins, id) = (high & 0x40 != 0, u16::from_be_bytes([high & 0x1f, *low]));
        let broken = high & 0x80 != 0;
        let content = match control >> 4 & 3 {
            1 => content,
            3 => content.split_first().and_then(|(length, rest)| rest.get(usize::from(*length)..)).unwrap_or_default(),
            _ => return Ok(()),
        };
        if control >> 6 != 0 {
            return Err(Error::unsupported("the transport stream is scrambled").at(self.position).by("ISO/IEC 13818-1 2.4.3.3"));
        }
        if id == 0 {
            if let Some(programme) = self.programmes.push(content, begins).and_then(|table| tables::first_programme(&table))
                && self.programme.as_ref().is_none_or(|(known, _)| *known != programme)
            {
                self.programme = Some((programme, Section::default()));
            }
            return Ok(());
        }
        if let Some((_, section)) = self.programme.as_mut().filter(|(known, _)| *known == id) {
            if let Some(table) = section.push(content, begins) {
                self.read_programme(&table);
            }
            return Ok(());
        }
        let Some(index) = self.streams.iter().position(|stream| stream.id == id) else { return Ok(()) };
        if begins {
            self.finish_unit(index)?;
        }
        let whole = match self.streams.get_mut(index) {
            Some(stream) => stream.packets.push(content, begins, control & 0xf, broken)?,
            None => false,
        };
        if whole { self.finish_unit(index) } else { Ok(()) }
    }

    /// Which elementary streams there are. One that is known stays as it is.
    fn read_programme(&mut self, table: &[u8]) {
        for (kind, id) in tables::elementary_streams(table).take(MOST_STREAMS) {
            let known = self.streams.iter().any(|stream| stream.id == id) || self.left_out.iter().any(|left| left.id == id.into());
            if known || self.early.is_announced() {
                continue;
            }
            let content = match kind {
                StreamType::Avc => Content::Pictures(Pictures::new(id, false)),
                StreamType::Hevc => Content::Pictures(Pictures::new(id, true)),
                StreamType::Adts => Content::Sound(Sound::new(id, false)),
                StreamType::Ac3 => Content::Sound(Sound::new(id, true)),
                StreamType::Other(number) => {
                    let reason = Error::unsupported(format!("stream type {number:#04x} of a transport stream is not carried"));
                    self.left_out.push(LeftOut { id: id.into(), handler: FourCc([0; 4]), coding: None, reason });
                    continue;
                }
            };
            self.streams.push(Stream { id, packets: Assembler::default(), content });
        }
    }

    /// The access unit of a stream that has come so far is whole.
    fn finish_unit(&mut self, index: usize) -> Result<()> {
        let Some(stream) = self.streams.get_mut(index) else { return Ok(()) };
        let Some(mut unit) = stream.packets.finish() else { return Ok(()) };
        unit.unwrap(&mut self.clock);
        let (samples, changed) = match &mut stream.content {
            Content::Pictures(pictures) => unit.times.map_or(Ok((Vec::new(), false)), |times| pictures.read(&unit.payload, times))?,
            Content::Sound(sound) => sound.read(&unit)?,
        };
        let (changed, pictures) = (changed && self.early.place(index).is_some(), matches!(stream.content, Content::Pictures(_)));
        // The picture that is whole now is the one before: it is decoded as it was told before.
        let (before, after) = if pictures { (samples, Vec::new()) } else { (Vec::new(), samples) };
        self.give(index, before);
        if changed {
            let told = self.streams.iter().enumerate().filter(|(index, _)| self.early.place(*index).is_some());
            self.items.push_back(Item::Header(told.filter_map(|(_, stream)| stream.content.track().cloned()).collect()));
        }
        self.give(index, after);
        self.announce(false);
        Ok(())
    }

    fn give(&mut self, index: usize, samples: Vec<LiveSample>) {
        self.early.give(index, samples, &mut self.items);
    }

    /// Tells of the tracks once all have said how they are to be decoded, or some have not for too long.
    fn announce(&mut self, now: bool) {
        let ready = |stream: &Stream| stream.content.track().is_some();
        let all = !self.streams.is_empty() && self.streams.iter().all(ready);
        if self.early.is_announced() || !(all || ((now || self.early.is_full()) && self.streams.iter().any(ready))) {
            return;
        }
        for stream in self.streams.iter().filter(|stream| !ready(stream)) {
            let reason = Error::malformed("the elementary stream does not say how it is to be decoded");
            self.left_out.push(LeftOut { id: stream.id.into(), handler: FourCc([0; 4]), coding: None, reason });
        }
        let tracks: Vec<Option<&Track>> = self.streams.iter().map(|stream| stream.content.track()).collect();
        self.early.announce(&tracks, &mut self.items);
    }
}
