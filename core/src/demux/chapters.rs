//! Chapters: the samples of a track of text that another track names for them (`chap` of `tref`; QuickTime File Format, Chapter Lists), or
//! `chpl` in `udta`, a list that Nero began and ffmpeg and others write beside it.
//!
//! They are no media, so that the demuxer passes over them. Whoever wants them reads them with this.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::ops::Range;

use super::{MAX_MOOV, edits::Edits, progressive::chunk_runs};
use crate::{
    boxes::{
        BoxHeader, children,
        movie::{MovieBox, TrackBox},
    },
    coding::Reader,
    error::Result,
    text::{Cue, Cues, markup::push_escaped},
    time::{Timescale, rescale},
};

/// Chapters more than this are passed over, and what is longer of a title, in letters.
const MOST: usize = 1000;
const TITLE: usize = 200;
/// Bytes of a sample that are read.
const SAMPLE: u64 = 2 + 4 * TITLE as u64;
/// Boxes before `moov` that are passed over.
const BOXES: u32 = 4096;

/// A chapter: it lasts until the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chapter {
    /// When it begins, in milliseconds from the start of the presentation.
    pub start: u64,
    /// What it is called; empty, if it has no name.
    pub title: String,
}

/// Reads the chapters of a file by demand, as [`Demuxer`](super::Demuxer) reads its index.
#[derive(Debug)]
pub struct ChapterReader {
    size: u64,
    cursor: u64,
    boxes: u32,
    state: State,
    /// From `chpl`.
    listed: Vec<Chapter>,
    /// From samples.
    read: Vec<Chapter>,
}

/// What is read next.
#[derive(Debug)]
enum State {
    /// The header of a box at the cursor.
    Header,
    /// So many bytes from the cursor on: `moov`.
    Movie(u64),
    /// Samples, the next one last: when each is shown, and where it is.
    Samples(Vec<(u64, Range<u64>)>),
}

impl ChapterReader {
    /// Reads a file of `size` bytes.
    pub fn new(size: u64) -> Self {
        Self { size, cursor: 0, boxes: 0, state: State::Header, listed: Vec::new(), read: Vec::new() }
    }

    /// The bytes of the file that are needed next; `None`: it is done.
    pub fn required(&self) -> Option<Range<u64>> {
        match &self.state {
            State::Header if self.cursor >= self.size || self.boxes >= BOXES => None,
            State::Header => Some(self.cursor..self.cursor.saturating_add(BoxHeader::MAX).min(self.size)),
            State::Movie(length) => Some(self.cursor..self.cursor.saturating_add(*length)),
            State::Samples(samples) => samples.last().map(|(_, bytes)| bytes.clone()),
        }
    }

