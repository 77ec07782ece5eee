//! The sending half of a request stream. It ends in one of two ways, and neither by accident.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use h3::error::Code;
use quinn::{StoppedError, VarInt, WriteError};

use super::{
    fault::varint,
    frame::{header, kind},
};

/// quinn ends a stream cleanly when it is dropped, so that a response whose handler failed, panicked or was cancelled would look
/// complete. This half resets the stream with H3_INTERNAL_ERROR, unless it was ended on purpose.
#[derive(Debug)]
pub(super) struct ResponseWriter {
    stream: quinn::SendStream,
    open: bool,
}

impl ResponseWriter {
    /// Writes to `stream`.
    pub fn new(stream: quinn::SendStream) -> Self {
        Self { stream, open: true }
    }

    /// Resolves when the client wants no more (its code), has received all (None), or is gone.
    pub fn stopped(&self) -> impl Future<Output = Result<Option<VarInt>, StoppedError>> + Send + 'static {
        self.stream.stopped()
    }

    /// Streams of a higher priority are sent first.
    pub fn set_priority(&self, priority: i32) {
        let _ = self.stream.set_priority(priority);
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

    /// Writes one DATA frame (RFC 9114 section 7.2.1). The bytes go to quinn as they are; this waits until it has taken them,
    /// which is how a slow client holds back the body.
    pub async fn data(&mut self, bytes: Bytes) -> Result<(), WriteError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.stream.write_all_chunks(&mut [header(kind::DATA, bytes.len() as u64), bytes]).await
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

impl Drop for ResponseWriter {
    fn drop(&mut self) {
        self.reset(varint(Code::H3_INTERNAL_ERROR));
    }
}
