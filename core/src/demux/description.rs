//! What a movie box would have said of a track, for streams that have none: sample entries, and the track around one.

use alloc::vec::Vec;

use crate::{
    boxes::{FourCc, sample_entry::read_entry, user_data::UserData},
    codec::describe,
    coding::{Reader, Writer},
    error::Result,
    sample::SampleTable,
    time::Timescale,
    track::Track,
};

/// A track with one description, `entry`, whose handler is `handler`; `size` in pixels.
pub fn track(id: u32, handler: [u8; 4], timescale: Timescale, entry: Vec<u8>, size: (u32, u32)) -> Result<Track> {
    let mut reader = Reader::new(&entry, 0);
    let codec = describe(&read_entry(&mut reader)?, FourCc(handler))?;
    let mut matrix = [0; 36];
    for (place, value) in [(1, 1), (17, 1), (32, 0x40)] {
        if let Some(byte) = matrix.get_mut(place) {
            *byte = value;
        }
    }
    Ok(Track {
        id,
        enabled: true,
        timescale,
        language: None,
        user_data: UserData::default(),
        codec,
        sample_entries: Vec::from([entry]),
        matrix,
        dimensions: (size.0.min(0xffff) << 16, size.1.min(0xffff) << 16),
        shift: 0,
        samples: SampleTable::default(),
        cues: None,
        payload: None,
        events: Vec::new(),
    })
}

/// A visual sample entry (ISO/IEC 14496-12 12.1.3) with the boxes that `config` writes.
pub fn pictures(name: [u8; 4], size: (u32, u32), config: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::with_capacity(256);
    let short = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
    w.boxed(&name, |w| {
        w.zeros(6);
        w.u16(1);
        w.zeros(16);
        w.u16(short(size.0));
        w.u16(short(size.1));
        w.u32(0x48_0000);
        w.u32(0x48_0000);
        w.zeros(4);
        w.u16(1);
        w.zeros(32);
        w.u16(24);
        w.u16(0xffff);
        config(w);
    });
    w.into_bytes()
}

/// An audio sample entry (ISO/IEC 14496-12 12.2.3) with the boxes that `config` writes.
pub fn sound(name: [u8; 4], channels: u16, rate: u32, config: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::with_capacity(96);
    w.boxed(&name, |w| {
        w.zeros(6);
        w.u16(1);
        w.zeros(8);
        w.u16(channels);
        w.u16(16);
        w.zeros(4);
        w.u32(u16::try_from(rate).map_or(0, |rate| u32::from(rate) << 16));
        config(w);
    });
    w.into_bytes()
}

/// A sample entry of Opus (Encapsulation of Opus in ISO Base Media File Format 4.3.1, 4.3.2): samples to leave out at the start, the rate
/// before encoding and the gain, and from `mapping` on what the configuration ends with.
pub fn opus(channels: u8, skip: u16, rate: u32, gain: u16, mapping: &[u8]) -> Vec<u8> {
    sound(*b"Opus", channels.into(), 48_000, |w| {
        w.boxed(b"dOps", |w: &mut Writer| {
            w.u8(0);
            w.u8(channels);
            w.u16(skip);
            w.u32(rate);
            w.u16(gain);
            w.bytes(mapping);
        });
    })
}

/// `esds` of MPEG-4 audio with this AudioSpecificConfig: elementary stream, its decoder, its configuration, its synchronization layer
/// (ISO/IEC 14496-1 7.2.6). What has no length that a byte tells is cut off.
pub fn write_esds(w: &mut Writer, config: &[u8]) {
    let config = config.get(..100).unwrap_or(config);
    let length = u8::try_from(config.len()).unwrap_or(0);
    w.full_box(b"esds", 0, 0, |w| {
        w.bytes(&[3, 23 + length, 0, 0, 0, 4, 15 + length, 0x40, 0x15, 0, 0, 0]);
        w.zeros(8);
        w.bytes(&[5, length]);
        w.bytes(config);
        w.bytes(&[6, 1, 2]);
    });
}
