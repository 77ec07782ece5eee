//! The log of one rendition: what was published of it, in order, shared by all who read it.
//!
//! It only grows at its end and is forgotten at its beginning. Whoever reads holds a [`Cursor`], which is a number; nothing is kept for
//! readers, so a slow one holds up nobody, and finds itself out of the log at last.

mod cursor;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use reelway_core::codec::Kind;
use tokio::sync::watch;

pub use cursor::Cursor;

use crate::{http::Content, storage::Extent};

/// The log of one rendition.
#[derive(Debug)]
pub struct Log {
    /// As it is called in URLs.
    pub name: String,
    state: Mutex<State>,
    /// Woken once for all that is published at once.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    /// By number, from 1.
    headers: BTreeMap<u32, Bytes>,
    /// In ascending order; numbers may be left out, where nothing came.
    segments: VecDeque<Entry>,
    ended: bool,
}

#[derive(Debug)]
struct Entry {
    number: u32,
    parts: Vec<Part>,
    /// All of it, where that is another than its parts, once it is closed.
    whole: Option<Bytes>,
    closed: bool,
}

/// A part of a segment, which is a CMAF chunk.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its bytes, as long as they are in memory.
    pub bytes: Option<Bytes>,
    /// Where they are in the recording, if they are.
    pub extent: Option<Extent>,
    /// When it begins, in microseconds of the stream's time line.
    pub start: i64,
    /// Whether play can begin with it.
    pub independent: bool,
}

/// A segment that is there.
#[derive(Debug)]
pub enum Segment {
    /// All of it.
    Closed(Content),
    /// What is there of it, and all that comes of it, from its beginning.
    Growing(Content, Cursor),
}

/// The end of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The last segment of which there is anything; 0 before the first.
    pub segment: u32,
    /// How many of its parts there are.
    pub parts: u32,
    /// Whether it is closed.
    pub closed: bool,
    /// Whether nothing comes any more.
    pub ended: bool,
}

