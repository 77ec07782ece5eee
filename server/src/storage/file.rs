//! A media file that is open, with what it was when it was opened.

use std::{
    fs::{File, Metadata},
    io,
    ops::Range,
    os::unix::fs::{FileExt, MetadataExt},
    sync::Arc,
};

use bytes::Bytes;
use reelway_core::{
    Demuxer, Movie,
    demux::{
        captions::{CaptionSearch, HEAD},
        chapters::{Chapter, ChapterReader},
        side_file::{self, SideFileName},
    },
    text::MAX_BYTES,
};

use super::{Disk, Hot, LocalDisk, Piece};

/// What makes a file the same file: a change of its content changes one of these, unless whoever changes it takes care to hide it.
///
/// The time of the last change of status is left out: putting a new file in the place of one that is being read changes it too, and the
/// old one is whole as long as it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Bytes.
    pub size: u64,
    /// Device and number of the inode.
    pub inode: (u64, u64),
    /// Last change of content, in nanoseconds since 1970.
    pub modified: i128,
}

impl Identity {
    /// Of a file that is open.
    pub fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::in_metadata(&metadata))
    }

    fn in_metadata(metadata: &Metadata) -> Self {
        Self {
            size: metadata.size(),
            inode: (metadata.dev(), metadata.ino()),
            modified: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
        }
    }

    /// Whole seconds since 1970 of the last change of content; 0 for times before.
    pub fn modified_seconds(&self) -> u64 {
        u64::try_from(self.modified / 1_000_000_000).unwrap_or(0)
    }

    /// A strong validator (RFC 9110 8.8.1) for what is made from the file alone.
    ///
    /// Size, time of change to the nanosecond and inode tell two versions of a file apart, and all of them survive a restart.
    pub fn etag(&self) -> String {
        format!("{:x}-{:x}-{:x}", self.size, self.modified, self.inode.1)
    }
}

