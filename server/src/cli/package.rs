//! `reelway package`.

use std::{io::IsTerminal, path::PathBuf, time::Duration};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use reelway_core::{Options, Vod, time::Date};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::input;
use crate::package::{Manifests, package};

/// Arguments of `reelway package`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Debug, Args)]
pub struct Package {
    /// The video file
    input: PathBuf,
    /// The folder to write to; made if it does not exist
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Segment duration to aim at, such as 4s or 2500ms; segments begin at sync samples
    #[arg(long, value_name = "DURATION", default_value = "4s", value_parser = parse_duration)]
    segment: Duration,
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
    /// When the presentation begins by the clock, as in 2026-11-21T20:15:00Z; written into HLS playlists
    #[arg(long, value_name = "RFC3339", value_parser = parse_date)]
    program_date_time: Option<i64>,
}

impl Package {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (source, movie) = input::open(&self.input)?;
        for fault in &movie.faults {
            eprintln!("reelway: {}: {fault}", self.input.display());
        }
        for left_out in &movie.left_out {
            eprintln!("reelway: track {} is left out: {}", left_out.id, left_out.reason);
        }
        let mut options = Options::segments_of(u64::try_from(self.segment.as_millis()).unwrap_or(u64::MAX));
        options.date = self.program_date_time.map(Date);
        let vod = Vod::new(vec![movie], &options)?;
        let manifests = Manifests { hls: !self.no_hls, dash: !self.no_dash };
        let total = vod.renditions().map(|(_, track)| track.samples.bytes()).sum();
        let bar = progress_bar(total)?;
        package(&[source], &vod, &self.output, manifests, |bytes| bar.inc(bytes))?;
        bar.finish_and_clear();
        Ok(())
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

/// A duration with its unit: `4s`, `2.5s`, `2500ms`; between 100 ms and an hour.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let fault = || format!("'{text}' is no duration: write it as 4s or 2500ms");
    let (number, unit) = text.split_at(text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len()));
    let unit_millis = match unit {
        "ms" => 1,
        "s" | "" => 1000,
        _ => return Err(fault()),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let mut part = part.to_owned();
    if part.len() > 3 {
        return Err(fault());
    }
    part.extend(std::iter::repeat_n('0', 3 - part.len()));
    let parse = |digits: &str| digits.parse::<u64>().map_err(|_| fault());
    let millis = parse(whole)?.saturating_mul(unit_millis).saturating_add(parse(&part)?.saturating_mul(unit_millis) / 1000);
    if !(100..=3_600_000).contains(&millis) {
        return Err(format!("'{text}' is out of range: a segment lasts between 100ms and 3600s"));
    }
    Ok(Duration::from_millis(millis))
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
    fn durations() {
        for (text, millis) in [("4s", Some(4000)), ("4", Some(4000)), ("2.5s", Some(2500)), ("960ms", Some(960))] {
            assert_eq!(parse_duration(text).ok().map(|duration| duration.as_millis()), millis, "{text}");
        }
        for text in ["", "s", "4m", "-4s", "4.0001s", "0s", "99ms", "2h", "9999999999999999999s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
