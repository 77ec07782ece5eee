//! A published presentation against the rules of its formats: playlists, MPDs, and the segments that both name.
//!
//! Manifests and segments are read as any player reads them: what is published is all that is known. Each fault names the file, what
//! is wrong and the clause that says so. Every read is bounded, so that what is of unknown origin can be checked too.
//!
//! ```text
//! Publication (Folder, Site) -> verify -> multivariant -> playlist -> segments, webvtt
//!                                     '-> mpd -> index -> -----------'  '- header (read twice: by the core and by mp4parse)
//! ```

mod attributes;
mod folder;
mod header;
mod index;
mod mpd;
mod multivariant;
mod playlist;
mod protection;
mod publication;
mod representation;
mod segments;
mod site;
mod webvtt;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt, io,
    ops::Range,
    path::Path,
    rc::Rc,
};

use serde::Serialize;

use header::Header;
use playlist::MediaPlaylist;
use publication::extension;
use segments::Segment;

pub use folder::Folder;
pub use publication::Publication;
pub use site::Site;

/// The largest playlist or MPD that is read, in bytes.
pub const MAX_TEXT: u64 = 16 << 20;
/// Manifests more than this are not looked at.
const MOST_MANIFESTS: usize = 1 << 12;
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

/// What a check comes to.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// Whether some of it is still growing: it was judged as it was at that moment, without what only a later reading would show, without
    /// parts of segments, and without bit rates, which are promised for all that is to come.
    pub live: bool,
}

/// Checks the presentations in the folder at `path`: each playlist and each MPD in it, and what they name.
///
/// An error: the folder itself cannot be read. Everything in it that cannot be read is a fault.
pub fn verify_folder(path: &Path) -> io::Result<Vec<Fault>> {
    Ok(verify(&Folder::open(path)?)?.faults)
}

/// Checks what is published: each manifest that is told, each that those name, and all segments.
///
/// An error: nothing is told. Everything that cannot be read is a fault.
pub fn verify(publication: &dyn Publication) -> io::Result<Verdict> {
    let manifests = publication.manifests()?;
    let mut check = Check {
        publication,
        verdict: Verdict::default(),
        seen: HashSet::new(),
        headers: HashMap::new(),
        segments: HashMap::new(),
        reached: 0,
        representations: 0,
        spans: 0,
    };
    if manifests.is_empty() {
        check.error("", "no playlist and no MPD is here: nothing is published", "RFC 8216bis 4");
    }
    let texts = check.texts(manifests);
    // Media playlists first: a multivariant playlist is judged by what they hold.
    let mut playlists: HashMap<String, MediaPlaylist> = HashMap::new();
    for (name, text) in texts.iter().filter(|(name, text)| is_hls(name, text) && !multivariant::is_multivariant(text)) {
        let playlist = check.media_playlist(name, text);
        playlists.insert(name.clone(), playlist);
    }
    for (name, text) in &texts {
        if !is_hls(name, text) {
            check.mpd(name, text);
        } else if multivariant::is_multivariant(text) {
            check.multivariant(name, text, &playlists);
        }
    }
    Ok(check.verdict)
}

/// Whether a manifest is a playlist; else it is an MPD.
fn is_hls(name: &str, text: &str) -> bool {
    extension(name) == "m3u8" || text.starts_with("#EXTM3U")
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
struct Check<'a> {
    publication: &'a dyn Publication,
    verdict: Verdict,
    seen: HashSet<Fault>,
    headers: HashMap<Part, Option<Rc<Header>>>,
    segments: HashMap<Place, Option<Rc<Segment>>>,
    /// Where the last segment of the Period at hand ends, in microseconds.
    reached: u64,
    /// Representations looked at, and segments that they name.
    representations: usize,
    spans: usize,
}

impl Check<'_> {
    /// Notes a broken rule.
    fn error(&mut self, file: &str, what: impl Into<String>, clause: &'static str) {
        self.note(Severity::Error, file, &what.into(), clause);
    }

    /// Notes a recommendation that is not followed.
    fn warning(&mut self, file: &str, what: impl Into<String>, clause: &'static str) {
        self.note(Severity::Warning, file, &what.into(), clause);
    }

    fn note(&mut self, severity: Severity, file: &str, what: &str, clause: &'static str) {
        if self.verdict.faults.len() >= MOST_FAULTS {
            return;
        }
        // Names and texts come from outside: what ends a line or steers a terminal does not reach the report.
        let clean = |text: &str| text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).take(500).collect();
        let fault = Fault { severity, file: clean(file), what: clean(what), clause };
        if self.seen.insert(fault.clone()) {
            self.verdict.faults.push(fault);
        }
    }

    /// The texts of these manifests and of those that they name, by name.
    fn texts(&mut self, mut names: Vec<String>) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        let mut known: HashSet<String> = names.iter().cloned().collect();
        names.reverse();
        while let Some(name) = names.pop().filter(|_| texts.len() < MOST_MANIFESTS) {
            let Some(text) = self.text(&name) else { continue };
            if is_hls(&name, &text) {
                // What is not there is a fault of the line that names it, told when that is judged.
                let there = |path: &String| !known.contains(path) && self.publication.size(path).is_ok();
                let named = multivariant::playlists(&text).filter_map(|uri| self.publication.resolve(&name, uri).ok());
                let found: Vec<String> = named.filter(there).collect();
                names.extend(found.into_iter().filter(|path| known.insert(path.clone())));
            }
            texts.insert(name, text);
        }
        texts
    }

    /// The text of a manifest.
    fn text(&mut self, name: &str) -> Option<String> {
        let clause = if extension(name) == "mpd" { "ISO/IEC 23009-1 5.2" } else { "RFC 8216bis 4.1" };
        match self.read(name, None, MAX_TEXT) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => return Some(text),
                Err(_) => self.error(name, "it is not UTF-8", clause),
            },
            Err(error) => self.error(name, format!("it cannot be read: {error}"), clause),
        }
        None
    }

    /// A range of a file, or all of it: at most `limit` bytes.
    fn read(&self, path: &str, range: Option<&Range<u64>>, limit: u64) -> io::Result<Vec<u8>> {
        let size = self.publication.size(path)?;
        let range = range.cloned().unwrap_or(0..size);
        let length = range.end.saturating_sub(range.start);
        if length > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{length} bytes, more than {limit}")));
        }
        if range.end > size {
            let message = format!("{length} bytes from byte {} of {size}", range.start);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.publication.read(path, range)
    }

    /// The file that `uri` in the manifest `from` names, if it is there.
    fn locate(&mut self, from: &str, uri: &str, clause: &'static str) -> Option<String> {
        match self.publication.resolve(from, uri) {
            Err(reason) => self.error(from, format!("URI '{uri}' {reason}"), clause),
            Ok(path) => match self.publication.size(&path) {
                Ok(_) => return Some(path),
                Err(error) => self.error(from, format!("'{uri}' cannot be read: {error}"), clause),
            },
        }
        None
    }
}
