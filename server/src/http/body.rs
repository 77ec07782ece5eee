//! The body of a response: content, read a window at a time when the transport asks for it, or what is still being made.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt};
use http_body::{Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{Content, content::Part};
use crate::storage::{BLOCK, Block, Piece, SourceFile};

/// Bytes read at a time: a viewer that has stopped reading holds this much, and larger windows save nothing that can be measured.
const WINDOW: u64 = BLOCK;

/// The body of a response.
///
/// What the system has in memory is read at once. For what it has not, there are threads of their own, so that a slow disk holds up
/// nobody else. A file that is no longer what its index describes, or ends early, is an error in the middle of the body: the transports
/// reset the response, so it never passes for a whole one.
pub struct Body(Kind);

enum Kind {
    Stored(Stored),
    Growing(BoxStream<'static, io::Result<Bytes>>),
}

/// Content that is all known before any of it is read.
#[derive(Default)]
struct Stored {
    rest: Content,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Body {
    /// What comes piece by piece, nobody knows how much. Each piece goes to the client at once. An error resets the response; the end of
    /// the stream ends it well.
    pub fn growing(pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self(Kind::Growing(pieces.boxed()))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Stored(stored) => f.debug_tuple("Body").field(&stored.rest).finish(),
            Kind::Growing(_) => f.write_str("Body(growing)"),
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Content::default().into()
    }
}

impl From<Content> for Body {
    fn from(content: Content) -> Self {
        Self(Kind::Stored(Stored { rest: content, reading: None }))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Content::from_bytes(bytes).into()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.0 {
            Kind::Stored(stored) => stored.poll_frame(context),
            Kind::Growing(pieces) => pieces.poll_next_unpin(context).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Stored(stored) => stored.reading.is_none() && stored.rest.is_empty(),
            Kind::Growing(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            // While a window is being read the rest is not known here; transports ask before they poll.
            Kind::Stored(stored) if stored.reading.is_none() => SizeHint::with_exact(stored.rest.len()),
            _ => SizeHint::default(),
        }
    }
}

impl Stored {
    fn poll_window(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let Some(reading) = &mut self.reading else {
            // Of a file as it is, up to the end of a block, which others may have read.
            let into_block = self.rest.as_range().map_or(0, |(_, range)| range.start % BLOCK);
            let window = self.rest.take(WINDOW - into_block);
            match read(&window, SourceFile::read_at_hand) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
            self.reading = Some(spawn_blocking(move || read(&window, SourceFile::read)));
            return self.poll_window(context);
        };
        let read = ready!(Pin::new(reading).poll(context)).map_err(io::Error::other).flatten();
        self.reading = None;
        Poll::Ready(read)
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.reading.is_none() {
            if self.rest.is_empty() {
                return Poll::Ready(None);
            }
            if self.rest.is_made()
                && let Some(bytes) = self.rest.take_made()
            {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
        let read = ready!(self.poll_window(context));
        if read.is_err() {
            self.rest = Content::default();
        }
        Poll::Ready(Some(read.map(Frame::data)))
    }
}

/// Reads `window` by way of `fill`, unless it is kept.
fn read(window: &Content, fill: fn(&SourceFile, Vec<Piece<'_>>) -> io::Result<()>) -> io::Result<Bytes> {
    let range = window.as_range();
    if let Some((source, range)) = range
        && let Some(kept) = source.kept(range)
    {
        source.check()?;
        return Ok(kept);
    }
    let mut block = Block::new(usize::try_from(window.len()).map_err(io::Error::other)?);
    let mut free = &mut *block;
    let mut pieces = Vec::with_capacity(window.parts().len());
    for part in window.parts() {
        let length = match part {
            Part::Made(made) => made.len(),
            Part::Extent(extent) => usize::try_from(extent.end - extent.start).map_err(io::Error::other)?,
        };
        let (target, rest) = std::mem::take(&mut free).split_at_mut(length);
        free = rest;
        match part {
            Part::Made(made) => target.copy_from_slice(made),
            Part::Extent(extent) => pieces.push(Piece { offset: extent.start, target }),
        }
    }
    match window.source() {
        Some(source) => {
            pieces.sort_unstable_by_key(|piece| piece.offset);
            fill(source, pieces)?;
            source.check()?;
        }
        // Or what was in the memory before would be sent.
        None if !pieces.is_empty() => return Err(io::Error::other("a part of a file, and no file")),
        None => {}
    }
    let bytes = block.freeze();
    if let Some((source, range)) = range {
        source.keep(range, &bytes);
    }
    Ok(bytes)
}
