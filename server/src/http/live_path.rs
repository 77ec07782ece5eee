//! The paths of live streams: where an encoder pushes to, and what viewers read.

use std::fmt;

use super::resource::{counting_number, key_id, rendition_name};

/// The name of a live stream: letters, digits, `-`, `_` and `.`, with which it does not begin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName(String);

/// The longest name of a stream, in bytes.
const LONGEST_NAME: usize = 64;

impl StreamName {
    /// `text` as a name, if it can be one.
    pub fn new(text: &str) -> Option<Self> {
        let plain = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_' | b'.');
        let fits = !text.is_empty() && text.len() <= LONGEST_NAME && !text.starts_with('.') && text.bytes().all(plain);
        fits.then(|| Self(text.to_owned()))
    }

    /// As it stands in URLs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What viewers read of a stream: `/live/NAME/...`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LivePart {
    /// `master.m3u8`.
    MultivariantPlaylist,
    /// `manifest.mpd`.
    Mpd,
    /// `stream.mp4`: everything from now on, without end.
    Endless,
    /// `clearkey`: where players get keys as W3C ClearKey.
    ClearKey,
    /// `KID.key`: the key of this number, 32 hexadecimal digits.
    Key(String),
    /// `REP/media.m3u8`.
    MediaPlaylist(String),
    /// `REP/init-K.mp4`, from 1.
    Header(String, u32),
    /// `REP/N.m4s`, from 1.
    Segment(String, u32),
    /// `REP/N.P.m4s`, N from 1 and P from 0.
    Part(String, u32, u32),
    /// `REP/N.vtt` or, with a part, `REP/N.P.vtt`: text as HLS has it.
    WebVtt(String, u32, Option<u32>),
}

impl LivePart {
    /// Whether it is a playlist or the MPD.
    pub fn is_manifest(&self) -> bool {
        matches!(self, Self::MultivariantPlaylist | Self::Mpd | Self::MediaPlaylist(_))
    }

    /// By the steps behind the name.
    pub(super) fn parse(steps: &[&str]) -> Option<Self> {
        Some(match steps {
            ["master.m3u8"] => Self::MultivariantPlaylist,
            ["manifest.mpd"] => Self::Mpd,
            ["stream.mp4"] => Self::Endless,
            ["clearkey"] => Self::ClearKey,
            [file] => Self::Key(key_id(file)?),
            [rendition, file] => {
                let rendition = rendition_name(rendition)?;
                if *file == "media.m3u8" {
                    return Some(Self::MediaPlaylist(rendition));
                }
                if let Some(number) = file.strip_prefix("init-").and_then(|rest| rest.strip_suffix(".mp4")) {
                    return Some(Self::Header(rendition, counting_number(number)?));
                }
                let (numbers, is_text) = match file.strip_suffix(".m4s") {
                    Some(numbers) => (numbers, false),
                    None => (file.strip_suffix(".vtt")?, true),
                };
                let (segment, part) = match numbers.split_once('.') {
                    Some((segment, "0")) => (segment, Some(0)),
                    Some((segment, part)) => (segment, Some(counting_number(part)?)),
                    None => (numbers, None),
                };
                let segment = counting_number(segment)?;
                match part {
                    part if is_text => Self::WebVtt(rendition, segment, part),
                    Some(part) => Self::Part(rendition, segment, part),
                    None => Self::Segment(rendition, segment),
                }
            }
            _ => return None,
        })
    }
}

/// Where an encoder pushes to: `/ingest/NAME[~KEY][/FILE...]`.
#[derive(Clone, PartialEq, Eq)]
pub struct IngestPath {
    /// The stream.
    pub name: StreamName,
    /// The publish key, for encoders that can tell it nowhere else.
    pub key: Option<String>,
    /// The steps of the file, if there is one.
    pub file: Vec<String>,
}

impl IngestPath {
    /// By the steps behind `ingest`. A slash at the end says nothing.
    pub(super) fn parse(steps: &[&str]) -> Option<Self> {
        let (first, file) = steps.split_first()?;
        let (name, key) = first.split_once('~').map_or((*first, None), |(name, key)| (name, Some(key.to_owned())));
        let file = file.strip_suffix(&[""]).unwrap_or(file);
        let plain = |step: &&str| !step.is_empty() && !step.starts_with('.') && step.len() <= 255 && !step.contains(char::is_control);
        let file = file.iter().all(plain).then(|| file.iter().map(|step| (*step).to_owned()).collect())?;
        Some(Self { name: StreamName::new(name)?, key, file })
    }
}

