//! What ffprobe and ffmpeg say of a file.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Whether a program can be run. Says so in a line if not.
pub fn is_there(program: &str) -> bool {
    let version = if program == "xmllint" { "--version" } else { "-version" };
    let found = Command::new(program).arg(version).output().is_ok();
    if !found {
        println!("skipped: {program} is not there");
    }
    found
}

/// Whether this ffmpeg speaks SRT. Says so in a line if not.
pub fn speaks_srt() -> bool {
    let protocols = Command::new("ffmpeg").args(["-v", "quiet", "-protocols"]).output();
    let speaks = protocols.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).lines().any(|line| line.trim() == "srt"));
    if !speaks {
        println!("skipped: there is no ffmpeg that speaks SRT");
    }
    speaks
}

/// A stream as ffprobe numbers it.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Its number in ffprobe's output.
    pub index: usize,
    /// `track_ID`.
    pub id: Option<u32>,
    /// ffmpeg's name of the codec, if it knows it.
    pub codec: Option<String>,
    /// Ticks a second.
    pub timescale: Option<i64>,
}

/// A packet as ffprobe tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The number of its stream.
    pub stream: usize,
    /// Presentation time in ticks of the stream.
    pub pts: Option<i64>,
    /// Decoding time in ticks of the stream.
    pub dts: Option<i64>,
    /// Bytes.
    pub size: u64,
    /// Byte of the file.
    pub position: Option<u64>,
    /// Whether decoding can begin here.
    pub key: bool,
    /// MD5 of its bytes.
    pub hash: String,
}

/// How ffprobe looks at a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// As a player: the edit list is applied, and packets that it hides are dropped or shifted.
    Edited,
    /// As a packager: every sample at the time that its boxes say.
    Raw,
}

/// The streams of a file; an error where ffprobe cannot open it.
pub fn streams(path: &Path) -> Result<Vec<Stream>> {
    let found = probe(path, &["-show_streams", "-show_entries", "stream=index,id,codec_name,time_base"])?;
    Ok(records(&found, "streams")
        .map(|stream| Stream {
            index: number(stream, "index").and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX),
            id: text(stream, "id").and_then(|id| u32::from_str_radix(id.strip_prefix("0x")?, 16).ok()),
            codec: text(stream, "codec_name").map(str::to_owned),
            timescale: text(stream, "time_base").and_then(|base| base.strip_prefix("1/")?.parse().ok()),
        })
        .collect())
}

/// The packets of a file, in the order in which ffprobe gives them.
pub fn packets(path: &Path, view: View) -> Result<Vec<Packet>> {
    let entries = "packet=stream_index,pts,dts,size,pos,flags,data_hash";
    let mut arguments = vec!["-show_packets", "-show_data_hash", "md5", "-show_entries", entries];
    if view == View::Raw {
        arguments.extend(["-ignore_editlist", "1"]);
    }
    let found = probe(path, &arguments)?;
    Ok(records(&found, "packets")
        .map(|packet| Packet {
            stream: number(packet, "stream_index").and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX),
            pts: number(packet, "pts"),
            dts: number(packet, "dts"),
            size: number(packet, "size").and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            position: number(packet, "pos").and_then(|n| u64::try_from(n).ok()),
            key: text(packet, "flags").is_some_and(|flags| flags.contains('K')),
            hash: text(packet, "data_hash").unwrap_or_default().to_owned(),
        })
        .collect())
}

/// What ffmpeg complains of when it decodes a stream of a file; empty: nothing.
pub fn decoding_errors(path: &Path, stream: usize) -> Result<String> {
    let map = format!("0:{stream}");
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-threads", "1", "-i"])
        .arg(path)
        .args(["-map", &map, "-f", "null", "-"])
        .output()
        .context("ffmpeg does not run")?;
    // What the null muxer says of times is no matter of decoding: times are compared elsewhere, tick by tick.
    let complaints = String::from_utf8_lossy(&output.stderr);
    let mut complaints: String = complaints.lines().filter(|line| !line.contains("to muxer")).take(5).collect::<Vec<_>>().join("; ");
    if !output.status.success() && complaints.is_empty() {
        complaints = output.status.to_string();
    }
    Ok(complaints)
}

/// Runs ffmpeg, which must end well.
pub fn run<'a>(arguments: impl IntoIterator<Item = &'a str>, output: &Path) -> Result<()> {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"]).args(arguments).arg(output);
    let done = command.output().context("ffmpeg does not run")?;
    ensure!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

fn probe(path: &Path, arguments: &[&str]) -> Result<Value> {
    let output = Command::new("ffprobe").args(["-v", "error", "-of", "json"]).args(arguments).arg(path).output();
    let output = output.context("ffprobe does not run")?;
    ensure!(output.status.success(), "ffprobe: {}", String::from_utf8_lossy(&output.stderr).replace('\n', "; "));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn records<'a>(value: &'a Value, kind: &str) -> impl Iterator<Item = &'a Value> {
    value.get(kind).and_then(Value::as_array).into_iter().flatten()
}

/// ffprobe writes some numbers as numbers, some as text.
fn number(record: &Value, name: &str) -> Option<i64> {
    let value = record.get(name)?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn text<'a>(record: &'a Value, name: &str) -> Option<&'a str> {
    record.get(name)?.as_str()
}
