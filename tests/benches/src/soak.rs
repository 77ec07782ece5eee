//! A soak: viewers come and go for a long time over every protocol, and what each gets is what was pushed; the memory of the server stays.
//!
//! A viewer asks for parts and playlists, as players of LL-HLS do, or for segments while they grow, as those of LL-DASH do. After some
//! seconds it is gone, in the middle of whatever it was about, and another comes.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use reelway_tests::{
    movie::{Movie, Sample},
    stream::{self, Form},
};
use tokio::{
    task::JoinSet,
    time::{sleep, sleep_until, timeout, timeout_at},
};

use crate::{
    Options,
    encoder::Encoder,
    input::folder,
    transport::{
        PATIENCE,
        load::{Client, Protocol},
        servers::{Kind, Server},
    },
};

const STREAMS: usize = 3;
/// Frames a second, and between key frames: segments of a second.
const RATE: u32 = 20;
/// Frames of a part.
const PART: u32 = 4;
/// How many segments at least come behind one before its parts are no longer to be had: six target durations of 2 s.
const PARTS_STAY: u32 = 12;
/// Bits a second.
const BITS: u32 = 500_000;
/// How long a viewer stays at least, and at most.
const STAY: (u64, u64) = (3, 20);
const PROTOCOLS: [Protocol; 3] = [Protocol::Http1, Protocol::Http2, Protocol::Http3];

/// What was pushed and what came.
#[derive(Default)]
struct Soak {
    /// The payload of each segment that was pushed, by stream and number.
    pushed: Mutex<HashMap<(usize, u32), u64>>,
    /// Viewers that came, by protocol.
    viewers: [AtomicUsize; 3],
    /// Segments of viewers that were what was pushed.
    same: AtomicUsize,
    /// Segments that viewers took whole, being too late for their parts.
    late: AtomicUsize,
    /// What went wrong, of which the first is told.
    faults: Mutex<Vec<String>>,
}

/// Runs it for as long as `options` say.
pub fn run(options: &Options) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(soak(options))
}

async fn soak(options: &Options) -> anyhow::Result<()> {
    let files = folder()?.join("live");
    std::fs::create_dir_all(&files)?;
    let config = files.join("soak.toml");
    std::fs::write(&config, "[live]\nsegment = \"1s\"\npart = \"200ms\"\nwindow = \"20s\"\nrecord = false\n")?;
    let server = Server::start_with(Kind::Reelway, &files, &["--config", &config.to_string_lossy()])?;
    let soak = Arc::new(Soak::default());
    let mut encoders = JoinSet::new();
    for number in 0..STREAMS {
        encoders.spawn(publish(server.address, number, Arc::clone(&soak)));
    }
    let length = Duration::from_secs(60 * options.minutes);
    // All come within a tenth of the time, and then each window is full.
    let (begun, settling) = (Instant::now(), (length / 10).max(Duration::from_secs(30)).min(length / 2));
    let until = begun + length;
    let mut viewers = JoinSet::new();
    for number in 0..options.viewers {
        let (address, soak) = (server.address, Arc::clone(&soak));
        let first = begun + settling * u32::try_from(number)? / u32::try_from(2 * options.viewers)?;
        viewers.spawn(async move {
            sleep_until(first.into()).await;
            for life in number.. {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                soak.live_one(address, life * 7 + number, left).await;
            }
        });
    }
    let (settled, mut memory, mut stopped) = (begun + settling, Vec::new(), None);
    while stopped.is_none() && Instant::now() < until {
        if Instant::now() >= settled {
            memory.push(server.memory()?);
        }
        let next = (Instant::now() + Duration::from_secs(1)).min(until);
        tokio::select! {
            ended = encoders.join_next() => stopped = ended,
            () = sleep_until(next.into()) => {}
        }
    }
    // What viewers see of a stream that its encoder has left says nothing.
    while let Some(ended) = if stopped.is_none() { viewers.join_next().await } else { None } {
        ended?;
    }
    soak.tell(options.viewers, begun.elapsed(), &memory)?;
    stopped.map_or(Ok(()), |ended| ended?.context("an encoder"))
}

