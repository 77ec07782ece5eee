//! From the bytes of a file to its tracks, by asking for the ranges that are needed and for no others.

mod edits;
mod fragmented;
mod progressive;

use alloc::{format, string::String, vec::Vec};
use core::ops::Range;

use crate::{
    boxes::{BoxHeader, FourCc, movie::MovieBox},
    codec::Kind,
    coding::Reader,
    error::{Error, ErrorKind, Result},
    time::{self, Timescale},
    track::Track,
};
use fragmented::Fragments;

/// The largest `moov` that is read, in bytes: days of video.
pub const MAX_MOOV: u64 = 256 << 20;
/// The largest `moof` that is read, in bytes.
pub const MAX_MOOF: u64 = 16 << 20;

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
    /// Bytes of the file.
    pub size: u64,
    /// The first fault that cuts the media short, if any: samples that it announces and the file does not hold.
    pub truncated: Option<Error>,
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
    movie: Option<Movie>,
    fragments: Option<Fragments>,
    done: bool,
    /// Set when a box ends behind the file: where it stands, its name and its announced end.
    cut: Option<(u64, FourCc, u64)>,
}

impl Demuxer {
    /// Reads a file of `size` bytes.
    pub fn new(size: u64) -> Self {
        Self { size, cursor: 0, wanted: None, movie: None, fragments: None, done: size == 0, cut: None }
    }

    /// The bytes of the file that are needed next; `None`: it is done.
    pub fn required(&self) -> Option<Range<u64>> {
        if self.done {
            return None;
        }
        let length = self.wanted.map_or(BoxHeader::MAX, |(_, length)| length);
        Some(self.cursor..self.cursor.saturating_add(length).min(self.size))
    }

    /// Takes bytes of the file that begin at `position` and hold at least what is [`required`](Self::required).
    pub fn handle(&mut self, position: u64, bytes: &[u8]) -> Result<()> {
        let mut progress = false;
        while let Some(required) = self.required() {
            let from = required.start.checked_sub(position).and_then(|from| usize::try_from(from).ok());
            let length = usize::try_from(required.end.saturating_sub(required.start)).ok();
            let needed = from.zip(length).and_then(|(from, length)| bytes.get(from..)?.get(..length));
            let Some(needed) = needed else {
                return if progress { Ok(()) } else { Err(Error::misuse(format!("bytes {required:?} are required")).at(position)) };
            };
            progress = true;
            match self.wanted.take() {
                None => self.handle_header(needed)?,
                Some((name, _)) => self.handle_box(name, needed)?,
            }
        }
        Ok(())
    }

    fn handle_header(&mut self, bytes: &[u8]) -> Result<()> {
        let mut reader = Reader::new(bytes, self.cursor);
        if bytes.len() < 8 {
            // Less than a box: padding at the end of the file.
            self.check_first(bytes, None)?;
            self.done = true;
            return Ok(());
        }
        let header = match BoxHeader::read(&mut reader) {
            Ok(header) => header,
            Err(error) if self.cursor == 0 => return self.check_first(bytes, None).and(Err(error)),
            Err(error) if self.movie.is_none() => return Err(error),
            Err(_) => {
                // Bytes behind the last box that are no box: the media before them stands.
                self.done = true;
                return Ok(());
            }
        };
        if self.cursor == 0 {
            self.check_first(bytes, Some(header.name))?;
        }
        let end = header.size.map_or(self.size, |size| self.cursor.saturating_add(size));
        let limit = match &header.name.0 {
            b"moov" => MAX_MOOV,
            b"moof" => MAX_MOOF,
            _ => 0,
        };
        if end > self.size {
            self.cut.get_or_insert((self.cursor, header.name, end));
            self.done = true;
            return Ok(());
        }
        if limit == 0 || (header.name.0 == *b"moof" && self.fragments.is_none()) {
            self.cursor = end;
            self.done = end >= self.size;
            return Ok(());
        }
        let length = end - self.cursor;
        if length > limit {
            return Err(Error::unsupported(format!("box '{}' of {length} bytes, more than {limit}", header.name)).at(self.cursor));
        }
        self.wanted = Some((header.name, length));
        Ok(())
    }

    /// A file that does not begin with a box that files begin with is no MP4.
    fn check_first(&self, bytes: &[u8], name: Option<FourCc>) -> Result<()> {
        const FIRST: [&[u8; 4]; 14] =
            [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"sidx", b"moof", b"uuid", b"junk", b"emsg", b"prft"];
        if self.cursor != 0 || name.is_some_and(|name| FIRST.contains(&&name.0)) {
            return Ok(());
        }
        let mut start = String::new();
        for byte in bytes.iter().take(8) {
            use core::fmt::Write;
            let _ = write!(start, " {byte:02x}");
        }
        Err(Error::unsupported(format!("not an MP4 or MOV file: it begins with{start}")).at(0))
    }

