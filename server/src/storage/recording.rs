//! A recording of a live stream: for each rendition a file that is only appended to, and an index of what is in them.
//!
//! ```text
//! DATA/live/NAME/SESSION/index      a line of JSON for all that happened, in order
//!                        v1.mp4     the header and all parts of a rendition: a fragmented MP4, which plays by itself
//!                        2/v1.mp4   the same from the second header on, where it changed
//! ```
//!
//! Bytes are written before the line that tells of them, and both before anybody hears of the part. So what a playlist lists survives the
//! end of the process; a line that is not whole, and bytes that no line tells of, are what it was writing when it ended. What is kept is read
//! again by [`Kept`](super::Kept).

use std::{
    collections::HashMap,
    fs::{File, OpenOptions, create_dir_all},
    io::{self, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Kept, SourceFile};

/// The name of the index.
pub(super) const INDEX: &str = "index";

/// Something that happened to a stream that is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum Entry {
    /// The recording begins.
    Form(Form),
    /// The first sample is there.
    Began {
        /// When the time line begins, in microseconds since 1970.
        zero: i64,
        /// How much later than their times samples are there, in microseconds.
        delay: i64,
    },
    /// Segments may be longer than was known at first.
    Promised {
        /// The most that they last, in seconds.
        target_duration: u32,
    },
    /// A rendition has another header.
    Header {
        /// Which rendition.
        rendition: String,
        /// From 1.
        number: u32,
        /// Bytes.
        length: u64,
    },
    /// A segment begins.
    Opened {
        /// Of which rendition.
        rendition: String,
        /// What is known of it.
        #[serde(flatten)]
        opening: Opening,
    },
    /// A part.
    Part {
        /// Of which rendition.
        rendition: String,
        /// Of which segment.
        segment: u32,
        /// Where it begins in the file.
        at: u64,
        /// Bytes.
        length: u64,
        /// When it begins, in ticks of its rendition on the stream's time line.
        start: u64,
        /// How long it lasts, in ticks of its rendition.
        duration: u64,
        /// Whether play can begin with it.
        independent: bool,
    },
    /// A segment is closed.
    Segment {
        /// Of which rendition.
        rendition: String,
        /// Which.
        segment: u32,
        /// Whether there is no media in it.
        gap: bool,
        /// How long it is, in ticks of its rendition.
        duration: u64,
        /// Where it begins, if it is a gap: nothing told that it was opened.
        opening: Option<Opening>,
    },
    /// The stream is over.
    End,
}

/// What stays the same of a stream, whatever is configured later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Form {
    /// Tells the stream from others of the same name.
    pub session: u64,
    /// How long segments are, in milliseconds.
    pub segment: u64,
    /// How long parts are at most, in milliseconds.
    pub part: u64,
}

/// What is known of a segment when it begins; ticks are those of its rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opening {
    /// Its number.
    pub segment: u32,
    /// When it begins on the stream's time line.
    pub start: u64,
    /// Number of the header that it needs.
    pub header: u32,
    /// When it begins by the clock, in microseconds since 1970.
    pub clock: i64,
    /// Whether something other than time changes before it.
    pub discontinuity: bool,
    /// How many segments up to this one have that.
    pub discontinuities: u32,
    /// Number of the period of DASH that it is in.
    pub period: u32,
}

/// Where a part is in a recording.
#[derive(Clone, Debug)]
pub struct Extent {
    /// In which file.
    pub file: Arc<SourceFile>,
    /// Which bytes.
    pub range: Range<u64>,
}

/// Writes a recording. All of it waits for the disk.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    index: Appended,
    /// The number of the first header, whose files are directly in the folder.
    first: Option<u32>,
    /// By rendition.
    files: HashMap<String, Media>,
}

#[derive(Debug)]
struct Media {
    file: Appended,
    /// The same, to be read.
    source: Arc<SourceFile>,
}

/// A file that holds nothing but what was written whole.
#[derive(Debug)]
struct Appended {
    file: File,
    length: u64,
}

impl Appended {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }

    /// Appends `bytes`, or nothing; gives where they begin.
    fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let start = self.length;
        if let Err(error) = self.file.write_all(bytes) {
            // A piece would make all that follows it unreadable. It may be that this fails too: then the next piece is as good as none.
            let _ = self.file.set_len(start);
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(start)
    }

    /// Leaves the first `length` bytes.
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.length = length;
        Ok(())
    }
}

