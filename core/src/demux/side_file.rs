//! Side files: text in a file of its own beside the video, known by its name.

use alloc::{format, string::String, vec::Vec};

use super::Movie;
use crate::{
    boxes::user_data::{Role, UserData},
    codec::{Codec, Media},
    error::{Error, Result},
    sample::SampleTable,
    text::{Cues, Fault, srt, webvtt},
    time::Timescale,
    track::Track,
};

/// What the name of a side file tells: `STEM[.LANGUAGE][.forced|.sdh|.cc].vtt` or `.srt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SideFileName<'a> {
    /// What it begins with: that of the name of its video too.
    pub stem: &'a str,
    /// A tag of BCP 47.
    pub language: Option<&'a str>,
    /// What the text is for.
    pub role: Role,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    WebVtt,
    SubRip,
}

impl<'a> SideFileName<'a> {
    /// Reads the name of a file; `None`: it is not one of text.
    pub fn read(name: &'a str) -> Option<Self> {
        let (stem, extension) = name.rsplit_once('.')?;
        let format = match extension {
            extension if extension.eq_ignore_ascii_case("vtt") => Format::WebVtt,
            extension if extension.eq_ignore_ascii_case("srt") => Format::SubRip,
            _ => return None,
        };
        let mut found = Self { stem, language: None, role: Role::Subtitle, format };
        if let Some((stem, flag)) = stem.rsplit_once('.') {
            let role = match flag {
                flag if flag.eq_ignore_ascii_case("forced") => Some(Role::ForcedSubtitle),
                flag if flag.eq_ignore_ascii_case("sdh") || flag.eq_ignore_ascii_case("cc") => Some(Role::Caption),
                _ => None,
            };
            if let Some(role) = role {
                (found.stem, found.role) = (stem, role);
            }
        }
        if let Some((stem, language)) = found.stem.rsplit_once('.').filter(|(_, tag)| is_language_tag(tag)) {
            (found.stem, found.language) = (stem, Some(language));
        }
        Some(found)
    }
}

/// Whether the file `name` is text for the video `video` beside it: it is called like it, but for what names of texts tell.
pub fn is_beside(name: &str, video: &str) -> bool {
    let stem = video.rsplit_once('.').map_or(video, |(stem, _)| stem);
    // What follows is read as the name of a text for a video of the shortest name.
    let rest = name.strip_prefix(stem).filter(|rest| rest.starts_with('.'));
    rest.is_some_and(|rest| SideFileName::read(&format!("x{rest}")).is_some_and(|found| found.stem == "x"))
}

/// Whether `text` is well formed as a tag of a language with its script, region and the like (RFC 5646 2.1): of the forms of a language
/// those of two or three letters, which are all that are in use, so that a word in a name is seldom taken for one.
pub fn is_language_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let rest = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (2..=3).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_alphabetic()) && parts.all(rest)
}

/// Reads the text of a side file whose `name` tells what it is.
///
/// # Errors
///
/// The name is not that of a text, the content is not what the name says, or it shows nothing.
pub fn read(name: &str, bytes: &[u8]) -> Result<Movie> {
    let named = SideFileName::read(name).ok_or_else(|| Error::unsupported("the name of a text ends with .vtt or .srt"))?;
    let mut faults = Vec::new();
    let (cues, fault) = match named.format {
        Format::WebVtt => webvtt::read(bytes)?,
        Format::SubRip => {
            let (cues, encoding, fault) = srt::read(bytes)?;
            if encoding == srt::Encoding::Windows1252 {
                faults.push(Error::malformed("its letters are in no form of Unicode: they are read as Windows-1252"));
            }
            (cues, fault)
        }
    };
    if let Some(Fault { count, first, reason }) = fault {
        faults.push(Error::malformed(format!("{count} cues are passed over; the first, in line {first}: {reason}")));
    }
    if cues.list().is_empty() {
        return Err(faults.pop().unwrap_or_else(|| Error::malformed("the text has no cue: it shows nothing")));
    }
    Ok(Movie {
        name: String::from(name),
        tracks: Vec::from([track(cues, &named)]),
        left_out: Vec::new(),
        fragmented: false,
        side_file: true,
        size: bytes.len() as u64,
        faults,
    })
}

