//! Why there is no ladder.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a ladder, or a part of it, was not made. Each says in one line what is at fault and what to do.
#[derive(Debug, thiserror::Error)]
pub enum LadderError {
    /// What is asked for cannot be made of this source: another try ends the same way.
    #[error("{0}")]
    Source(String),
    /// ffmpeg is missing, too old, or lacks something.
    #[error("{0}")]
    Tool(String),
    /// ffmpeg began and failed.
    #[error("{program} failed ({status}): {log}")]
    Failed {
        /// `ffmpeg` or `ffprobe`.
        program: &'static str,
        /// How it ended.
        status: String,
        /// The end of its log, in one line.
        log: String,
    },
    /// What ffmpeg made is not what was asked for.
    #[error("what ffmpeg made is not right: {0}")]
    Wrong(String),
    /// There is too little room.
    #[error("{}: {needed} MB may be needed and {free} MB are free: make room, or name another folder", folder.display())]
    Space {
        /// Where.
        folder: PathBuf,
        /// Megabytes that the ladder may take.
        needed: u64,
        /// Megabytes that there are.
        free: u64,
    },
    /// Another process makes a ladder in the same folder.
    #[error("{}: another ladder is being made there: wait for it, or name another folder", .0.display())]
    Busy(PathBuf),
    /// A file or folder cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was asked to end.
    #[error("ended before it was done; what is whole stays, and the same command goes on from there")]
    Cancelled,
}

impl LadderError {
    /// Whether the same may succeed later: not where the source is at fault, or somebody wanted it to end.
    pub fn is_passing(&self) -> bool {
        !matches!(self, Self::Source(_) | Self::Cancelled)
    }
}

/// Names the file in an error of the system.
pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> LadderError {
    let path = path.to_owned();
    move |source| LadderError::Io { path: path.clone(), source }
}
