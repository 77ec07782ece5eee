//! A recording of a live stream: for each rendition a file that is only appended to, and an index of what is in them.
//!
//! ```text
//! DATA/live/NAME/SESSION/index      a line of JSON for all that happened, in order
//!                        v1.mp4     the header and all parts of a rendition: a fragmented MP4, which plays by itself
//!                        2/v1.mp4   the same from the second header on, where it changed
//! ```
//!
//! Bytes are written before the line that tells of them, and both before anybody hears of the part. So what a playlist lists survives the
//! end of the process; a line that is not whole, and bytes that no line tells of, are what it was writing when it ended.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions, create_dir_all, read_to_string},
    io::{self, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::SourceFile;

/// The name of the index.
const INDEX: &str = "index";

/// Something that happened to a stream that is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum Entry {
    /// A rendition has another header.
    Header {
        /// Which rendition.
        rendition: String,
        /// From 1.
        number: u32,
        /// Bytes.
        length: u64,
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
    },
    /// The stream is over.
    End,
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
}

impl Recorder {
    /// Begins, or goes on with, the recording in `folder`.
    pub fn open(folder: &Path) -> io::Result<Self> {
        create_dir_all(folder)?;
        let mut index = Appended::open(&folder.join(INDEX))?;
        if index.length > 0 {
            index.append(b"\n")?; // the last line may not be whole
        }
        Ok(Self { folder: folder.into(), index, files: HashMap::new() })
    }

    /// The file of `rendition` under its header `number`.
    fn place(&self, rendition: &str, number: u32) -> PathBuf {
        let name = format!("{rendition}.mp4");
        if number == 1 { self.folder.join(name) } else { self.folder.join(number.to_string()).join(name) }
    }

    /// Begins a file.
    pub fn header(&mut self, rendition: &str, number: u32, bytes: &Bytes) -> io::Result<()> {
        let path = self.place(rendition, number);
        if let Some(parent) = path.parent() {
            create_dir_all(parent)?;
        }
        let mut file = Appended::open(&path)?;
        if file.length == 0 {
            file.append(bytes)?;
        }
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

/// What happened to the stream whose recording is in `folder`, as far as it was written.
pub fn entries(folder: &Path) -> io::Result<Vec<Entry>> {
    let text = read_to_string(folder.join(INDEX))?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_found_again() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut recorder = Recorder::open(folder.path())?;
        recorder.header("v1", 1, &Bytes::from_static(b"head"))?;
        let extent = recorder.part("v1", 1, &Bytes::from_static(b"part"), 0, 5, true)?;
        assert_eq!(extent.range, 4..8);
        drop(recorder);
        // The process ended while it wrote a line, and bytes that no line tells of.
        File::options().append(true).open(folder.path().join(INDEX))?.write_all(b"{\"is\":\"par")?;
        File::options().append(true).open(folder.path().join("v1.mp4"))?.write_all(b"torn")?;
        let mut recorder = Recorder::open(folder.path())?;
        recorder.note(&Entry::End)?;
        let found = entries(folder.path())?;
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found.last(), Some(&Entry::End));
        Ok(())
    }

    #[test]
    fn a_disk_that_fails_leaves_what_was_whole() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut recorder = Recorder::open(folder.path())?;
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
