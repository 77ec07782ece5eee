//! What one demuxer reads: one body, or the files of one encoder that belong together.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reelway_core::{
    ErrorKind, Result as CoreResult,
    codec::Kind,
    demux::{
        LeftOut,
        stream::{Item, StreamDemuxer},
        ts::TransportDemuxer,
    },
    live::{Live, RenditionId},
    time::Moment,
    track::Track,
};

use super::fault::Fault;
use crate::live::Stream;

/// The first byte of every packet of a transport stream (ISO/IEC 13818-1 2.4.3.3). No box of an MP4 that is taken is as long as one that
/// begins so.
pub const SYNC_BYTE: u8 = 0x47;

/// What the first byte tells that it is.
enum Demuxer {
    Fragmented(Box<StreamDemuxer>),
    Transport(Box<TransportDemuxer>),
}

impl Default for Demuxer {
    fn default() -> Self {
        Self::Fragmented(Box::default())
    }
}

impl Demuxer {
    fn push(&mut self, bytes: Bytes) -> CoreResult<()> {
        match self {
            Self::Fragmented(demuxer) if demuxer.position() == 0 && demuxer.is_whole() && bytes.starts_with(&[SYNC_BYTE]) => {
                let mut demuxer = Box::new(TransportDemuxer::new());
                let pushed = demuxer.push(&bytes);
                *self = Self::Transport(demuxer);
                pushed
            }
            Self::Fragmented(demuxer) => demuxer.push(bytes),
            Self::Transport(demuxer) => demuxer.push(&bytes),
        }
    }

    fn poll(&mut self) -> Option<Item> {
        match self {
            Self::Fragmented(demuxer) => demuxer.poll(),
            Self::Transport(demuxer) => demuxer.poll(),
        }
    }

    fn has_header(&self) -> bool {
        match self {
            Self::Fragmented(demuxer) => demuxer.has_header(),
            Self::Transport(demuxer) => demuxer.has_header(),
        }
    }

    /// Whether nothing is missing of what has begun. A transport stream does not tell.
    fn is_whole(&self) -> bool {
        matches!(self, Self::Fragmented(demuxer) if demuxer.is_whole())
    }

    fn finish_body(&mut self) -> CoreResult<()> {
        match self {
            Self::Fragmented(demuxer) => demuxer.finish_body(),
            Self::Transport(demuxer) => demuxer.finish_body(),
        }
    }

    fn left_out(&self) -> &[LeftOut] {
        match self {
            Self::Fragmented(demuxer) => demuxer.left_out(),
            Self::Transport(demuxer) => demuxer.left_out(),
        }
    }
}

/// Samples out of bytes, into a stream.
pub struct Source {
    stream: Arc<Stream>,
    demuxer: Demuxer,
    tracks: Vec<Track>,
    /// The renditions of the tracks, as of `turn`; `None` where a track cannot be one, as metadata.
    renditions: Vec<Option<RenditionId>>,
    /// How often the stream had lost its publisher when the tracks were made known to it.
    turn: Option<u64>,
    /// Bytes so far.
    pub position: u64,
    /// How far the media runs before the clock: a file that is sent faster than it plays.
    pub ahead: Duration,
    /// The switching set that its tracks are in, if the encoder says so.
    switching_set: Option<String>,
}

/// What came of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The publisher goes on.
    GoesOn,
    /// The publisher said that it is over.
    Over,
}

impl Source {
    /// Nothing yet.
    pub fn new(stream: Arc<Stream>) -> Self {
        Self {
            stream,
            demuxer: Demuxer::default(),
            tracks: Vec::new(),
            renditions: Vec::new(),
            turn: None,
            position: 0,
            ahead: Duration::ZERO,
            switching_set: None,
        }
    }

    /// The same whose tracks are in the switching set of this name, if its URL tells one.
    pub fn in_switching_set(mut self, name: Option<&str>) -> Self {
        self.switching_set = name.map(str::to_owned);
        self
    }

    /// Whether a header has come.
    pub fn has_header(&self) -> bool {
        self.demuxer.has_header()
    }

    /// Whether nothing is missing of what has begun.
    pub fn is_whole(&self) -> bool {
        self.demuxer.is_whole()
    }

    /// Takes the next bytes, and publishes what is whole.
    pub async fn take(&mut self, bytes: Bytes, turn: u64) -> Result<Progress, Fault> {
        self.position += bytes.len() as u64;
        let pushed = self.demuxer.push(bytes);
        let progress = self.publish(turn).await?;
        pushed?;
        Ok(progress)
    }

