//! The rungs of a live stream: how one ffmpeg makes them of its pictures, frame by frame, with the times and key frames that these have.

use std::{ffi::OsString, fmt::Write};

use reelway_core::{
    codec::{self, Media},
    time::FrameRate,
    track::Track,
};
use tokio::process::ChildStdin;

use super::{
    Codec, LadderError, Pipe, Tool, Wanted,
    rungs::{Rung, rungs},
    source::{Range, Video},
};

/// The quality below the cap: encoded in real time, it takes more bits than a file.
const CRF: &str = "23";

/// Starts to make the rungs of `track` that are wanted, but for the one that it is itself: what is published of it is written to the one
/// pipe, and read from the other as one fragmented MP4 with a track for each rung.
///
/// # Errors
/// There is nothing to be made of it, or ffmpeg cannot be started.
pub fn render(tool: &Tool, wanted: &Wanted, track: &Track) -> Result<(Pipe, ChildStdin), LadderError> {
    tool.require_encoder(Codec::H264)?;
    let video = video(track)?;
    let (rungs, _) = rungs(wanted, &video, Codec::H264, 100)?;
    let smaller: Vec<Rung> = rungs.into_iter().filter(|rung| (rung.width, rung.height) != video.upright()).collect();
    if smaller.is_empty() {
        return Err(LadderError::Source(format!("no rung is smaller than the stream, which has {}x{}", video.width, video.height)));
    }
    Pipe::filter(tool, &arguments(&video, &smaller, track.timescale.get()))
}

/// The pictures of a stream. How many come in a second is not known before they do: it decides the caps alone.
fn video(track: &Track) -> Result<Video, LadderError> {
    /// Transfer functions of high dynamic range (ISO/IEC 23091-2 8.2).
    const HIGH: [u16; 2] = [16, 18];
    let Media::Video(codec::Video { width, height, pixel_aspect, colour, .. }) = track.codec.media else {
        return Err(LadderError::Source("the stream has no pictures".into()));
    };
    if colour.is_some_and(|colour| HIGH.contains(&colour.transfer)) {
        return Err(LadderError::Source("rungs of a live stream are made of pictures of standard dynamic range alone".into()));
    }
    Ok(Video {
        stream: "v:0".into(),
        width,
        height,
        pixel_aspect,
        on_its_side: false,
        frame_rate: FrameRate { numerator: 30, denominator: 1 },
        variable: None,
        may_be_interlaced: false,
        range: Range::Sdr,
        colour: None,
    })
}

/// One decoding, a graph that splits it, an encoder for each rung, and all of it in one output.
fn arguments(video: &Video, rungs: &[Rung], timescale: u32) -> Vec<OsString> {
    let (horizontal, vertical) = video.pixel_aspect;
    let mut graph = format!("[0:v]split={}", rungs.len());
    for index in 0..rungs.len() {
        let _ = write!(graph, "[s{index}]");
    }
    for (index, Rung { width, height, .. }) in rungs.iter().enumerate() {
        let _ = write!(graph, ";[s{index}]scale={width}:{height}:flags=bicubic,setsar={horizontal}/{vertical},format=yuv420p[v{index}]");
    }
    let mut words: Vec<String> = Vec::new();
    let mut add = |text: &str| words.extend(text.split_whitespace().map(str::to_owned));
    add("-hide_banner -nostdin -v error -nostats");
    // What is known of the stream stands in its header: nothing is read ahead. A decoder with a thread a frame would hold frames back.
    add("-flags low_delay -thread_type slice -probesize 32768 -analyzeduration 0 -fpsprobesize 0");
    add("-protocol_whitelist pipe -format_whitelist mov -copyts -f mov -i pipe:0");
    add("-filter_complex");
    add(&graph);
    for (index, rung) in rungs.iter().enumerate() {
        let cap = rung.max_bitrate;
        add(&format!("-map [v{index}] -maxrate:v:{index} {cap} -bufsize:v:{index} {cap}"));
    }
    add("-fps_mode passthrough -enc_time_base -1 -c:v libx264 -preset veryfast -tune zerolatency -profile:v high -crf");
    add(CRF);
    add("-sc_threshold 0 -g 1000000 -force_key_frames source -forced-idr 1 -flags +cgop");
    add(&format!("-video_track_timescale {timescale} -avoid_negative_ts disabled"));
    add("-movflags +frag_every_frame+empty_moov+default_base_moof+frag_discont -flush_packets 1 -f mp4 pipe:1");
    words.into_iter().map(OsString::from).collect()
}
