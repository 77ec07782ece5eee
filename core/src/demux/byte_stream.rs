//! H.264 and H.265 in byte streams (Annex B of both), as transport streams and RTP bring them, to samples of MP4 (ISO/IEC 14496-15): units
//! with their lengths before them, parameter sets in the description.

use alloc::vec::Vec;

use bytes::Bytes;

use super::description;
use crate::{
    codec::{avc, hevc, nal::Units},
    coding::Writer,
    error::Result,
    sample::LiveSample,
    time::Timescale,
    track::Track,
};

/// Bytes of the length before a unit.
const LENGTH: usize = 4;
/// The largest parameter set, and the most of a kind.
const MOST_BYTES: usize = 4096;
const MOST_SETS: usize = 16;

/// The pictures of a stream.
#[derive(Debug)]
pub struct Pictures {
    id: u16,
    units: Units,
    /// Parameter sets by kind: of the video (H.265), of sequences, of pictures.
    sets: [Vec<Vec<u8>>; 3],
    /// How samples are to be decoded, once that is known.
    pub track: Option<Track>,
    /// The sample that lasts until the next is decoded.
    held: Option<LiveSample>,
    duration: u32,
    /// The longest that one may last.
    longest: u32,
}

/// What a unit is.
enum Role {
    /// A parameter set of this kind.
    Set(usize),
    /// A slice; whether decoding can begin with it.
    Slice(bool),
    /// It stays in the sample.
    Other,
    /// It has no place in MP4: delimiters, ends, filling.
    Framing,
}

impl Pictures {
    /// Of a stream of H.265, or else of H.264.
    pub fn new(id: u16, hevc: bool) -> Self {
        let length_size = u8::try_from(LENGTH).unwrap_or(4);
        Self { id, units: Units { length_size, hevc }, sets: Default::default(), track: None, held: None, duration: 0, longest: u32::MAX }
    }

    /// The same of which none lasts longer than so many ticks.
    pub fn lasting(mut self, longest: u32) -> Self {
        self.longest = longest;
        self
    }

    /// Whether decoding can begin with an access unit.
    pub fn begins(&self, unit: &[u8]) -> bool {
        byte_stream(unit).find_map(|piece| self.units.slice(*piece.first()?)).unwrap_or(false)
    }

    /// Takes an access unit that is presented and decoded at `times`, in ticks of 90 kHz. Returns the sample before it, which is known whole
    /// now, and whether the description changed.
    pub fn read(&mut self, unit: &[u8], times: (u64, u64)) -> Result<(Vec<LiveSample>, bool)> {
        let (presented, decoded) = times;
        let mut payload = Vec::with_capacity(unit.len() + 64);
        let mut sync = None;
        let mut told: [Vec<Vec<u8>>; 3] = Default::default();
        for piece in byte_stream(unit) {
            match self.role(piece) {
                Role::Set(kind) => {
                    if let Some(sets) = told.get_mut(kind).filter(|sets| piece.len() <= MOST_BYTES && sets.len() < MOST_SETS) {
                        sets.push(piece.to_vec());
                    }
                    continue;
                }
                Role::Framing => continue,
                Role::Slice(begins) => sync = Some(sync.unwrap_or(begins)),
                Role::Other => {}
            }
            payload.extend(u32::try_from(piece.len()).unwrap_or(u32::MAX).to_be_bytes());
            payload.extend_from_slice(piece);
        }
        let before = self.before(decoded);
        let changed = self.describe(told)?;
        let mut samples: Vec<LiveSample> = before.into_iter().collect();
        if self.track.is_some() && sync.is_some() {
            let offset = i64::try_from(presented).unwrap_or(0).saturating_sub(i64::try_from(decoded).unwrap_or(0));
            self.held = Some(LiveSample {
                decode_time: decoded,
                duration: 0,
                composition_offset: i32::try_from(offset).unwrap_or(0),
                sync: sync.unwrap_or(false),
                description: 0,
                payload: Vec::from([Bytes::from(payload)]),
            });
        }
        samples.retain(|sample| sample.duration > 0);
        Ok((samples, changed))
    }

    /// The last sample, which lasts as long as the one before.
    pub fn finish(&mut self) -> Option<LiveSample> {
        let mut last = self.held.take()?;
        last.duration = self.duration.max(1);
        Some(last)
    }

    /// The sample that was held, which lasts until `decoded`.
    fn before(&mut self, decoded: u64) -> Option<LiveSample> {
        let mut held = self.held.take()?;
        let step = decoded.checked_sub(held.decode_time).and_then(|step| u32::try_from(step).ok());
        // Where the clock jumps, it lasts as long as the one before.
        let usual = step.filter(|step| *step > 0 && *step < 90_000 * 10);
        held.duration = usual.unwrap_or(self.duration.max(1)).min(self.longest);
        self.duration = held.duration;
        Some(held)
    }

