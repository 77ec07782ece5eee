//! Ways to read a file for many who are sent it by one thread: what each costs, and how long it keeps that thread from all others; where
//! the system has the file in memory, and where only the disk has it.

use std::{
    convert::Infallible,
    fs::File,
    hint::black_box,
    io,
    num::NonZeroU64,
    ops::Range,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::BodyExt;
use mmap_io::MemoryMappedFile;
use reelway::{
    http::{Body, Content},
    storage::{BLOCK, Piece, SourceFile, gather, gather_cached},
};
use reelway_core::{Demuxer, Movie};
use rustix::fs::{Advice, fadvise};
use tokio::{
    runtime::Runtime,
    task::{JoinSet, spawn_blocking, yield_now},
    time::{Instant as Due, sleep_until},
};

use super::LARGE;
use crate::{
    Options,
    input::{film, warm},
    measure::{cpu_of, median},
};

/// Readers at once. Each reads a part of the large file of its own, a block at a time.
const READERS: u64 = 16;
const PART: u64 = LARGE / READERS;

/// How far ahead the system is told to read, in blocks.
const AHEAD: u64 = 8;

/// How often somebody else wants the thread.
const PAUSE: Duration = Duration::from_millis(1);

/// A way to read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As the server does: on the thread what is in memory, on a pool what is not.
    Own,
    /// The same, and the system is told what will be read next.
    Ahead,
    /// Everything on a pool.
    Pool,
    /// Everything on the thread.
    Thread,
    /// A map of the file.
    Map,
}

const WAYS: [Way; 5] = [Way::Own, Way::Ahead, Way::Pool, Way::Thread, Way::Map];

impl Way {
    fn label(self) -> &'static str {
        match self {
            Self::Own => "Reelway",
            Self::Ahead => "told ahead",
            Self::Pool => "all on a pool",
            Self::Thread => "none on a pool",
            Self::Map => "a map",
        }
    }
}

/// What reading took, in seconds.
struct Figure {
    cpu: f64,
    wall: f64,
    /// By how much somebody else had the thread later than wanted, each time.
    late: Vec<f64>,
}

/// Runs all ways in turn, as often as there are rounds.
pub fn run(options: &Options, large: &Path) -> anyhow::Result<()> {
    println!("  {READERS} readers on one thread, {} MiB each, {} KiB at a time, each copied once", PART >> 20, BLOCK >> 10);
    // After each block the thread looks for others, so what they wait for is one read and no more.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().event_interval(1).build()?;
    for is_cold in [false, true] {
        println!("    {}", place(is_cold));
        warm(large)?;
        let mut figures = WAYS.map(|way| (way, Vec::new()));
        for _ in 0..options.rounds {
            for (way, figures) in &mut figures {
                figures.push(measure(&runtime, *way, large, is_cold).with_context(|| way.label())?);
            }
        }
        tell(&figures);
    }
    index(options)
}

fn place(is_cold: bool) -> &'static str {
    if is_cold { "on the disk alone" } else { "in memory (page cache)" }
}

fn middle(figures: &[Figure], which: fn(&Figure) -> f64) -> f64 {
    median(&mut figures.iter().map(which).collect::<Vec<_>>())
}

fn tell(figures: &[(Way, Vec<Figure>)]) {
    let mut own = None;
    for (way, figures) in figures {
        let (cpu, wall) = (middle(figures, |figure| figure.cpu), middle(figures, |figure| figure.wall));
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let bytes = LARGE as f64;
        print!("      {:<15} {:>5.3} ns/B {:>6.2} GB/s", way.label(), cpu * 1e9 / bytes, bytes / wall / 1e9);
        let (often, most) = late(figures);
        println!("; others wait {:.2} ms (p99), {:.2} at most", often * 1e3, most * 1e3);
        let (own_cpu, own_wall) = *own.get_or_insert((cpu, wall));
        if *way != Way::Own {
            println!(
                "        Reelway does {:.2} x as much in a second of processor time, at {:.2} x the rate",
                cpu / own_cpu,
                wall / own_wall
            );
        }
    }
}

fn measure(runtime: &Runtime, way: Way, path: &Path, is_cold: bool) -> anyhow::Result<Figure> {
    let file = Arc::new(SourceFile::new(File::open(path)?)?);
    if is_cold {
        forget(file.file())?;
    }
    let map = if way == Way::Map { Some(Arc::new(MemoryMappedFile::open_ro(path)?)) } else { None };
    let (start, cpu) = (Instant::now(), cpu_of(std::process::id())?);
    let late = runtime.block_on(async {
        let mut readers = JoinSet::new();
        for reader in 0..READERS {
            let range = reader * PART..(reader + 1) * PART;
            readers.spawn(read(way, Arc::clone(&file), map.clone(), range));
        }
        let mut late = Vec::new();
        tokio::select! {
            read = async { readers.join_all().await.into_iter().collect::<anyhow::Result<()>>() } => read?,
            never = wait_again_and_again(&mut late) => match never {},
        }
        anyhow::Ok(late)
    })?;
    let wall = start.elapsed().as_secs_f64();
    let cpu = cpu_of(std::process::id())?.saturating_sub(cpu).as_secs_f64();
    Ok(Figure { cpu, wall, late })
}

