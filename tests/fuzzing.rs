//! Each fuzz target for seconds: with its seeds, and with changes of them that are the same in every run. `cargo xtask fuzz` runs them for
//! as long as one likes.

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
};

use anyhow::{Context, Result, ensure};
use reelway_tests::{
    files,
    fuzzing::{TARGETS, Target, mutator::Mutator, target},
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

/// A test for each of these targets, and the names of all.
macro_rules! short {
    ($($name:ident)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() -> Result<()> { short(stringify!($name)) })*
    };
}

short! {
    movie round_trip fragments stream transport rtmp srt webrtc configuration subsamples captions text publication request announcement headers frames
}

/// Those that libFuzzer runs are those that the tests run, and the other way round.
#[test]
fn every_target_is_run() -> Result<()> {
    let mut built = BTreeSet::new();
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/fuzz_targets"))? {
        built.extend(entry?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    let listed: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    ensure!(built == listed, "built: {built:?}, listed: {listed:?}");
    ensure!(listed == NAMES.iter().map(|name| (*name).to_owned()).collect(), "listed: {listed:?}, run: {NAMES:?}");
    Ok(())
}
