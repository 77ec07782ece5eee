//! The sound of a track: what MP4 says of how it is decoded, and when each frame begins, which FLV rounds to milliseconds.

use alloc::{format, vec::Vec};

use super::tag::{Content, Packet};
use crate::{
    boxes::FourCc,
    codec::{
        aac,
        bits::Bits,
        opus,
        syncframe::{self, SyncFrame},
    },
    coding::Reader,
    demux::description,
    error::{Error, Result},
    sample::LiveSample,
    time::{Timescale, rescale_length},
    track::Track,
};

/// The largest configuration, in bytes.
const MOST_CONFIG: usize = 4 << 10;

/// The sound of a track.
#[derive(Debug)]
pub struct Sound {
    id: u32,
    codec: FourCc,
    /// When the next frame begins, in ticks of the sample rate.
    next: Option<u64>,
    /// Samples of a frame, where the configuration tells that.
    length: u32,
    /// How frames are to be decoded, once that is known.
    pub track: Option<Track>,
}

/// What a configuration, or a frame, tells.
struct Described {
    rate: u32,
    length: u32,
    entry: Vec<u8>,
}

impl Sound {
    /// Of a track of which nothing has come.
    pub fn new(id: u32, codec: FourCc) -> Self {
        Self { id, codec, next: None, length: 0, track: None }
    }

    /// Takes a packet that is heard at `time`, in milliseconds. Returns its sample, and whether the description changes before it.
    pub fn read(&mut self, packet: &Packet, time: u64) -> Result<(Vec<LiveSample>, bool)> {
        let data = packet.data.as_ref();
        let described = match (&self.codec.0, packet.content) {
            (b"ac-3", Content::Frame { .. }) => described(syncframe::ac3(data), (b"ac-3", b"dac3")),
            (b"ec-3", Content::Frame { .. }) => described(syncframe::enhanced(data), (b"ec-3", b"dec3")),
            (_, Content::Frame { .. }) => None,
            (_, Content::Configuration) if data.len() > MOST_CONFIG => {
                return Err(Error::unsupported(format!("a decoder configuration of {} bytes", data.len())));
            }
            (b"mp4a", _) => Some(mpeg4(data)?),
            (b"Opus", _) => Some(opus_head(data)?),
            (b"fLaC", _) => Some(flac(data)?),
            (b"ac-3" | b"ec-3", _) => None, // they say it of themselves
            _ => return Err(Error::unsupported(format!("'{}' in RTMP is not carried", self.codec))),
        };
        let changed = match described {
            Some(described) => self.describe(described)?,
            None => false,
        };
        let Some(track) = self.track.as_ref().filter(|_| packet.content != Content::Configuration) else {
            return Ok((Vec::new(), changed));
        };
        let duration = match &self.codec.0 {
            b"Opus" => opus::samples(data),
            b"fLaC" => flac_samples(data).unwrap_or(self.length),
            _ => self.length,
        };
        if duration == 0 {
            return Ok((Vec::new(), changed));
        }
        let told = rescale_length(time, Timescale::MILLIS, track.timescale);
        // Milliseconds round: what is nearly there follows on.
        let near = (u64::from(duration) / 2).max(u64::from(track.timescale.get()) / 500);
        let start = self.next.filter(|next| next.abs_diff(told) < near).unwrap_or(told);
        self.next = Some(start.saturating_add(duration.into()));
        let sample = LiveSample {
            decode_time: start,
            duration,
            composition_offset: 0,
            sync: true,
            description: 0,
            payload: Vec::from([packet.data.clone()]),
        };
        Ok((Vec::from([sample]), changed))
    }

    /// Whether the description is another than before.
    fn describe(&mut self, described: Described) -> Result<bool> {
        self.length = described.length;
        if self.track.as_ref().is_some_and(|track| track.sample_entries.first() == Some(&described.entry)) {
            return Ok(false);
        }
        let scale = Timescale::new(described.rate).unwrap_or(Timescale::MILLIS);
        if self.track.as_ref().is_some_and(|track| track.timescale != scale) {
            self.next = None;
        }
        Ok(self.track.replace(description::track(self.id, *b"soun", scale, described.entry, (0, 0))?).is_some())
    }
}

/// AudioSpecificConfig.
fn mpeg4(config: &[u8]) -> Result<Described> {
    let core = aac::core(Reader::new(config, 0))?;
    let entry = description::sound(*b"mp4a", core.channels, core.sample_rate, |w| description::write_esds(w, config));
    Ok(Described { rate: core.sample_rate, length: core.frame_length, entry })
}

/// The identification header of Opus in Ogg (RFC 7845 5.1), which MP4 has with the other order of bytes.
fn opus_head(config: &[u8]) -> Result<Described> {
    let mut reader = Reader::new(
        config
            .strip_prefix(b"OpusHead")
            .ok_or_else(|| Error::malformed("the configuration of Opus does not begin with 'OpusHead'").by("RFC 7845 5.1"))?,
        8,
    );
    reader.skip(1)?;
    let channels = reader.u8()?;
    let (skip, rate, gain) = (reader.u16()?.swap_bytes(), reader.u32()?.swap_bytes(), reader.u16()?.swap_bytes());
    let entry = description::opus(channels, skip, rate, gain, reader.rest());
    Ok(Described { rate: 48_000, length: 0, entry })
}