    /// A body has ended, well or not. What is unfinished of it is forgotten: the next one begins with a box.
    pub async fn end_body(&mut self, turn: u64) -> Result<Progress, Fault> {
        let ended = self.demuxer.finish_body();
        let progress = self.publish(turn).await?;
        match ended {
            Err(error) if !self.has_header() => Err(Fault::NoMedia(format!("the header is not whole: {error}"))),
            Err(error) if error.kind() != ErrorKind::Truncated => Err(error.into()),
            _ => Ok(progress),
        }
    }

    /// Publishes what is whole.
    async fn publish(&mut self, turn: u64) -> Result<Progress, Fault> {
        let items = std::iter::from_fn(|| self.demuxer.poll()).collect();
        self.give(items, turn).await
    }

    /// Publishes what a demuxer found.
    pub async fn give(&mut self, items: Vec<Item>, turn: u64) -> Result<Progress, Fault> {
        if items.is_empty() {
            return Ok(Progress::GoesOn);
        }
        let stream = Arc::clone(&self.stream);
        stream
            .publish(|live, now| {
                let published = self.hand_over(live, items, turn, now);
                self.ahead = Duration::from_micros(live.ahead(now));
                published
            })
            .await
    }

    fn hand_over(&mut self, live: &mut Live, items: Vec<Item>, turn: u64, now: Moment) -> Result<Progress, Fault> {
        for item in items {
            match item {
                Item::Header(tracks) => {
                    if tracks.is_empty() {
                        return Err(Fault::NoMedia(self.left_out()));
                    }
                    let changes = self.turn == Some(turn) && tracks.len() == self.renditions.len();
                    if changes {
                        for (id, track) in self.renditions.iter().zip(&tracks) {
                            id.map_or(Ok(()), |id| live.change(id, track))?;
                        }
                    }
                    self.tracks = tracks;
                    if !changes {
                        self.introduce(live, turn, now)?;
                    }
                }
                Item::Sample { track, sample } => {
                    if self.turn != Some(turn) {
                        self.introduce(live, turn, now)?;
                    }
                    if let Some(Some(id)) = self.renditions.get(track) {
                        live.push(*id, sample, now)?;
                    }
                }
                Item::ReferenceTime { track, reference } => {
                    if let Some(Some(id)) = self.renditions.get(track) {
                        live.reference(*id, reference, now);
                    }
                }
                Item::Event(message) => self.hand_over_message(live, message, turn, now)?,
                Item::End => return Ok(Progress::Over),
            }
        }
        Ok(Progress::GoesOn)
    }

    /// An event message is of the programme, not of a track: it goes with the pictures, if there are any.
    fn hand_over_message(&mut self, live: &mut Live, message: Bytes, turn: u64, now: Moment) -> Result<(), Fault> {
        if self.turn != Some(turn) && self.has_header() {
            self.introduce(live, turn, now)?;
        }
        let ids = || self.renditions.iter().flatten().copied();
        let Some(id) = ids().find(|id| live.kind(*id) == Some(Kind::Video)).or_else(|| ids().next()) else { return Ok(()) };
        if let Err(error) = live.message(id, message) {
            tracing::warn!(%error, stream = %self.stream.name, "an event message is left out");
        }
        Ok(())
    }

    /// Makes the tracks known to the stream, which may know them from before.
    fn introduce(&mut self, live: &mut Live, turn: u64, now: Moment) -> Result<(), Fault> {
        let mut refused = None;
        let add = |track: &Track| match live.add(track, now) {
            Ok(id) => Ok(Some(id)),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                tracing::warn!(%error, stream = %self.stream.name, "a track is left out");
                refused = Some(error);
                Ok(None)
            }
            Err(error) => Err(error),
        };
        self.renditions = self.tracks.iter().map(add).collect::<Result<_, _>>()?;
        if let Some(error) = refused.filter(|_| self.renditions.iter().all(Option::is_none)) {
            return Err(error.into());
        }
        if let Some(name) = &self.switching_set {
            for id in self.renditions.iter().flatten() {
                live.switching_set(*id, name)?;
            }
        }
        self.turn = Some(turn);
        Ok(())
    }

    fn left_out(&self) -> String {
        let reasons: Vec<String> = self.demuxer.left_out().iter().map(|track| track.reason.to_string()).collect();
        if reasons.is_empty() { "the header has no tracks".into() } else { reasons.join("; ") }
    }
}
