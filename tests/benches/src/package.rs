//! Packaging a whole film: in the same rounds `cp`, which is the limit, and the packagers that are installed.

use std::{fs, path::Path, process::Command};

use crate::{
    Options,
    input::{film, reelway, small, warm},
    measure::{Usage, measure, median},
};

/// A way to package, as a command line from input and output folder.
struct Contender {
    name: &'static str,
    command: fn(input: &str, output: &str) -> anyhow::Result<Vec<String>>,
}

const CONTENDERS: [Contender; 6] = [
    Contender { name: "cp", command: |input, output| Ok(words(&["cp", input, &format!("{output}/copy.mp4")])) },
    Contender { name: "reelway", command: |input, output| Ok(words(&[&reelway()?, "package", input, "-o", output])) },
    Contender {
        name: "reelway, single file",
        command: |input, output| Ok(words(&[&reelway()?, "package", input, "-o", output, "--layout", "single-file"])),
    },
    Contender { name: "ffmpeg", command: |input, output| Ok(ffmpeg(input, output, &[])) },
    Contender { name: "ffmpeg, single file", command: |input, output| Ok(ffmpeg(input, output, &["-single_file", "1"])) },
    Contender { name: "shaka", command: |input, output| Ok(shaka(input, output)) },
];

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn ffmpeg(input: &str, output: &str, more: &[&str]) -> Vec<String> {
    let copy = ["ffmpeg", "-i", input, "-map", "0", "-c", "copy", "-f", "dash", "-seg_duration", "4", "-hls_playlist", "1"];
    [words(&copy), words(more), words(&[&format!("{output}/m.mpd")])].concat()
}

/// Shaka Packager as `packager` on the path, or where SHAKA_PACKAGER says.
fn shaka(input: &str, output: &str) -> Vec<String> {
    let program = std::env::var("SHAKA_PACKAGER").unwrap_or_else(|_| "packager".into());
    let stream = |kind: &str, more: &str| {
        format!(
            "in={input},stream={kind},init_segment={output}/{kind}/init.mp4,segment_template={output}/{kind}/$Number$.m4s,\
             playlist_name={kind}.m3u8{more}"
        )
    };
    let (video, audio) = (stream("video", ""), stream("audio", ",hls_group_id=audio"));
    let (mpd, hls) = (format!("{output}/m.mpd"), format!("{output}/master.m3u8"));
    let rest = ["--segment_duration", "4", "--generate_static_live_mpd", "--mpd_output", &mpd, "--hls_master_playlist_output", &hls];
    [words(&[&program, &video, &audio]), words(&rest)].concat()
}

fn installed(command: &[String]) -> bool {
    command.first().is_some_and(|program| Command::new(program).arg("--version").output().is_ok())
}

/// Runs all contenders in turn, round by round, and compares within each round.
pub fn run(options: &Options) -> anyhow::Result<()> {
    compare(&film(options.input.as_deref())?, options, options.rounds, ("s", 1.0))?;
    // What it takes to begin: there is next to nothing to copy.
    compare(&small()?, options, 4 * options.rounds, ("ms", 1000.0))
}

/// Compares with one film; times in a unit of which so many are a second.
fn compare(film: &Path, options: &Options, rounds: usize, (unit, scale): (&str, f64)) -> anyhow::Result<()> {
    let kilobytes = warm(film)? / 1000;
    let memory = Path::new("/dev/shm");
    let scratch = options.scratch.clone().unwrap_or_else(|| if memory.is_dir() { memory.into() } else { std::env::temp_dir() });
    let output = scratch.join(format!("reelway-bench-{}", std::process::id()));
    println!("package: {} ({kilobytes} kB) to {}, {rounds} rounds", film.display(), output.display());
    let (input, folder) = (film.to_string_lossy(), output.to_string_lossy());
    let mut results: Vec<(&str, Vec<Usage>)> = Vec::new();
    for round in 0..rounds {
        for contender in &CONTENDERS {
            let command = (contender.command)(&input, &folder)?;
            if !installed(&command) {
                if round == 0 {
                    println!("  {} is not installed: left out", contender.name);
                }
                continue;
            }
            fs::create_dir_all(&output)?;
            let usage = measure(&command);
            fs::remove_dir_all(&output)?;
            let usage = usage?;
            match results.iter_mut().find(|(name, _)| *name == contender.name) {
                Some((_, usages)) => usages.push(usage),
                None => results.push((contender.name, vec![usage])),
            }
        }
    }
    let limit: Vec<Usage> = results.first().map(|(_, usages)| usages.clone()).unwrap_or_default();
    println!("  {:<20} {:>9} {:>9} {:>9} {:>10} {:>9}", "", format!("wall {unit}"), "x cp", format!("CPU {unit}"), "x cp CPU", "peak MiB");
    for (name, usages) in &results {
        let mut wall: Vec<f64> = usages.iter().map(|usage| usage.wall.as_secs_f64()).collect();
        let mut cpu: Vec<f64> = usages.iter().map(|usage| usage.cpu.as_secs_f64()).collect();
        let mut wall_ratio: Vec<f64> = wall.iter().zip(&limit).map(|(wall, limit)| wall / limit.wall.as_secs_f64()).collect();
        let mut cpu_ratio: Vec<f64> = cpu.iter().zip(&limit).map(|(cpu, limit)| cpu / limit.cpu.as_secs_f64()).collect();
        let peak = usages.iter().map(|usage| usage.peak).max().unwrap_or(0);
        println!(
            "  {name:<20} {:>9.2} {:>9.2} {:>9.2} {:>10.2} {:>7}.{}",
            median(&mut wall) * scale,
            median(&mut wall_ratio),
            median(&mut cpu) * scale,
            median(&mut cpu_ratio),
            peak >> 20,
            ((peak * 10) >> 20) % 10
        );
    }
    Ok(())
}
