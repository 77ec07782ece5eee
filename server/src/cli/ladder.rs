//! `reelway ladder`.

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::package::parse_segment;
use crate::ladder::{Cancel, Codec, Event, Request, Settings, Tool, Wanted, make};

/// Arguments of `reelway ladder`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Debug, Args)]
pub struct Ladder {
    /// The video file, in any container and codec that ffmpeg decodes
    #[arg(value_name = "INPUT")]
    input: PathBuf,
    /// The folder to write to; made if it does not exist. What is whole in it already is not made again
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Which rungs: auto (from the size of the source down), a list such as 1080p,720p@3M (the most that its pictures take), or a TOML
    /// file with [[rung]] size = "720p", max_bitrate = "3M", crf = 22 for each. None is larger than the source
    #[arg(long, value_name = "RUNGS", default_value = "auto")]
    rungs: String,
    /// The codec of all rungs. Ladders of several codecs may share a folder
    #[arg(long, value_enum, default_value_t)]
    codec: CodecArgument,
    /// Segment duration that key frames allow, such as 4s; players can begin at least every two seconds
    #[arg(long, value_name = "DURATION", default_value = "4s", value_parser = parse_segment)]
    segment: Duration,
    /// The preset of the encoder: speed against size. medium for H.264 and HEVC and 8 for AV1 without it
    #[arg(long, value_name = "NAME", value_parser = parse_preset)]
    preset: Option<String>,
    /// Make all sound so loud on the average, in LUFS, such as -16 or -23
    #[arg(long, value_name = "LUFS", allow_hyphen_values = true, value_parser = parse_loudness)]
    loudness: Option<u8>,
    /// Encode the rungs one after the other, the smallest first: each is there when it is whole, and what is whole stays when it is interrupted
    #[arg(long)]
    one_by_one: bool,
    /// Encode a few stretches first, and let the bit rates of rungs that name none follow from what the pictures take to be as like the source as they are to be (SSIM)
    #[arg(long)]
    per_title: bool,
    /// Make no poster and no storyboard
    #[arg(long)]
    no_images: bool,
    /// Tell progress as JSON, a line each, on standard output
    #[arg(long)]
    json: bool,
}

/// Choices of `--codec`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum CodecArgument {
    #[default]
    H264,
    Hevc,
    Av1,
}

impl From<CodecArgument> for Codec {
    fn from(argument: CodecArgument) -> Self {
        match argument {
            CodecArgument::H264 => Self::H264,
            CodecArgument::Hevc => Self::Hevc,
            CodecArgument::Av1 => Self::Av1,
        }
    }
}

impl Ladder {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let settings = Settings {
            wanted: self.wanted()?,
            codec: self.codec.into(),
            preset: self.preset.clone(),
            segment_millis: u64::try_from(self.segment.as_millis()).unwrap_or(u64::MAX),
            loudness: self.loudness,
            images: !self.no_images,
            one_by_one: self.one_by_one,
            per_title: self.per_title,
        };
        let cancel = Cancel::default();
        cancel_on_signal(cancel.clone())?;
        let tool = Tool::find(0)?;
        let mut teller = Teller::new(self.json)?;
        let request = Request { input: self.input, output: self.output, settings };
        let made = make(&request, &tool, &cancel, &mut |event| teller.tell(&event));
        teller.end();
        if self.json
            && let Err(error) = &made
        {
            line(&json!({ "event": "failed", "problem": error.to_string() }));
        }
        made?;
        Ok(())
    }

    /// What `--rungs` says; a file is known by its extension.
    fn wanted(&self) -> anyhow::Result<Wanted> {
        /// Far more than any ladder needs.
        const LARGEST: u64 = 1 << 20;
        if Path::new(&self.rungs).extension() != Some("toml".as_ref()) {
            return Wanted::parse(&self.rungs).map_err(|what| anyhow!("--rungs: {what}"));
        }
        let name = &self.rungs;
        let size = std::fs::metadata(name).with_context(|| format!("cannot read {name}"))?.len();
        anyhow::ensure!(size <= LARGEST, "{name} is too large for a list of rungs");
        let text = std::fs::read_to_string(name).with_context(|| format!("cannot read {name}"))?;
        Wanted::from_toml(&text).map_err(|what| anyhow!("{name}: {what}"))
    }
}

