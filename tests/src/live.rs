//! A broadcast under a clock that the test sets: a stream goes in, and what comes out is kept.

use std::{collections::BTreeMap, ops::Range};

use anyhow::{Context, Result};
use bytes::Bytes;
use reelway_core::{
    Demuxer, Live,
    demux::{
        Movie,
        stream::{Item, StreamDemuxer},
    },
    live::{Config, Event, RenditionId},
    time::Moment,
    window::Segment,
};

/// 2026-11-28T10:00:00Z.
pub const START: Moment = Moment(1_795_860_000_000_000);

/// So many milliseconds after the broadcast began.
pub fn at(millis: i64) -> Moment {
    START.after(millis * 1000)
}

/// A part as it was published.
#[derive(Clone, Debug)]
pub struct Part {
    /// Number of its segment.
    pub segment: u32,
    /// Its number in the segment.
    pub number: u32,
    /// All its bytes.
    pub bytes: Vec<u8>,
    /// Ticks that it lasts.
    pub duration: u64,
    /// Whether decoding can begin in it.
    pub independent: bool,
}

/// A rendition as it was published.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Its headers, by number.
    pub headers: BTreeMap<u32, Vec<u8>>,
    /// Its parts, in order.
    pub parts: Vec<Part>,
    /// Its whole segments, in order.
    pub segments: Vec<Segment>,
    /// Segments that nobody may ask for any more.
    pub removed: Vec<u32>,
}

impl Output {
    /// The first header and all parts: what a recorder writes.
    pub fn file(&self) -> Vec<u8> {
        let header = self.headers.values().next().map_or(&[][..], Vec::as_slice);
        [header].into_iter().chain(self.parts.iter().map(|part| part.bytes.as_slice())).collect::<Vec<_>>().concat()
    }
}

/// A broadcast.
#[derive(Debug)]
pub struct Broadcast {
    /// What is tested.
    pub live: Live,
    demuxer: StreamDemuxer,
    /// The renditions of the tracks of the source.
    tracks: Vec<RenditionId>,
    /// What came out, by rendition.
    pub output: BTreeMap<RenditionId, Output>,
    /// Every state that viewers could have seen, if it is to be kept: playlists of all renditions.
    pub seen: Option<Vec<(Moment, RenditionId, String)>>,
    /// Whether the stream is over.
    pub ended: bool,
}

impl Broadcast {
    /// One that has not begun.
    pub fn new(config: Config) -> Result<Self> {
        Ok(Self {
            live: Live::new(config)?,
            demuxer: StreamDemuxer::new(),
            tracks: Vec::new(),
            output: BTreeMap::new(),
            seen: None,
            ended: false,
        })
    }

    /// A piece of the stream comes.
    pub fn push(&mut self, bytes: &[u8], now: Moment) -> Result<()> {
        self.wait(now);
        self.demuxer.push(Bytes::copy_from_slice(bytes))?;
        while let Some(item) = self.demuxer.poll() {
            match item {
                Item::Header(tracks) if self.tracks.is_empty() => {
                    for track in &tracks {
                        self.tracks.push(self.live.add(track, now)?);
                    }
                }
                Item::Header(tracks) => {
                    for (id, track) in self.tracks.iter().zip(&tracks) {
                        self.live.change(*id, track)?;
                    }
                }
                Item::Sample { track, sample } => {
                    self.live.push(*self.tracks.get(track).context("no such track")?, sample, now)?;
                    self.poll(now);
                }
                Item::ReferenceTime { track, reference } => {
                    self.live.reference(*self.tracks.get(track).context("no such track")?, reference, now);
                }
                Item::Event(_) | Item::End => {}
            }
        }
        self.poll(now);
        Ok(())
    }

    /// The source is lost; another may be pushed.
    pub fn lost(&mut self, now: Moment) {
        self.wait(now);
        self.live.lost(now);
        (self.demuxer, self.tracks) = (StreamDemuxer::new(), Vec::new());
        self.poll(now);
    }

    /// The stream is over.
    pub fn end(&mut self, now: Moment) {
        self.wait(now);
        self.live.end(now);
        self.poll(now);
    }

    /// Lets time pass.
    pub fn wait(&mut self, now: Moment) {
        while let Some(due) = self.live.timeout().filter(|due| *due <= now) {
            self.live.handle_timeout(due);
            self.poll(due);
        }
    }

    fn poll(&mut self, now: Moment) {
        let mut happened = false;
        while let Some(event) = self.live.poll() {
            happened = true;
            match event {
                Event::Header { rendition, number, bytes, .. } => {
                    self.output.entry(rendition).or_default().headers.insert(number, bytes.to_vec());
                }
                Event::Part { rendition, segment, part, head, payload, duration, independent, .. } => {
                    let bytes = [head].into_iter().chain(payload).collect::<Vec<_>>().concat();
                    let part = Part { segment, number: part, bytes, duration, independent };
                    self.output.entry(rendition).or_default().parts.push(part);
                }
                Event::Segment { rendition, segment, .. } => self.output.entry(rendition).or_default().segments.push(segment),
                Event::Removed { rendition, segment } => self.output.entry(rendition).or_default().removed.push(segment),
                Event::Ended => self.ended = true,
                Event::Began(_) | Event::Promised { .. } | Event::Opened { .. } => {}
            }
        }
        if let Some(seen) = self.seen.as_mut().filter(|_| happened) {
            for id in self.live.renditions() {
                seen.extend(self.live.media_playlist(id, false).map(|text| (now, id, text)));
            }
        }
    }

    /// The rendition of this name, as it came out.
    pub fn rendition(&self, name: &str) -> Result<&Output> {
        let id = self.live.find(name).with_context(|| format!("no rendition {name}"))?;
        self.output.get(&id).with_context(|| format!("nothing of {name}"))
    }
}

/// Reads a file in memory.
pub fn demux(bytes: &[u8]) -> reelway_core::Result<Movie> {
    let mut demuxer = Demuxer::new(bytes.len() as u64);
    while let Some(range) = demuxer.required() {
        demuxer.handle(range.start, part(bytes, &range))?;
    }
    demuxer.finish()
}

/// A range of bytes.
pub fn part<'a>(bytes: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    let index = |position: u64| usize::try_from(position).unwrap_or(usize::MAX);
    bytes.get(index(range.start)..index(range.end)).unwrap_or_default()
}
