//! `reelway package`.

use std::{io::IsTerminal, path::PathBuf, time::Duration};

use anyhow::bail;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use reelway_core::{
    Options, Vod,
    codec::Kind,
    presentation::{Addressing, Layout},
    protection::Scheme,
    time::Date,
    vod::HlsText,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::input;
use crate::{
    duration::parse_duration,
    keys,
    package::{Manifests, package},
};

/// Arguments of `reelway package`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Debug, Args)]
pub struct Package {
    /// The files of one title: its video in every size and codec, its sound in every language; a folder stands for the files in it
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,
    /// The folder to write to; made if it does not exist
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Segment duration to aim at, such as 4s or 2500ms; segments begin at sync samples
    #[arg(long, value_name = "DURATION", default_value = "4s", value_parser = parse_segment)]
    segment: Duration,
    /// How segments are kept: each a file, or all of a rendition one file that players ask for ranges of
    #[arg(long, value_enum, default_value_t)]
    layout: LayoutArgument,
    /// How the MPD tells segments that are files: by the time of each, or by numbers where their durations allow it
    #[arg(long, value_enum, default_value_t)]
    dash_template: TemplateArgument,
    /// Write HLS playlists (the default)
    #[arg(long, overrides_with = "no_hls")]
    hls: bool,
    /// Write no HLS playlists
    #[arg(long)]
    no_hls: bool,
    /// Write a DASH manifest (the default)
    #[arg(long, overrides_with = "no_dash")]
    dash: bool,
    /// Write no DASH manifest
    #[arg(long)]
    no_dash: bool,
    /// The form of subtitles in HLS; DASH has them in fragmented MP4 always
    #[arg(long, value_name = "FORM", value_enum, default_value_t = HlsSubtitles::Webvtt)]
    hls_subtitles: HlsSubtitles,
    /// Write the key frames of each video once more, as a set of the MPD for fast forward and rewind
    #[arg(long, conflicts_with = "no_dash")]
    dash_trick_modes: bool,
    /// When the presentation begins by the clock, as in 2026-11-21T20:15:00Z; written into HLS playlists
    #[arg(long, value_name = "RFC3339", value_parser = parse_date)]
    program_date_time: Option<i64>,
    /// Encrypt the segments of video and sound
    #[arg(long, value_name = "SCHEME", requires = "keys")]
    encrypt: Option<Encrypt>,
    /// The keys: JSON as {"keys": [{"kid": "32 hex digits", "key": "32 hex digits"}]}; a key may have "for": "video" or "audio",
    /// "iv", "uri", "pssh": [base64]; beside "keys": "period" (segments until the next key), "iv_size", "clear_key_url"
    #[arg(long, value_name = "FILE", requires = "encrypt")]
    keys: Option<PathBuf>,
}

/// Schemes of encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Encrypt {
    /// Common Encryption in counter mode
    Cenc,
    /// Common Encryption of one block in ten, as Apple's players want it
    Cbcs,
    /// Whole segments, for HLS alone
    #[value(name = "aes-128")]
    Aes128,
}

impl From<Encrypt> for Scheme {
    fn from(scheme: Encrypt) -> Self {
        match scheme {
            Encrypt::Cenc => Self::Cenc,
            Encrypt::Cbcs => Self::Cbcs,
            Encrypt::Aes128 => Self::Aes128,
        }
    }
}

/// Choices of `--layout`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum LayoutArgument {
    #[default]
    Segments,
    SingleFile,
}

impl From<LayoutArgument> for Layout {
    fn from(argument: LayoutArgument) -> Self {
        match argument {
            LayoutArgument::Segments => Self::Segments,
            LayoutArgument::SingleFile => Self::SingleFile,
        }
    }
}

/// Choices of `--dash-template`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum TemplateArgument {
    #[default]
    Timeline,
    Number,
}

impl From<TemplateArgument> for Addressing {
    fn from(argument: TemplateArgument) -> Self {
        match argument {
            TemplateArgument::Timeline => Self::Timeline,
            TemplateArgument::Number => Self::Number,
        }
    }
}

/// A form of subtitles in HLS.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum HlsSubtitles {
    /// Segments of WebVTT
    Webvtt,
    /// Segments of fragmented MP4
    Fmp4,
}