impl Soak {
    /// A viewer from its coming to its going, which is no later than in `left`.
    async fn live_one(self: &Arc<Self>, server: SocketAddr, life: usize, left: Duration) {
        let stay = Duration::from_secs(STAY.0 + life as u64 % (STAY.1 - STAY.0)).min(left);
        let protocol = PROTOCOLS[life % PROTOCOLS.len()];
        self.viewers[life % PROTOCOLS.len()].fetch_add(1, Relaxed);
        if let Ok(Err(error)) = timeout(stay, self.watch(server, protocol, life)).await {
            self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{protocol:?}: {error:#}"));
            sleep(Duration::from_secs(1)).await;
        }
    }

    async fn watch(&self, server: SocketAddr, protocol: Protocol, life: usize) -> anyhow::Result<()> {
        let mut client = Client::open(protocol, server).await?;
        let (stream, by_parts) = (life / PROTOCOLS.len() % STREAMS, (life / (PROTOCOLS.len() * STREAMS)).is_multiple_of(2));
        let folder = format!("/live/soak{stream}/v1");
        let mut segment = newest(&mut client, &folder).await? + 1;
        loop {
            let parts = if by_parts { self.parts(&mut client, (stream, segment), &folder).await? } else { None };
            let whole = parts.is_none();
            let bytes = match parts {
                Some(bytes) => bytes,
                None => {
                    let refused = || format!("segment {segment} of stream {stream} is refused");
                    client.read(&format!("{folder}/{segment}.m4s")).await?.with_context(refused)?
                }
            };
            let pushed = self.pushed.lock().unwrap_or_else(PoisonError::into_inner).get(&(stream, segment)).copied();
            let got = payload(&bytes);
            ensure!(
                pushed == Some(hash(&got)),
                "segment {segment} of stream {stream} is not what was pushed: {} bytes of media in {}, {}",
                got.len(),
                bytes.len(),
                if whole { "whole" } else { "by parts" }
            );
            self.same.fetch_add(1, Relaxed);
            segment += 1;
        }
    }

    /// The parts of a segment of a stream, one behind the other; `None` for a viewer that is so late that they are no longer to be had. As a
    /// player does, it then takes the segment whole.
    async fn parts(&self, client: &mut Client, (stream, segment): (usize, u32), folder: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        for part in 0..RATE / PART {
            let Some(content) = client.read(&format!("{folder}/{segment}.{part}.m4s")).await? else {
                let pushed = self.pushed.lock().unwrap_or_else(PoisonError::into_inner);
                let newest = pushed.keys().filter(|(other, _)| *other == stream).map(|(_, number)| *number).max().unwrap_or(0);
                let refused = "is refused before its time";
                ensure!(
                    newest >= segment + PARTS_STAY,
                    "part {segment}.{part} of stream {stream} {refused}: the newest segment is {newest}"
                );
                self.late.fetch_add(1, Relaxed);
                return Ok(None);
            };
            bytes.extend(content);
            let playlist = client.read(&format!("{folder}/media.m3u8?_HLS_msn={segment}&_HLS_part={part}")).await?;
            playlist.with_context(|| format!("the playlist with part {segment}.{part} of stream {stream} is refused"))?;
        }
        Ok(Some(bytes))
    }

    fn tell(&self, viewers: usize, time: Duration, memory: &[u64]) -> anyhow::Result<()> {
        let tenth = (memory.len() / 10).max(1);
        let median = |samples: &[u64]| {
            let mut sorted = samples.to_vec();
            sorted.sort_unstable();
            sorted.get(sorted.len() / 2).copied().unwrap_or(0)
        };
        let of = |samples: Option<&[u64]>| samples.map_or(0, median);
        let (first, last) = (of(memory.get(..tenth)), of(memory.get(memory.len().saturating_sub(tenth)..)));
        let [h1, h2, h3] = self.viewers.each_ref().map(|viewers| viewers.load(Relaxed));
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let hundredths = last * 100 / first.max(1);
        let (minutes, seconds) = (time.as_secs() / 60, time.as_secs() % 60);
        println!("soak: {STREAMS} streams, {viewers} viewers at a time, {minutes} min {seconds} s");
        println!("  viewers that came and went: {h1} by HTTP/1.1, {h2} by HTTP/2, {h3} by HTTP/3");
        println!("  segments that were what was pushed: {}; what went wrong: {}", self.same.load(Relaxed), faults.len());
        println!("  of these taken whole by viewers that were too late for their parts: {}", self.late.load(Relaxed));
        println!(
            "  memory of the server, last tenth to first: {}.{:02} ({} MB to {} MB)",
            hundredths / 100,
            hundredths % 100,
            last / 1_000_000,
            first / 1_000_000
        );
        ensure!(faults.is_empty(), "{}", faults.iter().take(5).cloned().collect::<Vec<_>>().join("; "));
        ensure!(self.same.load(Relaxed) > 0, "nobody saw a segment");
        Ok(())
    }
}

/// The newest whole segment; waits for the stream to begin.
async fn newest(client: &mut Client, folder: &str) -> anyhow::Result<u32> {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let list = timeout_at(end, client.read(&format!("{folder}/media.m3u8"))).await.context("the stream does not begin")??;
        let text = String::from_utf8_lossy(list.as_deref().unwrap_or_default());
        if let Some(number) =
            text.lines().rev().filter(|line| !line.starts_with('#')).find_map(|line| line.strip_suffix(".m4s")?.parse().ok())
        {
            return Ok(number);
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// An encoder of stream `number`: a fragment for each part, when its time has come.
async fn publish(server: SocketAddr, number: usize, soak: Arc<Soak>) -> anyhow::Result<()> {
    let mut movie = Movie::simple(60, 1);
    movie.tracks.truncate(1);
    let track = movie.tracks.first_mut().context("no track")?;
    let (scale, duration) = (track.timescale, track.timescale / RATE);
    let frame = |n: u32| Sample { size: BITS / 8 / RATE, duration, composition_offset: 0, sync: n.is_multiple_of(RATE) };
    track.samples = (0..60 * RATE).map(frame).collect();
    let mut encoder = Encoder::begin(server, &format!("soak{number}"), &movie).await?;
    let (begun, mut sent, mut segment) = (Instant::now(), 0, Vec::new());
    for minute in 0.. {
        movie.seed = minute * STREAMS as u64 + number as u64;
        let form = Form { lengths: vec![usize::try_from(PART)?], starts: vec![minute * 60 * u64::from(scale)], ..Form::default() };
        for piece in stream::fragments(&movie, &form) {
            let due = begun + Duration::from_secs(1) * PART * sent / RATE;
            sleep_until(due.into()).await;
            // Of one that stops for longer the server makes a gap and goes on with other numbers.
            ensure!(due.elapsed() < Duration::from_secs(1), "stopped for {:?}: the machine is too busy for this", due.elapsed());
            segment.extend(payload(&piece));
            sent += 1;
            let per = RATE / PART;
            if sent % per == 0 {
                let told = hash(&std::mem::take(&mut segment));
                soak.pushed.lock().unwrap_or_else(PoisonError::into_inner).insert((number, sent / per), told);
            }
            encoder.send(&piece).await?;
        }
    }
    Ok(())
}

/// What is in the `mdat` boxes (ISO/IEC 14496-12 8.1.1), one behind the other.
fn payload(mut boxes: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    while let Some((size, rest)) = boxes.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(0);
        let Some(content) = rest.get(4..length.saturating_sub(4)) else { break };
        if rest.starts_with(b"mdat") {
            payload.extend_from_slice(content);
        }
        boxes = boxes.get(length.max(8)..).unwrap_or_default();
    }
    payload
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
