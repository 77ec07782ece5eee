//! A ladder of three rungs from a minute of 1080p: in the same rounds the best single ffmpeg command by hand that makes the same files.

use std::{fmt::Write, fs, path::Path};

use anyhow::Context;

use crate::{
    Options,
    input::{minute, reelway, warm},
    live_ladder,
    measure::{Usage, measure, median},
};

/// Rungs of both: name, width, height, cap in kbit/s.
const RUNGS: [(&str, u32, u32, u32); 3] = [("1080p", 1920, 1080, 5000), ("720p", 1280, 720, 2700), ("360p", 640, 360, 900)];

/// One decoding, three encodings, sound copied, key frames every two seconds, the index in front: what somebody who knows ffmpeg writes.
fn by_hand(input: &str, output: &str) -> Vec<String> {
    let names: Vec<String> = (0..RUNGS.len()).map(|index| format!("[o{index}]")).collect();
    let mut graph = format!("[0:v]split={}{}", RUNGS.len(), names.concat());
    for (index, (_, width, height, _)) in RUNGS.iter().enumerate() {
        let _ = write!(graph, ";[o{index}]scale={width}:{height}:flags=bicubic[v{index}]");
    }
    let mut words: Vec<String> =
        ["ffmpeg", "-nostdin", "-y", "-v", "error", "-i", input, "-filter_complex", &graph].map(String::from).into();
    for (index, (name, _, _, cap)) in RUNGS.iter().enumerate() {
        let map = format!("[v{index}]");
        let (cap, room) = (format!("{cap}k"), format!("{}k", cap * 2));
        let encode = [
            "-map",
            &map,
            "-map",
            "0:a",
            "-c:a",
            "copy",
            "-c:v",
            "libx264",
            "-preset",
            "medium",
            "-profile:v",
            "high",
            "-pix_fmt",
            "yuv420p",
        ];
        let control = ["-crf", "21", "-maxrate", &cap, "-bufsize", &room, "-g", "50", "-keyint_min", "50", "-sc_threshold", "0"];
        let file = format!("{output}/{name}.mp4");
        words.extend(encode.into_iter().chain(control).chain(["-movflags", "+faststart", &file]).map(String::from));
    }
    words
}

fn by_reelway(input: &str, output: &str) -> anyhow::Result<Vec<String>> {
    let rungs: Vec<String> = RUNGS.iter().map(|(name, _, _, cap)| format!("{name}@{cap}k")).collect();
    let (program, rungs) = (reelway()?, rungs.join(","));
    Ok([program.as_str(), "ladder", input, "-o", output, "--rungs", &rungs, "--no-images"].map(String::from).into())
}

/// Files, then live.
pub fn run(options: &Options) -> anyhow::Result<()> {
    if options.wants("files") {
        files(options)?;
    }
    if options.wants("live") {
        live_ladder::run()?;
    }
    Ok(())
}

/// Runs both in turn, round by round, and compares within each round.
fn files(options: &Options) -> anyhow::Result<()> {
    let input = match &options.input {
        Some(input) => input.clone(),
        None => minute()?,
    };
    warm(&input)?;
    let scratch = options.scratch.clone().unwrap_or_else(std::env::temp_dir).join(format!("reelway-bench-{}", std::process::id()));
    let (source, folder) = (input.to_string_lossy(), scratch.to_string_lossy().into_owned());
    println!("ladder: {} to 3 rungs of H.264, preset medium, {} rounds", input.display(), options.rounds);
    let mut results: [Vec<Usage>; 2] = [Vec::new(), Vec::new()];
    let mut sizes = [0, 0];
    for round in 0..options.rounds {
        // Who is first changes, so that a machine that gets warmer favours neither.
        for turn in 0..2 {
            let which = (round + turn) % 2;
            let command = if which == 0 { by_hand(&source, &folder) } else { by_reelway(&source, &folder)? };
            fs::create_dir_all(&scratch)?;
            let usage = measure(&command);
            let size = size_of(&scratch);
            fs::remove_dir_all(&scratch)?;
            results.get_mut(which).context("two")?.push(usage?);
            *sizes.get_mut(which).context("two")? = size?;
        }
    }
    let [by_hand, ours] = &results;
    let ratio = |of: fn(&Usage) -> f64| median(&mut ours.iter().zip(by_hand).map(|(ours, hand)| of(ours) / of(hand)).collect::<Vec<f64>>());
    let seconds = |usages: &[Usage]| median(&mut usages.iter().map(|usage| usage.wall.as_secs_f64()).collect::<Vec<f64>>());
    println!("  by hand {:.1} s, reelway {:.1} s", seconds(by_hand), seconds(ours));
    println!(
        "  reelway / by hand: wall {:.3} (asked: 1.05 at most), processor {:.3}",
        ratio(|usage| usage.wall.as_secs_f64()),
        ratio(|usage| usage.cpu.as_secs_f64())
    );
    println!("  bytes: reelway / by hand {:.3}", f64::from(u32::try_from(sizes[1] / 1000)?) / f64::from(u32::try_from(sizes[0] / 1000)?));
    Ok(())
}

/// Bytes of the rungs in a folder.
fn size_of(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().extension() == Some("mp4".as_ref()) {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}
