//! The streams as h3 sees them.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h3::quic::{RecvStream, SendStream, StreamErrorIncoming, StreamId, WriteBuf};
use quinn::{VarInt, WriteError};

use super::{
    fault::{Fault, write_error},
    request_reader::RequestReader,
    response_writer::ResponseWriter,
};

/// Both halves of a request stream, shared between h3, which reads and writes header sections through [`RequestStream`], and the
/// exchange, which takes the halves out for the bodies. Locked for the time of a poll only, so never contended.
#[derive(Clone)]
pub(super) struct Halves(Arc<Mutex<Inner>>);

pub(super) struct Inner {
    pub reader: Option<RequestReader>,
    pub writer: Option<ResponseWriter>,
}

impl Halves {
    /// Both halves in place.
    pub fn new(reader: RequestReader, writer: ResponseWriter) -> Self {
        Self(Arc::new(Mutex::new(Inner { reader: Some(reader), writer: Some(writer) })))
    }

    /// Ends both halves with `code`.
    pub fn reject(&self, code: VarInt) {
        let mut halves = self.lock();
        if let Some(writer) = &mut halves.writer {
            writer.reset(code);
        }
        if let Some(reader) = &mut halves.reader {
            reader.stop(code);
        }
    }

    /// For a moment.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request stream for h3. Dropping it does nothing: the halves know how they end.
pub(super) struct RequestStream {
    halves: Halves,
    id: StreamId,
    writing: Option<WriteBuf<Bytes>>,
}

impl RequestStream {
    /// A face of `halves`.
    pub fn new(halves: Halves, id: quinn::StreamId) -> Self {
        Self { halves, id: stream_id(id), writing: None }
    }
}

impl SendStream<Bytes> for RequestStream {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        if let Some(bytes) = &mut self.writing {
            let mut halves = self.halves.lock();
            let Some(writer) = &mut halves.writer else { return Poll::Ready(Err(Fault::Closed.into())) };
            ready!(writer.poll_write(cx, bytes)).map_err(write_error)?;
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        begin_write(&mut self.writing, data.into())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        if let Some(writer) = &mut self.halves.lock().writer {
            writer.finish();
        }
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self, code: u64) {
        if let Some(writer) = &mut self.halves.lock().writer {
            writer.reset(VarInt::from_u64(code).unwrap_or(VarInt::MAX));
        }
    }

    fn send_id(&self) -> StreamId {
        self.id
    }
}

impl RecvStream for RequestStream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        match &mut self.halves.lock().reader {
            Some(reader) => reader.poll_headers(cx).map_err(StreamErrorIncoming::from),
            None => Poll::Ready(Ok(None)),
        }
    }

    fn stop_sending(&mut self, code: u64) {
        if let Some(reader) = &mut self.halves.lock().reader {
            reader.stop(VarInt::from_u64(code).unwrap_or(VarInt::MAX));
        }
    }

    fn recv_id(&self) -> StreamId {
        self.id
    }
}

/// What is written on our control stream. h3 writes SETTINGS and GOAWAY to it, small frames and few. It need not wait until they are
/// taken, and does not ask again after it gave up waiting, so the connection keeps them going by [`poll_flush`](Self::poll_flush).
#[derive(Clone, Default)]
pub(super) struct Outbox(Arc<Mutex<Option<Unsent>>>);

/// Frames that wait on a stream, in order.
struct Unsent {
    stream: quinn::SendStream,
    frames: VecDeque<WriteBuf<Bytes>>,
}

impl Outbox {
    /// The control stream is open.
    pub fn is_open(&self) -> bool {
        self.lock().is_some()
    }

    /// Takes the control stream in. What is written there goes before all responses.
    pub fn open(&self, stream: quinn::SendStream) -> UniWriter {
        let _ = stream.set_priority(i32::MAX);
        let id = stream.id();
        *self.lock() = Some(Unsent { stream, frames: VecDeque::new() });
        UniWriter { outbox: self.clone(), id }
    }

    /// Writes what waits. The task is woken when more of it can go, as long as there is any.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        self.lock().as_mut().map_or(Poll::Ready(Ok(())), |unsent| unsent.poll_flush(cx))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Unsent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unsent {
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        while let Some(frame) = self.frames.front_mut() {
            while frame.has_remaining() {
                let written = ready!(Pin::new(&mut self.stream).poll_write(cx, frame.chunk()))?;
                frame.advance(written);
            }
            self.frames.pop_front();
        }
        self.frames = VecDeque::new(); // most connections never write there again
        Poll::Ready(Ok(()))
    }
}

/// The control stream, for h3.
pub(super) struct UniWriter {
    outbox: Outbox,
    id: quinn::StreamId,
}

impl UniWriter {
    fn with<T>(&self, work: impl FnOnce(&mut Unsent) -> T) -> Option<T> {
        self.outbox.lock().as_mut().map(work)
    }
}

impl SendStream<Bytes> for UniWriter {
    /// What cannot go yet is not waited for.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        match self.with(|unsent| unsent.poll_flush(cx)) {
            Some(Poll::Ready(Err(error))) => Poll::Ready(Err(write_error(error))),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.with(|unsent| unsent.frames.push_back(data.into()));
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        let finished = self.with(|unsent| unsent.stream.finish()).transpose();
        Poll::Ready(finished.map(drop).map_err(|error| StreamErrorIncoming::Unknown(Box::new(error))))
    }

    fn reset(&mut self, code: u64) {
        let _ = self.with(|unsent| unsent.stream.reset(VarInt::from_u64(code).unwrap_or(VarInt::MAX)));
    }

    fn send_id(&self) -> StreamId {
        stream_id(self.id)
    }
}

/// h3 waits for `poll_ready` between two writes; a second one before that is its fault and fails its stream.
fn begin_write(slot: &mut Option<WriteBuf<Bytes>>, bytes: WriteBuf<Bytes>) -> Result<(), StreamErrorIncoming> {
    if slot.is_some() {
        return Err(Fault::Closed.into());
    }
    *slot = Some(bytes);
    Ok(())
}

/// The id of a stream for h3. Both types hold integers below 2^62, so nothing can be lost.
pub(super) fn stream_id(id: quinn::StreamId) -> StreamId {
    StreamId::try_from(u64::from(id)).expect("a QUIC stream id is below 2^62")
}
