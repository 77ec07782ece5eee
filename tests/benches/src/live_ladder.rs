//! The ladder of a live stream: how much later than a part of the source the same part of a rung is there.
//!
//! Who watches the source and who watches a rung both wait for the playlist that lists a part, which comes as soon as the part is there.

use std::{
    collections::HashMap,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tokio::time::{sleep, timeout};

use crate::{
    input::folder,
    transport::{
        PATIENCE,
        load::{Client, Protocol},
        load_average,
        servers::{Kind, Server},
    },
};

/// Milliseconds of a part, parts of a segment, and segments that are looked at.
const PART: u32 = 200;
const PARTS: u32 = 5;
const SEGMENTS: u32 = 20;

/// An encoder that is ended when it is dropped.
struct Encoder(Child);

impl Drop for Encoder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// When each part was there, by its segment and number.
type There = HashMap<(u32, u32), Instant>;

/// Looks at a stream of 720p with rungs of 360p and 180p.
pub fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(look())
}

async fn look() -> anyhow::Result<()> {
    let files = folder()?.join("live");
    std::fs::create_dir_all(&files)?;
    let config = files.join("ladder.toml");
    std::fs::write(&config, format!("[live]\nsegment = \"1s\"\npart = \"{PART}ms\"\nrecord = false\nladder = \"360p,180p\"\n"))?;
    let server = Server::start_with(Kind::Reelway, &files, &["--config", &config.to_string_lossy()])?;
    let url = format!("https://localhost:{}/ingest/bench", server.address.port());
    let encoder = Encoder(publish(&url)?);
    let mut client = Client::open(Protocol::Http2, server.address).await?;
    // A segment that still grows comes to its end with the answer: the first that is not there is that of a rung which has just begun.
    let begun = Instant::now();
    let mut number = 1;
    while number < 6 {
        ensure!(begun.elapsed() < PATIENCE, "the rungs do not begin");
        let bytes = timeout(PATIENCE, client.get(&format!("/live/bench/v3/{number}.m4s"))).await??;
        // Before rungs begin there are gaps.
        let source = timeout(PATIENCE, client.get(&format!("/live/bench/v1/{number}.m4s"))).await??;
        if bytes > 500 || source > 500 {
            number += 1;
        } else {
            sleep(Duration::from_millis(100)).await;
        }
    }
    let watching = |rendition: &'static str| async move {
        let client = Client::open(Protocol::Http2, server.address).await?;
        watch(client, rendition, number + 1).await
    };
    let (source, large, small) = tokio::try_join!(watching("v1"), watching("v2"), watching("v3"))?;
    drop(encoder);
    println!("live ladder: 720p at 25 frames a second, rungs of 360p and 180p, parts of {PART} ms; load average {}", load_average());
    for (name, rung) in [("360p", large), ("180p", small)] {
        let mut later: Vec<f64> = rung
            .iter()
            .filter_map(|(place, there)| Some(there.saturating_duration_since(*source.get(place)?).as_secs_f64() * 1000.0))
            .collect();
        later.sort_by(f64::total_cmp);
        let at = |hundredth: usize| later.get(later.len() * hundredth / 100).copied().unwrap_or(f64::NAN);
        println!(
            "  {name}: {} parts; later than the source's by p50 {:.0} ms, p95 {:.0} ms (asked: under {PART} ms and what encoding takes)",
            later.len(),
            at(50),
            at(95)
        );
    }
    Ok(())
}

/// An encoder of pictures that are made as they are sent.
fn publish(url: &str) -> anyhow::Result<Child> {
    let words = "-nostdin -v error -re -f lavfi -i testsrc2=size=1280x720:rate=25 -c:v libx264 -preset ultrafast -tune zerolatency -g 25 \
                 -keyint_min 25 -sc_threshold 0 -pix_fmt yuv420p -movflags +frag_keyframe+empty_moov+default_base_moof -frag_duration 200000 \
                 -flush_packets 1 -f mp4 -method PUT";
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(words.split_whitespace()).arg(url).stdin(Stdio::null()).stdout(Stdio::null());
    ffmpeg.spawn().context("cannot run ffmpeg")
}

/// Waits for one part of a rendition after the other, from a segment on.
async fn watch(mut client: Client, rendition: &str, first: u32) -> anyhow::Result<There> {
    let mut there = There::new();
    for segment in first..first + SEGMENTS {
        for part in 0..PARTS {
            let path = format!("/live/bench/{rendition}/media.m3u8?_HLS_msn={segment}&_HLS_part={part}");
            let bytes = timeout(PATIENCE, client.get(&path)).await??;
            ensure!(bytes > 300, "part {part} of segment {segment} of {rendition} does not come");
            there.insert((segment, part), Instant::now());
        }
    }
    Ok(there)
}