    fn role(&self, unit: &[u8]) -> Role {
        let Some(header) = unit.first().copied() else { return Role::Framing };
        if let Some(sync) = self.units.slice(header) {
            return Role::Slice(sync);
        }
        match (self.units.hevc, if self.units.hevc { header >> 1 & 0x3f } else { header & 0x1f }) {
            (true, kind @ 32..=34) => Role::Set(usize::from(kind - 32)),
            (false, 7) => Role::Set(1),
            (false, 8) => Role::Set(2),
            (true, 35..=38) | (false, 9..=12) => Role::Framing,
            _ => Role::Other,
        }
    }

    /// Takes parameter sets; whether they are others than those there were.
    fn describe(&mut self, told: [Vec<Vec<u8>>; 3]) -> Result<bool> {
        let mut changed = false;
        for (known, told) in self.sets.iter_mut().zip(told) {
            if !told.is_empty() && *known != told {
                (*known, changed) = (told, true);
            }
        }
        let [video, sequence, picture] = &self.sets;
        let (Some(first), false) = (sequence.first(), picture.is_empty()) else { return Ok(false) };
        if !changed || (self.units.hevc && video.is_empty()) {
            return Ok(false);
        }
        let (size, entry) = if self.units.hevc {
            let told = hevc::sequence(first)?;
            (told.size, hevc_entry(&told, &self.sets))
        } else {
            let told = avc::sequence(first)?;
            (told.size, avc_entry(told.size, first, sequence, picture))
        };
        // Both count in these ticks.
        let scale = Timescale::new(90_000).unwrap_or(Timescale::MILLIS);
        let new = description::track(self.id.into(), *b"vide", scale, entry, size)?;
        let other = self.track.as_ref().is_some_and(|track| track.sample_entries != new.sample_entries);
        self.track = Some(new);
        Ok(other)
    }
}

/// The units of a byte stream (H.264 and H.265 B.1), without the zeros around them.
fn byte_stream(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(bytes).map(|(_, rest)| rest);
    core::iter::from_fn(move || {
        let bytes = rest?;
        let (unit, next) = after_start_code(bytes).map_or((bytes, None), |(unit, next)| (unit, Some(next)));
        rest = next;
        let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        unit.get(..end)
    })
}

/// What is before the first start code, and what follows it.
fn after_start_code(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = bytes.windows(3).position(|window| window == [0, 0, 1])?;
    Some((bytes.get(..start)?, bytes.get(start + 3..)?))
}

fn write_sets(w: &mut Writer, sets: &[Vec<u8>]) {
    for set in sets {
        w.u16(u16::try_from(set.len()).unwrap_or(u16::MAX));
        w.bytes(set);
    }
}

/// `avcC` (ISO/IEC 14496-15 5.3.3.1).
fn avc_entry(size: (u32, u32), first: &[u8], sequence: &[Vec<u8>], picture: &[Vec<u8>]) -> Vec<u8> {
    let count = |sets: &[Vec<u8>]| u8::try_from(sets.len()).unwrap_or(u8::MAX);
    let config = |w: &mut Writer| {
        w.u8(1);
        w.bytes(first.get(1..4).unwrap_or(&[0; 3])); // profile, compatibility, level
        w.u8(0xfc | 3);
        w.u8(0xe0 | count(sequence));
        write_sets(w, sequence);
        w.u8(count(picture));
        write_sets(w, picture);
    };
    description::pictures(*b"avc1", size, |w| w.boxed(b"avcC", config))
}

/// `hvcC` (ISO/IEC 14496-15 8.3.3.1).
fn hevc_entry(told: &hevc::Sequence, sets: &[Vec<Vec<u8>>; 3]) -> Vec<u8> {
    let config = |w: &mut Writer| {
        w.u8(1);
        w.bytes(&told.profile);
        w.u16(0xf000); // nothing said of slices
        w.u8(0xfc); // nor of threads
        w.u8(0xfc | told.chroma);
        w.u8(0xf8 | told.depths.0);
        w.u8(0xf8 | told.depths.1);
        w.u16(0); // nor of the frame rate
        w.u8((told.layers.0 << 3) | (u8::from(told.layers.1) << 2) | 3);
        w.u8(3);
        for (kind, sets) in (32..).zip(sets) {
            w.u8(0x80 | kind);
            w.u16(u16::try_from(sets.len()).unwrap_or(u16::MAX));
            write_sets(w, sets);
        }
    };
    description::pictures(*b"hvc1", told.size, |w| w.boxed(b"hvcC", config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_streams_are_split() {
        let units = |bytes| byte_stream(bytes).collect::<Vec<_>>();
        assert_eq!(units(&[0, 0, 0, 1, 9, 16, 0, 0, 0, 1, 0x65, 7, 0, 0, 1, 6]), [&[9, 16][..], &[0x65, 7], &[6]]);
        assert_eq!(units(&[0, 0, 1]), [&[][..]]);
        assert!(units(&[1, 2, 3]).is_empty());
    }
}
