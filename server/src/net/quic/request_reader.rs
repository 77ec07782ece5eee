//! The receiving half of a request stream: one header section for h3, then a body for the handler.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use h3::error::Code;
use quinn::VarInt;

use super::{
    fault::{Fault, refuse, varint},
    frame::{self, Piece, Splitter, kind},
};

/// Most that is taken from quinn at once; more stays under its flow control.
const CHUNK: usize = 64 << 10;

/// Payload in smaller pieces than this is gathered into larger ones: a packet brings some 1200 bytes, and a client may send
/// frames of a single one. It also frees the packet buffers that the pieces are slices of.
const SMALL: usize = 8 << 10;

/// Gathered payload is handed over when it is this much, or when no more is there.
const GATHERED: usize = 32 << 10;

/// Frames that may come without carrying data: grease, empty ones, small writes at the beginning.
const FREE_FRAMES: u64 = 1024;

/// Beyond [`FREE_FRAMES`], the mean payload of a frame in bytes below which a client only wants us to be busy.
const MEAN_PAYLOAD: u64 = 16;

/// Reads a request stream frame by frame (RFC 9114 section 4.1), so that nothing is ever buffered but the header section.
///
/// h3 sees only the first HEADERS frame, in one piece: its own reader would hold whatever length a frame declares before any
/// limit is asked, take more from the stream at each call than it gives back, and accept a body torn within a DATA frame as complete.
#[derive(Debug)]
pub(super) struct RequestReader {
    stream: quinn::RecvStream,
    connection: quinn::Connection,
    splitter: Splitter,
    input: Bytes,
    gathered: BytesMut,
    section: Section,
    /// The frame that came last.
    kind: u64,
    /// The largest payload of a frame other than DATA.
    largest: u64,
    frames: u64,
    received: u64,
    announced: Option<u64>,
    failed: Option<Fault>,
}

/// RFC 9114 section 4.1: one header section, content, one trailer section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Header,
    Content,
    Trailer,
    /// The end of the stream has been seen, or reading was given up.
    End,
}

impl RequestReader {
    /// Reads from `stream`; a frame other than DATA may declare up to `largest` bytes.
    pub fn new(connection: quinn::Connection, stream: quinn::RecvStream, largest: u32) -> Self {
        Self {
            stream,
            connection,
            splitter: Splitter::default(),
            input: Bytes::new(),
            gathered: BytesMut::new(),
            section: Section::Header,
            kind: kind::DATA,
            largest: largest.into(),
            frames: 0,
            received: 0,
            announced: None,
            failed: None,
        }
    }

