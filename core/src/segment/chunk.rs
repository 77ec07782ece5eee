//! CMAF chunks (ISO/IEC 23000-19 7.3.2): a head that is made here and payload that stays where it is.

use alloc::vec::Vec;
use core::ops::Range;

use super::header::TRACK_ID;
use crate::{
    boxes::fragment::{
        DATA_OFFSET, DEFAULT_BASE_IS_MOOF, DEFAULT_DURATION, DEFAULT_FLAGS, DEFAULT_SIZE, DESCRIPTION_INDEX, FIRST_SAMPLE_FLAGS,
        NON_SYNC_FLAGS, SAMPLE_COMPOSITION, SAMPLE_DURATION, SAMPLE_FLAGS, SAMPLE_SIZE, SYNC_FLAGS,
    },
    codec::Media,
    coding::Writer,
    sample::{Sample, SampleTable},
    track::Track,
};

/// A piece of a segment: bytes that were made, then ranges of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// `moof` and the header of `mdat`; before them events, and `styp` at the start of a segment. Behind them the payload, where it was made
    /// too.
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

/// The most key frames of a segment that have a chunk of their own: more than four seconds hold at any real rate. What a file says of
/// time costs nothing, so it must not buy heads without end.
const MOST_KEYS: usize = 1024;

/// The chunks of a CMAF segment with the samples `numbers` of `track`: for each, which samples it holds.
///
/// Every key frame of video is a chunk alone, so that it can be had by byte range without a byte of any other frame (RFC 8216bis
/// 4.4.3.6); what follows it is another. Other media are one chunk. The samples of a chunk have one description (ISO/IEC 14496-12 8.8.7).
pub fn chunks(track: &Track, numbers: Range<u32>) -> impl Iterator<Item = Range<u32>> + '_ {
    let video = matches!(track.codec.media, Media::Video(_));
    let keys = track.samples.sync_numbers(if video { numbers.clone() } else { 0..0 }).take(MOST_KEYS);
    let mut changes = track.samples.description_changes(numbers.clone()).peekable();
    // A key frame ends the chunk before it and the one that it is.
    let mut ends = keys.flat_map(|key| [key, key.saturating_add(1)]).chain([numbers.end]).peekable();
    let mut next = numbers.start;
    core::iter::from_fn(move || {
        while ends.next_if(|end| *end <= next).is_some() {}
        while changes.next_if(|change| *change <= next).is_some() {}
        let end = ends.peek().copied()?;
        let chunk = next..changes.peek().map_or(end, |change| end.min(*change));
        next = chunk.end;
        Some(chunk)
    })
}

/// A CMAF segment with the samples `numbers` of `track`, counted from 0, chunk by chunk.
pub fn segment(track: &Track, numbers: Range<u32>) -> Vec<Fragment> {
    let first = numbers.start;
    chunks(track, numbers).map(|chunk| fragment(track, &chunk, chunk.start == first)).collect()
}

/// A chunk in its segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its samples.
    pub samples: Range<u32>,
    /// Its bytes, from the start of the segment: `moof` and `mdat`. Those of `styp` and of events before them are not needed to play it.
    pub bytes: Range<u64>,
    /// Whether it is a key frame of video alone.
    pub key_frame: bool,
}

/// Where the chunks of the segment with the samples `numbers` stand in it.
pub fn places(track: &Track, numbers: Range<u32>) -> impl Iterator<Item = Place> + '_ {
    let video = matches!(track.codec.media, Media::Video(_));
    let mut end = STYP_LENGTH;
    chunks(track, numbers).map(move |chunk| {
        let run = Run::of(&track.samples, &chunk);
        let start = end.saturating_add(events_length(track, &chunk));
        end = start.saturating_add(run.head_len(&chunk)).saturating_add(run.payload);
        Place { key_frame: video && chunk.len() == 1 && run.flags == SyncPattern::All, samples: chunk, bytes: start..end }
    })
}

/// Bytes of the segment with the samples `numbers` of `track`: what [`segment`] gives, told without making it.
pub fn length(track: &Track, numbers: Range<u32>) -> u64 {
    places(track, numbers).last().map_or(0, |place| place.bytes.end)
}

/// Bytes of `styp` with the brands below.
pub const STYP_LENGTH: u64 = 24;

/// Bytes of the events in front of the chunk with the samples `numbers`.
pub fn events_length(track: &Track, numbers: &Range<u32>) -> u64 {
    track.events_in(numbers.clone()).iter().map(|event| event.bytes.len() as u64).sum()
}