impl Log {
    /// An empty log of the rendition `name`.
    pub fn new(name: String) -> Self {
        Self { name, state: Mutex::default(), changed: watch::Sender::new(()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of which kind its media is, by the first letter of its name.
    pub fn kind(&self) -> Kind {
        match self.name.as_bytes().first() {
            Some(b'v') => Kind::Video,
            Some(b't') => Kind::Text,
            _ => Kind::Audio,
        }
    }

    /// Whether it is of video.
    pub fn is_video(&self) -> bool {
        self.kind() == Kind::Video
    }

    /// Puts a header into it.
    pub fn add_header(&self, number: u32, bytes: Bytes) {
        self.state().headers.insert(number, bytes);
    }

    /// Puts the next part of `segment` behind the others.
    pub fn add_part(&self, segment: u32, part: Part) {
        let mut state = self.state();
        match state.segments.back_mut() {
            Some(last) if last.number == segment => last.parts.push(part),
            _ => state.segments.push_back(Entry { number: segment, parts: vec![part], whole: None, closed: false }),
        }
    }

    /// Nothing will be added to `segment`, which is `whole` if that is another than its parts.
    pub fn close(&self, segment: u32, whole: Option<Bytes>) {
        let mut state = self.state();
        if let Some(closed) = state.segments.iter_mut().rev().find(|other| other.number == segment) {
            (closed.closed, closed.whole) = (true, whole);
        }
    }

    /// Nothing will be added any more.
    pub fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        if let Some(last) = state.segments.back_mut() {
            last.closed = true;
        }
    }

    /// Leaves what is before `segment` to the file. A segment that is not in it whole stays until `last`, and is then forgotten whole: what
    /// is left of it would look like all of it.
    pub fn leave_memory(&self, segment: u32, last: u32) {
        let mut state = self.state();
        for old in state.segments.iter_mut().take_while(|old| old.number < segment) {
            if old.parts.iter().all(|part| part.extent.is_some()) {
                old.parts.iter_mut().for_each(|part| part.bytes = None);
            } else if old.number < last {
                old.parts.clear();
            }
        }
        state.segments.retain(|old| old.number >= last || !old.parts.is_empty());
    }

    /// Forgets what is before `segment`, wherever it is.
    pub fn forget(&self, segment: u32) {
        let mut state = self.state();
        while state.segments.front().is_some_and(|first| first.number < segment) {
            state.segments.pop_front();
        }
    }

    /// Wakes all who wait for something to come.
    pub fn wake(&self) {
        self.changed.send_replace(());
    }

    /// Hears of what comes from now on.
    pub fn changes(&self) -> watch::Receiver<()> {
        let mut changes = self.changed.subscribe();
        changes.mark_unchanged();
        changes
    }

    /// How many wait or read.
    pub fn readers(&self) -> usize {
        self.changed.receiver_count()
    }

    /// Its end.
    pub fn edge(&self) -> Edge {
        self.state().edge()
    }

    /// A header.
    pub fn header(&self, number: u32) -> Option<Bytes> {
        self.state().headers.get(&number).cloned()
    }

    /// The newest header.
    pub fn last_header(&self) -> Option<(u32, Bytes)> {
        self.state().headers.last_key_value().map(|(number, bytes)| (*number, bytes.clone()))
    }

    /// A part that is there; `None` where it is not.
    pub fn part(&self, segment: u32, part: u32) -> Option<Content> {
        let state = self.state();
        let part = state.find(segment)?.parts.get(usize::try_from(part).ok()?)?;
        State::content(std::slice::from_ref(part))
    }

    /// A segment of which something is there; `None` where nothing is.
    pub fn segment(self: &Arc<Self>, number: u32) -> Option<Segment> {
        let state = self.state();
        let segment = state.find(number)?;
        let content = segment.whole.clone().map(Content::from_bytes).or_else(|| State::content(&segment.parts))?;
        Some(if segment.closed { Segment::Closed(content) } else { Segment::Growing(content, self.cursor(number, 0)) })
    }

    /// Reads from part `part` of `segment` on.
    pub fn cursor(self: &Arc<Self>, segment: u32, part: usize) -> Cursor {
        Cursor::new(self, segment, part)
    }

    /// Where play can begin at least `hold_back` microseconds behind the newest part: the segment, the index of the part and when it begins.
    /// It is the last such place in memory, or the first of all where there is not as much yet.
    pub fn independent(&self, hold_back: i64) -> Option<(u32, usize, i64)> {
        let state = self.state();
        let newest = state.segments.back()?.parts.last()?.start;
        let mut found = None;
        for segment in state.segments.iter().rev() {
            for (index, part) in segment.parts.iter().enumerate().rev().filter(|(_, part)| part.independent && part.bytes.is_some()) {
                found = Some((segment.number, index, part.start));
                if part.start <= newest.saturating_sub(hold_back) {
                    return found;
                }
            }
        }
        found
    }

    /// The first part that begins at `time`, in microseconds, or later; the place behind the last one where there is none.
    pub fn at(&self, time: i64) -> (u32, usize) {
        let state = self.state();
        let later = state.segments.iter().rev().map_while(|segment| {
            let first = segment.parts.iter().position(|part| part.start >= time)?;
            Some((segment.number, first))
        });
        later.last().unwrap_or_else(|| match state.edge() {
            Edge { segment, parts, closed: false, .. } => (segment, usize::try_from(parts).unwrap_or(usize::MAX)),
            Edge { segment, .. } => (segment + 1, 0),
        })
    }
}

impl State {
    fn edge(&self) -> Edge {
        let last = self.segments.back();
        Edge {
            segment: last.map_or(0, |last| last.number),
            parts: last.map_or(0, |last| u32::try_from(last.parts.len()).unwrap_or(u32::MAX)),
            closed: last.is_none_or(|last| last.closed),
            ended: self.ended,
        }
    }

    fn find(&self, number: u32) -> Option<&Entry> {
        let index = self.segments.binary_search_by_key(&number, |segment| segment.number).ok()?;
        self.segments.get(index)
    }

    /// The bytes of parts that follow each other.
    fn content(parts: &[Part]) -> Option<Content> {
        let mut content = Content::default();
        for part in parts {
            content.push(match (&part.bytes, &part.extent) {
                (Some(bytes), _) => Content::from_bytes(bytes.clone()),
                (None, Some(extent)) => Content::from_range(Arc::clone(&extent.file), extent.range.clone()),
                (None, None) => return None,
            });
        }
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn part(text: &'static str, start: i64, independent: bool) -> Part {
        Part { bytes: Some(Bytes::from_static(text.as_bytes())), extent: None, start, independent }
    }

    /// Segments 1 (a b), 2 (c d), 3 (e), the last one open.
    fn log() -> Arc<Log> {
        let log = Arc::new(Log::new("v1".into()));
        for (segment, text, start, independent) in
            [(1, "a", 0, true), (1, "b", 1, false), (2, "c", 2, true), (2, "d", 3, false), (3, "e", 4, true)]
        {
            if log.edge().segment < segment {
                log.close(segment - 1, None);
            }
            log.add_part(segment, part(text, start, independent));
        }
        log
    }

    #[test]
    fn what_is_there() {
        let log = log();
        log.forget(2);
        for (segment, index, there) in [(1, 0, false), (2, 0, true), (2, 2, false), (3, 0, true), (3, 1, false), (4, 0, false)] {
            assert_eq!(log.part(segment, index).is_some(), there, "part {index} of segment {segment}");
        }
        let length = |number| match log.segment(number) {
            Some(Segment::Closed(content)) => content.len(),
            Some(Segment::Growing(so_far, _)) => 1000 + so_far.len(),
            None => 0,
        };
        assert_eq!([length(1), length(2), length(3), length(4)], [0, 2, 1001, 0]);
    }

    #[tokio::test]
    async fn a_reader_of_a_growing_segment_gets_all_of_it_and_its_end() -> io::Result<()> {
        let log = log();
        let mut cursor = log.cursor(3, 0);
        assert_eq!(cursor.next_of_segment().await?.as_deref(), Some(&b"e"[..]));
        let reader = tokio::spawn(async move { (cursor.next_of_segment().await, cursor.next_of_segment().await) });
        tokio::task::yield_now().await;
        log.add_part(3, part("f", 5, false));
        log.wake();
        log.close(3, None);
        log.wake();
        let (next, end) = reader.await.map_err(io::Error::other)?;
        assert_eq!((next?.as_deref(), end?), (Some(&b"f"[..]), None));
        Ok(())
    }

    #[tokio::test]
    async fn a_reader_may_begin_within_a_part() -> io::Result<()> {
        let log = Arc::new(Log::new("v1".into()));
        log.add_part(1, part("abc", 0, true));
        log.add_part(1, part("de", 1, false));
        for (offset, expected) in [(0, &b"abc"[..]), (2, b"c"), (3, b"de"), (4, b"e")] {
            let mut cursor = log.cursor(1, 0);
            cursor.skip(offset);
            assert_eq!(cursor.next_of_segment().await?.as_deref(), Some(expected), "from byte {offset} on");
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_reader_out_of_the_log_hears_of_it() {
        let log = log();
        let mut cursor = log.cursor(1, 1);
        log.forget(3);
        assert!(cursor.next_of_segment().await.is_err() && cursor.next_if_there().is_err());
    }

    #[test]
    fn an_endless_reader_goes_from_segment_to_segment() -> io::Result<()> {
        let log = log();
        assert_eq!(Log::new("v1".into()).independent(0), None);
        for (hold_back, place) in [(0, (3, 0, 4)), (1, (2, 0, 2)), (2, (2, 0, 2)), (3, (1, 0, 0)), (i64::MAX, (1, 0, 0))] {
            assert_eq!(log.independent(hold_back), Some(place), "{hold_back}");
        }
        assert_eq!([log.at(0), log.at(1), log.at(3), log.at(4), log.at(5)], [(1, 0), (1, 1), (2, 1), (3, 0), (3, 1)]);
        let mut cursor = log.cursor(1, 1);
        let mut read = Vec::new();
        while let Some(bytes) = cursor.next_if_there()? {
            read.extend_from_slice(&bytes);
        }
        assert_eq!((read.as_slice(), cursor.is_over()), (&b"bcde"[..], false));
        log.end();
        assert!(cursor.is_over());
        Ok(())
    }
}
