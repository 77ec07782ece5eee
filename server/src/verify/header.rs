//! A CMAF header, read by the core and once more by mp4parse, the parser that Firefox plays with.

use std::{io::Cursor, rc::Rc};

use mp4parse::{CodecType, SampleEntry};
use reelway_core::{
    boxes::{
        FourCc, children,
        movie::{Edit, MovieBox, TrackExtends},
        protection::ProtectionScheme,
        sample_entry::read_descriptions,
    },
    codec::{self, Codec, Media},
    coding::Reader,
    error::ErrorKind,
    time::{Timescale, rescale_length},
};

use super::{Check, Part};

/// The largest header that is read, in bytes: it holds no samples.
const MAX_HEADER: u64 = 16 << 20;
const CLAUSE: &str = "ISO/IEC 23000-19 7.3.1";

/// What a header says of the segments that follow it.
pub struct Header {
    pub track_id: u32,
    pub timescale: Timescale,
    /// The edit list, folded: ticks to add to a composition time.
    pub shift: i64,
    /// `None`: not a codec that the core describes.
    pub codec: Option<Codec>,
    pub extends: TrackExtends,
    /// How segments are encrypted, if they are.
    pub protection: Option<ProtectionScheme>,
}

impl Header {
    pub fn is_video(&self) -> bool {
        self.codec.as_ref().is_some_and(|codec| matches!(codec.media, Media::Video(_)))
    }
}