impl fmt::Debug for IngestPath {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IngestPath").field("name", &self.name).field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Resource;

    fn name(text: &str) -> StreamName {
        StreamName::new(text).unwrap()
    }

    #[test]
    fn paths_of_viewers() {
        use LivePart::{Endless, Header, MediaPlaylist, Mpd, MultivariantPlaylist, Part, Segment, WebVtt};
        for (path, expected) in [
            ("/live/a/master.m3u8", Some(MultivariantPlaylist)),
            ("/live/a/manifest.mpd", Some(Mpd)),
            ("/live/a/stream.mp4", Some(Endless)),
            ("/live/a/clearkey", Some(LivePart::ClearKey)),
            ("/live/a/000102030405060708090a0b0c0d0e0f.key", Some(LivePart::Key("000102030405060708090a0b0c0d0e0f".into()))),
            ("/live/a/0001.key", None),
            ("/live/a/v1/media.m3u8", Some(MediaPlaylist("v1".into()))),
            ("/live/a/t1/7.vtt", Some(WebVtt("t1".into(), 7, None))),
            ("/live/a/t1/7.0.vtt", Some(WebVtt("t1".into(), 7, Some(0)))),
            ("/live/a/t1/0.0.vtt", None),
            ("/live/a/a2/init-3.mp4", Some(Header("a2".into(), 3))),
            ("/live/a/v1/12.m4s", Some(Segment("v1".into(), 12))),
            ("/live/a/v1/12.0.m4s", Some(Part("v1".into(), 12, 0))),
            ("/live/a/v1/12.10.m4s", Some(Part("v1".into(), 12, 10))),
            ("/live/a", None),
            ("/live/a/", None),
            ("/live/a/v1/", None),
            ("/live/a/v1/0.m4s", None),
            ("/live/a/v1/12.00.m4s", None),
            ("/live/a/v1/12.01.m4s", None),
            ("/live/a/v1/12.1.1.m4s", None),
            ("/live/a/v1/12..m4s", None),
            ("/live/a/v1/init-0.mp4", None),
            ("/live/a/v1/init.mp4", None),
            ("/live/a/x1/1.m4s", None),
            ("/live/.a/master.m3u8", None),
            ("/live/a~b/master.m3u8", None),
            ("/live/a%2fb/master.m3u8", None),
        ] {
            let expected = expected.map(|part| Resource::Live(name("a"), part));
            assert_eq!(Resource::parse(path), expected, "{path}");
        }
        assert_eq!(StreamName::new(&"a".repeat(LONGEST_NAME + 1)), None);
    }

    #[test]
    fn paths_of_encoders() {
        for (path, expected) in [
            ("/ingest/a", Some((None, vec![]))),
            ("/ingest/a/", Some((None, vec![]))),
            ("/ingest/a~key", Some((Some("key"), vec![]))),
            ("/ingest/a~k~y/chunk-stream0-00001.m4s", Some((Some("k~y"), vec!["chunk-stream0-00001.m4s"]))),
            ("/ingest/a%7Ekey/b", Some((Some("key"), vec!["b"]))),
            ("/ingest/a/Switching(1)/Streams(v1.cmfv)", Some((None, vec!["Switching(1)", "Streams(v1.cmfv)"]))),
            ("/ingest/a/../b", None),
            ("/ingest/a//b", None),
            ("/ingest/a b", None),
            ("/ingest/~key", None),
            ("/ingest", None),
            ("/ingest/", None),
        ] {
            let expected = expected.map(|(key, file)| {
                let file = file.into_iter().map(str::to_owned).collect();
                Resource::Ingest(IngestPath { name: name("a"), key: key.map(str::to_owned), file })
            });
            assert_eq!(Resource::parse(path), expected, "{path}");
        }
        let told = format!("{:?}", Resource::parse("/ingest/a~secret/b"));
        assert!(!told.contains("secret"), "{told}");
    }
}
