//! A recording as it is read again: by a server that was ended while it was made, or that ended before it.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;

use super::{
    Entry, Extent, Form, Opening, SourceFile,
    recording::{INDEX, place},
};

/// The longest header that is read.
const LONGEST_HEADER: u64 = 16 << 20;

/// What is kept of a stream.
#[derive(Debug, Default)]
pub struct Kept {
    /// What stays the same of it.
    pub form: Option<Form>,
    /// When it began: the beginning of its time line in microseconds since 1970, and how much later samples are there.
    pub began: Option<(i64, i64)>,
    /// How long segments may be, in seconds, where players were promised more than usual.
    pub target_duration: Option<u32>,
    /// In the order in which they were added.
    pub renditions: Vec<KeptRendition>,
    /// Whether it is over.
    pub ended: bool,
    /// The number of the first header of all.
    pub first_header: Option<u32>,
}

/// What is kept of a rendition.
#[derive(Debug)]
pub struct KeptRendition {
    /// Its name.
    pub name: String,
    /// Its headers, with their numbers.
    pub headers: Vec<(u32, Bytes)>,
    /// Its segments, in order; only the last one may grow.
    pub segments: Vec<KeptSegment>,
    /// The file of its last header.
    pub file: Arc<SourceFile>,
    /// Where what was told of ends in that.
    end: u64,
}

/// What is kept of a segment.
#[derive(Debug)]
pub struct KeptSegment {
    /// What was known when it began.
    pub opening: Opening,
    /// How long it is, once it is whole; in ticks of its rendition.
    pub duration: Option<u64>,
    /// Whether there is no media in it.
    pub gap: bool,
    /// Its bytes.
    pub length: u64,
    /// Its parts; none of a segment long ago.
    pub parts: Vec<KeptPart>,
}

/// What is kept of a part.
#[derive(Clone, Debug)]
pub struct KeptPart {
    /// Where it is.
    pub extent: Extent,
    /// When it begins, in ticks of its rendition on the stream's time line.
    pub start: u64,
    /// How long it lasts, in ticks of its rendition.
    pub duration: u64,
    /// Whether play can begin with it.
    pub independent: bool,
}

impl Kept {
    /// Reads what is in `folder`; the parts of the last `segments` segments of each rendition alone are looked up. What nobody was told of
    /// is cut off the files.
    pub fn read(folder: &Path, segments: usize) -> io::Result<Self> {
        let mut kept = Self::default();
        let mut index = BufReader::new(File::open(folder.join(INDEX))?);
        let mut line = Vec::new();
        while index.read_until(b'\n', &mut line)? > 0 {
            // A line that is not whole tells nothing.
            if let Ok(entry) = serde_json::from_slice(&line) {
                kept.take(folder, entry, segments)?;
            }
            line.clear();
        }
        for rendition in &kept.renditions {
            rendition.cut_off(folder, kept.first_header)?;
        }
        Ok(kept)
    }

    fn take(&mut self, folder: &Path, entry: Entry, most: usize) -> io::Result<()> {
        match entry {
            Entry::Form(form) => self.form = Some(form),
            Entry::Began { zero, delay } => self.began = Some((zero, delay)),
            Entry::Promised { target_duration } => self.target_duration = Some(target_duration),
            Entry::Header { rendition, number, length } => {
                let first = *self.first_header.get_or_insert(number);
                let file = File::open(place(folder, Some(first), &rendition, number))?;
                let header = read_header(&file, length)?;
                let file = Arc::new(SourceFile::appended(file)?);
                match self.rendition(&rendition) {
                    Some(known) => {
                        known.headers.push((number, header));
                        (known.file, known.end) = (file, length);
                    }
                    None => {
                        let (headers, segments) = (Vec::from([(number, header)]), Vec::new());
                        self.renditions.push(KeptRendition { name: rendition, headers, segments, file, end: length });
                    }
                }
            }
            Entry::Opened { rendition, opening } => {
                if let Some(rendition) = self.rendition(&rendition) {
                    rendition.open(opening, most);
                }
            }
            Entry::Part { rendition, segment, at, length, start, duration, independent } => {
                if let Some(rendition) = self.rendition(&rendition) {
                    let file = Arc::clone(&rendition.file);
                    let end = at.saturating_add(length);
                    let Some(open) = rendition.segments.last_mut().filter(|open| open.opening.segment == segment) else { return Ok(()) };
                    if end > file.identity().size {
                        open.gap = true; // the power failed: bytes are missing that a line tells of
                        return Ok(());
                    }
                    rendition.end = end;
                    open.length = open.length.saturating_add(length);
                    open.parts.push(KeptPart { extent: Extent { file, range: at..end }, start, duration, independent });
                }
            }
            Entry::Segment { rendition, segment, gap, duration, opening } => {
                if let Some(rendition) = self.rendition(&rendition) {
                    if let Some(opening) = opening {
                        rendition.open(opening, most);
                    }
                    if let Some(open) = rendition.segments.last_mut().filter(|open| open.opening.segment == segment) {
                        open.gap |= gap;
                        open.duration = Some(duration);
                    }
                }
            }
            Entry::End => self.ended = true,
        }
        Ok(())
    }

