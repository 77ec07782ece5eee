//! Where a presentation is published, whatever that is: files that are named by paths, read by ranges.

use std::{io, ops::Range};

use percent_encoding::percent_decode_str;

/// A place whose files can be read: a folder, or a server.
pub trait Publication {
    /// The manifests to begin with, sorted.
    fn manifests(&self) -> io::Result<Vec<String>>;

    /// The path that the reference `uri` in the file `from` leads to; else why there is none that can be looked at.
    fn resolve(&self, from: &str, uri: &str) -> Result<String, &'static str> {
        resolve(from, uri)
    }

    /// Bytes of a file.
    fn size(&self, path: &str) -> io::Result<u64>;

    /// The bytes `range` of a file, which the caller has bounded: all of them, or an error.
    fn read(&self, path: &str, range: Range<u64>) -> io::Result<Vec<u8>>;

    /// These files are looked at next: whoever is far away may read several of them at once.
    fn expect(&self, paths: &[String]) {
        let _ = paths;
    }
}

/// What stands behind the last full stop of a path, a query left out.
pub fn extension(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or_default();
    path.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// The path that the reference `uri` in the file `from` leads to (RFC 3986 5.2, for what stays in one folder); else why there is none.
fn resolve(from: &str, uri: &str) -> Result<String, &'static str> {
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