impl Check<'_> {
    /// The header at `part`; its faults are noted the first time.
    pub fn header(&mut self, part: &Part) -> Option<Rc<Header>> {
        if let Some(known) = self.headers.get(part) {
            return known.clone();
        }
        let path = &part.path;
        let header = match self.read(path, part.range.as_ref(), MAX_HEADER) {
            Ok(bytes) => self.read_header(path, &bytes),
            Err(error) => {
                self.error(path, format!("the header cannot be read: {error}"), CLAUSE);
                None
            }
        };
        let header = header.map(Rc::new);
        self.headers.insert(part.clone(), header.clone());
        header
    }

    fn read_header(&mut self, path: &str, bytes: &[u8]) -> Option<Header> {
        let mut movie = None;
        let mut names = Vec::new();
        let mut start = 0;
        for child in children(Reader::new(bytes, 0)) {
            match child {
                Ok((name, content)) => {
                    let end = usize::try_from(content.position()).unwrap_or(usize::MAX).saturating_add(content.remaining());
                    names.push(name);
                    if &name.0 == b"moov" {
                        movie = Some((content, bytes.get(start..end).unwrap_or_default()));
                    }
                    start = end;
                }
                Err(error) => self.error(path, error.to_string(), error.clause().unwrap_or("ISO/IEC 14496-12 4.2")),
            }
        }
        if names.first().is_none_or(|name| &name.0 != b"ftyp") {
            self.error(path, "the header does not begin with 'ftyp'", CLAUSE);
        }
        let Some((content, moov)) = movie else {
            self.error(path, "the header has no 'moov'", CLAUSE);
            return None;
        };
        let movie = match MovieBox::read(content) {
            Ok(movie) => movie,
            Err(error) => {
                self.error(path, error.to_string(), error.clause().unwrap_or("ISO/IEC 14496-12 8.2.1"));
                return None;
            }
        };
        for fault in movie.fault.iter().chain(movie.tracks.iter().filter_map(|track| track.fault.as_ref())) {
            self.error(path, fault.to_string(), fault.clause().unwrap_or("ISO/IEC 14496-12 4.2"));
        }
        let [track] = movie.tracks.as_slice() else {
            self.error(path, format!("the header has {} tracks, one is allowed", movie.tracks.len()), CLAUSE);
            return None;
        };
        let extends = movie.extends.unwrap_or_default().into_iter().find(|extends| extends.track_id == track.id);
        if extends.is_none() {
            self.error(path, "the track has no 'trex': it can have no segments", "ISO/IEC 14496-12 8.8.3");
        }
        let Some(timescale) = track.timescale else {
            self.error(path, "the track tells no timescale: no time can be told", "ISO/IEC 14496-12 8.4.2");
            return None;
        };
        let descriptions = track.sample_table.as_ref().and_then(|tables| tables.descriptions);
        let entries = descriptions.and_then(|content| read_descriptions(content).ok()).unwrap_or_default();
        if entries.is_empty() {
            self.error(path, "the track has no sample entry", "ISO/IEC 14496-12 8.5.2");
        }
        let mut entry = entries.first().copied();
        let mut protection = None;
        if let Some(encrypted) = entry.as_mut().filter(|entry| matches!(&entry.name.0, b"encv" | b"enca")) {
            match ProtectionScheme::of(encrypted) {
                Ok(scheme) => {
                    // But for its name the entry is as it would be clear.
                    encrypted.name = scheme.original;
                    protection = Some(scheme);
                }
                Err(error) => self.error(path, error.to_string(), error.clause().unwrap_or("ISO/IEC 14496-12 8.12")),
            }
        }
        let codec = match entry.map(|entry| codec::describe(&entry, track.handler)) {
            Some(Ok(codec)) => Some(codec),
            Some(Err(error)) if error.kind() != ErrorKind::Unsupported => {
                self.error(path, error.to_string(), error.clause().unwrap_or("ISO/IEC 14496-12 8.5.2"));
                None
            }
            _ => None,
        };
        if let Some(entry) = entries.first() {
            self.second_reader(path, moov, entry.name, codec.as_ref());
        }
        Some(Header {
            track_id: track.id,
            timescale,
            shift: shift(&track.edits, movie.timescale.unwrap_or(timescale), timescale),
            codec,
            extends: extends.unwrap_or_default(),
            protection,
        })
    }

    /// What Firefox's parser makes of the `moov`. It reads boxes alone; it never builds a sample table here, but sets memory aside by the
    /// counts of tables, and by the sizes of some boxes, before it reads them.
    fn second_reader(&mut self, path: &str, moov: &[u8], entry: FourCc, codec: Option<&Codec>) {
        // It refuses some sample entries that it has no name for: those say nothing.
        const KNOWN: [&[u8; 4]; 10] = [b"avc1", b"avc3", b"mp4a", b"vp08", b"vp09", b"av01", b"fLaC", b"Opus", b".mp3", b"alac"];
        if !KNOWN.contains(&&entry.0) {
            return;
        }
        if !counts_fit(moov) {
            return self.error(path, "a table tells more entries than the header has bytes", "ISO/IEC 14496-12 8.6");
        }
        if !sizes_fit(moov) {
            return self.error(path, "a box tells more bytes than the header has", "ISO/IEC 14496-12 4.2");
        }
        let context = match mp4parse::read_mp4(&mut Cursor::new(moov)) {
            Ok(context) => context,
            Err(error) => return self.error(path, format!("mp4parse, which Firefox plays with, refuses the header: {error:?}"), CLAUSE),
        };
        let entry = context.tracks.first().and_then(|track| track.stsd.as_ref()?.descriptions.first());
        let found = match entry {
            Some(SampleEntry::Video(video)) => video.codec_type,
            Some(SampleEntry::Audio(audio)) => audio.codec_type,
            _ => CodecType::Unknown,
        };
        let expected = match codec.and_then(|codec| codec.string.get(..4)) {
            Some("avc1" | "avc3") => CodecType::H264,
            Some("vp09") => CodecType::VP9,
            Some("av01") => CodecType::AV1,
            Some("fLaC" | "flac") => CodecType::FLAC,
            Some("Opus" | "opus") => CodecType::Opus,
            _ => return, // the others are told apart in other ways there
        };
        if found != expected {
            self.error(
                path,
                format!("mp4parse, which Firefox plays with, finds {found:?} where {expected:?} is"),
                "ISO/IEC 14496-12 8.5.2",
            );
        }
    }

    /// The codec of a header, as manifests have to name it.
    pub fn codec_of(&mut self, part: &Part) -> Option<String> {
        let header = self.header(part)?;
        header.codec.as_ref().map(|codec| codec.string.clone())
    }
}

/// Leading empty edits start the media later; the first that is not empty starts it inside (ISO/IEC 14496-12 8.6.6).
fn shift(edits: &[Edit], movie: Timescale, media: Timescale) -> i64 {
    let mut shift = 0i64;
    for edit in edits {
        match edit.media_time {
            None => shift = shift.saturating_add_unsigned(rescale_length(edit.duration, movie, media)),
            Some(time) => return shift.saturating_sub_unsigned(time),
        }
    }
    shift
}

