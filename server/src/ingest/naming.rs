//! Which files of an encoder belong together: the header of a rendition and its segments, by their names alone.
//!
//! Encoders tell it in a manifest, but push that after the files. Their names have a pattern: both hold what names the rendition, the
//! header one of a few words, a segment its number or time.
//!
//! | encoder | header | segment | rendition |
//! |---|---|---|---|
//! | ffmpeg `-f dash` | `init-stream0.m4s` | `chunk-stream0-00001.m4s` | `stream0` |
//! | ffmpeg `-f hls` | `init.mp4` | `live12.m4s` | the only one |
//! | ffmpeg `-f hls` with several | `init_0.mp4` | `live_0_12.m4s` | `0` |
//! | DASH-IF Interface-1 | `video/init.mp4` | `video/180000.m4s` | `video/` |
//! | one body a track | `Streams(video.cmfv)` | the same | `video` |

/// What is left of the path of a file when all is taken off that does not name a rendition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey {
    folder: Vec<String>,
    words: Vec<String>,
}

/// Words that tell what a file is, not of which rendition.
const KINDS: [&str; 9] = ["init", "header", "chunk", "seg", "segment", "media", "frag", "fragment", "streams"];

impl FileKey {
    /// The one of `headers` that is of the same rendition as the segment at `file`: that of the same name; else that whose words begin
    /// or end those of the segment, the longest; else the only one in the folder.
    pub fn of_header_for<'a>(file: &[String], headers: &(impl Iterator<Item = &'a Self> + Clone)) -> Option<&'a Self> {
        let whole = Self::of(file);
        if let Some(same) = headers.clone().find(|header| **header == whole) {
            return Some(same);
        }
        let segment = whole.without_number();
        let beside = || headers.clone().filter(|header| header.folder == segment.folder);
        let named = |header: &&Self| segment.words.starts_with(&header.words) || segment.words.ends_with(&header.words);
        let longest = beside().filter(named).max_by_key(|header| header.words.len());
        let mut all = beside();
        let only = all.next().filter(|_| all.next().is_none());
        longest.filter(|header| !header.words.is_empty()).or(only)
    }

    /// The name of the switching set that the URL tells, as `Switching(NAME)/...` (DASH-IF Live Media Ingest 6.5).
    pub fn switching_set(&self) -> Option<&str> {
        self.folder.iter().rev().find_map(|folder| folder.strip_prefix("Switching(")?.strip_suffix(')'))
    }

    /// Without the number of a segment, which is its last.
    fn without_number(mut self) -> Self {
        if let Some(last) = self.words.pop() {
            let rest = last.trim_end_matches(|letter: char| letter.is_ascii_digit());
            if !rest.is_empty() {
                self.words.push(rest.to_owned());
            }
        }
        self
    }

    /// Of the segment at `file`, whose header is in itself, as in a transport stream: what its name tells besides its number.
    pub fn of_segment(file: &[String]) -> Self {
        Self::of(file).without_number()
    }

    /// Of the header at `file`.
    pub fn of(file: &[String]) -> Self {
        let (name, folder) = file.split_last().map_or(("", &[][..]), |(name, folder)| (name.as_str(), folder));
        // `Streams(video.cmfv)`: the name is in the parentheses.
        let name = name.strip_suffix(')').unwrap_or(name);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let words = stem.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let words = words.filter(|word| !KINDS.iter().any(|kind| kind.eq_ignore_ascii_case(word))).map(str::to_owned);
        Self { folder: folder.to_vec(), words: words.collect() }
    }
}

/// What a file is by its extension: no media, but what goes with it.
pub fn is_manifest(file: &[String]) -> bool {
    let name = file.last().map_or("", String::as_str).to_ascii_lowercase();
    [".mpd", ".m3u8", ".key", ".xml", ".json"].iter().any(|extension| name.ends_with(extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn segments_find_their_header() {
        for (headers, segment, expected) in [
            (&["init-stream0.m4s", "init-stream1.m4s"][..], "chunk-stream1-00001.m4s", Some("init-stream1.m4s")),
            (&["init-stream0.m4s", "init-stream10.m4s"], "chunk-stream10-00001.m4s", Some("init-stream10.m4s")),
            (&["init.mp4"], "live12.m4s", Some("init.mp4")),
            (&["init.mp4"], "00012.m4s", Some("init.mp4")),
            (&["init_0.mp4", "init_1.mp4"], "live_1_12.m4s", Some("init_1.mp4")),
            (&["video/init.mp4", "audio/init.mp4"], "audio/180000.m4s", Some("audio/init.mp4")),
            (&["video_init.mp4", "audio_init.mp4"], "video_7.m4s", Some("video_init.mp4")),
            (&["init-v1.mp4", "init-a1.mp4"], "v1-t180000.m4s", Some("init-v1.mp4")),
            (&["Streams(video1.cmfv)", "Streams(video2.cmfv)"], "Streams(video2.cmfv)", Some("Streams(video2.cmfv)")),
            (
                &["Switching(1)/Streams(a.cmfv)", "Switching(2)/Streams(a.cmfv)"],
                "Switching(2)/Streams(a.cmfv)",
                Some("Switching(2)/Streams(a.cmfv)"),
            ),
            (&["v/init.mp4"], "a/1.m4s", None),
            (&["init_0.mp4", "init_1.mp4"], "live12.m4s", None),
            (&["init-v1.mp4", "init-a1.mp4"], "7.m4s", None),
            (&[], "1.m4s", None),
        ] {
            let keys: Vec<FileKey> = headers.iter().map(|header| FileKey::of(&path(header))).collect();
            let found = FileKey::of_header_for(&path(segment), &keys.iter());
            let found = found.and_then(|key| keys.iter().position(|other| other == key)).map(|index| headers[index]);
            assert_eq!(found, expected, "{segment} of {headers:?}");
        }
    }

    #[test]
    fn switching_sets_are_told() {
        for (file, expected) in [
            ("Switching(1)/Streams(a.cmfv)", Some("1")),
            ("a/Switching(main)/video/init.mp4", Some("main")),
            ("Streams(a.cmfv)", None),
            ("Switching/init.mp4", None),
        ] {
            assert_eq!(FileKey::of(&path(file)).switching_set(), expected, "{file}");
        }
    }

    #[test]
    fn manifests_are_told_by_their_extension() {
        for (file, expected) in [("manifest.mpd", true), ("a/LIVE.M3U8", true), ("init.mp4", false), ("1.m4s", false), ("k.key", true)] {
            assert_eq!(is_manifest(&path(file)), expected, "{file}");
        }
    }
}