    /// Takes the bytes that are [`required`](Self::required). What cannot be read has no chapters.
    pub fn handle(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Header => self.handle_header(bytes),
            State::Movie(_) => {
                let samples = self.handle_movie(bytes).unwrap_or_default();
                self.state = State::Samples(samples);
            }
            State::Samples(samples) => {
                if let Some((start, _)) = samples.pop() {
                    self.read.push(Chapter { start, title: title_of_sample(bytes) });
                }
            }
        }
    }

    /// The chapters, the first first; none where the file names none.
    pub fn finish(self) -> Vec<Chapter> {
        let names = |list: &Vec<Chapter>| list.iter().any(|chapter| !chapter.title.is_empty());
        // Samples that are not there yet name nothing.
        let mut chapters = [self.read, self.listed].into_iter().find(names).unwrap_or_default();
        chapters.sort_by_key(|chapter| chapter.start);
        chapters.dedup_by_key(|chapter| chapter.start);
        chapters
    }

    fn handle_header(&mut self, bytes: &[u8]) {
        self.boxes += 1;
        let header = BoxHeader::read(&mut Reader::new(bytes, self.cursor)).ok();
        let end = header.and_then(|header| header.size.map_or(Some(self.size), |size| self.cursor.checked_add(size)));
        match (header, end) {
            (Some(header), Some(end)) if &header.name.0 == b"moov" && end <= self.size && end - self.cursor <= MAX_MOOV => {
                self.state = State::Movie(end - self.cursor);
            }
            (Some(header), Some(end)) if &header.name.0 != b"moov" => self.cursor = end,
            _ => self.cursor = self.size,
        }
    }

    /// Reads `moov`: the list in it, and where the samples of its chapters are, the last one first.
    fn handle_movie(&mut self, bytes: &[u8]) -> Result<Vec<(u64, Range<u64>)>> {
        let mut content = Reader::new(bytes, self.cursor);
        BoxHeader::read(&mut content)?;
        for (_, user_data) in children(content).filter_map(Result::ok).filter(|(name, _)| &name.0 == b"udta") {
            let list = children(user_data).filter_map(Result::ok).find(|(name, _)| &name.0 == b"chpl");
            self.listed = list.map(|(_, list)| read_list(list)).unwrap_or_default();
        }
        let movie = MovieBox::read(content)?;
        let is_chapters = |id| movie.tracks.iter().any(|track| track.chapters.contains(&id));
        // One that lists pictures for chapters is no text.
        let text = movie.tracks.iter().find(|track| is_chapters(track.id) && matches!(&track.handler.0, b"text" | b"sbtl"));
        let mut samples = text.map_or(Ok(Vec::new()), |track| samples(track, movie.timescale, self.size))?;
        samples.reverse();
        Ok(samples)
    }
}

/// `chpl`: an 8-bit count behind a version and flags, in version 1 behind 32 bits more; of each chapter its start in units of 100 ns, and
/// its title behind an 8-bit length.
fn read_list(mut list: Reader<'_>) -> Vec<Chapter> {
    let mut count = || {
        let (version, _) = list.full_box()?;
        list.skip(if version == 0 { 0 } else { 4 })?;
        list.u8()
    };
    let count = count().unwrap_or(0);
    (0..count).map_while(|_| read_chapter(&mut list).ok()).collect()
}

fn read_chapter(list: &mut Reader<'_>) -> Result<Chapter> {
    let start = list.u64()? / 10_000;
    let length = list.u8()?;
    Ok(Chapter { start, title: title(list.take(length.into())?) })
}

/// When each sample of a track is shown, in milliseconds, and where it is in the file.
fn samples(track: &TrackBox<'_>, movie: Option<Timescale>, size: u64) -> Result<Vec<(u64, Range<u64>)>> {
    let (Some(tables), Some(timescale)) = (&track.sample_table, track.timescale.or(movie)) else { return Ok(Vec::new()) };
    let shift = Edits::new(&track.edits, movie, timescale)?.shift();
    let deltas = tables.time_to_sample.iter().flat_map(|[a, b, c, d, delta @ ..]| {
        let run = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
        core::iter::repeat_n(u32::from_be_bytes(*delta), run)
    });
    let times = deltas.scan(shift, |time, delta| {
        let start = *time;
        *time = time.saturating_add(delta.into());
        Some(u64::try_from(rescale(start, timescale, Timescale::MILLIS)).unwrap_or(0))
    });
    let mut number = 0;
    let mut places = Vec::new();
    let chunks = chunk_runs(tables).flat_map(|(chunks, samples, _)| chunks.map(move |chunk| (chunk, samples)));
    'chunks: for (chunk, count) in chunks {
        let Some(mut offset) = usize::try_from(chunk).ok().and_then(|chunk| tables.chunk_offsets.get(chunk)) else { break };
        for _ in 0..count {
            let Some(length) = tables.sizes.get(number).filter(|_| places.len() < MOST) else { break 'chunks };
            let end = offset.saturating_add(length.into());
            if end > size {
                break 'chunks;
            }
            places.push(offset..end.min(offset.saturating_add(SAMPLE)));
            (offset, number) = (end, number + 1);
        }
    }
    Ok(times.zip(places).collect())
}

