//! What a path names. A path becomes one of these before any work is done; what it cannot become is not found.

use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::live_path::{IngestPath, LivePart, StreamName};

/// A place on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A file of the web app; the app itself at the empty path.
    Page(String),
    /// `/media/PATH`: a file as it is.
    Media(AssetPath),
    /// `/vod/ASSET/...`: a file, or a folder of files, as HLS, DASH and CMAF.
    Vod(AssetPath, VodPart),
    /// `/live/NAME/...`: a live stream.
    Live(StreamName, LivePart),
    /// `/ingest/NAME[~KEY][/FILE...]`: where an encoder pushes to.
    Ingest(IngestPath),
    /// `/whip/NAME[~KEY][/SESSION]`: where an encoder publishes by WebRTC.
    Whip(IngestPath),
    /// `/api/v1/server`.
    ApiServer,
    /// `/api/v1/assets`.
    ApiAssets,
    /// `/api/v1/jobs`, or what stands behind it: a job, `events`, the events of a job.
    ApiJobs(Option<String>),
    /// `/api/v1/streams`.
    ApiStreams,
    /// `/api/v1/streams/NAME`.
    ApiStream(StreamName),
    /// `/api/v1/time`.
    ApiTime,
    /// `/api/v1/openapi.json`.
    ApiDescription,
    /// `/healthz`: the process answers.
    Health,
    /// `/readyz`: it takes requests.
    Ready,
}

/// A part of a presentation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VodPart {
    /// `master.m3u8`.
    MultivariantPlaylist,
    /// `manifest.mpd`.
    Mpd,
    /// `REP/media.m3u8`.
    MediaPlaylist(String),
    /// `REP/iframes.m3u8`.
    IFramePlaylist(String),
    /// `REP/init.mp4`.
    Header(String),
    /// `REP/N.m4s`, from 1.
    Segment(String, u32),
    /// `REP/N.vtt`, from 1.
    WebVttSegment(String, u32),
    /// `KID.key`: the key of this number, 32 hexadecimal digits.
    Key(String),
    /// `chapters.vtt`: when each chapter begins, and what it is called.
    Chapters,
    /// `clearkey`: where players get keys as W3C ClearKey.
    ClearKey,
}

impl VodPart {
    /// Whether it is a playlist or the MPD.
    pub fn is_manifest(&self) -> bool {
        matches!(self, Self::MultivariantPlaylist | Self::Mpd | Self::MediaPlaylist(_) | Self::IFramePlaylist(_))
    }
}

/// A path below the media folder that can lead nowhere else: every step is a plain, visible name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetPath(Vec<String>);

/// What the names of uploads begin with, so that they are told from files of the media folder.
pub const UPLOAD: &str = "up-";

/// The longest path, in steps: deeper folders are not served.
const MAX_STEPS: usize = 32;

impl Resource {
    /// What the path of a URL names; percent-encoding is taken off once, step by step, so that an encoded slash never becomes a step.
    pub fn parse(path: &str) -> Option<Self> {
        let steps = steps(path)?;
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        match steps.as_slice() {
            ["media", asset @ ..] => AssetPath::new(asset).map(Self::Media),
            ["vod", rest @ ..] => Self::parse_vod(rest),
            ["live", name, part @ ..] => Some(Self::Live(StreamName::new(name)?, LivePart::parse(part)?)),
            ["ingest", rest @ ..] => IngestPath::parse(rest).map(Self::Ingest),
            ["whip", rest @ ..] => IngestPath::parse(rest).filter(|path| path.file.len() <= 1).map(Self::Whip),
            ["api", "v1", "server"] => Some(Self::ApiServer),
            ["api", "v1", "assets"] => Some(Self::ApiAssets),
            ["api", "v1", "jobs"] => Some(Self::ApiJobs(None)),
            ["api", "v1", "jobs", place @ ..] if place.len() <= 2 => Some(Self::ApiJobs(Some(place.join("/")))),
            ["api", "v1", "streams"] => Some(Self::ApiStreams),
            ["api", "v1", "streams", name] => StreamName::new(name).map(Self::ApiStream),
            ["api", "v1", "time"] => Some(Self::ApiTime),
            ["api", "v1", "openapi.json"] => Some(Self::ApiDescription),
            ["api" | "live" | "upload" | "t", ..] => None,
            ["healthz"] => Some(Self::Health),
            ["readyz"] => Some(Self::Ready),
            page => Some(Self::Page(page.join("/"))),
        }
    }

