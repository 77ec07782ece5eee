//! Uploads that are cut off hundreds of times.

use anyhow::{Context, Result};
use reelway_tests::{cuts, film::Film};

use crate::Options;

/// Of the cuts that are asked for, half are of a connection and half of the server.
const CUTS: usize = 500;
/// Of the film, in seconds: a segment of each track for each cut.
const SECONDS: u32 = 2000;

pub fn run(options: &Options) -> Result<()> {
    let folder = options.scratch.clone().unwrap_or_else(std::env::temp_dir).join(format!("reelway-uploads-{}", std::process::id()));
    std::fs::create_dir_all(&folder).context("no scratch folder")?;
    let cut = cuts::run(&folder, &Film::new(SECONDS)?, CUTS);
    std::fs::remove_dir_all(&folder).ok();
    let cut = cut?;
    println!(
        "uploads: {} requests broken off, the server killed {} times in the middle of one; {} bytes came by segments and as a whole, each as it was sent (asked: {CUTS} cuts)",
        cut.broken, cut.killed, cut.bytes
    );
    Ok(())
}
