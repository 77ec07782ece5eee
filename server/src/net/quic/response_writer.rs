//! The sending half of a request stream. It ends in one of two ways, and neither by accident.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h3::error::Code;
use quinn::{StoppedError, VarInt, WriteError};

use super::{
    fault::varint,
    frame::{header, kind},
};
use crate::net::{order::Turn, priority::Priority, wish::Wish};

/// quinn ends a stream cleanly when it is dropped, so that a response whose handler failed, panicked or was cancelled would look
/// complete. This half resets the stream with H3_INTERNAL_ERROR, unless it was ended on purpose.
#[derive(Debug)]
pub(super) struct ResponseWriter {
    stream: quinn::SendStream,
    wish: Wish,
    open: bool,
}

impl ResponseWriter {
    /// Writes to `stream`, as urgently as the client wishes.
    pub fn new(stream: quinn::SendStream, wish: Wish) -> Self {
        Self { stream, wish, open: true }
    }

    /// Resolves when the client wants no more (its code), has received all (None), or is gone.
    pub fn stopped(&self) -> impl Future<Output = Result<Option<VarInt>, StoppedError>> + Send + 'static {
        self.stream.stopped()
    }

    /// What the client has asked for by a frame, since this was last looked at.
    pub fn wished(&self) -> Option<Priority> {
        self.wish.take()
    }

    /// Does what the client wishes from now on, with what is written and, by `turn`, what is to be. The task is woken when it wishes
    /// otherwise.
    pub fn heed(&self, cx: &mut Context<'_>, turn: Option<&mut Turn>) {
        if let Some(priority) = self.wish.poll(cx) {
            self.set_priority(priority);
            if let Some(turn) = turn {
                turn.set_priority(priority);
            }
        }
    }

    /// Of what is written and not yet sent quinn sends the more urgent first, streams of one urgency in turns.
    pub fn set_priority(&self, priority: Priority) {
        let _ = self.stream.set_priority(-i32::from(priority.urgency));
    }

    /// Writes what h3 has framed; used for header sections, which are small.
    pub fn poll_write<B: Buf>(&mut self, cx: &mut Context<'_>, bytes: &mut B) -> Poll<Result<(), WriteError>> {
        while bytes.has_remaining() {
            match Pin::new(&mut self.stream).poll_write(cx, bytes.chunk()) {
                Poll::Ready(Ok(written)) => bytes.advance(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes a DATA frame as long as it is its turn, and tells how much quinn has taken of it, each time. The bytes go to quinn as they
    /// are; this waits until it has taken them, which is how a slow client holds back the body.
    pub async fn data(&mut self, data: &mut Data, turn: &mut Turn, mut taken: impl FnMut(usize)) -> Result<(), WriteError> {
        poll_fn(|cx| {
            self.heed(cx, Some(turn));
            while !data.is_written() && turn.poll(cx).is_ready() {
                // The future of write_chunks keeps its state in the stream, so it may be made anew at every call.
                let written = ready!(pin!(self.stream.write_chunks(&mut data.chunks[data.written..])).poll(cx))?;
                taken(written.bytes);
                turn.gave(true);
                data.written += written.chunks;
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// The response is complete.
    pub fn finish(&mut self) {
        if std::mem::take(&mut self.open) {
            let _ = self.stream.finish();
        }
    }

    /// The response is not complete, and the client will know.
    pub fn reset(&mut self, code: VarInt) {
        if std::mem::take(&mut self.open) {
            let _ = self.stream.reset(code);
        }
    }
}

/// A DATA frame (RFC 9114 section 7.2.1) on its way.
#[derive(Debug)]
pub(super) struct Data {
    chunks: [Bytes; 2],
    /// Whole chunks; of one in part the part is left.
    written: usize,
}

impl Data {
    /// With this content; without any it is no frame.
    pub fn new(content: Bytes) -> Self {
        let written = if content.is_empty() { 2 } else { 0 };
        Self { chunks: [header(kind::DATA, content.len() as u64), content], written }
    }

    /// Nothing is left.
    pub fn is_written(&self) -> bool {
        self.written == self.chunks.len()
    }
}

impl Drop for ResponseWriter {
    fn drop(&mut self) {
        self.reset(varint(Code::H3_INTERNAL_ERROR));
    }
}