/// The events in front of the chunk with the samples `numbers`.
pub fn events(track: &Track, numbers: &Range<u32>) -> Vec<u8> {
    track.events_in(numbers.clone()).iter().flat_map(|event| &*event.bytes).copied().collect()
}

fn fragment(track: &Track, numbers: &Range<u32>, first: bool) -> Fragment {
    let mut extents = Vec::new();
    for sample in track.samples.range(numbers.clone()) {
        join(&mut extents, &sample);
    }
    let made = track.payload.as_ref().map(|payload| made(payload, core::mem::take(&mut extents)));
    let additions = Additions { before: events(track, numbers), ..Additions::default() };
    let mut head = head(track, numbers, first, &additions);
    made.iter().flatten().for_each(|bytes| head.extend_from_slice(bytes));
    Fragment { head, extents }
}

/// Boxes that a head holds beside what every head has.
#[derive(Debug, Default)]
pub struct Additions {
    /// Between `styp` and `moof`.
    pub before: Vec<u8>,
    /// In `moof`.
    pub fragment: Vec<u8>,
    /// In `traf`.
    pub track: Vec<u8>,
    /// In `track`: a field that holds the place of other bytes of `track`, and where these are. It has to tell their distance from the
    /// start of `moof` (`saio`; ISO/IEC 14496-12 8.7.14).
    pub offset: Option<(usize, usize)>,
}

/// The head of the chunk with the samples `numbers`; `first`: of a segment, so that `styp` is before it.
pub fn head(track: &Track, numbers: &Range<u32>, first: bool, additions: &Additions) -> Vec<u8> {
    // A late start is in the decode times; an early one in the edit list of the header.
    let shift = u64::try_from(track.shift).unwrap_or(0);
    // Ascending, from 1 (ISO/IEC 14496-12 8.8.5), and the same in whatever order segments are made.
    let sequence = numbers.start.saturating_add(1);
    head_of(&track.samples, numbers, (shift, sequence), first, additions)
}

/// The head of a chunk with some of `samples`, which are decoded `shift` ticks later than they say; `sequence`: of the fragment.
pub fn head_of(samples: &SampleTable, numbers: &Range<u32>, (shift, sequence): (u64, u32), first: bool, additions: &Additions) -> Vec<u8> {
    let run = Run::of(samples, numbers);
    let decode_time = samples.get(numbers.start).map_or(0, |sample| sample.decode_time).saturating_add(shift);
    let mut w =
        Writer::with_capacity(160 + run.samples_len(numbers) + additions.before.len() + additions.fragment.len() + additions.track.len());
    if first {
        w.boxed(b"styp", |w| {
            w.bytes(b"cmfs");
            w.u32(0);
            // A segment of CMAF (ISO/IEC 23000-19 7.3.3) and of DASH; it may hold several fragments, so it is none.
            w.bytes(b"cmfsmsdh");
        });
    }
    w.bytes(&additions.before);
    let moof = w.len();
    let mut offset_field = 0;
    w.boxed(b"moof", |w| {
        w.full_box(b"mfhd", 0, 0, |w| w.u32(sequence));
        w.boxed(b"traf", |w| {
            w.full_box(b"tfhd", 0, DEFAULT_BASE_IS_MOOF | run.default_flags(), |w| run.write_defaults(w));
            w.full_box(b"tfdt", 1, 0, |w| w.u64(decode_time));
            w.full_box(b"trun", 1, run.flags(), |w| offset_field = run.write(w, samples, numbers));
            let start = w.len();
            w.bytes(&additions.track);
            if let Some((field, target)) = additions.offset {
                w.patch_u32(start + field, u32::try_from(start + target - moof).unwrap_or(u32::MAX));
            }
        });
        w.bytes(&additions.fragment);
    });
    let mdat_header = mdat_header(run.payload);
    let data_offset = u32::try_from(w.len() - moof + mdat_header).unwrap_or(u32::MAX);
    w.patch_u32(offset_field, data_offset);
    if mdat_header > 8 {
        w.u32(1);
        w.bytes(b"mdat");
        w.u64(run.payload.saturating_add(16));
    } else {
        w.u32(u32::try_from(run.payload.saturating_add(8)).unwrap_or(u32::MAX));
        w.bytes(b"mdat");
    }
    w.into_bytes()
}

