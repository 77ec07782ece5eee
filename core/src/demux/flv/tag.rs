//! The body of a tag: what of which track it brings (Adobe Flash Video File Format 10.1, E.4; Enhanced RTMP v2).

use alloc::{format, vec::Vec};

use bytes::Bytes;

use crate::{
    boxes::FourCc,
    coding::Reader,
    error::{Error, Result},
};

/// The most tracks of one tag.
const MOST_TRACKS: usize = 16;
/// Clause of what has a FourCC.
const ENHANCED: &str = "Enhanced RTMP v2";

/// A piece of a tag, for one track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Which track of its kind, from 0.
    pub track: u8,
    /// How it is coded: the name of the sample entry that it has in MP4.
    pub codec: FourCc,
    /// What it is.
    pub content: Content,
    /// Its bytes.
    pub data: Bytes,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// How what follows is to be decoded.
    Configuration,
    /// A frame.
    Frame {
        /// Whether it says that decoding can begin with it.
        sync: bool,
        /// Milliseconds until it is shown after it is decoded.
        composition: i32,
    },
}

/// What a packet type means for one kind of media.
enum Meaning {
    Configuration,
    /// A frame; whether its composition time stands before it.
    Frame(bool),
    /// Nothing that is of use here: ends, metadata.
    Nothing,
}

/// The packets of a video tag.
pub fn video(body: &Bytes) -> Result<Vec<Packet>> {
    const COMMAND: u8 = 5;
    let mut reader = Reader::new(body, 0);
    let Ok(first) = reader.u8() else { return Ok(Vec::new()) };
    let frame_type = first >> 4 & 7;
    let sync = frame_type == 1;
    if first & 0x80 != 0 {
        let meaning = |kind: u8, codec: FourCc| match kind {
            0 => Meaning::Configuration,
            1 => Meaning::Frame(matches!(&codec.0, b"avc1" | b"hvc1" | b"vvc1")),
            3 => Meaning::Frame(false),
            _ => Meaning::Nothing,
        };
        let commands = frame_type == COMMAND && first & 0xf != 4;
        return if commands { Ok(Vec::new()) } else { enhanced(body, reader, first & 0xf, 6, sync, meaning) };
    }
    if frame_type == COMMAND {
        return Ok(Vec::new());
    }
    let codec = match first & 0xf {
        7 => FourCc(*b"avc1"),
        12 => FourCc(*b"hvc1"), // before there were FourCCs
        number => return Err(Error::unsupported(format!("video codec {number} of FLV is not carried")).by("Adobe FLV 10.1 E.4.3.1")),
    };
    let (kind, composition) = (reader.u8()?, composition(&mut reader)?);
    let content = match kind {
        0 => Content::Configuration,
        1 => Content::Frame { sync, composition },
        _ => return Ok(Vec::new()),
    };
    Ok(Vec::from([Packet { track: 0, codec, content, data: rest(body, &reader) }]))
}

/// The packets of an audio tag.
pub fn audio(body: &Bytes) -> Result<Vec<Packet>> {
    let mut reader = Reader::new(body, 0);
    let Ok(first) = reader.u8() else { return Ok(Vec::new()) };
    match first >> 4 {
        9 => enhanced(body, reader, first & 0xf, 5, true, |kind, _| match kind {
            0 => Meaning::Configuration,
            1 => Meaning::Frame(false),
            _ => Meaning::Nothing,
        }),
        10 => {
            let content = match reader.u8()? {
                0 => Content::Configuration,
                _ => Content::Frame { sync: true, composition: 0 },
            };
            Ok(Vec::from([Packet { track: 0, codec: FourCc(*b"mp4a"), content, data: rest(body, &reader) }]))
        }
        number => Err(Error::unsupported(format!("sound format {number} of FLV is not carried")).by("Adobe FLV 10.1 E.4.2.1")),
    }
}

/// What has a FourCC; `multitrack`: the packet type of several tracks in one tag.
fn enhanced(
    body: &Bytes,
    mut reader: Reader<'_>,
    mut kind: u8,
    multitrack: u8,
    sync: bool,
    meaning: impl Fn(u8, FourCc) -> Meaning,
) -> Result<Vec<Packet>> {
    const MODIFIER: u8 = 7;
    while kind == MODIFIER {
        let length = match reader.u8()? {
            255 => usize::from(reader.u16()?) + 1,
            short => usize::from(short) + 1,
        };
        reader.skip(length)?; // nanoseconds, so far: less than a timestamp tells
        kind = reader.u8()? & 0xf;
    }
    let mut packets = Vec::new();
    let mut add = |track, codec, kind, data: Bytes| -> Result<()> {
        let mut reader = Reader::new(&data, 0);
        let content = match meaning(kind, codec) {
            Meaning::Configuration => Content::Configuration,
            Meaning::Frame(timed) => Content::Frame { sync, composition: if timed { composition(&mut reader)? } else { 0 } },
            Meaning::Nothing => return Ok(()),
        };
        let data = rest(&data, &reader);
        packets.push(Packet { track, codec, content, data });
        Ok(())
    };
    if kind != multitrack {
        let codec = reader.four_cc()?;
        add(0, codec, kind, rest(body, &reader))?;
        return Ok(packets);
    }
    let (how, kind) = match reader.u8()? {
        byte if byte >> 4 <= 2 => (byte >> 4, byte & 0xf),
        byte => return Err(Error::unsupported(format!("multitrack type {} is not known", byte >> 4)).by(ENHANCED)),
    };
    let shared = if how < 2 { Some(reader.four_cc()?) } else { None };
    for _ in 0..MOST_TRACKS {
        if reader.is_empty() {
            break;
        }
        let codec = shared.map_or_else(|| reader.four_cc(), Ok)?;
        let track = reader.u8()?;
        let length = if how == 0 { reader.remaining() } else { reader.u24()? as usize };
        let start = body.len().saturating_sub(reader.remaining());
        reader.skip(length).map_err(|error| error.by(ENHANCED))?;
        add(track, codec, kind, body.slice(start..start + length))?;
    }
    Ok(packets)
}