/// Whether a file of this name holds media that Reelway reads, as its extension says.
pub fn is_media(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["mp4", "m4v", "mov", "m4a"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Whether a file of this name holds text that is shown beside media, as its extension says.
pub fn is_text(name: &str) -> bool {
    SideFileName::read(name).is_some()
}

/// A regular file, open for reading, that notices when it is changed.
#[derive(Debug)]
pub struct SourceFile {
    file: File,
    identity: Identity,
    changes: Changes,
    /// Where what is read of it stays.
    hot: Option<Arc<Hot>>,
    disk: Arc<dyn Disk>,
}

/// How a file may become another without what was read of it being wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changes {
    Never,
    /// What is missing in it is still being filled in.
    Filled,
    /// Bytes are put behind those that are there.
    Appended,
}

impl SourceFile {
    /// Takes an open file. Anything but a regular file is refused.
    pub fn new(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let identity = Identity::in_metadata(&metadata);
        Ok(Self { file, identity, changes: Changes::Never, hot: None, disk: Arc::new(LocalDisk) })
    }

    /// The same for a file of full size whose gaps are being filled in: what was read of it stays as it was.
    pub fn filling(file: File) -> io::Result<Self> {
        Ok(Self { changes: Changes::Filled, ..Self::new(file)? })
    }

    /// The same for a file that others append to: what is there stays as it was.
    pub fn appended(file: File) -> io::Result<Self> {
        Ok(Self { changes: Changes::Appended, ..Self::new(file)? })
    }

    /// The same, with what is read of it kept in `hot`.
    #[must_use]
    pub fn kept_in(self, hot: &Arc<Hot>) -> Self {
        Self { hot: Some(Arc::clone(hot)), ..self }
    }

    /// The same, with its payload read by way of `disk`.
    #[must_use]
    pub fn on(self, disk: Arc<dyn Disk>) -> Self {
        Self { disk, ..self }
    }

    /// Fills the pieces of payload; see [`Disk::read`].
    pub fn read(&self, pieces: Vec<Piece<'_>>) -> io::Result<()> {
        self.disk.read(&self.file, pieces)
    }

    /// Fills the pieces of payload without waiting; see [`Disk::read_at_hand`].
    pub fn read_at_hand(&self, pieces: Vec<Piece<'_>>) -> io::Result<()> {
        self.disk.read_at_hand(&self.file, pieces)
    }

    /// What is kept of a range within one block; see [`check`](Self::check).
    pub fn kept(&self, range: &Range<u64>) -> Option<Bytes> {
        self.hot.as_ref()?.get(&self.identity, range)
    }

    /// Keeps what was read of a range, and checked, if that is a whole block.
    pub fn keep(&self, range: &Range<u64>, bytes: &Bytes) {
        if let Some(hot) = &self.hot {
            hot.put(&self.identity, range, bytes);
        }
    }

    /// What the file was when it was opened.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// An error if the file is no longer what it was: bytes read from it then are not those that its index describes.
    pub fn check(&self) -> io::Result<()> {
        let now = Identity::of(&self.file)?;
        let expected = match self.changes {
            Changes::Never => self.identity,
            Changes::Filled => Identity { modified: now.modified, ..self.identity },
            Changes::Appended => return Ok(()),
        };
        if now == expected {
            return Ok(());
        }
        Err(io::Error::other("the file was changed while it was read"))
    }

    /// Reads an input that is called `name`: of a file of media the index and what captions its pictures carry, the whole of a file of text.
    pub fn read_input(&self, name: &str) -> io::Result<reelway_core::Result<Movie>> {
        if !is_text(name) {
            let mut read = self.read_movie()?;
            if let Ok(movie) = &mut read {
                self.read_captions(movie)?;
            }
            return Ok(read);
        }
        // One byte more than is read as text, which then says so.
        let length = self.identity.size.min(MAX_BYTES as u64 + 1);
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, 0)?;
        self.check()?;
        Ok(side_file::read(name, &bytes))
    }

    /// Reads the chapters; a file in which none can be read has none.
    pub fn read_chapters(&self) -> io::Result<Vec<Chapter>> {
        let mut reader = ChapterReader::new(self.identity.size);
        while let Some(Range { start, end }) = reader.required() {
            let mut bytes = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
            self.file.read_exact_at(&mut bytes, start)?;
            reader.handle(&bytes);
        }
        self.check()?;
        Ok(reader.finish())
    }

    /// Reads the index: the boxes that describe the media, never the media.
    pub fn read_movie(&self) -> io::Result<reelway_core::Result<Movie>> {
        /// A read costs about as much for this many bytes as for few, and boxes that follow each other come along.
        const WINDOW: u64 = 64 << 10;
        let mut demuxer = Demuxer::new(self.identity.size).asking_frames();
        let mut buffer = Vec::new();
        while let Some(Range { start, end }) = demuxer.required() {
            let window = if demuxer.reads_samples() { 0 } else { WINDOW };
            let length = (end - start).max(window.min(self.identity.size - start));
            let length = usize::try_from(length).map_err(io::Error::other)?;
            if buffer.len() < length {
                buffer = vec![0; length]; // zeroed by the system, not by us
            } else {
                buffer.truncate(length);
            }
            self.file.read_exact_at(&mut buffer, start)?;
            if let Err(error) = demuxer.handle(start, &buffer) {
                return Ok(Err(error));
            }
        }
        self.check()?;
        Ok(demuxer.finish())
    }

    /// Looks for closed captions: reads the first bytes of a few pictures.
    fn read_captions(&self, movie: &mut Movie) -> io::Result<()> {
        let mut search = CaptionSearch::new(movie);
        let mut buffer = [0; HEAD];
        while let Some(Range { start, end }) = search.required() {
            let length = usize::try_from(end - start).map_err(io::Error::other)?;
            let bytes = buffer.get_mut(..length).ok_or_else(|| io::Error::other("more of a picture than is looked at"))?;
            self.file.read_exact_at(bytes, start)?;
            search.handle(bytes);
        }
        self.check()
    }
}