/// The bytes of samples that were made.
fn made(payload: &[u8], places: Vec<Range<u64>>) -> Vec<&[u8]> {
    let index = |position| usize::try_from(position).unwrap_or(usize::MAX);
    places.into_iter().filter_map(|place| payload.get(index(place.start)..index(place.end))).collect()
}

/// Bytes of the header of an `mdat` with this payload.
fn mdat_header(payload: u64) -> usize {
    if payload > u64::from(u32::MAX) - 8 { 16 } else { 8 }
}

/// What all samples of a run have in common, so that the run says it once.
struct Run {
    /// Index of the description from 1, where it is not that of the header's default.
    description: Option<u32>,
    duration: Option<u32>,
    size: Option<u32>,
    composition: bool,
    flags: SyncPattern,
    /// Bytes of payload.
    payload: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SyncPattern {
    All,
    First,
    None,
    Mixed,
}

impl Run {
    fn of(samples: &SampleTable, numbers: &Range<u32>) -> Self {
        let single = numbers.len() == 1;
        let mut syncs = samples.sync_numbers(numbers.clone());
        let first = syncs.next();
        let syncs = usize::from(first.is_some()) + syncs.count();
        let description = samples.description(numbers.start);
        Self {
            description: (description > 0).then(|| u32::from(description) + 1),
            duration: samples.constant_duration(numbers.clone()),
            // Many samples of no bytes that are told by a count alone are refused by readers, ours among them.
            size: samples.constant_size(numbers.clone()).filter(|size| *size > 0 || single),
            composition: samples.is_reordered(numbers.clone()),
            flags: match syncs {
                all if all == numbers.len() => SyncPattern::All,
                0 => SyncPattern::None,
                1 if first == Some(numbers.start) => SyncPattern::First,
                _ => SyncPattern::Mixed,
            },
            payload: samples.bytes_of(numbers.clone()),
        }
    }

    fn samples_len(&self, numbers: &Range<u32>) -> usize {
        let fields = 4 * (self.flags() & (SAMPLE_DURATION | SAMPLE_SIZE | SAMPLE_FLAGS | SAMPLE_COMPOSITION)).count_ones();
        usize::try_from(u64::from(numbers.end.saturating_sub(numbers.start)) * u64::from(fields)).unwrap_or(0)
    }

    /// Bytes of `moof` and the header of `mdat` for the run, without writing them.
    fn head_len(&self, numbers: &Range<u32>) -> u64 {
        /// `moof`, `mfhd`, `traf`, `tfhd` with the number of the track, `tfdt`, and `trun` with count and data offset.
        const FIXED: usize = 8 + 16 + 8 + 16 + 20 + 20;
        let defaults = (self.default_flags() & (DESCRIPTION_INDEX | DEFAULT_DURATION | DEFAULT_SIZE | DEFAULT_FLAGS)).count_ones();
        let first = (self.flags() & FIRST_SAMPLE_FLAGS).count_ones();
        let fields = usize::try_from(4 * (defaults + first)).unwrap_or(0);
        (FIXED + fields + self.samples_len(numbers) + mdat_header(self.payload)) as u64
    }