    fn handle_box(&mut self, name: FourCc, bytes: &[u8]) -> Result<()> {
        let position = self.cursor;
        self.cursor = position.saturating_add(bytes.len() as u64);
        self.done = self.cursor >= self.size;
        let mut content = Reader::new(bytes, position);
        BoxHeader::read(&mut content)?;
        if &name.0 == b"moov" {
            if self.movie.is_some() {
                return Ok(()); // a later one describes the same media again
            }
            let movie = MovieBox::read(content).and_then(|boxes| self.handle_movie(&boxes));
            return movie.map_err(|error| error.within(name));
        }
        match (&mut self.movie, &mut self.fragments) {
            (Some(movie), Some(fragments)) => fragments.handle_moof(movie, content, position).map_err(|error| error.within(name)),
            _ => Ok(()),
        }
    }

    fn handle_movie(&mut self, boxes: &MovieBox<'_>) -> Result<()> {
        let mut movie =
            Movie { name: String::new(), tracks: Vec::new(), left_out: Vec::new(), fragmented: false, size: self.size, truncated: None };
        let mut builders = Vec::new();
        for track in &boxes.tracks {
            match progressive::read_track(track, boxes.timescale, self.size) {
                Ok(read) => {
                    movie.tracks.push(read.track);
                    builders.push(read.samples);
                    if let Some(truncated) = read.truncated {
                        movie.truncated.get_or_insert(truncated);
                    }
                }
                Err(reason) if reason.kind() == ErrorKind::Unsupported => {
                    let coding = progress_coding(track);
                    movie.left_out.push(LeftOut { id: track.id, handler: track.handler, coding, reason });
                }
                Err(error) => return Err(error.within(FourCc(*b"trak"))),
            }
        }
        match &boxes.extends {
            Some(extends) => {
                movie.fragmented = true;
                self.fragments = Some(Fragments::new(extends.clone(), builders));
            }
            None => {
                for (track, builder) in movie.tracks.iter_mut().zip(builders) {
                    track.samples = builder.finish();
                }
                self.done = true;
            }
        }
        self.movie = Some(movie);
        Ok(())
    }

    /// What was read. A file without a movie, or without a track that Reelway carries, is an error that says why.
    pub fn finish(self) -> Result<Movie> {
        if self.size == 0 {
            return Err(Error::malformed("the file is empty"));
        }
        let cut = self.cut.map(|(position, name, end)| {
            Error::truncated(format!("the file is cut short: box '{name}' ends at byte {end}, the file at byte {}", self.size)).at(position)
        });
        let Some(mut movie) = self.movie else {
            return Err(cut.unwrap_or_else(|| {
                Error::malformed("the file has no 'moov' box: it says nothing of its media").by("ISO/IEC 14496-12 8.2.1")
            }));
        };
        if let Some(fragments) = self.fragments {
            fragments.finish(&mut movie);
        }
        if movie.truncated.is_none() {
            movie.truncated = cut;
        }
        let (full, empty): (Vec<_>, Vec<_>) = movie.tracks.into_iter().partition(|track| !track.samples.is_empty());
        movie.tracks = full;
        if movie.tracks.is_empty() {
            if let Some(truncated) = movie.truncated {
                return Err(truncated);
            }
            if let Some(left_out) = movie.left_out.first() {
                return Err(Error::unsupported(format!("no track can be played; the first: {}", left_out.reason)));
            }
            let message = if empty.is_empty() { "the movie has no track" } else { "the movie has no samples" };
            return Err(Error::malformed(message).within(FourCc(*b"moov")));
        }
        movie.left_out.extend(empty.into_iter().map(|track| LeftOut {
            id: track.id,
            handler: FourCc(match track.codec.media.kind() {
                Kind::Video => *b"vide",
                Kind::Audio => *b"soun",
            }),
            coding: None,
            reason: Error::unsupported("the track has no samples"),
        }));
        Ok(movie)
    }
}

fn progress_coding(track: &crate::boxes::movie::TrackBox<'_>) -> Option<FourCc> {
    let entries = crate::boxes::sample_entry::read_descriptions(track.sample_table.descriptions?).ok()?;
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
        self.tracks.iter().map(|track| track.samples.memory() + track.sample_entry.len() + size_of::<Track>()).sum()
    }
}
