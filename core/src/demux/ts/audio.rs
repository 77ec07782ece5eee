//! AAC in ADTS (ISO/IEC 13818-7 6.2) and AC-3 (ETSI TS 102 366): frames that say how long they are.

use alloc::vec::Vec;

use bytes::Bytes;

use super::pes::Unit;
use crate::{
    codec::{
        bits::Bits,
        syncframe::{self, SyncFrame},
    },
    coding::Reader,
    demux::description,
    error::Result,
    sample::LiveSample,
    time::{Timescale, rescale_length},
    track::Track,
};

/// By `sampling_frequency_index` (ISO/IEC 14496-3 table 1.18).
const RATES: [u32; 13] = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];
/// The longest header that is looked at.
const HEADER: usize = 8;

/// The sound of a stream.
#[derive(Debug)]
pub struct Sound {
    id: u16,
    ac3: bool,
    /// What is left of the last PES packet: the beginning of a frame.
    rest: Vec<u8>,
    /// When the next frame begins, in ticks of the sample rate.
    next: Option<u64>,
    /// How samples are to be decoded, once that is known.
    pub track: Option<Track>,
}

/// What the header of a frame tells.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame {
    /// Bytes of the header, which is no part of the sample.
    header: usize,
    /// Bytes of all.
    length: usize,
    /// Ticks of the sample rate.
    duration: u32,
    /// Samples a second.
    rate: u32,
    /// How many channels there are.
    channels: u16,
    /// What is in the description.
    config: Vec<u8>,
}

impl Sound {
    /// Of a stream of AC-3, or else of AAC.
    pub fn new(id: u16, ac3: bool) -> Self {
        Self { id, ac3, rest: Vec::new(), next: None, track: None }
    }

    /// Takes a PES packet. Returns the samples that are whole, and whether the description changed.
    pub fn read(&mut self, unit: &Unit) -> Result<(Vec<LiveSample>, bool)> {
        let (mut samples, mut changed) = (Vec::new(), false);
        // Its time is that of the first frame that begins in it.
        let mut told = unit.times.map(|(presented, _)| presented);
        let mut bytes = core::mem::take(&mut self.rest);
        let mut carried = bytes.len();
        bytes.extend_from_slice(&unit.payload);
        let mut start = 0;
        while let Some(rest) = bytes.get(start..).filter(|rest| rest.len() >= HEADER) {
            let Some(frame) = self.frame(rest) else {
                start += 1;
                continue;
            };
            let Some(payload) = rest.get(frame.header..frame.length) else { break };
            let scale = Timescale::new(frame.rate).unwrap_or(Timescale::MILLIS);
            if start >= carried {
                carried = 0;
                let presented = told.take().map(|ticks| rescale_length(ticks, Timescale::new(90_000).unwrap_or(scale), scale));
                // The transport stream rounds: what is nearly there follows on.
                let near = |time: &u64| self.next.is_some_and(|next| next.abs_diff(*time) < u64::from(frame.duration) / 2);
                self.next = presented.filter(|time| !near(time)).or(self.next);
            }
            changed |= self.describe(&frame, scale)?;
            if let Some(time) = self.next {
                self.next = Some(time.saturating_add(frame.duration.into()));
                samples.push(LiveSample {
                    decode_time: time,
                    duration: frame.duration,
                    composition_offset: 0,
                    sync: true,
                    description: 0,
                    payload: Vec::from([Bytes::copy_from_slice(payload)]),
                });
            }
            start += frame.length;
        }
        self.rest = bytes.get(start..).unwrap_or_default().to_vec();
        Ok((samples, changed))
    }

    fn frame(&self, bytes: &[u8]) -> Option<Frame> {
        if self.ac3 {
            let SyncFrame { length, duration, rate, channels, config } = syncframe::ac3(bytes)?;
            return Some(Frame { header: 0, length, duration, rate, channels, config });
        }
        adts(&mut Bits::new(Reader::new(bytes.get(..HEADER)?, 0))).ok().flatten()
    }

    fn describe(&mut self, frame: &Frame, scale: Timescale) -> Result<bool> {
        let entry = entry(frame, self.ac3);
        if self.track.as_ref().is_some_and(|track| track.sample_entries.first() == Some(&entry)) {
            return Ok(false);
        }
        let new = description::track(self.id.into(), *b"soun", scale, entry, (0, 0))?;
        if self.track.as_ref().is_some_and(|track| track.timescale != scale) {
            self.next = None;
        }
        Ok(self.track.replace(new).is_some())
    }
}

/// A frame that begins with a header of ADTS.
fn adts(bits: &mut Bits<'_>) -> Result<Option<Frame>> {
    if bits.take(12)? != 0xfff {
        return Ok(None);
    }
    bits.skip(1)?;
    if bits.take(2)? != 0 {
        return Ok(None);
    }
    let protected = !bits.flag()?;
    let object = bits.take(2)? + 1;
    let index = bits.take(4)?;
    bits.skip(1)?;
    let channels = bits.take(3)?;
    bits.skip(4)?;
    let length = bits.take(13)? as usize;
    bits.skip(11)?;
    let blocks = bits.take(2)? + 1;
    let header = if protected { 9 } else { 7 };
    let rate = RATES.get(index as usize).copied();
    let (Some(rate), true, true) = (rate, channels > 0, length > header) else { return Ok(None) };
    // AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1).
    let config = u16::try_from((object << 11) | (index << 7) | (channels << 3)).unwrap_or(0).to_be_bytes().to_vec();
    let channels = if channels == 7 { 8 } else { channels };
    Ok(Some(Frame { header, length, duration: 1024 * blocks, rate, channels: u16::try_from(channels).unwrap_or(2), config }))
}

/// The sample entry of what a frame tells.
fn entry(frame: &Frame, ac3: bool) -> Vec<u8> {
    if ac3 {
        return description::sound(*b"ac-3", frame.channels, frame.rate, |w| w.boxed(b"dac3", |w| w.bytes(&frame.config)));
    }
    description::sound(*b"mp4a", frame.channels, frame.rate, |w| description::write_esds(w, &frame.config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_frames() {
        let read = |bytes: &[u8]| {
            let frame = adts(&mut Bits::new(Reader::new(bytes, 0))).ok().flatten();
            frame.map(|frame| (frame.header, frame.length, frame.rate, frame.channels, frame.config))
        };
        // ffmpeg: AAC-LC, 48 kHz, stereo, 371 bytes.
        assert_eq!(read(&[0xff, 0xf1, 0x4c, 0x80, 0x2e, 0x7f, 0xfc, 0]), Some((7, 371, 48_000, 2, Vec::from([0x11, 0x90]))));
        assert_eq!(read(&[0xff, 0xf1, 0x4c, 0x80, 0, 0xff, 0xfc, 0]), None, "shorter than its header");
    }
}
