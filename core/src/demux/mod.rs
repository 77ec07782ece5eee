//! From the bytes of a file to its tracks, by asking for the ranges that are needed and for no others.

mod amf;
mod builder;
mod byte_stream;
pub mod captions;
pub mod chapters;
mod configuration;
pub(crate) mod description;
mod early;
mod edits;
mod flv;
mod fragmented;
mod progressive;
pub mod rtmp;
pub mod rtp;
mod search;
pub mod side_file;
pub mod stream;
mod sync;
mod text;
pub mod ts;

use alloc::{format, string::String, vec::Vec};
use core::ops::Range;

use crate::{
    boxes::{
        BoxHeader, FourCc,
        event::MAX_EVENT,
        movie::{MovieBox, TrackBox},
        sample_entry::read_descriptions,
    },
    coding::Reader,
    error::{Error, ErrorKind, Result},
    time::{self, Timescale},
    track::Track,
};
use builder::TrackBuilder;
use fragmented::Fragments;
use search::Search;
use text::TextReader;

/// The largest `moov` that is read, in bytes: days of video.
pub const MAX_MOOV: u64 = 256 << 20;
/// The largest `moof` that is read, in bytes.
pub const MAX_MOOF: u64 = 16 << 20;
/// The most memory, in bytes, that an index of fragments takes: that of a day at 60 pictures a second, and more.
///
/// A file takes four times its bytes and 1 MiB at most while it is opened, and, however large it is, four times this or [`MAX_MOOV`]: tables
/// are copied as they grow. What a file counts without bytes for it takes none.
pub const MAX_INDEX: usize = 256 << 20;

/// What a file holds: the index of its tracks. The payload stays where it is.
#[derive(Clone, Debug)]
pub struct Movie {
    /// What messages call it, such as the name of its file; empty until whoever opened it says.
    pub name: String,
    /// The tracks that Reelway carries, in file order.
    pub tracks: Vec<Track>,
    /// Those it does not, and why.
    pub left_out: Vec<LeftOut>,
    /// Whether the samples come from movie fragments.
    pub fragmented: bool,
    /// Whether it is a file of text beside a video: its times count from the start of the presentation.
    pub side_file: bool,
    /// Bytes of the file.
    pub size: u64,
    /// What is wrong with the file and is lived with: samples that it announces and does not hold, which are left out (of kind
    /// [`ErrorKind::Truncated`]), boxes that are broken, tables that do not agree. The first of them, each with its place.
    pub faults: Vec<Error>,
}

/// The faults of a file, as many as are worth telling.
#[derive(Debug, Default)]
struct Faults(Vec<Error>);

impl Faults {
    const MOST: usize = 16;

    fn note(&mut self, fault: Error) {
        if self.0.len() < Self::MOST {
            self.0.push(fault);
        }
    }
}

/// A track that is in the file and not in the [`Movie`].
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// `track_ID` in the source.
    pub id: u32,
    /// Kind of media as the file names it: `vide`, `soun`, `text`, ...
    pub handler: FourCc,
    /// Coding name of its first sample entry, if it has one.
    pub coding: Option<FourCc>,
    /// Why.
    pub reason: Error,
}

/// Reads a file by demand.
///
/// Ask [`required`](Self::required) which bytes come next, give them (or more, from the same place on) to
/// [`handle`](Self::handle), until nothing is required; then [`finish`](Self::finish).
#[derive(Debug)]
pub struct Demuxer {
    size: u64,
    /// Where the next top-level box begins.
    cursor: u64,
    /// The box at the cursor, once it is known to be read whole.
    wanted: Option<(FourCc, u64)>,
    movie: Option<MovieBuilder>,
    /// Set when no further box is needed.
    done: bool,
    /// What is left to be found then.
    search: Option<Search>,
    /// Why there is no movie, if none is found; where one is, the fault of the box that ends behind the file.
    cut: Option<Error>,
    /// Samples of text, where there are any, once all else is read.
    text: Option<Result<TextReader>>,
    /// Whether frames are asked for what their sample entry lacks.
    frames: bool,
}

/// What `moov` says, while samples are gathered.
#[derive(Debug)]
struct MovieBuilder {
    tracks: Vec<TrackBuilder>,
    left_out: Vec<LeftOut>,
    /// `None`: the movie has no fragments.
    fragments: Option<Fragments>,
    faults: Faults,
}