    fn default_flags(&self) -> u32 {
        let mut flags = 0;
        if self.description.is_some() {
            flags |= DESCRIPTION_INDEX;
        }
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
        for value in [self.description, self.duration, self.size, flags].into_iter().flatten() {
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
    fn write(&self, w: &mut Writer, samples: &SampleTable, numbers: &Range<u32>) -> usize {
        w.u32(numbers.end.saturating_sub(numbers.start));
        let offset_field = w.len();
        w.u32(0);
        let flags = self.flags();
        if flags & FIRST_SAMPLE_FLAGS != 0 {
            w.u32(SYNC_FLAGS);
        }
        for sample in samples.range(numbers.clone()) {
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

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::{
        sample::SampleTableBuilder,
        track::{Event, test_track, test_video},
    };

    #[test]
    fn every_key_frame_of_video_is_a_chunk_alone() {
        let of = |track: &Track, numbers| chunks(track, numbers).collect::<Vec<_>>();
        let video = test_video(25, 20, 1, |n| n % 6 == 0);
        assert_eq!(of(&video, 0..12), [0..1, 1..6, 6..7, 7..12]);
        assert_eq!(of(&video, 3..13), [3..6, 6..7, 7..12, 12..13], "it begins without one, it ends with one");
        assert_eq!(of(&video, 4..6), [4..6]);
        assert_eq!(of(&video, 6..6), []);
        assert_eq!(of(&test_video(25, 3, 1, |_| true), 0..3), [0..1, 1..2, 2..3]);
        assert_eq!(of(&test_track(25, 20, 1, |_| true), 2..12), [2..12], "sound");
        let many = test_video(25, 3000, 1, |_| true);
        assert_eq!(of(&many, 0..3000).len(), MOST_KEYS + 1);
    }

    #[test]
    fn the_samples_of_a_chunk_have_one_description() {
        let described = |mut track: Track, runs: &[(u32, u8)]| {
            let mut samples = SampleTableBuilder::default();
            for (number, sample) in (0..).zip(&track.samples) {
                let run = runs.iter().rfind(|(first, _)| *first <= number);
                samples.description_run(number, run.map_or(0, |(_, description)| *description));
                samples.push(&sample).unwrap();
            }
            track.samples = samples.finish();
            track
        };
        let of = |track: &Track, numbers| chunks(track, numbers).collect::<Vec<_>>();
        let sound = described(test_track(25, 20, 1, |_| true), &[(4, 1), (10, 2), (12, 0)]);
        assert_eq!(of(&sound, 0..20), [0..4, 4..10, 10..12, 12..20]);
        assert_eq!(of(&sound, 4..12), [4..10, 10..12]);
        let video = described(test_video(25, 20, 1, |n| n % 6 == 0), &[(3, 1), (12, 0)]);
        assert_eq!(of(&video, 0..20), [0..1, 1..3, 3..6, 6..7, 7..12, 12..13, 13..18, 18..19, 19..20]);
        let places: u64 = places(&video, 0..20).map(|place| place.bytes.end - place.bytes.start).sum();
        assert_eq!(STYP_LENGTH + places, segment(&video, 0..20).iter().map(Fragment::len).sum());
        for (numbers, description) in [(0..3, None), (4..6, Some(2)), (12..20, None)] {
            assert_eq!(Run::of(&video.samples, &numbers).description, description, "{numbers:?}");
        }
    }

    /// ISO/IEC 14496-12 4.2: the size of `mdat` takes 64 bits where 32 cannot tell it.
    #[test]
    fn payload_of_more_than_4_gib_is_told() {
        let mut sound = test_track(25, 3, 25, |_| true);
        let mut samples = SampleTableBuilder::default();
        for sample in &sound.samples {
            let offset = sample.offset * u64::from(u32::MAX);
            samples.push(&Sample { size: u32::MAX, offset, ..sample }).unwrap();
        }
        sound.samples = samples.finish();
        let fragments = segment(&sound, 0..3);
        let payload = 3 * u64::from(u32::MAX);
        let head = &fragments[0].head;
        assert_eq!(head[head.len() - 16..head.len() - 8], [0, 0, 0, 1, b'm', b'd', b'a', b't']);
        assert_eq!(head[head.len() - 8..], (payload + 16).to_be_bytes());
        assert_eq!((fragments[0].len(), fragments[0].extents.clone()), (length(&sound, 0..3), vec![0..payload]));
    }

    #[test]
    fn chunks_stand_where_they_are_said_to() {
        let mut eventful = test_video(25, 20, 1, |n| n % 6 == 0);
        let event = |sample, length| Event { sample, bytes: vec![0; length].into() };
        eventful.events = [event(0, 40), event(8, 50), event(8, 60)].into();
        for video in [test_video(25, 20, 1, |n| n % 6 == 0), test_video(25, 20, 1, |n| n > 3 && n % 2 == 0), eventful] {
            let mut at = STYP_LENGTH;
            let written = segment(&video, 0..20);
            let told: Vec<_> = places(&video, 0..20).collect();
            assert_eq!(told.len(), written.len());
            assert_eq!(length(&video, 0..20), written.iter().map(Fragment::len).sum());
            for (place, fragment) in told.iter().zip(&written) {
                let end = if at == STYP_LENGTH { fragment.len() } else { at + fragment.len() };
                assert_eq!(place.bytes, at + events_length(&video, &place.samples)..end);
                let start =
                    fragment.head.len() - usize::try_from(end - place.bytes.start - video.samples.bytes_of(place.samples.clone())).unwrap();
                assert_eq!(fragment.head[start + 4..start + 8], *b"moof");
                at = end;
            }
        }
    }
}
