//! The frames of a request stream (RFC 9114 section 4.1), sans-IO: bytes in; one header section for h3, then a body for the handler.

use bytes::{Bytes, BytesMut};
use h3::error::Code;

use super::{
    fault::Breach,
    frame::{self, Piece, Splitter, kind},
};

/// Payload in smaller pieces than this is gathered into larger ones: a packet brings some 1200 bytes, and a client may send
/// frames of a single one. It also frees the packet buffers that the pieces are slices of.
const SMALL: usize = 8 << 10;

/// Gathered payload is handed over when it is this much, or when no more is there.
const GATHERED: usize = 32 << 10;

/// Frames that may come without carrying data: grease, empty ones, small writes at the beginning.
const FREE_FRAMES: u64 = 1024;

/// Beyond [`FREE_FRAMES`], the mean payload of a frame in bytes below which a client only wants us to be busy.
const MEAN_PAYLOAD: u64 = 16;

/// Reads a request stream frame by frame, so that nothing is ever buffered but the header section.
///
/// h3 sees only the first HEADERS frame, in one piece: its own reader would hold whatever length a frame declares before any
/// limit is asked, take more from the stream at each call than it gives back, and accept a body torn within a DATA frame as complete.
#[derive(Debug)]
pub struct RequestFrames {
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

impl RequestFrames {
    /// The beginning of a stream; a frame other than DATA may declare up to `largest` bytes.
    pub fn new(largest: u32) -> Self {
        Self {
            splitter: Splitter::default(),
            input: Bytes::new(),
            gathered: BytesMut::new(),
            section: Section::Header,
            kind: kind::DATA,
            largest: largest.into(),
            frames: 0,
            received: 0,
            announced: None,
        }
    }

    /// Takes the next bytes of the stream, once [`headers`](Self::headers) or [`content`](Self::content) wants more.
    pub fn feed(&mut self, bytes: Bytes) {
        self.input = bytes;
    }

    /// The header section has not been given yet.
    pub fn begins(&self) -> bool {
        self.section == Section::Header
    }

    /// The first HEADERS frame, header and all; None when more is needed.
    ///
    /// # Errors
    /// The client breaks the protocol.
    pub fn headers(&mut self) -> Result<Option<Bytes>, Breach> {
        while let Some(piece) = self.splitter.next(&mut self.input) {
            match piece {
                Piece::Header { kind, length } => {
                    self.begin_frame(kind, length)?;
                    if kind == kind::HEADERS {
                        self.gathered.extend_from_slice(&frame::header(kind, length));
                    }
                }
                Piece::Payload(bytes) if self.kind == kind::HEADERS => self.gathered.extend_from_slice(&bytes),
                Piece::Payload(_) => continue,
            }
            if self.kind == kind::HEADERS && self.splitter.remaining() == 0 {
                self.section = Section::Content;
                return Ok(Some(self.gathered.split().freeze()));
            }
        }
        Ok(None)
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

    /// The next piece of content; None when more is needed, or at the end. A trailer section is skipped: nothing that we do with
    /// content depends on one.
    ///
    /// # Errors
    /// The client breaks the protocol.
    pub fn content(&mut self) -> Result<Option<Bytes>, Breach> {
        if self.section == Section::End {
            return Ok(self.gathered());
        }
        while let Some(piece) = self.splitter.next(&mut self.input) {
            match piece {
                Piece::Header { kind, length } => self.begin_frame(kind, length)?,
                Piece::Payload(bytes) if self.kind == kind::DATA => {
                    self.received += bytes.len() as u64;
                    if self.gathered.is_empty() && bytes.len() >= SMALL {
                        return Ok(Some(bytes));
                    }
                    self.gathered.extend_from_slice(&bytes);
                    if self.gathered.len() >= GATHERED {
                        return Ok(self.gathered());
                    }
                }
                Piece::Payload(_) => {}
            }
        }
        Ok(None)
    }

    /// Small pieces of content that wait for more, if there are any.
    pub fn gathered(&mut self) -> Option<Bytes> {
        (!self.gathered.is_empty()).then(|| self.gathered.split().freeze())
    }

    /// The stream ends here.
    ///
    /// # Errors
    /// That is within a frame, or before the announced length.
    pub fn end(&mut self) -> Result<(), Breach> {
        // RFC 9114 section 7.1: "When a stream terminates cleanly, if the last frame on the stream was truncated, this MUST be
        // treated as a connection error of type H3_FRAME_ERROR".
        if !self.splitter.is_between_frames() {
            return Err(Breach::Connection(Code::H3_FRAME_ERROR, "a stream ends within a frame"));
        }
        self.section = Section::End;
        match self.announced {
            Some(announced) if announced != self.received => Err(Breach::Message("less content than Content-Length announces")),
            _ => Ok(()),
        }
    }

    /// Nothing has come that was not given, and the stream may end here without a breach.
    pub fn may_end(&self) -> bool {
        let is_complete = self.announced.is_none_or(|length| length == self.received);
        self.section == Section::Content && self.input.is_empty() && self.splitter.is_between_frames() && is_complete
    }

    /// The end has been seen, or reading was given up.
    pub fn has_ended(&self) -> bool {
        self.section == Section::End
    }

    /// The end has been seen, and all content been given.
    pub fn is_used_up(&self) -> bool {
        self.has_ended() && self.gathered.is_empty()
    }

    /// Reading is given up; what was gathered is forgotten.
    pub fn give_up(&mut self) {
        self.section = Section::End;
        self.gathered.clear();
    }

    /// Judges a frame by its header, before any of its payload is taken.
    fn begin_frame(&mut self, kind: u64, length: u64) -> Result<(), Breach> {
        let unexpected = |reason| Err(Breach::Connection(Code::H3_FRAME_UNEXPECTED, reason));
        match (kind, self.section) {
            (kind::DATA, Section::Content) | (kind::HEADERS, Section::Header) => {}
            (kind::HEADERS, Section::Content) => self.section = Section::Trailer,
            (kind::DATA | kind::HEADERS, _) => return unexpected("DATA and HEADERS frames out of order"),
            (
                kind::CANCEL_PUSH
                | kind::SETTINGS
                | kind::PUSH_PROMISE
                | kind::GOAWAY
                | kind::MAX_PUSH_ID
                | kind::PRIORITY_UPDATE
                | kind::PRIORITY_UPDATE_OF_PUSH,
                _,
            ) => return unexpected("a frame of the control stream on a request stream"),
            (http2, _) if kind::OF_HTTP2.contains(&http2) => return unexpected("a frame of HTTP/2"),
            // Section 9: frames of unknown types are ignored.
            _ => {}
        }
        if kind == kind::DATA && self.announced.is_some_and(|announced| self.received.saturating_add(length) > announced) {
            return Err(Breach::Message("more content than Content-Length announces"));
        }
        if kind != kind::DATA && length > self.largest {
            return Err(Breach::Connection(Code::H3_EXCESSIVE_LOAD, "a frame declares more than it may"));
        }
        self.frames += 1;
        if self.frames > FREE_FRAMES + self.received / MEAN_PAYLOAD {
            return Err(Breach::Connection(Code::H3_EXCESSIVE_LOAD, "many frames and hardly any data"));
        }
        self.kind = kind;
        Ok(())
    }
}