impl Demuxer {
    /// Reads a file of `size` bytes.
    pub fn new(size: u64) -> Self {
        Self { size, cursor: 0, wanted: None, movie: None, done: size == 0, search: None, cut: None, text: None, frames: false }
    }

    /// Asks the first frame of AC-3 and Enhanced AC-3 for the configuration that its sample entry lacks. Needs the feature `frames`.
    #[must_use]
    pub fn asking_frames(mut self) -> Self {
        self.frames = true;
        self
    }

    /// The bytes of the file that are needed next; `None`: it is done.
    pub fn required(&self) -> Option<Range<u64>> {
        if let Some(text) = &self.text {
            return text.as_ref().ok()?.required();
        }
        if self.done {
            return self.search.as_ref().map(Search::required);
        }
        let length = self.wanted.map_or(BoxHeader::MAX, |(_, length)| length);
        Some(self.cursor..self.cursor.saturating_add(length).min(self.size))
    }

    /// Whether what is required are samples, which lie apart from each other: bytes behind them are not required next.
    pub fn reads_samples(&self) -> bool {
        self.text.is_some()
    }

    /// Takes bytes of the file that begin at `position` and hold at least what is [`required`](Self::required).
    pub fn handle(&mut self, position: u64, bytes: &[u8]) -> Result<()> {
        let mut progress = false;
        while let Some(required) = self.required() {
            let from = required.start.checked_sub(position).and_then(|from| usize::try_from(from).ok());
            let length = usize::try_from(required.end.saturating_sub(required.start)).ok();
            let needed = from.zip(length).and_then(|(from, length)| bytes.get(from..)?.get(..length));
            let Some(needed) = needed else {
                return if progress {
                    Ok(())
                } else {
                    Err(Error::misuse(format!("bytes {} to {} are required", required.start, required.end)).at(position))
                };
            };
            progress = true;
            if let Some(text) = &mut self.text {
                if let Ok(text) = text {
                    text.handle(needed);
                }
                continue;
            }
            let tracks = self.movie.as_mut().map(|movie| movie.tracks.as_mut_slice()).unwrap_or_default();
            if let Some(search) = self.search.take() {
                self.search = search.handle(needed, tracks);
            } else {
                match self.wanted.take() {
                    None => self.handle_header(needed)?,
                    Some((name, _)) => self.handle_box(name, needed)?,
                }
                if self.done {
                    self.search = self.movie.as_ref().and_then(|movie| Search::new(&movie.tracks));
                }
            }
            let has_cues = |movie: &MovieBuilder| movie.tracks.iter().any(TrackBuilder::has_cues);
            if self.done && self.search.is_none() && self.movie.as_ref().is_some_and(has_cues) {
                self.text = Some(self.build().map(TextReader::new));
            }
        }
        Ok(())
    }

    fn handle_header(&mut self, bytes: &[u8]) -> Result<()> {
        let mut reader = Reader::new(bytes, self.cursor);
        let header = match BoxHeader::read(&mut reader) {
            Ok(header) => header,
            Err(error) if self.movie.is_none() && self.cursor > 0 && bytes.len() >= 8 => return Err(error),
            Err(_) => {
                // Bytes behind the last box that are no box, such as padding: the media before them stands.
                self.note_start(bytes, None);
                self.done = true;
                return Ok(());
            }
        };
        self.note_start(bytes, Some(header.name));
        let end = header.size.map_or(self.size, |size| self.cursor.saturating_add(size));
        let limit = match &header.name.0 {
            b"moov" => MAX_MOOV,
            b"moof" => MAX_MOOF,
            b"emsg" => MAX_EVENT,
            _ => 0,
        };
        if end > self.size {
            let message = format!("the file is cut short: box '{}' ends at byte {end}, the file at byte {}", header.name, self.size);
            self.cut.get_or_insert(Error::truncated(message).at(self.cursor));
            self.done = true;
            return Ok(());
        }
        let fragmented = self.movie.as_ref().is_some_and(|movie| movie.fragments.is_some());
        let length = end - self.cursor;
        let too_long = || Error::unsupported(format!("box '{}' of {length} bytes, more than {limit}", header.name)).at(self.cursor);
        let mut passed_over = limit == 0 || (header.name.0 != *b"moov" && !fragmented);
        if length > limit && !passed_over {
            // The media needs no event.
            let movie = self.movie.as_mut().filter(|_| header.name.0 == *b"emsg");
            movie.ok_or_else(too_long)?.faults.note(too_long());
            passed_over = true;
        }
        if passed_over {
            self.cursor = end;
            self.done = end >= self.size;
            return Ok(());
        }
        self.wanted = Some((header.name, length));
        Ok(())
    }