    fn parse_vod(steps: &[&str]) -> Option<Self> {
        let (asset, part) = match steps {
            [asset @ .., "master.m3u8"] => (asset, VodPart::MultivariantPlaylist),
            [asset @ .., "manifest.mpd"] => (asset, VodPart::Mpd),
            [asset @ .., "chapters.vtt"] => (asset, VodPart::Chapters),
            [asset @ .., "clearkey"] => (asset, VodPart::ClearKey),
            [asset @ .., file] if let Some(id) = key_id(file) => (asset, VodPart::Key(id)),
            [asset @ .., rendition, "media.m3u8"] => (asset, VodPart::MediaPlaylist(rendition_name(rendition)?)),
            [asset @ .., rendition, "iframes.m3u8"] => (asset, VodPart::IFramePlaylist(rendition_name(rendition)?)),
            [asset @ .., rendition, "init.mp4"] => (asset, VodPart::Header(rendition_name(rendition)?)),
            [asset @ .., rendition, file] => {
                let (number, extension) = file.rsplit_once('.')?;
                let (rendition, number) = (rendition_name(rendition)?, counting_number(number)?);
                match extension {
                    "m4s" => (asset, VodPart::Segment(rendition, number)),
                    "vtt" => (asset, VodPart::WebVttSegment(rendition, number)),
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some(Self::Vod(AssetPath::new(asset)?, part))
    }
}

/// The steps of the path of a URL, percent-encoding taken off; `None` where it does not begin with a slash, cannot be decoded or is too deep.
pub fn steps(path: &str) -> Option<Vec<String>> {
    let mut steps = Vec::new();
    for step in path.strip_prefix('/')?.split('/') {
        if steps.len() > MAX_STEPS {
            return None;
        }
        steps.push(decode(step)?);
    }
    Some(steps)
}

/// Takes the percent-encoding off (RFC 3986 2.1); `None` for an escape that is none, or bytes that are no UTF-8.
fn decode(step: &str) -> Option<String> {
    let whole = step.split('%').skip(1).all(|escape| escape.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2);
    whole.then(|| percent_decode_str(step).decode_utf8().ok()).flatten().map(String::from)
}

/// `KID.key`.
pub(super) fn key_id(file: &str) -> Option<String> {
    let digits = file.strip_suffix(".key")?;
    let is_id = digits.len() == 32 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    is_id.then(|| digits.to_owned())
}

/// A letter for the kind and a number from 1: `v1`, `a2`, `t3`; `k1` for the key frames of `v1`.
pub(super) fn rendition_name(text: &str) -> Option<String> {
    let number = text.strip_prefix(['v', 'a', 't', 'k'])?;
    counting_number(number).map(|_| text.to_owned())
}

/// A number from 1, written in one way only, so that one thing has one URL.
pub(super) fn counting_number(digits: &str) -> Option<u32> {
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// What must be encoded in a step of a path (RFC 3986 3.3), generously.
const STEP: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl AssetPath {
    /// A path of these steps; `None` if any of them is hidden, is not a plain name, or cannot be one.
    fn new(steps: &[&str]) -> Option<Self> {
        let plain = |step: &&str| {
            !step.is_empty()
                && !step.starts_with('.')
                && step.len() <= 255
                && !step.contains(['/', '\\', '\0'])
                && !step.contains(char::is_control)
        };
        let fits = !steps.is_empty() && steps.len() <= MAX_STEPS && steps.iter().all(plain);
        fits.then(|| Self(steps.iter().map(|step| (*step).to_owned()).collect()))
    }

    /// The path of a file found in the media folder.
    pub fn from_relative(path: &Path) -> Option<Self> {
        let steps: Option<Vec<&str>> = path.iter().map(|step| step.to_str()).collect();
        Self::new(&steps?)
    }

    /// The path of what is called `name` in the folder that this is the path of.
    pub fn join(&self, name: &str) -> Option<Self> {
        let steps: Vec<&str> = self.0.iter().map(String::as_str).chain([name]).collect();
        Self::new(&steps)
    }

    /// The path of the folder that it is in; `None`: the media folder itself.
    pub fn parent(&self) -> Option<Self> {
        let (_, folder) = self.0.split_last()?;
        (!folder.is_empty()).then(|| Self(folder.to_vec()))
    }

    /// It, then the folders that it is in, the innermost first.
    pub fn outwards(&self) -> impl Iterator<Item = Self> {
        (1..=self.0.len()).rev().filter_map(|length| Some(Self(self.0.get(..length)?.to_vec())))
    }

    /// The path within the folder `first`, which it begins with.
    pub fn below(&self, first: &str) -> Option<Self> {
        let (folder, rest) = self.0.split_first()?;
        (folder == first && !rest.is_empty()).then(|| Self(rest.to_vec()))
    }

    /// Whether it is of an upload, or of what was made of one.
    pub fn is_upload(&self) -> bool {
        self.0.first().is_some_and(|name| name.starts_with(UPLOAD))
    }

    /// As a relative path of the file system.
    pub fn to_path(&self) -> PathBuf {
        self.0.iter().collect()
    }

    /// As people write it.
    pub fn id(&self) -> String {
        self.0.join("/")
    }

    /// The last step.
    pub fn file_name(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// As it stands in a URL, without a slash in front.
    pub fn url(&self) -> String {
        let steps: Vec<String> = self.0.iter().map(|step| utf8_percent_encode(step, STEP).to_string()).collect();
        steps.join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(steps: &[&str]) -> AssetPath {
        AssetPath::new(steps).unwrap()
    }

    #[test]
    fn paths_name_resources() {
        use VodPart::{Header, IFramePlaylist, MediaPlaylist, Mpd, MultivariantPlaylist, Segment, WebVttSegment};
        let movie = || asset(&["a", "b c.mp4"]);
        for (path, expected) in [
            ("/", Some(Resource::Page(String::new()))),
            ("/assets/index.js", Some(Resource::Page("assets/index.js".into()))),
            ("/media/a/b%20c.mp4", Some(Resource::Media(movie()))),
            ("/vod/a/b%20c.mp4/master.m3u8", Some(Resource::Vod(movie(), MultivariantPlaylist))),
            ("/vod/a/b%20c.mp4/manifest.mpd", Some(Resource::Vod(movie(), Mpd))),
            ("/vod/a/b%20c.mp4/v1/media.m3u8", Some(Resource::Vod(movie(), MediaPlaylist("v1".into())))),
            ("/vod/a/b%20c.mp4/v1/iframes.m3u8", Some(Resource::Vod(movie(), IFramePlaylist("v1".into())))),
            ("/vod/a/b%20c.mp4/a12/init.mp4", Some(Resource::Vod(movie(), Header("a12".into())))),
            ("/vod/a/b%20c.mp4/v1/7.m4s", Some(Resource::Vod(movie(), Segment("v1".into(), 7)))),
            ("/vod/a/b%20c.mp4/t1/7.vtt", Some(Resource::Vod(movie(), WebVttSegment("t1".into(), 7)))),
            ("/vod/a/b%20c.mp4/clearkey", Some(Resource::Vod(movie(), VodPart::ClearKey))),
            (
                "/vod/a/b%20c.mp4/000102030405060708090a0b0c0d0e0f.key",
                Some(Resource::Vod(movie(), VodPart::Key("000102030405060708090a0b0c0d0e0f".into()))),
            ),
            ("/vod/a/b%20c.mp4/000102030405060708090A0B0C0D0E0F.key", None),
            ("/vod/a/b%20c.mp4/0001.key", None),
            ("/vod/v1/v1/7.m4s", Some(Resource::Vod(asset(&["v1"]), Segment("v1".into(), 7)))),
            ("/api/v1/server", Some(Resource::ApiServer)),
            ("/api/v1/assets", Some(Resource::ApiAssets)),
            ("/api/v1/streams", Some(Resource::ApiStreams)),
            ("/api/v1/streams/news", StreamName::new("news").map(Resource::ApiStream)),
            ("/api/v1/streams/a%2fb", None),
            ("/api/v1/time", Some(Resource::ApiTime)),
            ("/api/v1/openapi.json", Some(Resource::ApiDescription)),
            ("/api/v1/jobs", Some(Resource::ApiJobs(None))),
            ("/api/v1/jobs/0a1b/events", Some(Resource::ApiJobs(Some("0a1b/events".into())))),
            ("/api/v1/jobs/0a1b/events/x", None),
            ("/healthz", Some(Resource::Health)),
            ("/%6dedia/a/b%20c.mp4", Some(Resource::Media(movie()))),
            ("/Media/a.mp4", Some(Resource::Page("Media/a.mp4".into()))),
            ("/vod/a/b%20c.mp4/MASTER.M3U8", None),
            ("/vod/a/b%20c.mp4/V1/init.mp4", None),
            ("/vod/a/b%20c.mp4/v1/7.M4S", None),
            ("/API/v1/server", Some(Resource::Page("API/v1/server".into()))),
            ("/api/v2/server", None),
            ("/vod/a.mp4/v1/0.m4s", None),
            ("/vod/a.mp4/v1/07.m4s", None),
            ("/vod/a.mp4/v1/+7.m4s", None),
            ("/vod/a.mp4/v1/4294967296.m4s", None),
            ("/vod/a.mp4/v0/7.m4s", None),
            ("/vod/a.mp4/t1/07.vtt", None),
            ("/vod/a.mp4/t1/7.srt", None),
            ("/vod/a.mp4/x1/7.m4s", None),
            ("/vod/master.m3u8", None),
            ("/vod/v1/7.m4s", None),
            ("media/a.mp4", None),
            ("", None),
        ] {
            assert_eq!(Resource::parse(path), expected, "{path}");
        }
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        for path in [
            "/media/",
            "/media",
            "/media/..",
            "/media/../x",
            "/media/a/../../x",
            "/media/%2e%2e/x",
            "/media/%2E%2E%2Fx",
            "/media/a%2fb",
            "/media/.hidden",
            "/media/a/.git/config",
            "/media//etc/passwd",
            "/media/a//b",
            "/media/./a",
            "/media/a%00.mp4",
            "/media/a%5cb",
            "/media/a\\b",
            "/media/%ff",
            "/media/%c0%ae%c0%ae/x",
            "/media/%e0%80%ae%e0%80%ae/x",
            "/media/%",
            "/media/100%.mp4",
            "/media/%2",
            "/media/%g0",
            "/media/%u002e%u002e/x",
            "/media/..%00/x",
            "/media/..;/x",
            "/media/%2e%2e%5cx",
            "/media/%2f%2fetc%2fpasswd",
            "/media/a%0ab",
            "/media/a/",
        ] {
            assert_eq!(Resource::parse(path), None, "{path}");
        }
        let deep = format!("/media{}", "/a".repeat(MAX_STEPS + 1));
        assert_eq!(Resource::parse(&deep), None);
        // Encoded twice: a name with percent signs, not a way up.
        assert_eq!(Resource::parse("/media/%252e%252e"), Some(Resource::Media(asset(&["%2e%2e"]))));
    }

    #[test]
    fn paths_lead_into_folders_and_out() {
        let folder = asset(&["films", "a"]);
        assert_eq!(folder.join("b.mp4"), Some(asset(&["films", "a", "b.mp4"])));
        assert_eq!(folder.join("b.mp4").and_then(|file| file.parent()), Some(folder.clone()));
        assert_eq!((folder.below("films"), folder.below("a"), asset(&["films"]).below("films")), (Some(asset(&["a"])), None, None));
        assert_eq!((folder.join(".b.mp4"), folder.join("b/c"), asset(&["films"]).parent()), (None, None, None));
    }

    #[test]
    fn urls_name_what_they_were_made_from() {
        for name in ["a b.mp4", "100%.mp4", "été?#.mp4", "a&b=c;d.mp4"] {
            let path = asset(&["films", name]);
            assert_eq!(Resource::parse(&format!("/media/{}", path.url())), Some(Resource::Media(path)));
        }
    }
}
