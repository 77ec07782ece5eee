//! The receiving half of a request stream.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h3::error::Code;
use quinn::VarInt;

use super::{
    fault::{Breach, Fault, refuse, varint},
    request_frames::RequestFrames,
};

/// Most that is taken from quinn at once; more stays under its flow control.
const CHUNK: usize = 64 << 10;

/// Reads [`RequestFrames`] from a QUIC stream, and does what a breach of the protocol asks for.
#[derive(Debug)]
pub(super) struct RequestReader {
    stream: quinn::RecvStream,
    connection: quinn::Connection,
    frames: RequestFrames,
    failed: Option<Fault>,
}

impl RequestReader {
    /// Reads from `stream`; a frame other than DATA may declare up to `largest` bytes.
    pub fn new(connection: quinn::Connection, stream: quinn::RecvStream, largest: u32) -> Self {
        Self { stream, connection, frames: RequestFrames::new(largest), failed: None }
    }

    /// The first HEADERS frame, header and all; None when the stream ends before it.
    pub fn poll_headers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        if !self.frames.begins() {
            return Poll::Ready(Ok(None));
        }
        loop {
            if let Some(headers) = self.frames.headers().map_err(|breach| self.breached(breach))? {
                return Poll::Ready(Ok(Some(headers)));
            }
            if !ready!(self.poll_input(cx))? {
                return Poll::Ready(self.frames.end().map(|()| None).map_err(|breach| self.breached(breach)));
            }
        }
    }

    /// Announces how long the content must be (RFC 9114 section 4.1.2).
    pub fn announce(&mut self, length: Option<u64>) {
        self.frames.announce(length);
    }

    /// How much content is to come, when that was announced.
    pub fn to_come(&self) -> Option<u64> {
        self.frames.to_come()
    }

    /// The end of the stream has been seen, and all content been handed over.
    pub fn is_at_end(&self) -> bool {
        self.frames.is_used_up() && self.failed.is_none()
    }

    /// The next piece of content, None at its end.
    pub fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        loop {
            if let Some(fault) = &self.failed {
                return Poll::Ready(Err(fault.clone()));
            }
            let content = self.frames.content().map_err(|breach| self.breached(breach))?;
            if content.is_some() || self.frames.has_ended() {
                return Poll::Ready(Ok(content));
            }
            match self.poll_input(cx)? {
                Poll::Ready(true) => {}
                Poll::Ready(false) => self.frames.end().map_err(|breach| self.breached(breach))?,
                Poll::Pending => return self.frames.gathered().map_or(Poll::Pending, |content| Poll::Ready(Ok(Some(content)))),
            }
        }
    }

    /// Notices an end that is there already. Anything else is left for [`poll_content`](Self::poll_content), errors too.
    pub fn look_ahead(&mut self, cx: &mut Context<'_>) {
        if self.frames.may_end() && matches!(self.poll_input(cx), Poll::Ready(Ok(false))) {
            let _ = self.frames.end(); // it may
        }
    }

    /// Gives up reading: STOP_SENDING, unless the end has been seen.
    pub fn stop(&mut self, code: VarInt) {
        if !self.frames.has_ended() {
            self.frames.give_up();
            let _ = self.stream.stop(code);
        }
    }

    /// Takes the next bytes from quinn; false at the end of the stream.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Fault>> {
        // The future of read_chunk keeps its state in the stream, so it may be made anew at every call.
        let read = pin!(self.stream.read_chunk(CHUNK, true)).poll(cx);
        Poll::Ready(match ready!(read) {
            Ok(Some(chunk)) => {
                self.frames.feed(chunk.bytes);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) => Err(self.fail(error.into())),
        })
    }

    /// Ends what `breach` asks to be ended.
    fn breached(&mut self, breach: Breach) -> Fault {
        let fault = match breach {
            Breach::Connection(code, reason) => refuse(&self.connection, code, reason),
            Breach::Message(reason) => {
                self.stop(varint(Code::H3_MESSAGE_ERROR));
                Fault::Malformed(reason)
            }
        };
        self.fail(fault)
    }

    /// Every later read fails alike: quinn tells of a reset once, and then of an end.
    fn fail(&mut self, fault: Fault) -> Fault {
        self.frames.give_up();
        self.failed = Some(fault.clone());
        fault
    }
}

impl Drop for RequestReader {
    fn drop(&mut self) {
        // quinn would send STOP_SENDING with code 0, which HTTP/3 does not know; RFC 9114 section 4.1.1 asks for H3_NO_ERROR.
        self.stop(varint(Code::H3_NO_ERROR));
    }
}
