//! Each fuzz target for seconds: with its seeds, and with changes of them that are the same in every run. `cargo xtask fuzz` runs them for
//! as long as one likes.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
};

use anyhow::{Context, Result, ensure};
use reelway_tests::{
    files,
    fuzzing::{Target, mutator::Mutator, target},
};

/// Changed inputs of a run, and the most bytes that they have together.
const INPUTS: usize = 1500;
const BYTES: usize = 16 << 20;

fn short(name: &str) -> Result<()> {
    let target = target(name).with_context(|| format!("there is no target {name}"))?;
    let seeds = (target.seeds)()?;
    ensure!(!seeds.is_empty(), "no seeds");
    for seed in &seeds {
        tried(&target, seed)?;
    }
    let mut mutator = Mutator::new(name.len() as u64);
    let (mut inputs, mut bytes) = (0, 0);
    while inputs < INPUTS && bytes < BYTES {
        let input = mutator.input(&seeds);
        (inputs, bytes) = (inputs + 1, bytes + input.len());
        tried(&target, &input)?;
    }
    println!("{} seeds, {inputs} inputs of {bytes} bytes", seeds.len());
    Ok(())
}

/// Runs a target; what it fails at is kept.
fn tried(target: &Target, input: &[u8]) -> Result<()> {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        let kept = files::kept("fuzz-failures")?.join(target.name);
        fs::write(&kept, input)?;
        anyhow::bail!("{} fails, as told above, at the {} bytes that are kept in {}", target.name, input.len(), kept.display());
    }
    Ok(())
}

#[test]
fn movie() -> Result<()> {
    short("movie")
}

#[test]
fn round_trip() -> Result<()> {
    short("round_trip")
}

#[test]
fn fragments() -> Result<()> {
    short("fragments")
}

#[test]
fn stream() -> Result<()> {
    short("stream")
}

#[test]
fn transport() -> Result<()> {
    short("transport")
}

#[test]
fn configuration() -> Result<()> {
    short("configuration")
}

#[test]
fn subsamples() -> Result<()> {
    short("subsamples")
}

#[test]
fn captions() -> Result<()> {
    short("captions")
}

#[test]
fn text() -> Result<()> {
    short("text")
}

#[test]
fn publication() -> Result<()> {
    short("publication")
}

#[test]
fn announcement() -> Result<()> {
    short("announcement")
}

#[test]
fn request() -> Result<()> {
    short("request")
}

#[test]
fn headers() -> Result<()> {
    short("headers")
}