/// Wants the thread after each pause, and notes in seconds how much later it is there.
async fn wait_again_and_again(late: &mut Vec<f64>) -> Infallible {
    loop {
        let due = Due::now() + PAUSE;
        sleep_until(due).await;
        late.push(due.elapsed().as_secs_f64());
    }
}

/// What one wait in a hundred is longer than, and the longest.
fn late(figures: &[Figure]) -> (f64, f64) {
    let mut late: Vec<f64> = figures.iter().flat_map(|figure| &figure.late).copied().collect();
    late.sort_by(f64::total_cmp);
    let last = late.len().saturating_sub(1);
    let at = |index: usize| late.get(index).copied().unwrap_or(f64::NAN);
    (at(last - last / 100), at(last))
}

async fn read(way: Way, file: Arc<SourceFile>, map: Option<Arc<MemoryMappedFile>>, range: Range<u64>) -> anyhow::Result<()> {
    let mut copy = Copy(vec![0; usize::try_from(BLOCK)?]);
    let mut body = Body::from(Content::from_range(Arc::clone(&file), range.clone()));
    for start in range.clone().step_by(usize::try_from(BLOCK)?) {
        let block = start..start + BLOCK;
        if way == Way::Ahead && (start - range.start).is_multiple_of(AHEAD / 2 * BLOCK) {
            fadvise(file.file(), start, NonZeroU64::new(AHEAD * BLOCK), Advice::WillNeed)?;
        }
        match way {
            Way::Own | Way::Ahead => {
                let frame = body.frame().await.context("too few bytes")??;
                copy.take(frame.data_ref().context("no bytes")?).await?;
            }
            Way::Pool => {
                let file = Arc::clone(&file);
                copy.take(&spawn_blocking(move || read_block(&file, &block)).await??).await?;
            }
            Way::Thread => copy.take(&read_block(&file, &block)?).await?,
            Way::Map => {
                file.check()?;
                copy.take(map.as_ref().context("no map")?.as_slice_bytes(start, BLOCK)?).await?;
            }
        }
    }
    Ok(())
}

/// Reads a block, and waits for the disk.
fn read_block(file: &SourceFile, block: &Range<u64>) -> io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(block.end - block.start).map_err(io::Error::other)?];
    gather(file.file(), [Piece { offset: block.start, target: &mut bytes }])?;
    file.check()?;
    Ok(bytes.into())
}

/// Where bytes go, in the place of what encrypts them.
struct Copy(Vec<u8>);

impl Copy {
    /// Copies `bytes`, and lets others go on.
    async fn take(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.0.get_mut(..bytes.len()).context("more than a block")?.copy_from_slice(bytes);
        black_box(&self.0);
        yield_now().await;
        Ok(())
    }
}

/// Has the system forget what is in a file, so that only the disk has it.
fn forget(file: &File) -> anyhow::Result<()> {
    file.sync_all()?;
    fadvise(file, 0, None, Advice::DontNeed)?;
    match gather_cached(file, [Piece { offset: 0, target: &mut [0] }]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        _ => bail!("what is read stays in memory on this file system: name another one for the target folder"),
    }
}

/// Compares reads of the index of a film with a map of it.
fn index(options: &Options) -> anyhow::Result<()> {
    let film = film(options.input.as_deref())?;
    println!("    the index of {}", film.display());
    for is_cold in [false, true] {
        warm(&film)?;
        let (mut own, mut mapped) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            own.push(timed(&film, is_cold, |file| Ok(file.read_movie()??))?);
            mapped.push(timed(&film, is_cold, |_| read_mapped(&film))?);
        }
        let (own, mapped) = ([0, 1].map(|which| median_of(&own, which)), [0, 1].map(|which| median_of(&mapped, which)));
        let [[own_wall, own_cpu], [map_wall, map_cpu]] = [own, mapped];
        print!("      {:<22} by reads {:>6.2} ms, by a map {:>6.2} ms: ", place(is_cold), own_wall * 1e3, map_wall * 1e3);
        println!("reads take {:.2} x the time, {:.2} x the processor time", own_wall / map_wall, own_cpu / map_cpu);
    }
    Ok(())
}

fn median_of(figures: &[[f64; 2]], which: usize) -> f64 {
    median(&mut figures.iter().filter_map(|figure| figure.get(which).copied()).collect::<Vec<_>>())
}

/// Seconds by the clock and of processor time.
fn timed(film: &Path, is_cold: bool, read: impl FnOnce(&SourceFile) -> anyhow::Result<Movie>) -> anyhow::Result<[f64; 2]> {
    let file = SourceFile::new(File::open(film)?)?;
    if is_cold {
        forget(file.file())?;
    }
    let (start, cpu) = (Instant::now(), cpu_of(std::process::id())?);
    black_box(read(&file)?);
    Ok([start.elapsed().as_secs_f64(), cpu_of(std::process::id())?.saturating_sub(cpu).as_secs_f64()])
}

/// What [`SourceFile::read_movie`] does, with a map.
fn read_mapped(film: &Path) -> anyhow::Result<Movie> {
    let map = MemoryMappedFile::open_ro(film)?;
    let mut demuxer = Demuxer::new(map.len()).asking_frames();
    while let Some(Range { start, end }) = demuxer.required() {
        demuxer.handle(start, map.as_slice_bytes(start, end - start)?)?;
    }
    Ok(demuxer.finish()?)
}
