//! Live: how much later than a part has come a viewer who waits for it has it, and what a viewer costs the server, by protocol and by the
//! length of parts.
//!
//! A viewer asks for the part that is hinted, which is held until it is there, and then for the playlist that lists it, as players of LL-HLS
//! do. It runs beside the server on the same processors, so its own work is in the delays, but not in what a viewer costs. How much of the
//! delays is the machine's is told by the row of the bare loop: the same viewers, which ask for parts alone, of a server that has its answers
//! ready.

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
    floor::Floor,
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

/// When a part is asked for again that the server does not know of.
const AGAIN: Duration = Duration::from_millis(5);
/// What is asked of the delay of a part, in milliseconds.
const ASKED: (f64, f64) = (1.0, 5.0);

/// When each part was sent, by its segment and number.
type Sent = Arc<Mutex<HashMap<(u32, u32), Instant>>>;

/// What was measured of a row.
struct Measured {
    /// In milliseconds, in ascending order.
    delays: Vec<f64>,
    missed: usize,
    /// Processors that the server kept busy.
    cpu: f64,
    /// Bytes of memory that the viewers cost.
    memory: Option<u64>,
}

impl Measured {
    /// The delay that so many hundredths of all parts do not exceed.
    fn at(&self, hundredth: usize) -> f64 {
        self.delays.get(self.delays.len() * hundredth / 100).copied().unwrap_or(f64::NAN)
    }

    fn print(&self, name: &str, row: Row) -> anyhow::Result<()> {
        let count = f64::from(u32::try_from(row.viewers)?);
        let parts = f64::from(RATE) / f64::from(row.frames);
        let memory = self.memory.map_or(Ok(String::from("-")), |bytes| {
            u32::try_from(bytes / 1000).map(|kilobytes| format!("{:.0}", f64::from(kilobytes) / count))
        })?;
        println!(
            "  {name:9}  {:6.2}  {:6.1}  {:7}  {:6.2}  {:6.2}  {:14.0}  {:15.1}  {memory:>11}  {:12}",
            1.0 / parts,
            f64::from(row.bits) / 1e6,
            row.viewers,
            self.at(50),
            self.at(99),
            count / self.cpu,
            self.cpu / count / parts * 1e6,
            self.missed,
        );
        Ok(())
    }
}

/// Runs all rows.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!("live: server and viewers on loopback and the same processors; load average {}", load_average());
    println!("  protocol   part s  Mbit/s  viewers  p50 ms  p99 ms  viewers a core  us of it a part  KB a viewer  parts missed");
    let protocols = [Protocol::Http1, Protocol::Http2, Protocol::Http3];
    if options.wants("delay") {
        let of = |protocol| Row { protocol, viewers: options.viewers * 5, frames: 4, bits: 200_000 };
        let least = of(Protocol::Http1);
        let floor = runtime.block_on(floor(least))?;
        floor.print("bare loop", least)?;
        for protocol in protocols {
            let measured = runtime.block_on(row(of(protocol)))?;
            measured.print(&format!("{protocol:?}"), of(protocol))?;
            let told = |hundredth, asked| {
                let (ours, least) = (measured.at(hundredth), floor.at(hundredth));
                format!("p{hundredth} {ours:.2} ms (asked: {asked} at most), {:.1} times that of the bare loop", ours / least)
            };
            println!("    {}; {}", told(50, ASKED.0), told(99, ASKED.1));
        }
    }
    if options.wants("fan-out") {
        for frames in [4, 10, 20] {
            for protocol in protocols {
                let of = Row { protocol, viewers: options.viewers, frames, bits: 2_000_000 };
                runtime.block_on(row(of))?.print(&format!("{protocol:?}"), of)?;
            }
        }
    }
    Ok(())
}

/// The viewers of a row, connected.
async fn clients(row: Row, address: SocketAddr) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::with_capacity(row.viewers);
    while clients.len() < row.viewers {
        let mut batch = JoinSet::new();
        for _ in 0..BATCH.min(row.viewers - clients.len()) {
            batch.spawn(Client::open(row.protocol, address));
        }
        while let Some(client) = batch.join_next().await {
            clients.push(client??);
        }
    }
    Ok(clients)
}

async fn row(row: Row) -> anyhow::Result<Measured> {
    let Row { protocol, frames, .. } = row;
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
    let clients = clients(row, server.address).await?;
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
    Ok(Measured { delays, missed, cpu, memory: Some(memory) })
}

/// The same for the bare loop.
async fn floor(row: Row) -> anyhow::Result<Measured> {
    let mut floor = Floor::start(row.viewers)?;
    let clients = clients(row, floor.address).await?;
    let from = Instant::now() + SETTLING;
    let until = from + LOOK;
    let sent = Sent::default();
    let mut watching = JoinSet::new();
    for mut client in clients {
        let sent = Arc::clone(&sent);
        watching.spawn(async move {
            let mut delays = Vec::new();
            while Instant::now() < until {
                let content = timeout(PATIENCE, client.read("/part")).await??.context("no part")?;
                let now = Instant::now();
                let number = content.first_chunk().copied().map(u32::from_be_bytes).context("no number")?;
                let told = sent.lock().unwrap_or_else(PoisonError::into_inner).get(&(number, 0)).copied();
                if let Some(told) = told.filter(|_| now >= from) {
                    delays.push(now.saturating_duration_since(told).as_secs_f64() * 1000.0);
                }
            }
            anyhow::Ok(delays)
        });
    }
    let bytes = row.bits / 8 * row.frames / RATE;
    let (mut before, mut after, mut delays) = (None, None, Vec::new());
    let begun = Instant::now();
    for number in 0u32.. {
        sleep_until((begun + Duration::from_secs(1) * row.frames * number / RATE).into()).await;
        let now = Instant::now();
        if now >= from && before.is_none() {
            before = Some(floor.cpu()?);
        }
        if now >= until && after.is_none() {
            after = Some(floor.cpu()?);
        }
        while let Some(seen) = watching.try_join_next() {
            delays.extend(seen??);
        }
        // Who has asked before the end is answered.
        if watching.is_empty() {
            break;
        }
        sent.lock().unwrap_or_else(PoisonError::into_inner).insert((number, 0), Instant::now());
        floor.send(number, bytes)?;
    }
    let used = after.unwrap_or_default().saturating_sub(before.unwrap_or_default());
    let cpu = used.as_secs_f64() / LOOK.as_secs_f64();
    delays.sort_by(f64::total_cmp);
    Ok(Measured { delays, missed: 0, cpu, memory: None })
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
        let path = format!("/live/bench/v1/{segment}.{part}.m4s");
        let begun = Instant::now();
        // A server that is behind the encoder by more than a part does not know of it yet.
        while timeout(PATIENCE, client.get(&path)).await?? < 500 {
            ensure!(begun.elapsed() < PATIENCE, "part {part} of segment {segment} is not there");
            sleep(AGAIN).await;
        }
        let now = Instant::now();
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