/// The text of a sample: behind its 16-bit length, in UTF-8 or, with a mark in front, in UTF-16.
fn title_of_sample(sample: &[u8]) -> String {
    let Some(([high, low], rest)) = sample.split_first_chunk() else { return String::new() };
    let text = rest.get(..usize::from(u16::from_be_bytes([*high, *low]))).unwrap_or(rest);
    let wide = |of: fn([u8; 2]) -> u16| {
        let units = text.as_chunks().0.iter().skip(1).map(|unit| of(*unit));
        let letters: String = char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        title(letters.as_bytes())
    };
    match text {
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        text => title(text),
    }
}

/// A title of one line.
fn title(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let one_line = text.trim_matches('\0').trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    one_line.take(TITLE).collect::<String>().trim_end().to_string()
}

/// Chapters of a presentation of so many milliseconds as cues. One without a name has its number.
pub fn cues(chapters: &[Chapter], duration: u64) -> Cues {
    let ends = chapters.iter().skip(1).map(|next| next.start).chain([duration]);
    let cue = |(number, (chapter, end)): (u32, (&Chapter, u64))| {
        let mut text = String::new();
        match chapter.title.as_str() {
            "" => text = number.to_string(),
            title => title.chars().for_each(|letter| push_escaped(&mut text, letter)),
        }
        Cue::new(chapter.start..end.min(duration), "", "", &text)
    };
    Cues::new((1..).zip(chapters.iter().zip(ends)).map(cue).collect(), String::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coding::Writer;

    fn chapter(start: u64, title: &str) -> Chapter {
        Chapter { start, title: title.into() }
    }

    fn read(file: &[u8]) -> Vec<Chapter> {
        let mut reader = ChapterReader::new(file.len() as u64);
        while let Some(range) = reader.required() {
            reader.handle(&file[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]);
        }
        reader.finish()
    }

    fn list(version: u8, entries: &[(u64, &[u8])]) -> Vec<u8> {
        let mut w = Writer::default();
        w.boxed(b"free", |w| w.zeros(3));
        w.boxed(b"moov", |w| {
            w.boxed(b"udta", |w| {
                w.full_box(b"chpl", version, 0, |w| {
                    w.zeros(if version == 0 { 0 } else { 4 });
                    w.u8(u8::try_from(entries.len()).unwrap());
                    for (start, title) in entries {
                        w.u64(*start);
                        w.u8(u8::try_from(title.len()).unwrap());
                        w.bytes(title);
                    }
                });
            });
        });
        w.into_bytes()
    }

    #[test]
    fn lists_are_read_in_both_versions() {
        let entries: [(u64, &[u8]); 3] = [(20_000_000, b"Second"), (0, b"First\n\0"), (35_000_000, b"\xff")];
        let expected = [chapter(0, "First"), chapter(2000, "Second"), chapter(3500, "\u{fffd}")];
        for version in [0, 1] {
            let file = list(version, &entries);
            assert_eq!(read(&file), expected);
            // However short it is cut, it ends.
            for length in 0..file.len() {
                read(&file[..length]);
            }
        }
        assert_eq!(read(&list(1, &[(0, b""), (1, b" ")])), []);
    }

    #[test]
    fn titles_of_samples_are_read_in_each_coding() {
        for (sample, expected) in [
            (&b"\0\x05Anf\xc3\xa4\0\0\0\x0cencd\0\0\x01\0"[..], "Anfä"),
            (b"\0\x06\xfe\xff\0A\x20\xac", "A€"),
            (b"\0\x06\xff\xfeA\0\xac\x20", "A€"),
            (b"\0\xffshort", "short"),
            (b"\0", ""),
            (b"", ""),
        ] {
            assert_eq!(title_of_sample(sample), expected, "{sample:?}");
        }
    }

    #[test]
    fn a_chapter_lasts_until_the_next_and_shows_no_markup() {
        let cues = cues(&[chapter(0, "A & <b>"), chapter(1500, ""), chapter(9000, "never")], 4000);
        let told: Vec<(u64, u64, &str)> = cues.list().iter().map(|cue| (cue.start, cue.end, cue.text())).collect();
        assert_eq!(told, [(0, 1500, "A &amp; &lt;b&gt;"), (1500, 4000, "2")]);
    }
}
