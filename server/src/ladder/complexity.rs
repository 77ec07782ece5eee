//! How much the pictures of a film take: a few stretches of it are encoded quickly and small, and the caps of all rungs follow from what
//! comes out. A lecture then costs less than is usual for its size, and a match may have more.

use std::{ffi::OsString, fmt::Write, fs};

use super::{Cancel, Codec, LadderError, Tool, command::input_arguments, error::at, rungs::Rung, source::Source, work::Work};

/// Stretches that are encoded, and how long each is, in milliseconds.
const STRETCHES: u64 = 5;
const LENGTH: u64 = 3000;

/// Peaks take so many hundredths of the average.
const PEAK: u64 = 160;

/// Caps are never less and never more than so many hundredths of the usual ones.
const LEAST: u64 = 35;
const MOST: u64 = 180;

/// What the pictures of `source` take, in hundredths of what is usual, measured in the size of `rung`.
pub fn measure(source: &Source, rung: &Rung, work: &Work, tool: &Tool, cancel: &Cancel) -> Result<u64, LadderError> {
    const FILE: &str = "complexity.h264";
    tool.require_encoder(Codec::H264)?;
    let stretches = (source.duration_millis / LENGTH).clamp(1, STRETCHES);
    let length = LENGTH.min(source.duration_millis);
    let seconds = |millis: u64| format!("{}.{:03}", millis / 1000, millis % 1000);
    let mut words: Vec<OsString> = ["-hide_banner", "-nostdin", "-y", "-v", "error"].map(OsString::from).into();
    let mut graph = String::new();
    for number in 0..stretches {
        // Each in the middle of its part of the film.
        let middle = source.duration_millis * (2 * number + 1) / (2 * stretches);
        words.extend(["-ss", &seconds(middle.saturating_sub(length / 2)), "-t", &seconds(length)].map(OsString::from));
        words.extend(input_arguments());
        let _ = write!(graph, "[{number}:{}]", source.video.stream);
    }
    let _ = write!(graph, "concat=n={stretches}:v=1:a=0,scale={}:{},setsar=1,format=yuv420p[v]", rung.width, rung.height);
    let crf = Codec::H264.usual_crf().to_string();
    let encode =
        ["-filter_complex", &graph, "-map", "[v]", "-c:v", "libx264", "-preset", "veryfast", "-crf", &crf, "-g", "250", "-f", "h264", FILE];
    words.extend(encode.map(OsString::from));
    tool.ffmpeg.output(&words, &work.making(), 1 << 10, cancel)?;
    let path = work.making().join(FILE);
    let bytes = fs::metadata(&path).map_err(at(&path))?.len();
    fs::remove_file(&path).map_err(at(&path))?;
    let taken = bytes.saturating_mul(8000) / (stretches * length).max(1);
    let usual = Codec::H264.usual_bitrate(rung.width, rung.height, source.video.made_rate());
    Ok((taken.saturating_mul(PEAK) / usual.max(1)).clamp(LEAST, MOST))
}