/// Ends the work when somebody wants it to end. A second signal does not wait.
fn cancel_on_signal(cancel: Cancel) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().context("cannot listen for signals")?;
    let mut signals = {
        let _inside = runtime.enter();
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal)
    };
    thread::spawn(move || {
        runtime.block_on(async {
            let [interrupt, terminate, hangup] = &mut signals;
            let (Ok(interrupt), Ok(terminate), Ok(hangup)) = (interrupt, terminate, hangup) else { return };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            cancel.cancel();
        });
    });
    Ok(())
}

/// Tells what happens: a bar on a terminal, JSON where it is asked for, what matters in lines.
struct Teller {
    json: bool,
    bar: ProgressBar,
}

impl Teller {
    fn new(json: bool) -> anyhow::Result<Self> {
        if json || !std::io::stderr().is_terminal() {
            return Ok(Self { json, bar: ProgressBar::hidden() });
        }
        let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}")?;
        Ok(Self { json, bar: ProgressBar::new(10_000).with_style(style) })
    }

    fn tell(&mut self, event: &Event) {
        if self.json {
            return line(&in_json(event));
        }
        match event {
            Event::Planned { products, notes } => {
                for note in notes {
                    self.say(note);
                }
                let there: Vec<&str> = products.iter().filter(|(_, done)| *done).map(|(name, _)| name.as_str()).collect();
                if !there.is_empty() {
                    self.say(&format!("there already: {}", there.join(", ")));
                }
            }
            Event::Progress { done, speed, left } => {
                self.bar.set_position((*done).into());
                let left = left.map(|left| format!("{:02}:{:02} left", left.as_secs() / 60, left.as_secs() % 60)).unwrap_or_default();
                self.bar.set_message(format!("{}.{:02}x  {left}", speed / 1000, speed % 1000 / 10));
            }
            Event::Complained { log } => self.say(&format!("ffmpeg went on in spite of this: {log}")),
            Event::Finished { .. } => {}
        }
    }

    fn say(&self, what: &str) {
        self.bar.suspend(|| eprintln!("reelway: {what}"));
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Writes a line of JSON; that nobody reads it is no reason to end.
fn line(json: &serde_json::Value) {
    let _ = writeln!(std::io::stdout().lock(), "{json}");
}

fn in_json(event: &Event) -> serde_json::Value {
    match event {
        Event::Planned { products, notes } => {
            let products: Vec<_> = products.iter().map(|(name, done)| json!({ "name": name, "there": done })).collect();
            json!({ "event": "planned", "products": products, "notes": notes })
        }
        Event::Progress { done, speed, left } => json!({
            "event": "progress",
            "percent": f64::from(*done) / 100.0,
            "speedThousandths": speed,
            "secondsLeft": left.map(|left| left.as_secs()),
        }),
        Event::Finished { product } => json!({ "event": "finished", "product": product }),
        Event::Complained { log } => json!({ "event": "complained", "log": log }),
    }
}

/// The name of a preset: letters and digits.
fn parse_preset(text: &str) -> Result<String, String> {
    let fits = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits { Ok(text.into()) } else { Err(format!("'{text}' is no preset: medium, slow, fast and the like; 0 to 13 for AV1")) }
}

/// LUFS as a number below zero, from -5 to -70.
fn parse_loudness(text: &str) -> Result<u8, String> {
    let number = text.strip_prefix('-').and_then(|number| number.parse().ok()).filter(|number| (5..=70).contains(number));
    number.ok_or_else(|| format!("'{text}' is no loudness: name whole LUFS between -5 and -70"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_and_loudness_have_bounds() {
        assert!(["ultrafast", "8", "slow"].iter().all(|text| parse_preset(text).is_ok()));
        assert!(["", "-x", "a b", "medium:x", "very-slow-and-long-name"].iter().all(|text| parse_preset(text).is_err()));
        assert_eq!((parse_loudness("-23"), parse_loudness("-5")), (Ok(23), Ok(5)));
        assert!(["23", "-4", "-71", "-16.5", "--16", ""].iter().all(|text| parse_loudness(text).is_err()));
    }
}
