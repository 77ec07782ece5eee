//! CMAF segments: their boxes, and what they say of time.

use std::{ops::Range, rc::Rc};

use reelway_core::{
    boxes::{
        BoxHeader, FourCc, children,
        fragment::{DEFAULT_BASE_IS_MOOF, NON_SYNC, TrackFragment, read_fragments},
    },
    coding::Reader,
    demux::MAX_MOOF,
};

use super::{Check, Place, header::Header, protection::check_fragment, publication::Publication};

/// The largest segment that is read, in bytes.
const MAX_SEGMENT: u64 = 2 << 30;
/// Boxes on the top level of a segment more than this are refused.
const MOST_BOXES: usize = 1 << 16;
const CHUNK: &str = "ISO/IEC 23000-19 7.3.2.3";
const BOX: &str = "ISO/IEC 14496-12 4.2";
const FRAGMENT: &str = "ISO/IEC 14496-12 8.8.7";
const RUN: &str = "ISO/IEC 14496-12 8.8.8";
const TIME: &str = "ISO/IEC 14496-12 8.8.12";
const SEQUENCE: &str = "ISO/IEC 14496-12 8.8.5";

/// What a segment holds, in ticks of its track.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Bytes of the segment, or of the part of the file that was asked for.
    pub bytes: u64,
    /// Sequence numbers of the first and the last chunk.
    pub sequence: (u32, u32),
    /// Decode time of the first sample, and the end of the last.
    pub decode: (u64, u64),
    /// The earliest presentation time, edit list applied.
    pub earliest: i64,
    /// The latest end of a sample in presentation time.
    pub end: i64,
    /// Whether its first sample is a sync sample.
    pub begins_with_sync: bool,
    /// How many samples it holds.
    pub samples: u64,
}

impl Check<'_> {
    /// The segment that `place` names; its faults are noted the first time.
    pub fn segment(&mut self, place: Place) -> Option<Rc<Segment>> {
        if let Some(known) = self.segments.get(&place) {
            return known.clone();
        }
        let found = self.header(&place.header).and_then(|header| self.read_segment(&place, &header)).map(Rc::new);
        self.segments.insert(place, found.clone());
        found
    }

    fn read_segment(&mut self, place: &Place, header: &Header) -> Option<Segment> {
        let path = &place.part.path;
        let size = match self.publication.size(path) {
            Ok(size) => size,
            Err(error) => {
                self.error(path, format!("the segment cannot be read: {error}"), CHUNK);
                return None;
            }
        };
        let range = place.part.range.clone().unwrap_or(0..size);
        if range.end > size || range.end.saturating_sub(range.start) > MAX_SEGMENT {
            let what = format!("a segment of {} bytes is more than is checked ({MAX_SEGMENT})", range.end.saturating_sub(range.start));
            self.warning(path, what, CHUNK);
            return None;
        }
        let mut walk = Walk { path, publication: self.publication, header, segment: None };
        let faults = walk.read(&range);
        let segment = walk.segment;
        if faults.is_empty() && segment.is_none() {
            self.error(path, "the segment holds no sample", CHUNK);
        }
        for (what, clause) in faults {
            self.error(path, what, clause);
        }
        segment
    }

    /// Whether segments that follow each other continue each other, in decode time and in sequence number.
    pub fn continues(&mut self, before: &Segment, after: &Segment, path: &str) {
        if after.decode.0 != before.decode.1 {
            let what = format!("it begins at decode time {}, the segment before ends at {}", after.decode.0, before.decode.1);
            self.error(path, what, TIME);
        }
        if after.sequence.0 <= before.sequence.1 {
            let what = format!("sequence number {} follows {}", after.sequence.0, before.sequence.1);
            self.error(path, what, SEQUENCE);
        }
    }
}

pub type Faults = Vec<(String, &'static str)>;

/// A walk over the boxes of one segment.
struct Walk<'a> {
    path: &'a str,
    publication: &'a dyn Publication,
    header: &'a Header,
    segment: Option<Segment>,
}

