//! A published presentation against the rules of its formats: playlists, MPDs, and the segments that both name.
//!
//! Manifests and segments are read as any player reads them: what stands in a folder is all that is known. Each fault names the file, what
//! is wrong and the clause that says so. Every read is bounded, so that a folder of unknown origin can be checked too.
//!
//! ```text
//! verify_folder -> multivariant -> playlist -> segments, webvtt
//!              '-> mpd -> index -> -----------'  '- header (read twice: by the core and by mp4parse)
//! ```

mod attributes;
mod folder;
mod header;
mod index;
mod mpd;
mod multivariant;
mod playlist;
mod protection;
mod representation;
mod segments;
mod webvtt;

use std::{
    collections::{HashMap, HashSet},
    fmt, io,
    ops::Range,
    path::Path,
    rc::Rc,
};

use serde::Serialize;

use folder::Folder;
use header::Header;
use playlist::MediaPlaylist;
use segments::Segment;

/// Faults more than this are counted no further: one cause that repeats needs no more to be seen.
const MOST_FAULTS: usize = 1000;

/// How much a fault weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A rule that players may rely on is broken.
    Error,
    /// A recommendation is not followed.
    Warning,
}

/// What is wrong, where, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Fault {
    /// How much it weighs.
    pub severity: Severity,
    /// The file, from the folder that is checked.
    pub file: String,
    /// What is wrong, in one line.
    pub what: String,
    /// The clause of the standard that is not met.
    pub clause: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}: {} ({})", self.file, self.what, self.clause)
    }
}

/// Checks the presentations in the folder at `path`: each playlist and each MPD in it, and what they name.
///
/// An error: the folder itself cannot be read. Everything in it that cannot be read is a fault.
pub fn verify_folder(path: &Path) -> io::Result<Vec<Fault>> {
    let folder = Folder::open(path)?;
    let manifests = folder.manifests()?;
    let mut check =
        Check { folder, faults: Vec::new(), seen: HashSet::new(), headers: HashMap::new(), segments: HashMap::new(), reached: 0 };
    if manifests.is_empty() {
        check.error("", "no playlist and no MPD is here: nothing is published", "RFC 8216bis 4");
    }
    let mut texts: HashMap<&str, String> = HashMap::new();
    for name in &manifests {
        if let Some(text) = check.text(name) {
            texts.insert(name, text);
        }
    }
    // Media playlists first: a multivariant playlist is judged by what they hold.
    let mut playlists: HashMap<String, MediaPlaylist> = HashMap::new();
    let is_hls = |name: &str| folder::extension(name) == "m3u8";
    for name in manifests.iter().filter(|name| is_hls(name)) {
        if let Some(text) = texts.get(name.as_str()).filter(|text| !multivariant::is_multivariant(text)) {
            let playlist = check.media_playlist(name, text);
            playlists.insert(name.clone(), playlist);
        }
    }
    for name in &manifests {
        match texts.get(name.as_str()) {
            Some(text) if is_hls(name) && multivariant::is_multivariant(text) => check.multivariant(name, text, &playlists),
            Some(text) if !is_hls(name) => check.mpd(name, text),
            _ => {}
        }
    }
    Ok(check.faults)
}

/// Bytes of a file: a range of it, or all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Part {
    path: String,
    range: Option<Range<u64>>,
}

impl Part {
    fn whole(path: String) -> Self {
        Self { path, range: None }
    }
}

/// A segment with the header that describes it: segments are read once, however many manifests name them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    header: Part,
    part: Part,
}

/// A check under way: what was read and what was found.
struct Check {
    folder: Folder,
    faults: Vec<Fault>,
    seen: HashSet<Fault>,
    headers: HashMap<Part, Option<Rc<Header>>>,
    segments: HashMap<Place, Option<Rc<Segment>>>,
    /// Where the last segment of the Period at hand ends, in microseconds.
    reached: u64,
}

impl Check {
    /// Notes a broken rule.
    fn error(&mut self, file: &str, what: impl Into<String>, clause: &'static str) {
        self.note(Severity::Error, file, &what.into(), clause);
    }

    /// Notes a recommendation that is not followed.
    fn warning(&mut self, file: &str, what: impl Into<String>, clause: &'static str) {
        self.note(Severity::Warning, file, &what.into(), clause);
    }

    fn note(&mut self, severity: Severity, file: &str, what: &str, clause: &'static str) {
        if self.faults.len() >= MOST_FAULTS {
            return;
        }
        // Names and texts come from outside: what ends a line or steers a terminal does not reach the report.
        let clean = |text: &str| text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).take(500).collect();
        let fault = Fault { severity, file: clean(file), what: clean(what), clause };
        if self.seen.insert(fault.clone()) {
            self.faults.push(fault);
        }
    }

    /// The text of a manifest.
    fn text(&mut self, name: &str) -> Option<String> {
        let clause = if folder::extension(name) == "m3u8" { "RFC 8216bis 4.1" } else { "ISO/IEC 23009-1 5.2" };
        match self.folder.read(name, folder::MAX_TEXT) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => return Some(text),
                Err(_) => self.error(name, "it is not UTF-8", clause),
            },
            Err(error) => self.error(name, format!("it cannot be read: {error}"), clause),
        }
        None
    }

    /// The file that `uri` in the manifest `from` names, if it is there.
    fn locate(&mut self, from: &str, uri: &str, clause: &'static str) -> Option<String> {
        match folder::resolve(from, uri) {
            Err(reason) => self.error(from, format!("URI '{uri}' {reason}"), clause),
            Ok(path) => match self.folder.size(&path) {
                Ok(_) => return Some(path),
                Err(error) => self.error(from, format!("'{uri}' cannot be read: {error}"), clause),
            },
        }
        None
    }
}
