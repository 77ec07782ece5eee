//! `cargo xtask fuzz`: the fuzz targets under libFuzzer, from seeds that are made of our fixtures.

use anyhow::{Context as _, Result, bail};

use crate::needs::{self, CARGO_FUZZ, FFMPEG, NIGHTLY};
use crate::place;
use crate::run::{Step, answer};

/// What is asked for.
pub struct Options {
    /// `None`: all targets, one after the other.
    target: Option<String>,
    /// How long each of them runs.
    minutes: u64,
}

/// Where the targets are.
const FOLDER: &str = "tests/fuzz";
/// An input that takes longer than this is a fault, in seconds.
const SLOW: u64 = 25;
/// Inputs longer than this teach nothing more, in bytes.
const LONG: u64 = 64 << 10;

impl Options {
    /// Reads the arguments; `None` where they say nothing that we know.
    pub fn parse(args: &[String]) -> Option<Self> {
        let mut options = Self { target: None, minutes: 1 };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--minutes" => options.minutes = args.next()?.parse().ok()?,
                name if !name.starts_with('-') && options.target.is_none() => options.target = Some(name.to_owned()),
                _ => return None,
            }
        }
        Some(options)
    }
}

/// Makes the seeds of each target and runs it. What a run finds new is kept beside them; what it fails at is in `tests/fuzz/artifacts`.
pub fn run(options: &Options) -> Result<()> {
    needs::ensure(&[FFMPEG, NIGHTLY, CARGO_FUZZ])?;
    Step::cargo("seeds").args(["build", "--quiet", "--package", "reelway-tests", "--bin", "fuzz-seeds"]).shown()?;
    let seeds = place::target().join("debug").join(format!("fuzz-seeds{}", std::env::consts::EXE_SUFFIX));
    let all = answer(&seeds, &[]).context("the fuzz targets cannot be listed")?;
    let mut targets: Vec<&str> = all.lines().collect();
    if let Some(wanted) = &options.target {
        targets.retain(|name| name == wanted);
        if targets.is_empty() {
            bail!("there is no fuzz target {wanted}; there are {}", all.replace('\n', ", "));
        }
    }
    for name in targets {
        let corpus = place::root().join(FOLDER).join("corpus").join(name);
        Step::new(format!("seeds of {name}"), &seeds).arg(name).arg(&corpus).hidden()?;
        // The cargo on PATH is that of rustup, which knows other toolchains than the one that runs us.
        Step::new(format!("fuzz {name}"), "cargo")
            .args(["+nightly", "fuzz", "run", "--fuzz-dir", FOLDER, name, "--"])
            .args([format!("-max_total_time={}", options.minutes * 60), format!("-timeout={SLOW}"), format!("-max_len={LONG}")])
            .arg("-print_final_stats=1")
            .shown()?;
    }
    Ok(())
}