    fn rendition(&mut self, name: &str) -> Option<&mut KeptRendition> {
        self.renditions.iter_mut().find(|rendition| rendition.name == name)
    }
}

impl KeptRendition {
    fn open(&mut self, opening: Opening, most: usize) {
        self.segments.push(KeptSegment { opening, duration: None, gap: false, length: 0, parts: Vec::new() });
        if let Some(old) = self.segments.len().checked_sub(most + 1).and_then(|old| self.segments.get_mut(old)) {
            old.parts = Vec::new();
        }
    }

    /// Bytes behind the last part would stand between it and what is written next.
    fn cut_off(&self, folder: &Path, first: Option<u32>) -> io::Result<()> {
        let Some((number, _)) = self.headers.last() else { return Ok(()) };
        if self.end < self.file.identity().size {
            OpenOptions::new().write(true).open(place(folder, first, &self.name, *number))?.set_len(self.end)?;
        }
        Ok(())
    }
}

fn read_header(file: &File, length: u64) -> io::Result<Bytes> {
    use std::os::unix::fs::FileExt;
    if length > LONGEST_HEADER {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a header of a recording is longer than any"));
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::storage::Recorder;

    const OPENING: Opening = Opening { segment: 7, start: 0, header: 3, clock: 5, discontinuity: false, discontinuities: 0, period: 1 };

    #[test]
    fn what_was_written_is_found_again() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let form = Form { session: 9, segment: 2000, part: 200 };
        let mut recorder = Recorder::begin(folder.path(), form)?;
        recorder.note(&Entry::Began { zero: 1, delay: 2 })?;
        recorder.header("v1", 3, &Bytes::from_static(b"head"))?;
        recorder.note(&Entry::Opened { rendition: "v1".into(), opening: OPENING })?;
        let extent = recorder.part("v1", 7, &Bytes::from_static(b"part"), 0, 5, true)?;
        assert_eq!(extent.range, 4..8);
        drop(recorder);
        // The process ended while it wrote a line, and bytes that no line tells of.
        File::options().append(true).open(folder.path().join(INDEX))?.write_all(b"{\"is\":\"par")?;
        File::options().append(true).open(folder.path().join("v1.mp4"))?.write_all(b"torn")?;
        let kept = Kept::read(folder.path(), 10)?;
        assert_eq!((kept.form, kept.began, kept.ended, kept.first_header), (Some(form), Some((1, 2)), false, Some(3)));
        let mut recorder = Recorder::resume(folder.path(), &kept)?;
        assert_eq!(recorder.part("v1", 7, &Bytes::from_static(b"more"), 5, 5, false)?.range, 8..12);
        recorder.note(&Entry::Segment { rendition: "v1".into(), segment: 7, gap: false, duration: 10, opening: None })?;
        recorder.note(&Entry::End)?;
        let kept = Kept::read(folder.path(), 10)?;
        let segments = &kept.renditions.first().ok_or_else(|| io::Error::other("no rendition"))?.segments;
        let [segment] = segments.as_slice() else { panic!("{segments:?}") };
        assert_eq!((segment.opening, segment.duration, segment.gap, segment.length), (OPENING, Some(10), false, 8));
        assert_eq!(segment.parts.iter().map(|part| part.extent.range.clone()).collect::<Vec<_>>(), [4..8, 8..12]);
        assert!(kept.ended && std::fs::read(folder.path().join("v1.mp4"))? == b"headpartmore");
        Ok(())
    }

    #[test]
    fn a_segment_whose_bytes_did_not_reach_the_disk_is_a_gap() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut recorder = Recorder::begin(folder.path(), Form { session: 9, segment: 2000, part: 200 })?;
        recorder.header("v1", 3, &Bytes::from_static(b"head"))?;
        recorder.note(&Entry::Opened { rendition: "v1".into(), opening: OPENING })?;
        recorder.part("v1", 7, &Bytes::from_static(b"part"), 0, 5, true)?;
        drop(recorder);
        OpenOptions::new().write(true).open(folder.path().join("v1.mp4"))?.set_len(6)?;
        let kept = Kept::read(folder.path(), 10)?;
        assert!(kept.renditions.iter().all(|rendition| rendition.segments.iter().all(|segment| segment.gap)), "{kept:?}");
        Ok(())
    }
}
