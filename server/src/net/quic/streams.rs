//! The streams as h3 sees them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h3::quic::{RecvStream, SendStream, StreamErrorIncoming, StreamId, WriteBuf};
use quinn::VarInt;

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

/// A unidirectional stream of ours: control, and the two that QPACK wants opened.
pub(super) struct UniWriter {
    stream: quinn::SendStream,
    /// Frames that wait, in order: what announced one may have given up, and the next must not fail for that. All of them are small.
    writing: VecDeque<WriteBuf<Bytes>>,
}

impl UniWriter {
    /// Writes to `stream`.
    pub fn new(stream: quinn::SendStream) -> Self {
        Self { stream, writing: VecDeque::new() }
    }
}

impl SendStream<Bytes> for UniWriter {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        while let Some(bytes) = self.writing.front_mut() {
            while bytes.has_remaining() {
                let written = ready!(std::pin::Pin::new(&mut self.stream).poll_write(cx, bytes.chunk())).map_err(write_error)?;
                bytes.advance(written);
            }
            self.writing.pop_front();
        }
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.writing.push_back(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        Poll::Ready(self.stream.finish().map_err(|error| StreamErrorIncoming::Unknown(Box::new(error))))
    }

    fn reset(&mut self, code: u64) {
        let _ = self.stream.reset(VarInt::from_u64(code).unwrap_or(VarInt::MAX));
    }

    fn send_id(&self) -> StreamId {
        stream_id(self.stream.id())
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