impl Recorder {
    /// Begins the recording of a stream in `folder`.
    pub fn begin(folder: &Path, form: Form) -> io::Result<Self> {
        create_dir_all(folder)?;
        let mut recorder = Self::open(folder)?;
        recorder.note(&Entry::Form(form))?;
        Ok(recorder)
    }

    fn open(folder: &Path) -> io::Result<Self> {
        Ok(Self { folder: folder.into(), index: Appended::open(&folder.join(INDEX))?, first: None, files: HashMap::new() })
    }

    /// Goes on with the recording in `folder`, of which `kept` was read.
    pub fn resume(folder: &Path, kept: &Kept) -> io::Result<Self> {
        let mut recorder = Self::open(folder)?;
        recorder.index.append(b"\n")?; // the last line may not be whole
        recorder.first = kept.first_header;
        for rendition in &kept.renditions {
            let Some((number, _)) = rendition.headers.last() else { continue };
            let file = Appended::open(&place(folder, kept.first_header, &rendition.name, *number))?;
            recorder.files.insert(rendition.name.clone(), Media { file, source: Arc::clone(&rendition.file) });
        }
        Ok(recorder)
    }

    /// Begins a file.
    pub fn header(&mut self, rendition: &str, number: u32, bytes: &Bytes) -> io::Result<()> {
        let first = *self.first.get_or_insert(number);
        let path = place(&self.folder, Some(first), rendition, number);
        if let Some(parent) = path.parent() {
            create_dir_all(parent)?;
        }
        let mut file = Appended::open(&path)?;
        file.truncate(0)?; // no line tells of anything that may be in it
        file.append(bytes)?;
        let source = Arc::new(SourceFile::appended(File::open(&path)?)?);
        self.files.insert(rendition.to_owned(), Media { file, source });
        self.note(&Entry::Header { rendition: rendition.to_owned(), number, length: bytes.len() as u64 })
    }

    /// Writes a part; gives where it is.
    pub fn part(
        &mut self,
        rendition: &str,
        segment: u32,
        bytes: &Bytes,
        start: u64,
        duration: u64,
        independent: bool,
    ) -> io::Result<Extent> {
        let Some(media) = self.files.get_mut(rendition) else {
            return Err(io::Error::other(format!("the header of {rendition} could not be written")));
        };
        let at = media.file.append(bytes)?;
        let length = bytes.len() as u64;
        let extent = Extent { file: Arc::clone(&media.source), range: at..at + length };
        self.note(&Entry::Part { rendition: rendition.to_owned(), segment, at, length, start, duration, independent })?;
        Ok(extent)
    }

    /// Notes what has no bytes of its own.
    pub fn note(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry).map_err(io::Error::other)?;
        line.push(b'\n');
        self.index.append(&line).map(drop)
    }
}

/// The file of `rendition` under its header `number` in the recording in `folder`, whose first header has the number `first`.
pub(super) fn place(folder: &Path, first: Option<u32>, rendition: &str, number: u32) -> PathBuf {
    let name = format!("{rendition}.mp4");
    if first == Some(number) { folder.join(name) } else { folder.join(number.to_string()).join(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fails_leaves_what_was_whole() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut recorder = Recorder::begin(folder.path(), Form { session: 1, segment: 2000, part: 200 })?;
        assert!(recorder.part("v1", 1, &Bytes::new(), 0, 5, true).is_err(), "no header");
        recorder.header("v1", 1, &Bytes::from_static(b"head"))?;
        let media = recorder.files.get_mut("v1").map(|media| &mut media.file);
        let file = media.ok_or_else(|| io::Error::other("no file"))?;
        let good = std::mem::replace(&mut file.file, File::open("/dev/full").or_else(|_| File::open(folder.path().join(INDEX)))?);
        assert!(recorder.part("v1", 1, &Bytes::from_static(b"part"), 0, 5, true).is_err());
        if let Some(media) = recorder.files.get_mut("v1") {
            media.file.file = good;
        }
        assert_eq!(recorder.part("v1", 2, &Bytes::from_static(b"more"), 5, 5, true)?.range, 4..8, "there is room again");
        Ok(())
    }
}