    /// The first HEADERS frame, header and all; None when the stream ends before it.
    pub fn poll_headers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        if self.section != Section::Header {
            return Poll::Ready(Ok(None));
        }
        loop {
            match self.splitter.next(&mut self.input) {
                Some(Piece::Header { kind, length }) => {
                    self.begin_frame(kind, length)?;
                    if kind == kind::HEADERS {
                        self.gathered.extend_from_slice(&frame::header(kind, length));
                    }
                }
                Some(Piece::Payload(bytes)) if self.kind == kind::HEADERS => self.gathered.extend_from_slice(&bytes),
                Some(Piece::Payload(_)) => continue,
                None => {
                    if !ready!(self.poll_input(cx))? {
                        self.section = Section::End;
                        return Poll::Ready(Ok(None));
                    }
                    continue;
                }
            }
            if self.kind == kind::HEADERS && self.splitter.remaining() == 0 {
                self.section = Section::Content;
                return Poll::Ready(Ok(Some(self.gathered.split().freeze())));
            }
        }
    }

    /// Announces how long the content must be (RFC 9114 section 4.1.2).
    pub fn announce(&mut self, length: Option<u64>) {
        self.announced = length;
    }

    /// How much content is to come, when that was announced.
    pub fn to_come(&self) -> Option<u64> {
        let gathered = self.gathered.len() as u64;
        self.announced.map(|length| (length + gathered).saturating_sub(self.received))
    }

    /// The end of the stream has been seen, and all content been handed over.
    pub fn is_at_end(&self) -> bool {
        self.section == Section::End && self.gathered.is_empty() && self.failed.is_none()
    }

    /// The next piece of content, None at its end. A trailer section is skipped: nothing that we do with content depends on one.
    pub fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        loop {
            if let Some(fault) = &self.failed {
                return Poll::Ready(Err(fault.clone()));
            }
            if self.section == Section::End {
                return Poll::Ready(Ok((!self.gathered.is_empty()).then(|| self.gathered.split().freeze())));
            }
            match self.splitter.next(&mut self.input) {
                Some(Piece::Header { kind, length }) => self.begin_frame(kind, length)?,
                Some(Piece::Payload(bytes)) if self.kind == kind::DATA => {
                    self.received += bytes.len() as u64;
                    if self.gathered.is_empty() && bytes.len() >= SMALL {
                        return Poll::Ready(Ok(Some(bytes)));
                    }
                    self.gathered.extend_from_slice(&bytes);
                    if self.gathered.len() >= GATHERED {
                        return Poll::Ready(Ok(Some(self.gathered.split().freeze())));
                    }
                }
                Some(Piece::Payload(_)) => {}
                None => match self.poll_input(cx)? {
                    Poll::Ready(true) => {}
                    Poll::Ready(false) => self.end_content()?,
                    Poll::Pending if self.gathered.is_empty() => return Poll::Pending,
                    Poll::Pending => return Poll::Ready(Ok(Some(self.gathered.split().freeze()))),
                },
            }
        }
    }

    /// Notices an end that is there already. Anything else is left for [`poll_content`](Self::poll_content), errors too.
    pub fn look_ahead(&mut self, cx: &mut Context<'_>) {
        if self.section == Section::Content && self.input.is_empty() && self.splitter.is_between_frames() {
            match self.poll_input(cx) {
                Poll::Ready(Ok(false)) if self.announced.is_none_or(|length| length == 0) => self.section = Section::End,
                Poll::Ready(_) | Poll::Pending => {}
            }
        }
    }

    /// Gives up reading: STOP_SENDING, unless the end has been seen.
    pub fn stop(&mut self, code: VarInt) {
        if self.section != Section::End {
            self.section = Section::End;
            self.gathered.clear();
            let _ = self.stream.stop(code);
        }
    }

    /// Takes the next bytes from quinn; false at the end of the stream.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Fault>> {
        // The future of read_chunk keeps its state in the stream, so it may be made anew at every call.
        let read = pin!(self.stream.read_chunk(CHUNK, true)).poll(cx);
        match ready!(read) {
            Ok(Some(chunk)) => {
                self.input = chunk.bytes;
                Poll::Ready(Ok(true))
            }
            Ok(None) if self.splitter.is_between_frames() => Poll::Ready(Ok(false)),
            // RFC 9114 section 7.1: "When a stream terminates cleanly, if the last frame on the stream was truncated, this MUST
            // be treated as a connection error of type H3_FRAME_ERROR".
            Ok(None) => Poll::Ready(Err(self.refuse(Code::H3_FRAME_ERROR, "a stream ends within a frame"))),
            Err(error) => Poll::Ready(Err(self.fail(error.into()))),
        }
    }

    /// Judges a frame by its header, before any of its payload is taken.
    fn begin_frame(&mut self, kind: u64, length: u64) -> Result<(), Fault> {
        match (kind, self.section) {
            (kind::DATA, Section::Content) | (kind::HEADERS, Section::Header) => {}
            (kind::HEADERS, Section::Content) => self.section = Section::Trailer,
            (kind::DATA | kind::HEADERS, _) => return Err(self.refuse(Code::H3_FRAME_UNEXPECTED, "DATA and HEADERS frames out of order")),
            (
                kind::CANCEL_PUSH
                | kind::SETTINGS
                | kind::PUSH_PROMISE
                | kind::GOAWAY
                | kind::MAX_PUSH_ID
                | kind::PRIORITY_UPDATE
                | kind::PRIORITY_UPDATE_OF_PUSH,
                _,
            ) => {
                return Err(self.refuse(Code::H3_FRAME_UNEXPECTED, "a frame of the control stream on a request stream"));
            }
            (http2, _) if kind::OF_HTTP2.contains(&http2) => return Err(self.refuse(Code::H3_FRAME_UNEXPECTED, "a frame of HTTP/2")),
            // Section 9: frames of unknown types are ignored.
            _ => {}
        }
        if kind == kind::DATA && self.announced.is_some_and(|announced| self.received.saturating_add(length) > announced) {
            self.stop(varint(Code::H3_MESSAGE_ERROR));
            return Err(self.fail(Fault::Malformed("more content than Content-Length announces")));
        }
        if kind != kind::DATA && length > self.largest {
            return Err(self.refuse(Code::H3_EXCESSIVE_LOAD, "a frame declares more than it may"));
        }
        self.frames += 1;
        if self.frames > FREE_FRAMES + self.received / MEAN_PAYLOAD {
            return Err(self.refuse(Code::H3_EXCESSIVE_LOAD, "many frames and hardly any data"));
        }
        self.kind = kind;
        Ok(())
    }

    fn end_content(&mut self) -> Result<(), Fault> {
        self.section = Section::End;
        match self.announced {
            Some(announced) if announced != self.received => Err(self.fail(Fault::Malformed("less content than Content-Length announces"))),
            _ => Ok(()),
        }
    }

    fn refuse(&mut self, code: Code, reason: &'static str) -> Fault {
        let fault = refuse(&self.connection, code, reason);
        self.fail(fault)
    }

    /// Every later read fails alike: quinn tells of a reset once, and then of an end.
    fn fail(&mut self, fault: Fault) -> Fault {
        self.section = Section::End;
        self.gathered.clear();
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
