//! Live sources: what a camera sees, a file in a loop, what another server sends or a test pattern, as ffmpeg reads and encodes them.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use super::{Codec, LadderError, Pipe, Tool, command::FORMATS};

/// The longest fragment, in microseconds: how late the ingest sees a frame at most.
const FRAGMENT: &str = "100000";

/// How long another server may be silent, in microseconds.
const SILENCE: &str = "10000000";

/// Where live pictures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveSource {
    /// A test pattern with a clock, and a tone each second.
    TestPattern,
    /// A camera, by its device.
    Camera(PathBuf),
    /// A file, again and again, at the speed at which it plays.
    File(PathBuf),
    /// Another server, by a URL of RTSP or SRT.
    Network(String),
}

impl FromStr for LiveSource {
    type Err = String;

    /// Reads `testsrc:`, `v4l2:/dev/video0`, `rtsp://...`, `srt://...`, or the path of a file.
    fn from_str(text: &str) -> Result<Self, String> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        match (scheme, text.split_once(':')) {
            (Some("rtsp" | "rtsps" | "srt"), _) => Ok(Self::Network(text.into())),
            (Some(other), _) => Err(format!("{other}: is no live source: name testsrc:, v4l2:DEVICE, rtsp://..., srt://... or a file")),
            (None, Some(("testsrc", ""))) => Ok(Self::TestPattern),
            (None, Some(("v4l2", device))) if Path::new(device).is_absolute() => Ok(Self::Camera(device.into())),
            (None, Some(("v4l2", _))) => Err("name the device of the camera, as in v4l2:/dev/video0".into()),
            (None, _) if text.is_empty() => Err("name a live source".into()),
            (None, _) => Ok(Self::File(text.into())),
        }
    }
}

impl LiveSource {
    /// Begins to encode it, with a key frame every `key_frames`, for `length` where that is given: H.264 without delay and AAC, as one
    /// fragmented MP4.
    ///
    /// # Errors
    /// ffmpeg cannot be started, or has no encoder.
    pub fn open(&self, tool: &Tool, key_frames: Duration, length: Option<Duration>) -> Result<Pipe, LadderError> {
        tool.require_encoder(Codec::H264)?;
        Pipe::read(tool, &self.arguments(key_frames, length))
    }

    fn arguments(&self, key_frames: Duration, length: Option<Duration>) -> Vec<OsString> {
        let key_frames = format!("expr:gte(t,n_forced*{})", seconds(key_frames));
        let mut all = words(&["-hide_banner", "-nostdin", "-v", "error", "-nostats"]);
        all.extend(self.input());
        let sound = if *self == Self::TestPattern { "1:a:0" } else { "0:a:0?" };
        all.extend(words(&["-map", "0:v:0", "-map", sound, "-map_metadata", "-1", "-map_chapters", "-1"]));
        all.extend(words(&["-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-profile:v", "high"]));
        all.extend(words(&["-crf", "23", "-maxrate", "4M", "-bufsize", "4M", "-sc_threshold", "0", "-force_key_frames", &key_frames]));
        all.extend(words(&["-c:a", "aac", "-b:a", "128k", "-ac", "2", "-ar", "48000"]));
        if let Some(length) = length {
            all.extend(words(&["-t", &seconds(length)]));
        }
        let flags = "+frag_keyframe+empty_moov+default_base_moof+delay_moov";
        all.extend(words(&["-movflags", flags, "-frag_duration", FRAGMENT, "-flush_packets", "1", "-f", "mp4", "pipe:1"]));
        all
    }

    /// The words that read it in real time. A camera has no sound of its own.
    fn input(&self) -> Vec<OsString> {
        match self {
            Self::TestPattern => words(&[
                "-re",
                "-f",
                "lavfi",
                "-i",
                "testsrc2=size=1280x720:rate=30",
                "-re",
                "-f",
                "lavfi",
                "-i",
                "sine=frequency=440:beep_factor=4:sample_rate=48000",
            ]),
            Self::Camera(device) => {
                let mut all = words(&["-f", "v4l2", "-i"]);
                all.push(device.into());
                all
            }
            Self::File(path) => {
                let mut all = words(&["-re", "-stream_loop", "-1", "-protocol_whitelist", "file", "-format_whitelist", FORMATS, "-i"]);
                let mut name = OsString::from("file:");
                name.push(path);
                all.push(name);
                all
            }
            Self::Network(url) if url.starts_with("rtsp") => {
                words(&["-rtsp_transport", "tcp", "-timeout", SILENCE, "-protocol_whitelist", "rtsp,rtsps,rtp,tcp,tls,udp", "-i", url])
            }
            Self::Network(url) => {
                words(&["-timeout", SILENCE, "-protocol_whitelist", "srt,udp", "-format_whitelist", "mpegts", "-f", "mpegts", "-i", url])
            }
        }
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn seconds(length: Duration) -> String {
    format!("{}.{:03}", length.as_secs(), length.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        for (text, expected) in [
            ("testsrc:", LiveSource::TestPattern),
            ("v4l2:/dev/video0", LiveSource::Camera("/dev/video0".into())),
            ("rtsp://camera/1", LiveSource::Network("rtsp://camera/1".into())),
            ("srt://host:9000?mode=caller", LiveSource::Network("srt://host:9000?mode=caller".into())),
            ("films/a.mp4", LiveSource::File("films/a.mp4".into())),
            ("concat:a.mp4", LiveSource::File("concat:a.mp4".into())),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", "v4l2:", "v4l2:video0", "http://host/a.mp4", "file:///etc/passwd", "rtmp://host/live/a"] {
            assert!(text.parse::<LiveSource>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_no_options_and_no_protocols() {
        for (source, named) in [
            ("-f", "file:-f"),
            ("concat:a.mp4", "file:concat:a.mp4"),
            ("v4l2:/dev/video0", "/dev/video0"),
            ("rtsp://host/-i", "rtsp://host/-i"),
        ] {
            let words = source.parse::<LiveSource>().unwrap().arguments(Duration::from_secs(2), None);
            let input = words.iter().position(|word| word == "-i").unwrap();
            assert_eq!(words.get(input + 1).unwrap(), named, "{source}");
        }
    }
}