    /// A file that does not begin with a box that files begin with, and in which no movie is found, is no MP4.
    fn note_start(&mut self, bytes: &[u8], name: Option<FourCc>) {
        if self.cursor == 0 && !name.is_some_and(is_first) {
            self.cut = Some(Error::unsupported(format!("not an MP4 or MOV file: it begins with{}", start_of(bytes))).at(0));
        }
    }

    fn handle_box(&mut self, name: FourCc, bytes: &[u8]) -> Result<()> {
        let position = self.cursor;
        self.cursor = position.saturating_add(bytes.len() as u64);
        self.done = self.cursor >= self.size;
        let mut content = Reader::new(bytes, position);
        BoxHeader::read(&mut content)?;
        match (&name.0, &mut self.movie) {
            (b"moov", None) => {
                let movie = MovieBox::read(content).map_err(|error| error.within(name))?;
                let movie = MovieBuilder::new(&movie, self.size, self.frames);
                self.done |= movie.fragments.is_none();
                self.movie = Some(movie);
            }
            (b"moof", Some(MovieBuilder { tracks, fragments: Some(fragments), faults, .. })) => {
                fragments.handle_moof(tracks, content, (position, self.size), faults);
                check_memory(tracks, fragments, position)?;
            }
            (b"emsg", Some(MovieBuilder { tracks, fragments: Some(fragments), .. })) => {
                fragments.handle_event(content);
                check_memory(tracks, fragments, position)?;
            }
            _ => {} // a later `moov` describes the same media again
        }
        Ok(())
    }

    /// What was read. A file without a movie, or without a track that Reelway carries, is an error that says why.
    pub fn finish(mut self) -> Result<Movie> {
        match self.text.take() {
            Some(text) => text?.finish(),
            None => self.build(),
        }
    }

    fn build(&mut self) -> Result<Movie> {
        if self.size == 0 {
            return Err(Error::malformed("the file is empty"));
        }
        match (self.movie.take(), self.cut.take()) {
            (Some(mut movie), cut) => {
                let truncated = movie.faults.0.iter().any(|fault| fault.kind() == ErrorKind::Truncated);
                cut.filter(|cut| cut.kind() == ErrorKind::Truncated && !truncated).into_iter().for_each(|cut| movie.faults.note(cut));
                movie.finish(self.size)
            }
            (None, Some(cut)) => Err(cut),
            (None, None) => Err(Error::malformed("the file has no 'moov' box: it says nothing of its media").by("ISO/IEC 14496-12 8.2.1")),
        }
    }
}

/// Refuses a file of fragments whose index takes too much.
fn check_memory(tracks: &[TrackBuilder], fragments: &Fragments, position: u64) -> Result<()> {
    let tables: usize = tracks.iter().map(|track| track.samples.memory()).sum();
    if tables.saturating_add(fragments.event_memory()) > MAX_INDEX {
        return Err(Error::unsupported(format!("samples and events up to here take more than {} MiB", MAX_INDEX >> 20)).at(position));
    }
    Ok(())
}

/// Whether files begin with boxes of this name.
fn is_first(name: FourCc) -> bool {
    const FIRST: [&[u8; 4]; 14] =
        [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"sidx", b"moof", b"uuid", b"junk", b"emsg", b"prft"];
    FIRST.contains(&&name.0)
}

/// The first bytes of an input, for messages.
fn start_of(bytes: &[u8]) -> String {
    use core::fmt::Write;
    let mut start = String::new();
    for byte in bytes.iter().take(8) {
        let _ = write!(start, " {byte:02x}");
    }
    start
}

