//! The segment index (`sidx`, ISO/IEC 14496-12 8.16.3) of a rendition that is one file.

use alloc::{format, vec::Vec};

use super::header::TRACK_ID;
use crate::{
    coding::Writer,
    error::{Error, Result},
    timeline::{Segment, Timeline},
};

/// The most references of one index: their number is told by 16 bits.
const MOST: usize = 0xffff;

/// How many segments a reference stands for: one, but for renditions of days, whose index would need a second level that players refuse.
fn step(segments: usize) -> usize {
    segments.div_ceil(MOST).max(1)
}

/// Bytes of the index of so many segments.
pub fn length(segments: usize) -> u64 {
    40 + 12 * segments.div_ceil(step(segments)) as u64
}

/// The index of a rendition whose segments follow it at once.
///
/// A reference counts bytes by 31 bits and ticks by 32: segments that are larger or longer cannot be told, which is an error.
pub fn segment_index(timeline: &Timeline) -> Result<Vec<u8>> {
    let step = step(timeline.segments.len());
    let references = timeline.segments.chunks(step);
    let mut entries = Vec::with_capacity(references.len());
    for (number, segments) in (0..).zip(references) {
        let sum = |of: fn(&Segment) -> u64| segments.iter().fold(0, |sum: u64, segment| sum.saturating_add(of(segment)));
        let (bytes, ticks) = (sum(|segment| segment.bytes), sum(|segment| segment.duration));
        let closed = segments.first().is_some_and(|segment| segment.closed);
        let told = u32::try_from(bytes).ok().filter(|bytes| *bytes < 1 << 31).zip(u32::try_from(ticks).ok());
        let (bytes, ticks) = told.ok_or_else(|| {
            let number = number * step + 1;
            let message = format!("segment {number} has {bytes} bytes and lasts {ticks} ticks, more than an index can tell");
            Error::unsupported(message).by("ISO/IEC 14496-12 8.16.3")
        })?;
        entries.push((bytes, ticks, closed));
    }
    let mut w = Writer::with_capacity(40 + 12 * entries.len());
    w.full_box(b"sidx", 1, 0, |w| {
        w.u32(TRACK_ID);
        w.u32(timeline.timescale.get());
        w.u64(timeline.segments.first().map_or(0, |segment| segment.start));
        w.u64(0); // first_offset
        w.u16(0);
        w.u16(u16::try_from(entries.len()).unwrap_or(u16::MAX));
        for (bytes, ticks, closed) in entries {
            w.u32(bytes);
            w.u32(ticks);
            // starts_with_SAP and SAP_type; 0: it may be of any type, or none.
            w.u32(if closed { 0x9000_0000 } else { 0 });
        }
    });
    Ok(w.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timescale;

    fn timeline(count: usize, bytes: u64, duration: u64) -> Timeline {
        let segment = |number: usize| Segment {
            samples: 0..1,
            start: 7 + number as u64 * duration,
            duration,
            bytes,
            sync: true,
            closed: number != 1,
        };
        Timeline { timescale: Timescale::new(1000).unwrap(), segments: (0..count).map(segment).collect() }
    }

    #[test]
    fn a_reference_a_segment() {
        let index = segment_index(&timeline(2, 0x1234, 4000)).unwrap();
        let fields: Vec<u32> = index.chunks(4).map(|field| u32::from_be_bytes(field.try_into().unwrap())).collect();
        let name = u32::from_be_bytes(*b"sidx");
        assert_eq!(fields, [64, name, 0x0100_0000, 1, 1000, 0, 7, 0, 0, 2, 0x1234, 4000, 0x9000_0000, 0x1234, 4000, 0]);
        for count in [0, 1, MOST, MOST + 1, 3 * MOST] {
            assert_eq!(segment_index(&timeline(count, 1, 1)).unwrap().len() as u64, length(count), "{count}");
        }
        assert_eq!(length(MOST + 1), 40 + 12 * 0x8000, "two segments a reference");
    }

    /// 8.16.3.2: `referenced_size` has 31 bits, `subsegment_duration` 32.
    #[test]
    fn what_cannot_be_told_is_an_error() {
        assert!(segment_index(&timeline(2, (1 << 31) - 1, u32::MAX.into())).is_ok());
        assert!(segment_index(&timeline(2, 1 << 31, 1)).is_err());
        assert!(segment_index(&timeline(2, 1, 1 << 32)).is_err());
    }
}