impl Check<'_> {
    /// Whether bytes that a manifest names lie inside the file.
    pub fn range_inside(&mut self, from: &str, path: &str, offset: u64, length: u64, clause: &'static str) -> bool {
        let size = self.publication.size(path).unwrap_or(0);
        let inside = offset.checked_add(length).is_some_and(|end| end <= size) && length > 0;
        if !inside {
            self.error(from, format!("{length} bytes from byte {offset} of '{path}' are named, it has {size} bytes"), clause);
        }
        inside
    }
}

/// Whether no table of a `moov` tells more entries than it has bytes, wherever a table may be.
fn counts_fit(moov: &[u8]) -> bool {
    const TABLES: [&[u8; 4]; 8] = [b"elst", b"stsd", b"stts", b"ctts", b"stsc", b"stss", b"stco", b"co64"];
    let count = |place: usize| moov.get(place..).and_then(|rest| rest.first_chunk()).map_or(0, |count| u32::from_be_bytes(*count));
    moov.windows(4).enumerate().all(|(place, name)| {
        // Version and flags are before it, and in `stsz` the size that all have.
        let behind = match name {
            b"stsz" => 12,
            _ if TABLES.iter().any(|table| name == *table) => 8,
            _ => return true,
        };
        usize::try_from(count(place + behind)).is_ok_and(|count| count <= moov.len())
    })
}

/// Whether no box of a `moov` that is read whole tells more bytes than it has, wherever such a box may be.
fn sizes_fit(moov: &[u8]) -> bool {
    const WHOLE: [&[u8; 4]; 11] = [b"avcC", b"hvcC", b"av1C", b"vpcC", b"esds", b"dOps", b"dfLa", b"alac", b"colr", b"pssh", b"data"];
    let field = |place: usize| moov.get(place..).and_then(|rest| rest.first_chunk()).map_or(0, |size| u32::from_be_bytes(*size));
    moov.windows(8).enumerate().all(|(place, header)| {
        let box_of = |name: &&[u8; 4]| header.ends_with(*name);
        let size = match field(place) {
            1 => (u64::from(field(place + 8)) << 32) | u64::from(field(place + 12)),
            size => size.into(),
        };
        size <= moov.len() as u64 || !WHOLE.iter().any(box_of)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by fuzzing: four thousand million bytes of `esds` in a header of 600.
    #[test]
    fn boxes_that_tell_too_many_bytes_are_not_given_to_another_reader() {
        for (header, fits) in [
            (&b"\0\0\0\x10esds\0\0\0\0\0\0\0\0"[..], true),
            (b"\xff\xff\0\x27esds\0\0\0\0\0\0\0\0", false),
            (b"\0\0\0\x01esds\0\0\0\0\0\0\0\x10", true),
            (b"\0\0\0\x01esds\0\0\0\x01\0\0\0\x10", false),
            (b"\xff\xff\0\x27free", true),
        ] {
            assert_eq!(sizes_fit(header), fits, "{header:x?}");
        }
    }

    /// Found by fuzzing: 1.4 thousand million entries in a header of 700 bytes.
    #[test]
    fn tables_that_tell_too_many_entries_are_not_given_to_another_reader() {
        let table = |name: &[u8; 4], fields: &[u32]| {
            let fields = fields.iter().flat_map(|field| field.to_be_bytes());
            [0, 0, 0, 16].into_iter().chain(*name).chain(fields).collect::<Vec<u8>>()
        };
        for (moov, fits) in [
            (table(b"stts", &[0, 0]), true),
            (table(b"stts", &[0, 1, 5, 1024]), true),
            (table(b"stts", &[0, 0x5464_6470]), false),
            (table(b"stsz", &[0, 0x1000_0000, 0]), true),
            (table(b"stsz", &[0, 0, 0x1000_0000]), false),
            ([table(b"free", &[0, 0xffff_ffff]), table(b"elst", &[0, 0xffff_ffff])].concat(), false),
            (table(b"stts", &[]), true),
        ] {
            assert_eq!(counts_fit(&moov), fits, "{moov:x?}");
        }
    }
}
