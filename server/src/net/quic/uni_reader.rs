//! A unidirectional stream of the client as h3 sees it.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h3::quic::{RecvStream, StreamErrorIncoming, StreamId};

use super::{
    budget::Budget,
    fault::{Breach, Fault, refuse},
    priority::Priorities,
    streams::stream_id,
    uni_frames::UniFrames,
};

/// Most that is taken from quinn at once.
const CHUNK: usize = 16 << 10;

/// Reads [`UniFrames`] from a QUIC stream.
pub(super) struct UniReader {
    stream: quinn::RecvStream,
    connection: quinn::Connection,
    /// In a box: h3 sets space for four readers aside, and has three.
    frames: Box<UniFrames>,
}

impl UniReader {
    /// Reads from `stream`, at the cost of `budget`.
    pub fn new(connection: quinn::Connection, stream: quinn::RecvStream, budget: Arc<Mutex<Budget>>, priorities: Priorities) -> Self {
        Self { stream, connection, frames: Box::new(UniFrames::new(budget, priorities)) }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        loop {
            match self.frames.give() {
                Ok(None) => {}
                Ok(ready) => return Poll::Ready(Ok(ready)),
                Err(Breach::Connection(code, reason)) => return Poll::Ready(Err(refuse(&self.connection, code, reason))),
                Err(Breach::Message(reason)) => return Poll::Ready(Err(Fault::Malformed(reason))),
            }
            match ready!(pin!(self.stream.read_chunk(CHUNK, true)).poll(cx)) {
                Ok(Some(chunk)) => self.frames.feed(chunk.bytes),
                Ok(None) => return Poll::Ready(Ok(None)),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

impl RecvStream for UniReader {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.poll_next(cx).map_err(StreamErrorIncoming::from)
    }

    fn stop_sending(&mut self, error_code: u64) {
        let _ = self.stream.stop(quinn::VarInt::from_u64(error_code).unwrap_or(quinn::VarInt::MAX));
    }

    fn recv_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}
