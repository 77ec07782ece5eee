//! The file that is measured with: given, or made by ffmpeg once and kept.

use std::{
    fs::{self, File},
    io::{self, copy, sink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

/// The folder that holds what benches make, in the target folder.
pub fn folder() -> anyhow::Result<PathBuf> {
    let executable = std::env::current_exe()?;
    let target = executable.ancestors().nth(2).context("no target folder")?;
    let folder = target.join("bench");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// `given`, or a film of about 1 GB: 1080p25 H.264 at 5 Mbit/s with two B-frames, AAC, the index at the end, samples interleaved one by
/// one, as ffmpeg writes files.
pub fn film(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = given {
        return Ok(path.into());
    }
    let film = folder()?.join("film.mp4");
    if !film.exists() {
        let minute = minute()?;
        println!("making {} (once)", film.display());
        let partial = film.with_file_name("partial.mp4");
        ffmpeg(&format!("-stream_loop 25 -i {} -c copy {}", minute.display(), partial.display()))?;
        fs::rename(&partial, &film)?;
    }
    Ok(film)
}

/// A minute of it.
pub fn minute() -> anyhow::Result<PathBuf> {
    let minute = folder()?.join("minute.mp4");
    if !minute.exists() {
        println!("making {} (once)", minute.display());
        let partial = minute.with_file_name("partial.mp4");
        let source = "-f lavfi -i testsrc2=size=1920x1080:rate=25,noise=alls=12:allf=t -f lavfi -i sine=frequency=440:sample_rate=48000";
        let encode = "-t 60 -c:v libx264 -preset ultrafast -profile:v high -pix_fmt yuv420p -b:v 5M -maxrate 5M -bufsize 5M -g 50 \
                      -keyint_min 50 -sc_threshold 0 -x264-params bframes=2:nal-hrd=cbr:force-cfr=1 -c:a aac -b:a 128k -ac 2";
        ffmpeg(&format!("{source} {encode} {}", partial.display()))?;
        fs::rename(&partial, &minute)?;
    }
    Ok(minute)
}

/// A film of ten seconds and about 1 MB.
pub fn small() -> anyhow::Result<PathBuf> {
    let small = folder()?.join("small.mp4");
    if !small.exists() {
        let partial = folder()?.join("partial.mp4");
        let source = "-f lavfi -i testsrc2=size=640x360:rate=25,noise=alls=12:allf=t -f lavfi -i sine=frequency=440:sample_rate=48000";
        let encode = "-t 10 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -b:v 750k -maxrate 750k -bufsize 750k -g 50 -c:a aac -b:a 96k";
        ffmpeg(&format!("{source} {encode} {}", partial.display()))?;
        fs::rename(&partial, &small)?;
    }
    Ok(small)
}

fn ffmpeg(arguments: &str) -> anyhow::Result<()> {
    let status = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y"]).args(arguments.split_whitespace()).status();
    match status.context("cannot run ffmpeg: install it, or name a film with --input")? {
        status if status.success() => Ok(()),
        status => bail!("ffmpeg {arguments}: {status}"),
    }
}

/// Reads a file once, so that it is in the page cache and every way of reading it starts equal.
pub fn warm(path: &Path) -> io::Result<u64> {
    copy(&mut File::open(path)?, &mut sink())
}

/// The `reelway` binary beside this one.
pub fn reelway() -> anyhow::Result<String> {
    let path = std::env::current_exe()?.with_file_name("reelway");
    if !path.exists() {
        bail!("{} is missing: build it with `cargo build --release -p reelway`", path.display());
    }
    Ok(path.to_string_lossy().into_owned())
}
