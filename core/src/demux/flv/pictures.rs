//! The pictures of a track: what MP4 says of how they are decoded, and how long each lasts.

use alloc::{format, vec::Vec};

use bytes::Bytes;

use super::tag::{Content, Packet};
use crate::{
    boxes::FourCc,
    codec::{av1, avc, bits::Bits, hevc, nal::Units},
    coding::Reader,
    demux::description,
    error::{Error, Result},
    sample::LiveSample,
    time::Timescale,
    track::Track,
};

/// The largest configuration, in bytes.
const MOST_CONFIG: usize = 64 << 10;
/// How long a picture lasts of which nothing is known, in milliseconds; and the longest that it is taken to last.
const USUAL: u32 = 40;
const LONGEST: u64 = 10_000;

/// The pictures of a track.
#[derive(Debug)]
pub struct Pictures {
    id: u32,
    codec: FourCc,
    config: Bytes,
    units: Option<Units>,
    /// How samples are to be decoded, once that is known.
    pub track: Option<Track>,
    /// The same of what comes next, when that was told anew.
    pending: Option<Track>,
    /// The sample that lasts until the next is decoded.
    held: Option<LiveSample>,
    duration: u32,
}

impl Pictures {
    /// Of a track of which nothing has come.
    pub fn new(id: u32, codec: FourCc) -> Self {
        Self { id, codec, config: Bytes::new(), units: None, track: None, pending: None, held: None, duration: USUAL }
    }

    /// Takes a packet that is decoded at `time`, in milliseconds; `size` is what was told of all. Returns the sample before it, which is
    /// known whole now, and whether the description changes behind that.
    pub fn read(&mut self, packet: &Packet, time: u64, size: Option<(u32, u32)>) -> Result<(Vec<LiveSample>, bool)> {
        let Content::Frame { sync, composition } = packet.content else {
            if self.config != packet.data {
                if packet.data.len() > MOST_CONFIG {
                    return Err(Error::unsupported(format!("a decoder configuration of {} bytes", packet.data.len())));
                }
                self.config = Bytes::copy_from_slice(&packet.data);
                self.describe(None, size)?;
            }
            return Ok((Vec::new(), false));
        };
        let sync = self.first_slice(&packet.data).unwrap_or(sync);
        // Of VP9 a key frame tells the size.
        if self.codec.0 == *b"vp09" && sync {
            self.describe(Some(&packet.data), size)?;
        }
        let before = self.before(time).into_iter().collect();
        let changed = match self.pending.take() {
            Some(track) => self.track.replace(track).is_some(),
            None => false,
        };
        if self.track.is_some() {
            self.held = Some(LiveSample {
                decode_time: time,
                duration: 0,
                composition_offset: composition,
                sync,
                description: 0,
                payload: Vec::from([packet.data.clone()]),
            });
        }
        Ok((before, changed))
    }

    /// The last sample, which lasts as long as the one before.
    pub fn finish(&mut self) -> Option<LiveSample> {
        let mut last = self.held.take()?;
        last.duration = self.duration;
        Some(last)
    }

    /// The sample that was held, which lasts until `time`.
    fn before(&mut self, time: u64) -> Option<LiveSample> {
        let mut held = self.held.take()?;
        let step = time.checked_sub(held.decode_time).filter(|step| (1..LONGEST).contains(step));
        // Where the clock jumps, it lasts as long as the one before.
        held.duration = step.and_then(|step| u32::try_from(step).ok()).unwrap_or(self.duration);
        self.duration = held.duration;
        Some(held)
    }

    /// Whether decoding can begin with the first slice; what the tag says of it is not always so.
    fn first_slice(&self, sample: &[u8]) -> Option<bool> {
        let units = self.units?;
        let mut reader = Reader::new(sample, 0);
        loop {
            let length = reader.take(units.length_size.into()).ok()?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            if let Some(sync) = units.slice(*reader.take(length).ok()?.first()?) {
                return Some(sync);
            }
        }
    }