/// STREAMINFO (RFC 9639 8.2), with or without what stands before it in a file.
fn flac(config: &[u8]) -> Result<Described> {
    const STREAM_INFO: usize = 34;
    let blocks = config.strip_prefix(b"fLaC").unwrap_or(config);
    let info = if blocks.len() == STREAM_INFO { Some(blocks) } else { blocks.get(4..4 + STREAM_INFO) };
    let info = info.ok_or_else(|| Error::malformed("the configuration of FLAC is no STREAMINFO").by("RFC 9639 8.2"))?;
    let mut bits = Bits::new(Reader::new(info, 0));
    bits.skip(16)?;
    let length = bits.take(16)?;
    bits.skip(48)?;
    let (rate, channels) = (bits.take(20)?, bits.take(3)? + 1);
    let entry = description::sound(*b"fLaC", u16::try_from(channels).unwrap_or(2), rate, |w| {
        w.full_box(b"dfLa", 0, 0, |w| {
            w.bytes(&[0x80, 0, 0, 34]);
            w.bytes(info);
        });
    });
    Ok(Described { rate, length, entry })
}

/// What a frame of AC-3, or of Enhanced AC-3, tells of itself in a sample entry with such a box.
fn described(frame: Option<SyncFrame>, (name, config): (&[u8; 4], &[u8; 4])) -> Option<Described> {
    let frame = frame?;
    let entry = description::sound(*name, frame.channels, frame.rate, |w| w.boxed(config, |w| w.bytes(&frame.config)));
    Some(Described { rate: frame.rate, length: frame.duration, entry })
}

/// Samples of a frame of FLAC (RFC 9639 9.1.1, 9.1.6); `None`: it is none, or does not tell.
fn flac_samples(frame: &[u8]) -> Option<u32> {
    let mut reader = Reader::new(frame, 0);
    if reader.u16().ok()? & 0xfffc != 0xfff8 {
        return None;
    }
    let code = reader.u8().ok()? >> 4;
    reader.skip(1).ok()?;
    match code {
        1 => return Some(192),
        2..=5 => return Some(576 << (code - 2)),
        8..=15 => return Some(256 << (code - 8)),
        _ => {}
    }
    let first = reader.u8().ok()?;
    reader.skip(usize::try_from(first.leading_ones().saturating_sub(1)).ok()?).ok()?; // the number of the frame, as UTF-8 has it
    match code {
        6 => reader.u8().ok().map(|length| u32::from(length) + 1),
        7 => reader.u16().ok().map(|length| u32::from(length) + 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Media;

    #[test]
    fn how_long_frames_of_flac_last() {
        for (frame, samples, clause) in [
            (&[0xff, 0xf8, 0xc9, 0x08, 0][..], Some(4096), "RFC 9639 table 14"),
            (&[0xff, 0xf9, 0x59, 0x08], Some(4608), "the same"),
            (&[0xff, 0xf8, 0x69, 0x08, 0x00, 0x7f], Some(128), "eight bits"),
            (&[0xff, 0xf8, 0x79, 0x08, 0xc2, 0x80, 0x01, 0x1f], Some(288), "sixteen bits"),
            (&[0xff, 0xf8, 0x09, 0x08, 0], None, "reserved"),
            (&[0, 0, 0, 0], None, "no frame"),
        ] {
            assert_eq!(flac_samples(frame), samples, "{clause}");
        }
    }

    #[test]
    fn what_configurations_say() {
        let facts = |codec: &[u8; 4], content, data: &[u8]| {
            let mut sound = Sound::new(1, FourCc(*codec));
            let packet = Packet { track: 0, codec: FourCc(*codec), content, data: bytes::Bytes::copy_from_slice(data) };
            let read = sound.read(&packet, 0)?;
            let track = sound.track.ok_or_else(|| Error::malformed("nothing"))?;
            let Media::Audio(audio) = &track.codec.media else { return Err(Error::malformed("no sound")) };
            Ok::<_, Error>((
                track.codec.string.clone(),
                audio.channels,
                track.timescale.get(),
                read.0.first().map(|sample| sample.duration),
            ))
        };
        let frame = Content::Frame { sync: true, composition: 0 };
        let head = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
        let mut info = [0; 42];
        info[..8].copy_from_slice(b"fLaC\x80\0\0\x22");
        info[8..12].copy_from_slice(&[0x10, 0, 0x10, 0]);
        info[18..22].copy_from_slice(&[0x0b, 0xb8, 0x02, 0xf0]);
        for (codec, content, data, expected) in [
            (b"mp4a", Content::Configuration, &[0x11, 0x90][..], ("mp4a.40.2", 2, 48_000, None)),
            // HE-AAC: frames are those of the core, at half the rate.
            (b"mp4a", Content::Configuration, &[0x2b, 0x92, 0x08, 0x00], ("mp4a.40.5", 2, 22_050, None)),
            (b"Opus", Content::Configuration, head, ("Opus", 2, 48_000, None)),
            (b"fLaC", Content::Configuration, &info, ("fLaC", 2, 48_000, None)),
            (b"fLaC", Content::Configuration, &info[8..], ("fLaC", 2, 48_000, None)),
            (b"ac-3", frame, &[0x0b, 0x77, 0, 0, 0x1c, 0x40, 0xe1, 0xde], ("ac-3", 6, 48_000, Some(1536))),
            // ffmpeg: 48 kHz, 192 kbit/s, stereo.
            (b"ec-3", frame, &[0x0b, 0x77, 0x01, 0x7f, 0x34, 0x86, 0xff, 0xfa], ("ec-3", 2, 48_000, Some(1536))),
        ] {
            let (string, channels, rate, duration) = facts(codec, content, data).unwrap();
            assert_eq!((string.as_str(), channels, rate, duration), expected);
        }
        for (codec, data) in [(b"Opus", &b"Opus"[..]), (b"fLaC", b"fLaC"), (b"mp4a", b""), (b".mp3", b"")] {
            assert!(facts(codec, Content::Configuration, data).is_err(), "{codec:?}");
        }
    }
}