/// A `moof` whose `mdat` is still to come.
struct Pending {
    /// Where the data of the runs is said to be.
    data: Range<u64>,
}

impl Walk<'_> {
    fn read(&mut self, range: &Range<u64>) -> Faults {
        let mut faults = Faults::new();
        let mut position = range.start;
        let mut pending: Option<Pending> = None;
        for _ in 0..MOST_BOXES {
            if position >= range.end {
                if pending.is_some() {
                    faults.push(("the last 'moof' has no 'mdat'".into(), CHUNK));
                }
                return faults;
            }
            let (name, content, end) = match self.box_at(position, range.end) {
                Ok(found) => found,
                Err(fault) => {
                    faults.push(fault);
                    return faults;
                }
            };
            match (&name.0, pending.take()) {
                (b"moof", None) => match self.moof(&(position..end), &mut faults) {
                    Some(found) => pending = Some(found),
                    None => return faults,
                },
                (b"mdat", Some(Pending { data })) if data != (content..end) => faults.push((
                    format!("the samples stand in bytes {data:?} of {}, the content of 'mdat' in {:?}", self.path, content..end),
                    RUN,
                )),
                (b"mdat", Some(_)) | (b"styp" | b"sidx" | b"prft" | b"emsg" | b"free" | b"skip" | b"uuid", None) => {}
                (_, None) if &name.0 != b"mdat" => faults.push((format!("box '{name}' has no place in a segment"), CHUNK)),
                _ => faults.push((format!("'{name}' stands where it may not: each 'moof' is followed by its 'mdat'"), CHUNK)),
            }
            position = end;
        }
        faults.push((format!("more than {MOST_BOXES} boxes"), CHUNK));
        faults
    }

    /// The box at `position`: its name, where its content begins and where it ends.
    fn box_at(&self, position: u64, limit: u64) -> Result<(FourCc, u64, u64), (String, &'static str)> {
        let bytes =
            self.publication.read(self.path, position..limit.min(position + BoxHeader::MAX)).map_err(|error| (error.to_string(), BOX))?;
        let header = BoxHeader::read(&mut Reader::new(&bytes, position)).map_err(|error| (error.to_string(), BOX))?;
        let end = header.size.map_or(limit, |size| position.saturating_add(size));
        if end > limit {
            return Err((format!("it is cut short: box '{}' ends at byte {end}, the segment at byte {limit}", header.name), BOX));
        }
        Ok((header.name, position + header.header, end))
    }

    fn moof(&mut self, place: &Range<u64>, faults: &mut Faults) -> Option<Pending> {
        if place.end - place.start > MAX_MOOF {
            faults.push((format!("a 'moof' of {} bytes, more than {MAX_MOOF}", place.end - place.start), CHUNK));
            return None;
        }
        let bytes = match self.publication.read(self.path, place.clone()) {
            Ok(bytes) => bytes,
            Err(error) => {
                faults.push((error.to_string(), BOX));
                return None;
            }
        };
        let mut content = Reader::new(&bytes, place.start);
        let defaults = self.header.extends;
        let read = BoxHeader::read(&mut content).and_then(|_| read_fragments(content, place.start, |_| defaults));
        let fragments = match read {
            Ok(fragments) => fragments,
            Err(error) => {
                faults.push((error.to_string(), error.clause().unwrap_or(FRAGMENT)));
                return None;
            }
        };
        let [fragment] = fragments.as_slice() else {
            faults.push((format!("a 'moof' has {} 'traf', one is allowed", fragments.len()), CHUNK));
            return None;
        };
        if fragment.track_id != self.header.track_id {
            faults.push((format!("track_ID {} is not that of the header, {}", fragment.track_id, self.header.track_id), FRAGMENT));
        }
        if base_flags(content).is_none_or(|flags| flags & DEFAULT_BASE_IS_MOOF == 0 || flags & 1 != 0) {
            faults.push(("data offsets do not count from the 'moof' (default-base-is-moof)".into(), CHUNK));
        }
        let sequence = sequence_number(content);
        if sequence.is_none() {
            faults.push(("a 'moof' has no 'mfhd'".into(), SEQUENCE));
        }
        if let Some(scheme) = &self.header.protection {
            check_fragment(content, place.start, fragment, scheme, self.header.is_video(), faults);
        }
        self.samples(fragment, sequence.unwrap_or(0), place.start, faults)
    }

    /// Walks over the samples of a chunk and adds it to the segment.
    fn samples(&mut self, fragment: &TrackFragment<'_>, sequence: u32, moof: u64, faults: &mut Faults) -> Option<Pending> {
        let Some(start) = fragment.decode_time else {
            faults.push(("a 'traf' has no 'tfdt'".into(), TIME));
            return None;
        };
        let mut chunk = Segment {
            bytes: 0,
            sequence: (sequence, sequence),
            decode: (start, start),
            earliest: i64::MAX,
            end: i64::MIN,
            begins_with_sync: false,
            samples: 0,
        };
        let mut data: Option<Range<u64>> = None;
        for run in &fragment.runs {
            let next = data.as_ref().map_or(moof, |data| data.end);
            let begin = run.data_offset.map_or(next, |offset| moof.saturating_add_signed(offset.into()));
            if data.is_some() && begin != next {
                faults.push((format!("a run begins at byte {begin}, the run before ends at byte {next}"), RUN));
            }
            let mut end = begin;
            for sample in run.samples() {
                let Ok(sample) = sample else { break }; // counts were held against bytes before
                if chunk.samples == 0 {
                    chunk.begins_with_sync = sample.flags & NON_SYNC == 0;
                }
                chunk.samples += 1;
                end = end.saturating_add(sample.size.into());
                let time = i64::try_from(chunk.decode.1).unwrap_or(i64::MAX);
                let time = time.saturating_add(sample.composition_offset.into()).saturating_add(self.header.shift);
                chunk.earliest = chunk.earliest.min(time);
                chunk.end = chunk.end.max(time.saturating_add(sample.duration.into()));
                chunk.decode.1 = chunk.decode.1.saturating_add(sample.duration.into());
                if end - begin > MAX_SEGMENT {
                    break; // the comparison with 'mdat' tells; a count that costs no bytes costs no more time
                }
            }
            data = Some(data.map_or(begin, |data| data.start)..end);
        }
        let Some(data) = data.filter(|_| chunk.samples > 0) else {
            faults.push(("a chunk has no samples".into(), CHUNK));
            return None;
        };
        chunk.bytes = data.end - data.start;
        match &mut self.segment {
            None => self.segment = Some(chunk),
            Some(segment) => {
                if chunk.decode.0 != segment.decode.1 {
                    faults.push((format!("a chunk begins at {}, the one before ends at {}", chunk.decode.0, segment.decode.1), TIME));
                }
                if sequence <= segment.sequence.1 {
                    faults.push((format!("sequence number {sequence} follows {}", segment.sequence.1), SEQUENCE));
                }
                segment.bytes = segment.bytes.saturating_add(chunk.bytes);
                segment.sequence.1 = sequence;
                segment.decode.1 = chunk.decode.1;
                segment.earliest = segment.earliest.min(chunk.earliest);
                segment.end = segment.end.max(chunk.end);
                segment.samples += chunk.samples;
            }
        }
        Some(Pending { data })
    }
}

/// The flags of `tfhd` in the content of a `moof`.
fn base_flags(moof: Reader<'_>) -> Option<u32> {
    let mut header = child(child(moof, *b"traf")?, *b"tfhd")?;
    header.full_box().ok().map(|(_, flags)| flags)
}

fn sequence_number(moof: Reader<'_>) -> Option<u32> {
    let mut header = child(moof, *b"mfhd")?;
    header.full_box().ok()?;
    header.u32().ok()
}

fn child(content: Reader<'_>, name: [u8; 4]) -> Option<Reader<'_>> {
    children(content).filter_map(Result::ok).find(|(found, _)| found.0 == name).map(|(_, content)| content)
}
