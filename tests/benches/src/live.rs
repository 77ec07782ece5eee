//! Live: how much later than a part has come a viewer who waits for it has it, and what a viewer costs the server, by protocol and by the
//! length of parts.
//!
//! A viewer asks for the part that is hinted, which is held until it is there, and then for the playlist that lists it, as players of LL-HLS
//! do. It runs beside the server on the same processors, so its own work is in the delays, but not in what a viewer costs.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use reelway_tests::{
    movie::{Movie, Sample},
    stream::{self, Form},
};
use tokio::{
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

use crate::{
    Options,
    encoder::Encoder,
    input::folder,
    transport::{
        PATIENCE,
        load::{Client, Protocol},
        load_average,
        servers::{Kind, Server},
    },
};

/// Frames a second, and between key frames: segments of a second.
const RATE: u32 = 20;
/// Viewers are let in so many at a time.
const BATCH: usize = 25;
/// Until all of them wait, and for how long it is looked then.
const SETTLING: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_secs(6);

/// A row of the table.
#[derive(Clone, Copy)]
struct Row {
    protocol: Protocol,
    viewers: usize,
    /// Frames of a part.
    frames: u32,
    /// Bits a second.
    bits: u32,
}

/// When each part was sent, by its segment and number.
type Sent = Arc<Mutex<HashMap<(u32, u32), Instant>>>;

/// Runs all rows.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!("live: server and viewers on loopback and the same processors; load average {}", load_average());
    println!("  protocol  part s  Mbit/s  viewers  p50 ms  p99 ms  viewers a core  KB a viewer  parts missed");
    let protocols = [Protocol::Http1, Protocol::Http2, Protocol::Http3];
    if options.wants("delay") {
        for protocol in protocols {
            runtime.block_on(row(Row { protocol, viewers: options.viewers * 5, frames: 4, bits: 200_000 }))?;
        }
    }
    if options.wants("fan-out") {
        for frames in [4, 10, 20] {
            for protocol in protocols {
                runtime.block_on(row(Row { protocol, viewers: options.viewers, frames, bits: 2_000_000 }))?;
            }
        }
    }
    Ok(())
}

async fn row(row: Row) -> anyhow::Result<()> {
    let Row { protocol, viewers, frames, bits } = row;
    let files = folder()?.join("live");
    std::fs::create_dir_all(&files)?;
    let config = files.join("reelway.toml");
    std::fs::write(&config, format!("[live]\nsegment = \"1s\"\npart = \"{}ms\"\nrecord = false\n", frames * 1000 / RATE))?;
    let server = Server::start_with(Kind::Reelway, &files, &["--config", &config.to_string_lossy()])?;
    let sent = Sent::default();
    let publisher = tokio::spawn(publish(server.address, row, Arc::clone(&sent)));
    let mut one = Client::open(protocol, server.address).await?;
    let begun = Instant::now();
    while one.get("/live/bench/v1/media.m3u8").await.is_ok_and(|bytes| bytes < 300) {
        ensure!(begun.elapsed() < PATIENCE, "the stream does not begin");
        sleep(Duration::from_millis(50)).await;
    }
    let before = server.memory()?;
    let mut clients = Vec::with_capacity(viewers);
    while clients.len() < viewers {
        let mut batch = JoinSet::new();
        for _ in 0..BATCH.min(viewers - clients.len()) {
            batch.spawn(Client::open(protocol, server.address));
        }
        while let Some(client) = batch.join_next().await {
            clients.push(client??);
        }
    }
    let from = Instant::now() + SETTLING;
    let until = from + LOOK;
    let mut watching = JoinSet::new();
    for client in clients {
        watching.spawn(watch(client, RATE / frames, Arc::clone(&sent), from, until));
    }
    sleep_until(from.into()).await;
    let cpu = server.cpu()?;
    sleep_until(until.into()).await;
    let cpu = server.cpu()?.saturating_sub(cpu).as_secs_f64() / LOOK.as_secs_f64();
    let memory = server.memory()?.saturating_sub(before);
    let (mut delays, mut missed) = (Vec::new(), 0);
    while let Some(seen) = watching.join_next().await {
        let seen = seen??;
        delays.extend(seen.0);
        missed += seen.1;
    }
    publisher.abort();
    delays.sort_by(f64::total_cmp);
    let at = |hundredth: usize| delays.get(delays.len() * hundredth / 100).copied().unwrap_or(f64::NAN);
    let count = f64::from(u32::try_from(viewers)?);
    println!(
        "  {:8}  {:6.2}  {:6.1}  {viewers:7}  {:6.2}  {:6.2}  {:14.0}  {:11.0}  {missed:12}",
        format!("{protocol:?}"),
        f64::from(frames) / f64::from(RATE),
        f64::from(bits) / 1e6,
        at(50),
        at(99),
        count / cpu,
        f64::from(u32::try_from(memory / 1000)?) / count
    );
    Ok(())
}

/// An encoder: a fragment for each part, when its time has come.
async fn publish(server: SocketAddr, row: Row, sent: Sent) -> anyhow::Result<()> {
    let mut movie = Movie::simple(60, 1);
    movie.tracks.truncate(1);
    let track = movie.tracks.first_mut().context("no track")?;
    let size = row.bits / 8 / RATE;
    let frame = |n: u32| Sample { size, duration: track.timescale / RATE, composition_offset: 0, sync: n.is_multiple_of(RATE) };
    track.samples = (0..60 * RATE).map(frame).collect();
    let form = Form { lengths: vec![usize::try_from(row.frames)?], ..Form::default() };
    let mut encoder = Encoder::begin(server, "bench", &movie).await?;
    let (begun, per) = (Instant::now(), RATE / row.frames);
    for (number, piece) in (0..).zip(stream::fragments(&movie, &form)) {
        sleep_until((begun + Duration::from_secs(1) * row.frames * number / RATE).into()).await;
        sent.lock().unwrap_or_else(PoisonError::into_inner).insert((1 + number / per, number % per), Instant::now());
        encoder.send(&piece).await?;
    }
    Ok(())
}

/// A viewer from the newest part on: how late, in milliseconds, each part was that it got, and how many it was too slow for.
async fn watch(mut client: Client, per: u32, sent: Sent, from: Instant, until: Instant) -> anyhow::Result<(Vec<f64>, usize)> {
    let newest = || sent.lock().unwrap_or_else(PoisonError::into_inner).keys().max().copied().context("nothing was sent");
    let next = |(segment, part): (u32, u32)| if part + 1 < per { (segment, part + 1) } else { (segment + 1, 0) };
    let (mut delays, mut missed) = (Vec::new(), 0);
    // The server may not have it yet; what is behind it, it would not know of.
    let mut place = newest()?;
    while Instant::now() < until {
        let (segment, part) = place;
        let bytes = timeout(PATIENCE, client.get(&format!("/live/bench/v1/{segment}.{part}.m4s"))).await??;
        let now = Instant::now();
        ensure!(bytes > 500, "part {part} of segment {segment} is not there");
        let told = sent.lock().unwrap_or_else(PoisonError::into_inner).get(&place).copied();
        if let Some(told) = told.filter(|_| now >= from) {
            delays.push(now.saturating_duration_since(told).as_secs_f64() * 1000.0);
        }
        timeout(PATIENCE, client.get(&format!("/live/bench/v1/media.m3u8?_HLS_msn={segment}&_HLS_part={part}"))).await??;
        place = next(place);
        // It is behind by more than a part: it goes on at the newest.
        while newest()? > next(place) {
            place = next(place);
            missed += 1;
        }
    }
    Ok((delays, missed))
}