impl MovieBuilder {
    /// What `moov` tells of a file of `size` bytes, with the samples that it has itself.
    fn new(boxes: &MovieBox<'_>, size: u64, frames: bool) -> Self {
        let mut movie = Self { tracks: Vec::new(), left_out: Vec::new(), fragments: None, faults: Faults::default() };
        let in_movie = |error: Error| error.within(FourCc(*b"moov"));
        boxes.fault.clone().into_iter().for_each(|fault| movie.faults.note(in_movie(fault)));
        let is_chapters = |id| boxes.tracks.iter().any(|track| track.chapters.contains(&id));
        for boxes_of_track in &boxes.tracks {
            let in_track = |error: Error| in_movie(error.within(FourCc(*b"trak")));
            let mut faults = Faults::default();
            boxes_of_track.fault.clone().into_iter().for_each(|fault| faults.note(fault));
            let read = TrackBuilder::new(boxes_of_track, boxes.timescale, frames).and_then(|mut track| {
                let tables = boxes_of_track.sample_table.as_ref();
                tables.map_or(Ok(()), |tables| progressive::read_samples(tables, size, &mut track, &mut faults))?;
                Ok(track)
            });
            let read = read.and_then(|track| {
                if track.has_cues() && is_chapters(track.id()) {
                    Err(Error::unsupported("a list of chapters, which no rendition is made of"))
                } else {
                    Ok(track)
                }
            });
            match read {
                Ok(track) => {
                    movie.tracks.push(track);
                    faults.0.into_iter().for_each(|fault| movie.faults.note(in_track(fault)));
                }
                // Its faults do not matter: none of it is used.
                Err(reason) => movie.left_out.push(LeftOut {
                    id: boxes_of_track.id,
                    handler: boxes_of_track.handler,
                    coding: coding(boxes_of_track),
                    reason: in_track(reason),
                }),
            }
        }
        // Files whose `mvex` is missing have fragments all the same, if `moov` has no samples.
        let empty = movie.tracks.iter().all(|track| track.samples.is_empty()) && !movie.tracks.is_empty();
        let extends = boxes.extends.clone().or(empty.then(Vec::new));
        movie.fragments = extends.map(Fragments::new);
        movie
    }

    fn finish(self, size: u64) -> Result<Movie> {
        let mut movie = Movie {
            name: String::new(),
            tracks: Vec::new(),
            left_out: self.left_out,
            fragmented: self.fragments.is_some(),
            side_file: false,
            size,
            faults: self.faults.0,
        };
        let mut empty = Vec::new();
        for track in self.tracks {
            let (id, handler, coding) = (track.id(), track.handler, Some(track.coding));
            let left_out = |reason| LeftOut { id, handler, coding, reason };
            if track.samples.is_empty() {
                empty.push(left_out(Error::unsupported("the track has no samples")));
                continue;
            }
            match track.finish() {
                Ok(track) => movie.tracks.push(track),
                Err(reason) => movie.left_out.push(left_out(reason)),
            }
        }
        if !movie.tracks.is_empty() {
            movie.left_out.append(&mut empty);
            return Ok(movie);
        }
        let count = movie.left_out.len();
        let reasons = || movie.left_out.iter().map(|left_out| &left_out.reason);
        let truncated = movie.faults.iter().chain(reasons()).find(|reason| reason.kind() == ErrorKind::Truncated);
        Err(match truncated.or(reasons().next()) {
            Some(reason) if count > 1 && reason.kind() != ErrorKind::Truncated => {
                Error::unsupported(format!("no track can be played; the first: {reason}"))
            }
            Some(reason) => reason.clone(),
            None => Error::malformed(if empty.is_empty() { "the movie has no track" } else { "the movie has no samples" })
                .within(FourCc(*b"moov")),
        })
    }
}

/// Coding name of the first sample entry of a track.
fn coding(track: &TrackBox<'_>) -> Option<FourCc> {
    let entries = read_descriptions(track.sample_table.as_ref()?.descriptions?).ok()?;
    entries.first().map(|entry| entry.name)
}

impl Movie {
    /// Where the presentation begins, as ticks and their scale: zero for a movie, the first sample for a stretch of fragments cut from a
    /// longer stream.
    pub fn start(&self) -> (u64, Timescale) {
        let zero = (0, Timescale::MILLIS);
        if !self.fragmented {
            return zero;
        }
        let starts = self.tracks.iter().filter_map(|track| {
            let (first, _) = track.samples.span(0..64.min(track.samples.len()))?;
            let first = first.saturating_add(track.shift);
            u64::try_from(first).ok().map(|ticks| (ticks, track.timescale))
        });
        starts.min_by(|a, b| time::compare(*a, *b)).unwrap_or(zero)
    }

    /// Heap memory that the index takes, in bytes.
    pub fn memory(&self) -> usize {
        self.tracks.iter().map(Track::memory).sum()
    }
}
