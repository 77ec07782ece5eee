//! The folder that is checked: nothing outside of it is ever opened, and no read is without a bound.

use std::{io, ops::Range, os::unix::fs::FileExt, path::Path};

use cap_std::{ambient_authority, fs::Dir};

use super::publication::{Publication, extension};

/// Entries of folders more than this are not looked at.
const MOST_ENTRIES: usize = 1 << 20;
/// Folders deeper than this are not looked into.
const MOST_DEEP: usize = 8;

/// A folder whose files are named by paths from it, with `/` between the parts.
pub struct Folder(Dir);

impl Folder {
    /// The folder at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        Dir::open_ambient_dir(path, ambient_authority()).map(Self)
    }
}

impl Publication for Folder {
    /// The playlists and MPDs below.
    fn manifests(&self) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        let mut left = MOST_ENTRIES;
        walk(&self.0, "", MOST_DEEP, &mut left, &mut found)?;
        found.sort();
        Ok(found)
    }

    /// What it is, is asked before it is opened: to open a pipe would wait for its other end.
    fn size(&self, path: &str) -> io::Result<u64> {
        let metadata = self.0.metadata(path)?;
        if metadata.is_file() { Ok(metadata.len()) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")) }
    }

    fn read(&self, path: &str, range: Range<u64>) -> io::Result<Vec<u8>> {
        self.size(path)?;
        let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        self.0.open(path)?.into_std().read_exact_at(&mut bytes, range.start)?;
        Ok(bytes)
    }
}

fn walk(dir: &Dir, prefix: &str, deep: usize, left: &mut usize, found: &mut Vec<String>) -> io::Result<()> {
    for entry in dir.entries()? {
        *left = left.saturating_sub(1);
        if *left == 0 {
            return Ok(());
        }
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let kind = entry.file_type()?;
        if kind.is_dir() && deep > 0 {
            walk(&entry.open_dir()?, &format!("{prefix}{name}/"), deep - 1, left, found)?;
        } else if !kind.is_dir() && matches!(extension(&name), "m3u8" | "mpd") {
            found.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}
