//! The ffmpeg at hand: whether it is there, new enough, and what it can do.

use std::{collections::BTreeSet, ffi::OsString, path::Path};

use super::{Cancel, Codec, LadderError, process::Program};

/// The oldest release that has all options that are used (`-fps_mode`).
const OLDEST: (u32, u32) = (5, 1);

/// The most that a list of encoders or filters is long, in bytes.
const LIST: u64 = 1 << 20;

/// ffmpeg and ffprobe, with what ffmpeg can do.
#[derive(Clone, Debug)]
pub struct Tool {
    pub(super) ffmpeg: Program,
    pub(super) ffprobe: Program,
    encoders: BTreeSet<String>,
    filters: BTreeSet<String>,
}

impl Tool {
    /// Looks for ffmpeg on the PATH and asks what it can do. It is run with this niceness.
    pub fn find(nice: u8) -> Result<Self, LadderError> {
        let (ffmpeg, ffprobe) = (Program { name: "ffmpeg", nice }, Program { name: "ffprobe", nice });
        let ask = |what: &str| {
            let ran = ffmpeg.output(&[OsString::from("-hide_banner"), what.into()], Path::new("/"), LIST, &Cancel::default())?;
            Ok::<_, LadderError>(String::from_utf8_lossy(&ran.out).into_owned())
        };
        let version = ask("-version")?;
        if let Some((major, minor)) = release(&version).filter(|release| *release < OLDEST) {
            let (oldest, minor_oldest) = OLDEST;
            let message = format!("ffmpeg {major}.{minor} is too old: install release {oldest}.{minor_oldest} or newer");
            return Err(LadderError::Tool(message));
        }
        let (encoders, filters) = (names(&ask("-encoders")?), names(&ask("-filters")?));
        Ok(Self { ffmpeg, ffprobe, encoders, filters })
    }

    /// An error that names the encoder, if there is none for `codec`.
    pub(super) fn require_encoder(&self, codec: Codec) -> Result<(), LadderError> {
        for encoder in [codec.encoder(), "aac"] {
            if !self.encoders.contains(encoder) {
                return Err(LadderError::Tool(format!(
                    "this ffmpeg has no encoder {encoder}: install one that has, or choose another --codec"
                )));
            }
        }
        Ok(())
    }

    /// Whether there are filters of these names.
    pub(super) fn has_filters(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.filters.contains(*name))
    }
}

/// The release in the first line: `ffmpeg version 5.1.9-0+deb12u1 ...`, `ffmpeg version n6.0 ...`; `None` for a build between releases.
fn release(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().nth(2)?.trim_start_matches('n').split(['.', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The names in a list of ffmpeg's: lines of flags, name, description.
fn names(list: &str) -> BTreeSet<String> {
    list.lines().filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read() {
        for (line, expected) in [
            ("ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026", Some((5, 1))),
            ("ffmpeg version n6.0 Copyright", Some((6, 0))),
            ("ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright", Some((4, 4))),
            ("ffmpeg version N-110223-gb18a9c2971 Copyright", None),
            ("ffmpeg version 2023-06-04-git-1234 Copyright", Some((2023, 6))),
            ("", None),
        ] {
            assert_eq!(release(line), expected, "{line}");
        }
    }

    #[test]
    fn names_are_found_in_lists() {
        let list =
            " Encoders:\n V..... = Video\n ------\n V....D libx264              libx264 H.264\n T.C scale             V->V       Scale\n";
        let found = names(list);
        assert!(found.contains("libx264") && found.contains("scale") && !found.contains("libx265"));
    }
}