    /// What the configuration says, and `frame` where that is not enough.
    fn describe(&mut self, frame: Option<&[u8]>, told: Option<(u32, u32)>) -> Result<()> {
        let config = &self.config;
        let config_name = match &self.codec.0 {
            b"avc1" => b"avcC",
            b"hvc1" => b"hvcC",
            b"av01" => b"av1C",
            b"vp09" => b"vpcC",
            _ => return Err(Error::unsupported(format!("'{}' in RTMP is not carried", self.codec))),
        };
        let size = match &self.codec.0 {
            b"avc1" => Some(avc::sequence(avc_set(config)?)?.size),
            b"hvc1" => Some(hevc::sequence(hevc_set(config)?)?.size),
            b"av01" => av1::size(Reader::new(config.get(4..).unwrap_or_default(), 4))?.or(told),
            _ => frame.and_then(|frame| vp9_size(frame).ok().flatten()).or(told),
        };
        // Of VP9 it comes with the first key frame.
        let Some(size) = size else { return Ok(()) };
        let entry = description::pictures(self.codec.0, size, |w| match config_name {
            // Some write the box with its version, as MP4 has it, some the record alone.
            b"vpcC" => w.full_box(config_name, 1, 0, |w| w.bytes(config.strip_prefix(&[1, 0, 0, 0]).unwrap_or(config))),
            _ => w.boxed(config_name, |w| w.bytes(config)),
        });
        self.units = match &self.codec.0 {
            b"avc1" => length_size(config, 4, false),
            b"hvc1" => length_size(config, 21, true),
            _ => None,
        };
        let known = self.pending.as_ref().or(self.track.as_ref());
        if known.is_none_or(|known| known.sample_entries.first() != Some(&entry)) {
            self.pending = Some(description::track(self.id, *b"vide", Timescale::MILLIS, entry, size)?);
            // Others are told from the start on.
            if self.track.is_none() {
                self.track = self.pending.take();
            }
        }
        Ok(())
    }
}

/// `lengthSizeMinusOne` (ISO/IEC 14496-15 5.3.3.1, 8.3.3.1).
fn length_size(config: &[u8], place: usize, hevc: bool) -> Option<Units> {
    config.get(place).map(|byte| Units { length_size: (byte & 3) + 1, hevc })
}

/// The first sequence parameter set of `avcC` (ISO/IEC 14496-15 5.3.3.1).
fn avc_set(config: &[u8]) -> Result<&[u8]> {
    let mut reader = Reader::new(config, 0);
    reader.skip(5)?;
    let count = reader.u8()? & 0x1f;
    if count < 1 {
        return Err(Error::unsupported(
            "the pictures are described in themselves alone: AVCDecoderConfigurationRecord holds no parameter set",
        ));
    }
    let length = reader.u16()?.into();
    reader.take(length)
}

/// The first sequence parameter set of `hvcC` (ISO/IEC 14496-15 8.3.3.1).
fn hevc_set(config: &[u8]) -> Result<&[u8]> {
    const SEQUENCE: u8 = 33;
    let mut reader = Reader::new(config, 0);
    reader.skip(22)?;
    for _ in 0..reader.u8()? {
        let kind = reader.u8()? & 0x3f;
        for _ in 0..reader.u16()? {
            let length = reader.u16()?.into();
            let unit = reader.take(length)?;
            if kind == SEQUENCE {
                return Ok(unit);
            }
        }
    }
    Err(Error::unsupported("the pictures are described in themselves alone: HEVCDecoderConfigurationRecord holds no parameter set"))
}

/// The size of a key frame (VP9 Bitstream Specification 6.2); `None`: it is none.
fn vp9_size(frame: &[u8]) -> Result<Option<(u32, u32)>> {
    const SRGB: u32 = 7;
    let mut bits = Bits::new(Reader::new(frame, 0));
    if bits.take(2)? != 2 {
        return Ok(None);
    }
    let profile = bits.take(1)? + 2 * bits.take(1)?;
    bits.skip(u32::from(profile == 3))?;
    if bits.flag()? || bits.flag()? {
        return Ok(None); // shown again, or no key frame
    }
    bits.skip(2)?;
    if bits.take(24)? != 0x49_8342 {
        return Ok(None);
    }
    bits.skip(u32::from(profile >= 2))?;
    let several = profile & 1 == 1;
    if bits.take(3)? == SRGB {
        bits.skip(u32::from(several))?;
    } else {
        bits.skip(if several { 4 } else { 1 })?;
    }
    Ok(Some((bits.take(16)? + 1, bits.take(16)? + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_vp9() {
        // libvpx: profile 0, 320x180, a key frame; then another frame.
        assert_eq!(vp9_size(&[0x82, 0x49, 0x83, 0x42, 0x20, 0x13, 0xf0, 0x0b, 0x36]), Ok(Some((320, 180))));
        assert_eq!(vp9_size(&[0x86, 0x00, 0x40, 0x92]), Ok(None));
        assert!(vp9_size(&[0x82, 0x49]).is_err());
    }
}
