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
    fault::{Breach, Fault, refuse},
    streams::stream_id,
    uni_frames::UniFrames,
};
use crate::net::{budget::Budget, wish::Priorities};

/// Most that is taken from quinn at once.
const CHUNK: usize = 16 << 10;

/// Reads [`UniFrames`] from a QUIC stream. In a box: h3 sets space aside for three that it has and three that may come.
pub(super) struct UniReader(Box<Reading>);

struct Reading {
    stream: quinn::RecvStream,
    connection: quinn::Connection,
    frames: UniFrames,
}

impl UniReader {
    /// Reads from `stream`, at the cost of `budget`.
    pub fn new(connection: quinn::Connection, stream: quinn::RecvStream, budget: Arc<Mutex<Budget>>, priorities: Priorities) -> Self {
        Self(Box::new(Reading { stream, connection, frames: UniFrames::new(budget, priorities) }))
    }
}

impl Reading {
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
        self.0.poll_next(cx).map_err(StreamErrorIncoming::from)
    }

    fn stop_sending(&mut self, error_code: u64) {
        let _ = self.0.stream.stop(quinn::VarInt::from_u64(error_code).unwrap_or(quinn::VarInt::MAX));
    }

    fn recv_id(&self) -> StreamId {
        stream_id(self.0.stream.id())
    }
}
