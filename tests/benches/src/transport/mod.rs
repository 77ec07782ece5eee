//! The transports: processor time of the server per byte and per request, beside those of other servers and of bare quinn, in the same
//! run; what a connection holds that is idle, or whose client has vanished; handshakes at once; ways to read what is sent; downloads over a
//! path that loses packets, by each congestion controller. Beside each figure stands what is asked.

mod held;
pub mod load;
mod lossy;
mod path;
mod reads;
pub mod servers;

use std::{path::Path, time::Duration};

use anyhow::Context;

use crate::{Options, input::folder, jit, measure::median};
use load::{Load, Protocol};
use servers::{Kind, Server};

pub use servers::{BARE_QUINN, bare_quinn};

/// Size of the large file.
const LARGE: u64 = 256 << 20;

/// The sizes of segments and how often each is asked for in a round.
const SEGMENTS: [(&str, u64, usize); 2] = [("64k.mp4", 64 << 10, 10_000), ("1m.mp4", 1 << 20, 1000)];

/// Connections of the loads with many streams, and requests at once on each.
const CONNECTIONS: usize = 8;
const STREAMS: usize = 16;

/// A server to compare with, and how many times as much is asked of Reelway, in a second of processor time and in a second.
#[derive(Clone, Copy)]
struct Peer {
    kind: Kind,
    by_cpu: Option<f64>,
    by_rate: Option<f64>,
}

/// Those that send a whole file.
const OF_WHOLE: [Peer; 4] = [
    Peer { kind: Kind::ReelwayByCubic, by_cpu: Some(0.95), by_rate: None },
    Peer { kind: Kind::BareQuinn, by_cpu: None, by_rate: Some(0.95) },
    Peer { kind: Kind::Gtlsserver, by_cpu: Some(1.0), by_rate: None },
    Peer { kind: Kind::Caddy, by_cpu: Some(5.0), by_rate: None },
];

/// The one that sends segments.
fn of_segments(protocol: Protocol) -> Peer {
    match protocol {
        Protocol::Http3 => Peer { kind: Kind::Caddy, by_cpu: Some(4.0), by_rate: Some(4.0) },
        Protocol::Http1 | Protocol::Http2 => Peer { kind: Kind::Nginx, by_cpu: Some(1.3), by_rate: Some(1.3) },
    }
}

/// What is asked, in brackets.
fn asked(least: Option<f64>) -> String {
    least.map_or_else(String::new, |least| format!(" (asked: {least:.2} at least)"))
}

/// Runs all parts.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let files = folder()?.join("transport");
    std::fs::create_dir_all(&files)?;
    for (name, size) in [("large.mp4", LARGE)].into_iter().chain(SEGMENTS.map(|(name, size, _)| (name, size))) {
        make(&files.join(name), size)?;
    }
    println!("transport: {} rounds on loopback; processor time of the server alone; load average {}", options.rounds, load_average());

    if options.wants("whole") {
        let load = Load { protocol: Protocol::Http3, path: "/large.mp4", size: LARGE, requests: 1, connections: 1, streams: 1 };
        compare(&runtime, &files, options.rounds, load, &OF_WHOLE)?;
    }
    if options.wants("segments") {
        for protocol in [Protocol::Http3, Protocol::Http2, Protocol::Http1] {
            for (name, size, requests) in SEGMENTS {
                let streams = if protocol == Protocol::Http1 { 1 } else { STREAMS };
                let path = if name == "64k.mp4" { "/64k.mp4" } else { "/1m.mp4" };
                let load = Load { protocol, path, size, requests, connections: CONNECTIONS, streams };
                compare(&runtime, &files, options.rounds, load, &[of_segments(protocol)])?;
            }
        }
    }
    if options.wants("jit") {
        jit::warm_rate(options)?;
    }
    if options.wants("held") {
        held::idle(&runtime, &files, options.connections)?;
        held::vanished(&files)?;
    }
    if options.wants("handshakes") {
        held::handshakes(&runtime, &files)?;
    }
    if options.wants("lossy") {
        lossy::run(&runtime, &files, options.rounds)?;
    }
    if options.wants("reads") {
        reads::run(options, &files.join("large.mp4"))?;
    }
    Ok(())
}

/// Runs one load on Reelway and on `peers` in turn, as often as there are rounds.
fn compare(runtime: &tokio::runtime::Runtime, files: &Path, rounds: usize, load: Load, peers: &[Peer]) -> anyhow::Result<()> {
    println!("  {load}");
    let itself = Peer { kind: Kind::Reelway, by_cpu: None, by_rate: None };
    let servers: Vec<Peer> = [itself].into_iter().chain(peers.iter().copied().filter(|peer| peer.kind.is_there())).collect();
    let mut figures: Vec<Vec<(f64, f64)>> = vec![Vec::new(); servers.len()];
    for _ in 0..rounds {
        for (Peer { kind, .. }, figures) in servers.iter().zip(&mut figures) {
            let server = Server::start(*kind, files)?;
            let warm = Load { requests: load.requests.min(load.connections), ..load };
            runtime.block_on(warm.run(&server)).with_context(|| format!("{} cannot be asked", kind.label()))?;
            let cpu = server.cpu()?;
            let wall = runtime.block_on(load.run(&server))?;
            figures.push((server.cpu()?.saturating_sub(cpu).as_secs_f64(), wall.as_secs_f64()));
        }
    }
    let middle = |figures: &[(f64, f64)], which: fn(&(f64, f64)) -> f64| median(&mut figures.iter().map(which).collect::<Vec<_>>());
    let own = figures.first().map(|figures| (middle(figures, |figure| figure.0), middle(figures, |figure| figure.1))).unwrap_or_default();
    let count = f64::from(u32::try_from(load.requests)?);
    for (Peer { kind, by_cpu, by_rate }, figures) in servers.iter().zip(&figures) {
        let (cpu, wall) = (middle(figures, |figure| figure.0), middle(figures, |figure| figure.1));
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let bytes = count * load.size as f64;
        print!("    {:<12} {:>6.2} ns/B {:>8.1} us/request", kind.label(), cpu * 1e9 / bytes, cpu * 1e6 / count);
        print!(" {:>6.2} Gbit/s", bytes * 8.0 / wall / 1e9);
        if *kind == Kind::Reelway {
            println!();
        } else {
            let (by_cpu, by_rate) = (asked(*by_cpu), asked(*by_rate));
            println!();
            println!(
                "      Reelway does {:.2} x as much in a second of processor time{by_cpu}, at {:.2} x the rate{by_rate}",
                cpu / own.0,
                wall / own.1
            );
        }
    }
    Ok(())
}

/// A file of `size` bytes that are all different enough.
fn make(path: &Path, size: u64) -> anyhow::Result<()> {
    if path.metadata().is_ok_and(|metadata| metadata.len() == size) {
        return Ok(());
    }
    let mut seed = 1u64;
    let mut bytes = Vec::with_capacity(usize::try_from(size)?);
    while (bytes.len() as u64) < size {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&seed.to_be_bytes());
    }
    Ok(std::fs::write(path, bytes)?)
}

pub fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg").ok().and_then(|text| text.split(' ').next().map(str::to_owned)).unwrap_or_default()
}

/// Gives up what hangs.
pub const PATIENCE: Duration = Duration::from_mins(2);
