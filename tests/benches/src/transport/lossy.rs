//! HTTP/3 over a path that loses packets, by each congestion controller: how long a download takes beside what the path alone needs, the
//! first segment of a new connection, and what is asked for each 33 ms, as live media is.

use std::{
    path::Path as Files,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Runtime,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    load::{begin, client_config, connect, endpoint, fetch},
    make,
    path::{Kind as PathKind, Path},
    servers::{Kind, Server},
};
use crate::measure::median;

const FILE: (&str, u64) = ("20m.mp4", 20_000_000);
const SEGMENT: (&str, u64) = ("500k.mp4", 500_000);
const LIVE: (&str, u64) = ("12k.mp4", 12_000);
const EACH: Duration = Duration::from_millis(33);
const LIVE_PIECES: usize = 240;

/// Of a thousand.
const LOSSES: [u64; 3] = [0, 10, 30];
const PATH: PathKind = PathKind { rate: 100_000_000, rtt: Duration::from_millis(40), queue: Duration::from_millis(40), loss: 0 };

/// A download that takes longer is given up.
const ENOUGH: Duration = Duration::from_secs(20);

/// Runs all.
pub fn run(runtime: &Runtime, files: &Files, rounds: usize) -> anyhow::Result<()> {
    for (name, size) in [FILE, SEGMENT, LIVE] {
        make(&files.join(name), size)?;
    }
    println!("  HTTP/3 over 100 Mbit/s with a round trip of 40 ms and a queue of 40 ms:");
    for loss in LOSSES {
        for controller in ["bbr", "cubic"] {
            let server = Server::start_with(Kind::Reelway, files, &["--congestion", controller])?;
            let kind = PathKind { loss, ..PATH };
            let mut figures = Vec::new();
            for _ in 0..rounds {
                figures.push(runtime.block_on(round(&server, kind))?);
            }
            let middle = |which: fn(&Figures) -> f64| median(&mut figures.iter().map(which).collect::<Vec<_>>());
            println!("    {}.{} % lost at random, {controller}:", loss / 10, loss % 10);
            println!(
                "      20 MB in {:.2} x the time that the path needs{}, {:.1} % of the packets lost",
                middle(|figures| figures.file),
                if figures.iter().any(|figures| figures.was_given_up) { ", by what had come when it was given up" } else { "" },
                middle(|figures| figures.lost) * 100.0
            );
            println!("      the first 500 KB, with the handshake, in {:.2} x", middle(|figures| figures.segment));
            let [half, most] = [middle(|figures| figures.live.0), middle(|figures| figures.live.1)];
            println!("      12 KB asked for each 33 ms, in {half:.2} x (p50) and {most:.2} x (p95)");
        }
    }
    Ok(())
}

/// What one round took, for what the path alone needs.
struct Figures {
    file: f64,
    was_given_up: bool,
    lost: f64,
    segment: f64,
    live: (f64, f64),
}

/// What the path needs for `bytes` and `trips` of 40 ms.
fn need(bytes: u64, trips: u32) -> f64 {
    Duration::from_nanos(bytes * 8 * 1_000_000_000 / PATH.rate).as_secs_f64() + (PATH.rtt * trips).as_secs_f64()
}

async fn open(path: &Path) -> anyhow::Result<quinn::Connection> {
    // As much as Chromium takes.
    let mut transport = quinn::TransportConfig::default();
    transport.stream_receive_window((6u32 << 20).into()).receive_window((15u32 << 20).into());
    connect(&endpoint()?, &client_config(b"h3")?, path.address, transport).await
}

async fn round(server: &Server, kind: PathKind) -> anyhow::Result<Figures> {
    let path = Path::open(kind, server.address)?;
    let connection = open(&path).await?;
    let begun = Instant::now();
    let mut stream = begin(&connection, &server.path("/20m.mp4")).await?;
    let mut received = 0;
    let download = async {
        while let Some(chunk) = stream.read_chunk(1 << 20, true).await? {
            received += chunk.bytes.len() as u64;
        }
        anyhow::Ok(())
    };
    let was_given_up = timeout(ENOUGH, download).await.map_or(Ok(true), |whole| whole.map(|()| false))?;
    let file = begun.elapsed().as_secs_f64() / need(received, 1);
    let lost = path.loss();

    let path = Path::open(kind, server.address)?;
    let begun = Instant::now();
    let connection = open(&path).await?;
    fetch(&connection, &server.path("/500k.mp4")).await?;
    let segment = begun.elapsed().as_secs_f64() / need(SEGMENT.1, 2);

    let path = Path::open(kind, server.address)?;
    let connection = Arc::new(open(&path).await?);
    let mut ticks = interval(EACH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut pieces = JoinSet::new();
    for _ in 0..LIVE_PIECES {
        let at = ticks.tick().await;
        let (connection, name) = (Arc::clone(&connection), server.path("/12k.mp4"));
        pieces.spawn(async move {
            fetch(&connection, &name).await?;
            anyhow::Ok(at.elapsed().as_secs_f64())
        });
    }
    let mut times = Vec::new();
    while let Some(piece) = pieces.join_next().await {
        times.push(piece?? / need(LIVE.1, 1));
    }
    times.sort_by(f64::total_cmp);
    let live = (times[LIVE_PIECES / 2], times[LIVE_PIECES * 95 / 100]);
    Ok(Figures { file, was_given_up, lost, segment, live })
}
