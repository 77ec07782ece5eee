//! Where the bytes of files come from, for those who send them: the place for other stores.

use std::{fmt::Debug, fs::File, io};

use super::{Piece, gather, gather_cached};

/// A store of files that may be slow. Pieces are in ascending order of their offsets; the end of the file before the end of a piece is an
/// error of kind [`io::ErrorKind::UnexpectedEof`].
pub trait Disk: Debug + Send + Sync {
    /// Fills every piece without waiting: an error of kind [`io::ErrorKind::WouldBlock`] where some of it is not in memory. Threads of the
    /// network call this.
    fn read_at_hand(&self, file: &File, pieces: Vec<Piece<'_>>) -> io::Result<()>;

    /// Fills every piece, however long that takes. No thread of the network calls this.
    fn read(&self, file: &File, pieces: Vec<Piece<'_>>) -> io::Result<()>;
}

/// The disks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct LocalDisk;

impl Disk for LocalDisk {
    fn read_at_hand(&self, file: &File, pieces: Vec<Piece<'_>>) -> io::Result<()> {
        gather_cached(file, pieces)
    }

    fn read(&self, file: &File, pieces: Vec<Piece<'_>>) -> io::Result<()> {
        gather(file, pieces)
    }
}
