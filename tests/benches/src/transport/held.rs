//! What connections hold.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::ensure;
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
};

use super::{
    load::{begin, client_config, connect, endpoint, fetch},
    servers::{Kind, Server},
};

/// Connections are opened so many at a time.
const BATCH: usize = 50;

/// Clients that vanish.
const VANISHING: usize = 150;

/// Clients that connect at once, and sockets that they share.
const AT_ONCE: usize = 1000;
const ENDPOINTS: usize = 20;

/// Memory of an HTTP/3 connection that has asked once and is silent, and how long a GET takes meanwhile.
pub fn idle(runtime: &Runtime, files: &Path, count: usize) -> anyhow::Result<()> {
    let server = Server::start(Kind::Reelway, files)?;
    runtime.block_on(async {
        let tls = Arc::new(client_config(b"h3")?);
        let endpoint = endpoint()?;
        let open = async |count: usize| {
            let mut connections = Vec::with_capacity(count);
            while connections.len() < count {
                let batch = (0..BATCH.min(count - connections.len())).map(|_| {
                    let (endpoint, tls, address) = (endpoint.clone(), Arc::clone(&tls), server.address);
                    tokio::spawn(async move {
                        // Alive for QUIC, idle for HTTP.
                        let mut transport = quinn::TransportConfig::default();
                        transport.keep_alive_interval(Some(Duration::from_secs(10)));
                        let connection = connect(&endpoint, &tls, address, transport).await?;
                        ensure!(fetch(&connection, "/healthz").await? > 0, "no answer");
                        anyhow::Ok(connection)
                    })
                });
                for connection in batch.collect::<Vec<_>>() {
                    connections.push(connection.await??);
                }
            }
            anyhow::Ok(connections)
        };
        // What the server takes once, for whatever connections.
        let first = open(BATCH).await?;
        let before = server.memory()?;
        let begun = Instant::now();
        let connections = open(count).await?;
        let alive = connections.iter().filter(|connection| connection.close_reason().is_none()).count();
        let after = server.memory()?;
        println!(
            "  {count} idle HTTP/3 connections, opened within {:.0} s, {alive} of them alive: {:.1} KB each (asked: 40 at most)",
            begun.elapsed().as_secs_f64(),
            per(after.saturating_sub(before), count)
        );
        let mut times = Vec::new();
        let connection = connect(&endpoint, &tls, server.address, quinn::TransportConfig::default()).await?;
        for _ in 0..1000 {
            let begun = Instant::now();
            fetch(&connection, "/media/64k.mp4").await?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        times.sort_by(f64::total_cmp);
        println!("    64 KiB meanwhile: p50 {:.2} ms, p99 {:.2} ms (asked: 50 at most)", times[500], times[990]);
        drop((first, connections));
        Ok(())
    })
}

/// Memory of a download whose client has vanished without a word, in the middle of it, with a window of 1 MB.
pub fn vanished(files: &Path) -> anyhow::Result<()> {
    let server = Server::start(Kind::Reelway, files)?;
    let viewers = |count: usize| {
        // In a runtime of their own: when it is gone nobody sends or receives for them.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(async {
            let tls = client_config(b"h3")?;
            let endpoint = endpoint()?;
            let mut streams = Vec::new();
            for _ in 0..count {
                let mut transport = quinn::TransportConfig::default();
                transport.receive_window(1_000_000u32.into()).stream_receive_window(1_000_000u32.into());
                let connection = connect(&endpoint, &tls, server.address, transport).await?;
                let mut stream = begin(&connection, "/media/large.mp4").await?;
                let mut bytes = 0;
                while bytes < 3_000_000 {
                    bytes += stream.read_chunk(1 << 16, true).await?.map_or(3_000_000, |chunk| chunk.bytes.len());
                }
                streams.push((connection, stream));
            }
            anyhow::Ok(std::mem::ManuallyDrop::new(streams))
        })?;
        runtime.shutdown_background();
        anyhow::Ok(())
    };
    viewers(2)?;
    let before = server.memory()?;
    viewers(VANISHING)?;
    let after = server.memory()?;
    let each = per(after.saturating_sub(before), VANISHING);
    println!("  {VANISHING} viewers that vanished in mid-download: {each:.0} KB each (asked: 256 at most)");
    Ok(())
}

/// Handshakes that begin at the same moment: how many come to an answer, how long that takes, and the datagrams that the server lost to
/// full buffers.
pub fn handshakes(runtime: &Runtime, files: &Path) -> anyhow::Result<()> {
    let server = Server::start(Kind::Reelway, files)?;
    let tls = Arc::new(client_config(b"h3")?);
    let begun = Instant::now();
    let answered = runtime.block_on(async {
        // One socket for all would lose datagrams itself.
        let endpoints = (0..ENDPOINTS).map(|_| endpoint()).collect::<Result<Vec<_>, _>>()?;
        let mut clients = JoinSet::new();
        for endpoint in endpoints.iter().cycle().take(AT_ONCE) {
            let (endpoint, tls, address) = (endpoint.clone(), Arc::clone(&tls), server.address);
            clients.spawn(async move {
                let connection = connect(&endpoint, &tls, address, quinn::TransportConfig::default()).await?;
                fetch(&connection, "/healthz").await
            });
        }
        let mut answered = 0;
        while let Some(client) = clients.join_next().await {
            answered += usize::from(client?.is_ok());
        }
        anyhow::Ok(answered)
    })?;
    let (lost, seconds) = (server.datagrams_lost()?, begun.elapsed().as_secs_f64());
    println!("  {AT_ONCE} handshakes at once: {answered} answered within {seconds:.1} s, {lost} datagrams lost to full buffers (asked: 0)");
    Ok(())
}

/// Kilobytes for each.
fn per(bytes: u64, count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let figure = bytes as f64 / count as f64 / 1000.0;
    figure
}
