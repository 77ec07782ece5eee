//! CMAF chunks (ISO/IEC 23000-19 7.3.2): a head that is made here and payload that stays where it is.

use alloc::vec::Vec;
use core::ops::Range;

use super::header::TRACK_ID;
use crate::{
    boxes::fragment::{
        DATA_OFFSET, DEFAULT_BASE_IS_MOOF, DEFAULT_DURATION, DEFAULT_FLAGS, DEFAULT_SIZE, FIRST_SAMPLE_FLAGS, NON_SYNC_FLAGS,
        SAMPLE_COMPOSITION, SAMPLE_DURATION, SAMPLE_FLAGS, SAMPLE_SIZE, SYNC_FLAGS,
    },
    coding::Writer,
    sample::Sample,
    track::Track,
};

/// A piece of a rendition: bytes that were made, then ranges of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// `styp`, `moof` and the header of `mdat`.
    pub head: Vec<u8>,
    /// The payload: ranges of the input, in the order in which they follow the head; neighbours are joined.
    pub extents: Vec<Range<u64>>,
}

impl Fragment {
    /// Bytes of head and payload together.
    pub fn len(&self) -> u64 {
        self.head.len() as u64 + self.extents.iter().map(|extent| extent.end - extent.start).sum::<u64>()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A CMAF segment of one chunk with the samples `numbers` of `track`, counted from 0.
///
/// `sequence` is the number of the movie fragment, ascending from 1 (ISO/IEC 14496-12 8.8.5).
pub fn segment(track: &Track, numbers: Range<u32>, sequence: u32) -> Fragment {
    let run = Run::of(track, numbers.clone());
    let payload: u64 = run.extents.iter().map(|extent| extent.end - extent.start).sum();
    let mut w = Writer::with_capacity(160 + run.samples_len(&numbers));
    w.boxed(b"styp", |w| {
        w.bytes(b"cmfs");
        w.u32(0);
        w.bytes(b"cmfscmffcmflmsdh");
    });
    let moof = w.len();
    let mut offset_field = 0;
    w.boxed(b"moof", |w| {
        w.full_box(b"mfhd", 0, 0, |w| w.u32(sequence));
        w.boxed(b"traf", |w| {
            w.full_box(b"tfhd", 0, DEFAULT_BASE_IS_MOOF | run.default_flags(), |w| run.write_defaults(w));
            w.full_box(b"tfdt", 1, 0, |w| w.u64(run.decode_time));
            w.full_box(b"trun", 1, run.flags(), |w| offset_field = run.write(w, track, &numbers));
        });
    });
    let large = payload > u64::from(u32::MAX) - 8;
    let mdat_header = if large { 16 } else { 8 };
    let data_offset = u32::try_from(w.len() - moof + mdat_header).unwrap_or(u32::MAX);
    w.patch_u32(offset_field, data_offset);
    if large {
        w.u32(1);
        w.bytes(b"mdat");
        w.u64(payload.saturating_add(16));
    } else {
        w.u32(u32::try_from(payload.saturating_add(8)).unwrap_or(u32::MAX));
        w.bytes(b"mdat");
    }
    Fragment { head: w.into_bytes(), extents: run.extents }
}

/// What all samples of a run have in common, found in one walk, so that the run says it once.
struct Run {
    decode_time: u64,
    duration: Option<u32>,
    size: Option<u32>,
    composition: bool,
    flags: SyncPattern,
    extents: Vec<Range<u64>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SyncPattern {
    All,
    First,
    None,
    Mixed,
}

impl Run {
    fn of(track: &Track, numbers: Range<u32>) -> Self {
        let mut samples = track.samples.range(numbers.clone());
        let mut extents: Vec<Range<u64>> = Vec::new();
        let mut run = Self { decode_time: 0, duration: None, size: None, composition: false, flags: SyncPattern::All, extents: Vec::new() };
        let (mut first_sync, mut other_sync, mut other_non_sync) = (true, false, false);
        if let Some(first) = samples.next() {
            // A late start is in the decode times; an early one in the edit list of the header.
            run.decode_time = first.decode_time.saturating_add(u64::try_from(track.shift).unwrap_or(0));
            run.duration = Some(first.duration);
            run.size = Some(first.size);
            run.composition = first.composition_offset != 0;
            first_sync = first.sync;
            join(&mut extents, &first);
        }
        for sample in samples {
            run.duration = run.duration.filter(|duration| *duration == sample.duration);
            // Many samples of no bytes that are told by a count alone are refused by readers, ours among them.
            run.size = run.size.filter(|size| *size == sample.size && *size > 0);
            run.composition |= sample.composition_offset != 0;
            if sample.sync {
                other_sync = true;
            } else {
                other_non_sync = true;
            }
            join(&mut extents, &sample);
        }
        run.flags = match (first_sync, other_sync, other_non_sync) {
            (true, _, false) => SyncPattern::All,
            (true, false, true) => SyncPattern::First,
            (false, false, _) => SyncPattern::None,
            _ => SyncPattern::Mixed,
        };
        run.extents = extents;
        run
    }

    fn samples_len(&self, numbers: &Range<u32>) -> usize {
        let fields = 4 * (self.flags() & (SAMPLE_DURATION | SAMPLE_SIZE | SAMPLE_FLAGS | SAMPLE_COMPOSITION)).count_ones();
        usize::try_from(u64::from(numbers.end.saturating_sub(numbers.start)) * u64::from(fields)).unwrap_or(0)
    }

    fn default_flags(&self) -> u32 {
        let mut flags = 0;
        if self.duration.is_some() {
            flags |= DEFAULT_DURATION;
        }
        if self.size.is_some() {
            flags |= DEFAULT_SIZE;
        }
        if self.flags != SyncPattern::Mixed {
            flags |= DEFAULT_FLAGS;
        }
        flags
    }

    fn write_defaults(&self, w: &mut Writer) {
        w.u32(TRACK_ID);
        let flags = match self.flags {
            SyncPattern::All => Some(SYNC_FLAGS),
            SyncPattern::First | SyncPattern::None => Some(NON_SYNC_FLAGS),
            SyncPattern::Mixed => None,
        };
        for value in [self.duration, self.size, flags].into_iter().flatten() {
            w.u32(value);
        }
    }

    fn flags(&self) -> u32 {
        let mut flags = DATA_OFFSET;
        if self.flags == SyncPattern::First {
            flags |= FIRST_SAMPLE_FLAGS;
        }
        if self.duration.is_none() {
            flags |= SAMPLE_DURATION;
        }
        if self.size.is_none() {
            flags |= SAMPLE_SIZE;
        }
        if self.flags == SyncPattern::Mixed {
            flags |= SAMPLE_FLAGS;
        }
        if self.composition {
            flags |= SAMPLE_COMPOSITION;
        }
        flags
    }

    /// Writes the content of `trun`; returns where its data offset stands.
    fn write(&self, w: &mut Writer, track: &Track, numbers: &Range<u32>) -> usize {
        w.u32(numbers.end.saturating_sub(numbers.start));
        let offset_field = w.len();
        w.u32(0);
        let flags = self.flags();
        if flags & FIRST_SAMPLE_FLAGS != 0 {
            w.u32(SYNC_FLAGS);
        }
        for sample in track.samples.range(numbers.clone()) {
            if flags & SAMPLE_DURATION != 0 {
                w.u32(sample.duration);
            }
            if flags & SAMPLE_SIZE != 0 {
                w.u32(sample.size);
            }
            if flags & SAMPLE_FLAGS != 0 {
                w.u32(if sample.sync { SYNC_FLAGS } else { NON_SYNC_FLAGS });
            }
            if flags & SAMPLE_COMPOSITION != 0 {
                w.i32(sample.composition_offset);
            }
        }
        offset_field
    }
}

fn join(extents: &mut Vec<Range<u64>>, sample: &Sample) {
    let range = sample.range();
    match extents.last_mut() {
        _ if range.is_empty() => {}
        Some(last) if last.end == range.start => last.end = range.end,
        _ => extents.push(range),
    }
}
