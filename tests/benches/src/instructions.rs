//! Instructions that the core takes for the index of a long film: no clock, so that no noise can hide a regression.
//!
//! A small process does the steps up to a given one under `valgrind --tool=callgrind`, which counts; what a step takes is the count with it
//! less the count without it.

use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, bail};
use reelway_core::{Demuxer, Movie as Index, Vod};
use reelway_tests::movie::{Kind, Movie, SIZE, Sample, Track};

use crate::{Options, input::folder, measure::median};

/// The first argument that makes this program do the steps up to one, the second, with the file that the third names.
pub const CHILD: &str = "--steps";

/// Hours that the film lasts, with 60 pictures a second.
const HOURS: u32 = 3;
/// The steps, and of what each has many.
const STEPS: [(&str, &str); 6] =
    [("read", "sample"), ("demux", "sample"), ("cut", "segment"), ("heads", "segment"), ("playlists", "segment"), ("mpd", "segment")];

/// Counts each step, and tells how large the index is and how long it takes to be there.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let film = film()?;
    let file = fs::read(&film)?;
    let (index, mut times) = (open(&file)?, Vec::new());
    for _ in 0..options.rounds.max(3) {
        let start = Instant::now();
        black_box(open(&file)?);
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    let samples: u64 = index.tracks.iter().map(|track| u64::from(track.samples.len())).sum();
    let memory = index.memory() as u64;
    let vod = Vod::new(vec![index], &reelway_core::Options::default())?;
    let segments: u64 = vod.presentation().renditions.iter().map(|rendition| rendition.timeline.segments.len() as u64).sum();
    println!("instructions: a film of {HOURS} hours at 60 pictures a second, {samples} samples, {segments} segments");
    println!("  index opened in {:.1} ms, warm; {}.{} bytes a sample", median(&mut times), memory / samples, memory * 10 / samples % 10);
    println!("  {:<12} {:>16} {:>12}", "", "instructions", "each");
    let mut before = counted(0, &film)?;
    for (step, (name, of)) in STEPS.iter().enumerate().skip(1) {
        let after = counted(step, &film)?;
        let (count, many) = (after.saturating_sub(before), if *of == "sample" { samples } else { segments });
        println!("  {name:<12} {count:>16} {:>12} a {of}", count / many);
        before = after;
    }
    Ok(())
}

/// Instructions of the steps up to that one.
fn counted(step: usize, film: &Path) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args([CHILD, &step.to_string()])
        .arg(film)
        .output()
        .context("cannot run valgrind: install it")?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{text}");
    }
    let count = text.lines().find_map(|line| line.split_once("Collected : ")).context("valgrind does not tell what it counted")?;
    Ok(count.1.trim().parse()?)
}

/// Does the steps.
pub fn child(arguments: &[String]) -> anyhow::Result<()> {
    let [step, film] = arguments else { bail!("a step and a file are expected") };
    let step: usize = step.parse()?;
    let file = fs::read(film)?;
    if step == 0 {
        return Ok(());
    }
    let index = open(&file)?;
    if step == 1 {
        return Ok(());
    }
    let vod = Vod::new(vec![index], &reelway_core::Options::default())?;
    for rendition in &vod.presentation().renditions {
        for (number, _) in (1..).zip(&rendition.timeline.segments).take_while(|_| step >= 3) {
            black_box(vod.segment(&rendition.name, number)?);
        }
        if step >= 4 {
            black_box(vod.media_playlist(&rendition.name)?);
        }
    }
    if step >= 5 {
        black_box(vod.mpd());
    }
    Ok(())
}

fn open(file: &[u8]) -> anyhow::Result<Index> {
    let mut demuxer = Demuxer::new(file.len() as u64);
    demuxer.handle(0, file)?;
    Ok(demuxer.finish()?)
}

/// The film, made once: its samples have few bytes, its tables are those of a real one.
fn film() -> anyhow::Result<PathBuf> {
    let path = folder()?.join("index.mp4");
    if !path.exists() {
        let picture = |number: u32| Sample {
            size: 4 + number % 11,
            duration: 256,
            composition_offset: if number.is_multiple_of(120) { 512 } else { [768, 256, 512][number as usize % 3] },
            sync: number.is_multiple_of(120),
        };
        let sound = |number: u32| Sample { size: 3 + number % 5, duration: 1024, composition_offset: 0, sync: true };
        let track = |kind, timescale, samples, chunk: u32| Track {
            kind,
            size: SIZE,
            timescale,
            samples,
            chunks: vec![chunk; 1024],
            edits: vec![(HOURS * 3_600_000, Some(512))],
        };
        let video = track(Kind::Video, 15_360, (0..HOURS * 3600 * 60).map(picture).collect(), 1);
        let audio = track(Kind::Audio, 48_000, (0..HOURS * 3600 * 48_000 / 1024).map(sound).collect(), 1);
        let movie = Movie { timescale: 1000, tracks: vec![video, audio], moov_first: true, seed: 1 };
        let partial = path.with_extension("partial");
        fs::write(&partial, movie.write())?;
        fs::rename(&partial, &path)?;
    }
    Ok(path)
}
