//! Live ladders: smaller sizes of the pictures of streams whose configuration wants them, while they are on air.
//!
//! ```text
//! log of the pictures, as they came -> cursor -> ffmpeg -> demuxer -> further renditions of the same stream, on its time line
//! ```
//!
//! ffmpeg is fed like a viewer: nothing is queued for it, and the stream waits for none of it. Where it fails, or is too slow, the stream
//! goes on without the rungs, and it is started again.

use std::{
    collections::HashSet,
    io::{self, ErrorKind},
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use reelway_core::{
    demux::stream::{Item, StreamDemuxer},
    live::{Live, RenditionId},
    time::Moment,
    track::Track,
};
use tokio::{
    io::AsyncWriteExt,
    process::ChildStdin,
    task::spawn_blocking,
    time::{Instant, sleep},
};

use crate::{
    ladder::{LadderError, Pipe, Tool, Wanted, render},
    live::{Cursor, Log, Stream, Streams},
};

/// How much ffmpeg steps back for those who serve.
const NICE: u8 = 5;

/// The waits before ffmpeg is started again; after it ran for as long as the longest, from the beginning.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How many segments ffmpeg may be behind.
const MOST_BEHIND: u32 = 3;

/// Why a ladder stopped.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Ladder(#[from] LadderError),
    #[error("ffmpeg is too slow for this machine: it is {0} segments behind; ask for fewer or smaller rungs")]
    Slow(u32),
    #[error("the pictures are described anew")]
    Header,
    #[error("what ffmpeg made cannot be read: {0}")]
    Made(#[from] reelway_core::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Makes the ladders of all `streams`, for as long as the server runs.
pub async fn run(streams: Arc<Streams>) {
    let mut begun = streams.begun();
    let mut known: HashSet<(String, u64)> = HashSet::new();
    loop {
        begun.mark_unchanged();
        let all = streams.all();
        let id = |stream: &Arc<Stream>| (stream.name.to_string(), stream.session);
        for stream in &all {
            if let Some(wanted) = stream.config.ladder.clone()
                && known.insert(id(stream))
            {
                tokio::spawn(keep(Arc::downgrade(stream), wanted));
            }
        }
        known.retain(|one| all.iter().any(|stream| id(stream) == *one));
        if begun.changed().await.is_err() {
            return;
        }
    }
}

/// Makes the ladder of a stream until that is over, with another ffmpeg where one fails.
async fn keep(stream: Weak<Stream>, wanted: Wanted) {
    let (mut rungs, mut behind, mut wait) = (Vec::new(), 0, FIRST_WAIT);
    let Some(name) = stream.upgrade().map(|stream| stream.name.clone()) else { return };
    loop {
        let started = Instant::now();
        let stopped = {
            let Some(stream) = stream.upgrade().filter(|stream| !stream.is_ended()) else { return };
            let stopped = make(&stream, &wanted, behind, &mut rungs).await;
            // What another encoder makes goes with no frame of this one.
            behind = stream.edge().map_or(0, |edge| edge.segment);
            stopped
        };
        if started.elapsed() >= LONGEST_WAIT {
            wait = FIRST_WAIT;
        }
        match stopped {
            Ok(()) => return,
            Err(Stopped::Header) => {}
            Err(Stopped::Ladder(error)) if !error.is_passing() => {
                return tracing::error!(stream = %name, %error, "the stream stays without a ladder");
            }
            Err(error) => {
                tracing::error!(stream = %name, %error, "the ladder of the stream stops; another try in {} s", wait.as_secs());
                sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
    }
}

/// Makes the ladder of a stream with one ffmpeg, of what comes behind a segment, to its end. `rungs` are the renditions of the rungs, once
/// there are any.
async fn make(stream: &Arc<Stream>, wanted: &Wanted, behind: u32, rungs: &mut Vec<RenditionId>) -> Result<(), Stopped> {
    let Some((log, segment)) = pictures(stream, behind).await else { return Ok(()) };
    let Some((number, header)) = log.last_header() else { return Ok(()) };
    let track = describe(&header)?;
    let tool = spawn_blocking(|| Tool::find(NICE)).await.map_err(io::Error::other)??;
    let (pipe, mut input) = render(&tool, wanted, &track)?;
    let _reader = stream.own_reader();
    let feeding = async {
        input.write_all(&header).await?;
        feed(log.cursor(segment, 0), &log, number, input).await
    };
    let reading = read(stream, pipe, rungs);
    tokio::pin!(feeding, reading);
    tokio::select! {
        fed = &mut feeding => match fed {
            // What it has begun with comes to its end.
            Ok(()) => reading.await,
            // It ended first, and says why.
            Err(Stopped::Io(error)) if error.kind() == ErrorKind::BrokenPipe => reading.await.and(Err(Stopped::Io(error))),
            Err(error) => Err(error),
        },
        read = &mut reading => read.and(Err(Stopped::Io(ErrorKind::UnexpectedEof.into()))),
    }
}

/// The pictures of a stream and their newest segment, once it is another than `behind`; `None`: the stream is over, or has none.
async fn pictures(stream: &Arc<Stream>, behind: u32) -> Option<(Arc<Log>, u32)> {
    let mut changes = stream.changes();
    loop {
        changes.mark_unchanged();
        let first = stream.pictures();
        let segment = first.as_ref().map(|log| log.edge().segment).filter(|segment| *segment > behind);
        if let Some(found) = first.zip(segment) {
            return Some(found);
        }
        if stream.is_ended() {
            return None;
        }
        changes.changed().await.ok()?;
    }
}

/// What a header tells.
fn describe(header: &Bytes) -> Result<Track, Stopped> {
    let mut demuxer = StreamDemuxer::new();
    demuxer.push(header.clone())?;
    let first = match demuxer.poll() {
        Some(Item::Header(tracks)) => tracks.into_iter().next(),
        _ => None,
    };
    first.ok_or_else(|| LadderError::Source("the stream has no pictures".into()).into())
}

/// Writes what is published to ffmpeg, which then is to end.
async fn feed(mut cursor: Cursor, log: &Arc<Log>, header: u32, mut input: ChildStdin) -> Result<(), Stopped> {
    loop {
        while let Some(bytes) = cursor.next_if_there()? {
            if log.last_header().is_some_and(|(number, _)| number != header) {
                return Err(Stopped::Header);
            }
            input.write_all(&bytes).await?;
            let behind = log.edge().segment.saturating_sub(cursor.segment());
            if behind >= MOST_BEHIND {
                return Err(Stopped::Slow(behind));
            }
        }
        if cursor.is_over() {
            return Ok(());
        }
        cursor.wait().await;
    }
}

/// Publishes what ffmpeg makes, to its end.
async fn read(stream: &Arc<Stream>, mut pipe: Pipe, rungs: &mut Vec<RenditionId>) -> Result<(), Stopped> {
    let mut demuxer = StreamDemuxer::new();
    while let Some(bytes) = pipe.next().await? {
        demuxer.push(bytes)?;
        let items: Vec<Item> = std::iter::from_fn(|| demuxer.poll()).collect();
        if !items.is_empty() {
            stream.publish(|live, now| take(live, items, rungs, now)).await?;
        }
    }
    let complaint = pipe.end().await?;
    if !complaint.is_empty() {
        tracing::warn!(stream = %stream.name, complaint, "ffmpeg made a ladder in spite of this");
    }
    Ok(())
}

fn take(live: &mut Live, items: Vec<Item>, rungs: &mut Vec<RenditionId>, now: Moment) -> reelway_core::Result<()> {
    for item in items {
        match item {
            // The stream has ended while the last frames were encoded.
            _ if live.is_ended() => return Ok(()),
            Item::Header(tracks) => {
                for (index, track) in tracks.iter().enumerate() {
                    match rungs.get(index) {
                        Some(id) => live.change(*id, track)?,
                        None => rungs.push(live.derive(track)?),
                    }
                }
            }
            Item::Sample { track, sample } => {
                if let Some(id) = rungs.get(track) {
                    live.push(*id, sample, now)?;
                }
            }
            Item::ReferenceTime { .. } | Item::Event(_) | Item::End => {}
        }
    }
    Ok(())
}