impl Package {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if self.encrypt == Some(Encrypt::Aes128) && !self.no_dash {
            bail!("DASH has no encryption by AES-128: add --no-dash, or choose cenc or cbcs");
        }
        if self.encrypt == Some(Encrypt::Aes128) && matches!(self.layout, LayoutArgument::SingleFile) {
            bail!(
                "AES-128 encrypts segments whole, and what is left of a single file is of no format: choose --layout segments, cenc or cbcs"
            );
        }
        let encryption = match (self.encrypt, &self.keys) {
            (Some(scheme), Some(path)) => Some(keys::read(path, scheme.into())?),
            _ => None,
        };
        let (sources, movies) = input::open_all(&self.inputs)?;
        let mut options = Options::segments_of(u64::try_from(self.segment.as_millis()).unwrap_or(u64::MAX));
        options.layout = self.layout.into();
        options.addressing = self.dash_template.into();
        options.date = self.program_date_time.map(Date);
        options.hls_text = match self.hls_subtitles {
            HlsSubtitles::Webvtt => HlsText::WebVtt,
            HlsSubtitles::Fmp4 => HlsText::Fmp4,
        };
        options.encryption = encryption;
        let mut vod = Vod::new(movies, &options)?;
        if self.dash_trick_modes {
            vod = vod.with_trick_modes()?;
        }
        tell(&vod);
        let manifests = Manifests { hls: !self.no_hls, dash: !self.no_dash };
        let total = vod.renditions().map(|(_, track)| track.samples.bytes()).sum();
        let bar = progress_bar(total)?;
        package(&sources, &mut vod, &self.output, manifests, |bytes| bar.inc(bytes))?;
        bar.finish_and_clear();
        Ok(())
    }
}

/// Says what is left out, and what else is worth knowing.
fn tell(vod: &Vod) {
    for movie in vod.inputs() {
        for fault in &movie.faults {
            eprintln!("reelway: {}: {fault}", movie.name);
        }
        for left_out in &movie.left_out {
            eprintln!("reelway: {}: track {} is left out: {}", movie.name, left_out.id, left_out.reason);
        }
    }
    for left_out in vod.left_out() {
        let movie = vod.inputs().get(left_out.source.input);
        if let Some((movie, track)) = movie.and_then(|movie| Some((movie, movie.tracks.get(left_out.source.track)?))) {
            eprintln!("reelway: {}: track {} is left out: {}", movie.name, track.id, left_out.reason);
        }
    }
    for remark in vod.remarks() {
        eprintln!("reelway: {remark}");
    }
    if vod.renditions().any(|(rendition, _)| rendition.kind() == Kind::Metadata) {
        eprintln!("reelway: timed metadata is in the MPD alone: HLS has no renditions of it");
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar(total: u64) -> anyhow::Result<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {bytes} of {total_bytes}  {binary_bytes_per_sec}  {eta} left")?;
    Ok(ProgressBar::new(total).with_style(style))
}

/// A date with its offset from UTC, as milliseconds since 1970.
fn parse_date(text: &str) -> Result<i64, String> {
    let date = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| format!("'{text}' is no date: write it as 2026-11-21T20:15:00Z"))?;
    i64::try_from(date.unix_timestamp_nanos() / 1_000_000).map_err(|error| error.to_string())
}

/// What a segment may last: between 100 ms and an hour.
pub(super) fn parse_segment(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if !(Duration::from_millis(100)..=Duration::from_hours(1)).contains(&duration) {
        return Err(format!("'{text}' is out of range: a segment lasts between 100ms and 3600s"));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (text, millis) in [
            ("1970-01-01T00:00:01Z", Some(1000)),
            ("2026-11-21T20:15:00.5+01:00", Some(1_795_288_500_500)),
            ("2026-11-21T20:15:00", None),
            ("2026-11-21", None),
            ("now", None),
        ] {
            assert_eq!(parse_date(text).ok(), millis, "{text}");
        }
    }

    #[test]
    fn segments_have_bounds() {
        for text in ["100ms", "4s", "3600s"] {
            assert!(parse_segment(text).is_ok(), "{text}");
        }
        for text in ["0s", "99ms", "3601s", "2h"] {
            assert!(parse_segment(text).is_err(), "{text}");
        }
    }
}
