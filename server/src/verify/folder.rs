//! The folder that is checked: nothing outside of it is ever opened, and no read is without a bound.

use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
    os::unix::fs::FileExt,
    path::Path,
};

use cap_std::{ambient_authority, fs::Dir};
use percent_encoding::percent_decode_str;

use super::Part;

/// The largest playlist or MPD that is read, in bytes.
pub const MAX_TEXT: u64 = 16 << 20;
/// Entries of folders more than this are not looked at.
const MOST_ENTRIES: usize = 1 << 20;
/// Folders deeper than this are not looked into.
const MOST_DEEP: usize = 8;

/// A folder whose files are named by paths from it, with `/` between the parts.
pub struct Folder(Dir);

impl Folder {
    pub fn open(path: &Path) -> io::Result<Self> {
        Dir::open_ambient_dir(path, ambient_authority()).map(Self)
    }

    /// The playlists and MPDs below, sorted.
    pub fn manifests(&self) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        let mut left = MOST_ENTRIES;
        walk(&self.0, "", MOST_DEEP, &mut left, &mut found)?;
        found.sort();
        Ok(found)
    }

    /// Opens a regular file. What it is, is asked first: to open a pipe would wait for its other end.
    pub fn open_file(&self, path: &str) -> io::Result<(File, u64)> {
        if !self.0.metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let file = self.0.open(path)?.into_std();
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    /// Bytes of a regular file.
    pub fn size(&self, path: &str) -> io::Result<u64> {
        let metadata = self.0.metadata(path)?;
        if metadata.is_file() { Ok(metadata.len()) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")) }
    }

    /// The whole of a file of at most `limit` bytes.
    pub fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let (file, size) = self.open_file(path)?;
        if size > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{size} bytes, more than {limit}")));
        }
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Folder {
    /// Bytes of a regular file, at most `limit`.
    pub fn read_part(&self, part: &Part, limit: u64) -> io::Result<Vec<u8>> {
        let Some(range) = &part.range else { return self.read(&part.path, limit) };
        let (file, size) = self.open_file(&part.path)?;
        let length = range.end.saturating_sub(range.start);
        if range.end > size || length > limit {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{length} bytes from byte {} of {size}", range.start)));
        }
        read_range(&file, range.clone())
    }
}

/// The bytes `range` of a file, which the caller has bounded.
pub fn read_range(file: &File, range: Range<u64>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes)
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

/// What stands behind the last full stop.
pub fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// The path that the reference `uri` in the file `from` leads to (RFC 3986 5.2, for what stays in one folder); else why there is none.
pub fn resolve(from: &str, uri: &str) -> Result<String, &'static str> {
    let uri = uri.split(['?', '#']).next().unwrap_or_default();
    if uri.is_empty() {
        return Err("names no file");
    }
    let scheme = uri.split_once(':').is_some_and(|(scheme, _)| !scheme.contains('/'));
    if scheme || uri.starts_with('/') {
        return Err("is no relative path: what it names cannot be looked at");
    }
    let mut parts: Vec<String> = from.split('/').map(str::to_owned).collect();
    parts.pop();
    for part in uri.split('/') {
        let part = percent_decode_str(part).decode_utf8().map_err(|_| "is not UTF-8")?;
        match &*part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or("leads out of the folder")?;
            }
            part if part.contains(['/', '\\', '\0']) => return Err("has a separator inside a part of the path"),
            part => parts.push(part.to_owned()),
        }
    }
    if parts.is_empty() { Err("names no file") } else { Ok(parts.join("/")) }
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn references_stay_inside() {
        for (uri, expected) in [
            ("1.m4s", Some("v1/1.m4s")),
            ("./a%20b.m4s?x=../..", Some("v1/a b.m4s")),
            ("../a1/1.m4s", Some("a1/1.m4s")),
            ("../../1.m4s", None),
            ("%2e%2e/%2e%2e/1.m4s", None),
            ("..%2f1.m4s", None),
            ("/etc/passwd", None),
            ("https://example.org/1.m4s", None),
            ("", None),
            ("..", None),
        ] {
            assert_eq!(resolve("v1/media.m3u8", uri).ok().as_deref(), expected, "{uri}");
        }
    }
}