/// `SI24`, in milliseconds.
fn composition(reader: &mut Reader<'_>) -> Result<i32> {
    let raw = reader.u24()?;
    Ok(i32::try_from(raw).unwrap_or(0) - if raw & 0x80_0000 == 0 { 0 } else { 1 << 24 })
}

/// What `reader`, which reads `body`, has not read, without a copy.
fn rest(body: &Bytes, reader: &Reader<'_>) -> Bytes {
    body.slice(body.len().saturating_sub(reader.remaining())..)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Told = (u8, [u8; 4], Content, Vec<u8>);

    fn told(packets: Result<Vec<Packet>>) -> Result<Vec<Told>> {
        Ok(packets?.into_iter().map(|packet| (packet.track, packet.codec.0, packet.content, packet.data.to_vec())).collect())
    }

    #[test]
    fn video_tags() {
        use Content::{Configuration, Frame};
        for (body, expected, clause) in [
            (&[0x17, 0, 0, 0, 0, 9][..], Vec::from([(0, *b"avc1", Configuration, Vec::from([9]))]), "E.4.3.2"),
            (&[0x17, 1, 0, 0, 40, 9], Vec::from([(0, *b"avc1", Frame { sync: true, composition: 40 }, Vec::from([9]))]), "E.4.3.2"),
            (&[0x27, 1, 0xff, 0xff, 0xfe], Vec::from([(0, *b"avc1", Frame { sync: false, composition: -2 }, Vec::new())]), "SI24"),
            (&[0x17, 2, 0, 0, 0], Vec::new(), "end of sequence"),
            (&[0x57, 0], Vec::new(), "command"),
            (&[], Vec::new(), "empty"),
            (b"\x90hvc1\x01", Vec::from([(0, *b"hvc1", Configuration, Vec::from([1]))]), "SequenceStart"),
            (b"\xa1hvc1\0\0\x05x", Vec::from([(0, *b"hvc1", Frame { sync: false, composition: 5 }, Vec::from(*b"x"))]), "CodedFrames"),
            (b"\x93hvc1x", Vec::from([(0, *b"hvc1", Frame { sync: true, composition: 0 }, Vec::from(*b"x"))]), "CodedFramesX"),
            (b"\x91av01x", Vec::from([(0, *b"av01", Frame { sync: true, composition: 0 }, Vec::from(*b"x"))]), "no composition time"),
            (b"\x94hvc1", Vec::new(), "Metadata"),
            (b"\x97\x02\0\0\x09\x01av01x", Vec::from([(0, *b"av01", Frame { sync: true, composition: 0 }, Vec::from(*b"x"))]), "ModEx"),
            (
                b"\x96\x11av01\x01\0\0\x01x\x02\0\0\x02yz",
                Vec::from([
                    (1, *b"av01", Frame { sync: true, composition: 0 }, Vec::from(*b"x")),
                    (2, *b"av01", Frame { sync: true, composition: 0 }, Vec::from(*b"yz")),
                ]),
                "ManyTracks",
            ),
            (b"\x96\x00vp09\x03x", Vec::from([(3, *b"vp09", Configuration, Vec::from(*b"x"))]), "OneTrack"),
            (
                b"\x96\x20vp09\x00\0\0\x01xav01\x01\0\0\x01y",
                Vec::from([(0, *b"vp09", Configuration, Vec::from(*b"x")), (1, *b"av01", Configuration, Vec::from(*b"y"))]),
                "ManyTracksManyCodecs",
            ),
        ] {
            assert_eq!(told(video(&Bytes::from_static(body))), Ok(expected), "{clause}");
        }
        for (body, why) in [
            (&[0x12, 0][..], "Sorenson"),
            (&[0x17], "cut off"),
            (b"\x90hv", "no FourCC"),
            (b"\x96\x11av01\x01\0\0\x09x", "a track longer than the tag"),
            (b"\x96\x31av01", "an unknown way of several tracks"),
            (b"\x97\xff\xff\xff", "a modifier longer than the tag"),
        ] {
            assert!(video(&Bytes::copy_from_slice(body)).is_err(), "{why}");
        }
    }

    #[test]
    fn audio_tags() {
        let frame = Content::Frame { sync: true, composition: 0 };
        for (body, expected) in [
            (&[0xaf, 0, 0x11, 0x90][..], Vec::from([(0, *b"mp4a", Content::Configuration, Vec::from([0x11, 0x90]))])),
            (&[0xaf, 1, 7], Vec::from([(0, *b"mp4a", frame, Vec::from([7]))])),
            (b"\x90OpusOpusHead", Vec::from([(0, *b"Opus", Content::Configuration, Vec::from(*b"OpusHead"))])),
            (b"\x91ac-3x", Vec::from([(0, *b"ac-3", frame, Vec::from(*b"x"))])),
            (b"\x95\x01ec-3\x02x", Vec::from([(2, *b"ec-3", frame, Vec::from(*b"x"))])),
            (b"\x94Opus\x01", Vec::new()),
            (&[], Vec::new()),
        ] {
            assert_eq!(told(audio(&Bytes::copy_from_slice(body))), Ok(expected));
        }
        assert!(audio(&Bytes::from_static(&[0x2f, 0])).is_err(), "MP3");
    }
}