fn track(cues: Cues, named: &SideFileName<'_>) -> Track {
    let mut track = Track {
        id: 1,
        enabled: true,
        timescale: Timescale::MILLIS,
        language: named.language.map(String::from),
        user_data: UserData { roles: Vec::from([named.role]), label: None },
        codec: Codec { string: String::new(), media: Media::Text },
        sample_entries: Vec::new(),
        matrix: UNITY,
        dimensions: (0, 0),
        shift: 0,
        samples: SampleTable::default(),
        cues: None,
        events: Vec::new(),
        payload: None,
    };
    track.show(cues);
    track
}

/// The matrix that changes nothing (ISO/IEC 14496-12 6.2.2).
const UNITY: [u8; 36] = {
    let mut matrix = [0; 36];
    (matrix[1], matrix[17], matrix[32]) = (1, 1, 0x40);
    matrix
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, expected) in [
            ("a.vtt", Some(("a", None, Role::Subtitle))),
            ("a.en.VTT", Some(("a", Some("en"), Role::Subtitle))),
            ("a.b.deu.srt", Some(("a.b", Some("deu"), Role::Subtitle))),
            ("a.pt-BR.forced.srt", Some(("a", Some("pt-BR"), Role::ForcedSubtitle))),
            ("a.zh-Hant-TW.SDH.srt", Some(("a", Some("zh-Hant-TW"), Role::Caption))),
            ("a.cc.vtt", Some(("a", None, Role::Caption))),
            ("a.final.vtt", Some(("a.final", None, Role::Subtitle))),
            ("a.2.vtt", Some(("a.2", None, Role::Subtitle))),
            ("en.vtt", Some(("en", None, Role::Subtitle))),
            ("a.mp4", None),
            ("vtt", None),
        ] {
            let found = SideFileName::read(name).map(|found| (found.stem, found.language, found.role));
            assert_eq!(found, expected, "{name}");
        }
        for tag in ["", "e", "engl", "e1", "en-", "en-abcdefghi", "en_US", "-en"] {
            assert!(!is_language_tag(tag), "{tag}");
        }
    }

    #[test]
    fn texts_beside_a_video() {
        for (name, video, expected) in [
            ("film.vtt", "film.mp4", true),
            ("film.en.forced.srt", "film.mp4", true),
            ("film.final.en.vtt", "film.mp4", false),
            ("film.en.vtt", "film.en.mov", true),
            ("film 2.en.vtt", "film.mp4", false),
            ("film.mp4", "film.mp4", false),
            ("film.mp4.en.vtt", "film.mp4", false),
            ("films.en.vtt", "film.mp4", false),
        ] {
            assert_eq!(is_beside(name, video), expected, "{name} {video}");
        }
    }

    #[test]
    fn texts() {
        let movie = read("a.en.sdh.srt", b"1\n00:00:01,000 --> 00:00:02,000\n\xe9\n\nx --> y\n").unwrap();
        let track = movie.tracks.first().unwrap();
        assert_eq!((track.language.as_deref(), track.codec.string.as_str()), (Some("en"), "wvtt"));
        assert_eq!(track.cues.as_ref().map(|cues| cues.list().len()), Some(1));
        assert_eq!(movie.faults.len(), 2, "{:?}", movie.faults);
        for (name, bytes) in [("a.vtt", &b"WEBVTT\n"[..]), ("a.vtt", b"x"), ("a.srt", b"0:0:2,0 --> 0:0:1,0\na"), ("a.txt", b"WEBVTT")] {
            assert!(read(name, bytes).is_err(), "{name}");
        }
    }
}
