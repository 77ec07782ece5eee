//! The frames of a unidirectional stream of the client (RFC 9114 section 6.2), sans-IO. In practice there are three such streams:
//! its control stream and two for QPACK.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};
use h3::error::Code;

use super::{
    fault::Breach,
    frame::{self, Piece, Splitter, kind, parse_varint},
};
use crate::net::{
    budget::Budget,
    priority::Priority,
    wish::{LARGEST_UPDATE, Priorities},
};

/// The type of the control stream, section 6.2.1.
const CONTROL: u64 = 0x00;

/// A SETTINGS frame has a handful of entries of at most 16 bytes, all other frames of the control stream are smaller.
const LARGEST: u64 = 16 << 10;

/// A frame costs its payload and this, so that empty ones cost something.
const FRAME_COST: u32 = 64;

/// What the control streams of a connection may cost: some 3000 frames at once, 1500 a second.
pub(super) fn control_budget() -> Budget {
    Budget::new(256 << 10, 128 << 10)
}

/// Gives h3 the stream as it is, except for a control stream: of that it gives whole frames of the known types, each checked to
/// be well-formed, because h3 waits for more (and keeps what comes) where it should refuse. PRIORITY_UPDATE frames, which h3 does
/// not know, go to the responses; frames of unknown types end here.
#[derive(Debug)]
pub struct UniFrames {
    input: Bytes,
    /// What is looked at, until it is known that it need not be: two of three streams are there and say nothing.
    looked_at: Option<Box<Frames>>,
}

/// The stream until its type is known, then a control stream.
#[derive(Debug)]
struct Frames {
    budget: Arc<Mutex<Budget>>,
    is_control: bool,
    splitter: Splitter,
    /// What is not yet complete: the type of the stream, or a frame.
    partial: BytesMut,
    /// The type of the frame that came last, and whom it is for.
    frame: (u64, For),
    /// A SETTINGS frame has come, as the first.
    settings: bool,
    priorities: Priorities,
}

/// Whom a frame of the control stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    H3,
    Priorities,
    Nobody,
}

impl UniFrames {
    /// The beginning of a stream, at the cost of `budget`.
    pub(super) fn new(budget: Arc<Mutex<Budget>>, priorities: Priorities) -> Self {
        let frames = Frames {
            budget,
            is_control: false,
            splitter: Splitter::default(),
            partial: BytesMut::new(),
            frame: (0, For::Nobody),
            settings: false,
            priorities,
        };
        Self { input: Bytes::new(), looked_at: Some(Box::new(frames)) }
    }

    /// The beginning of a stream of a connection that has no other, with up to `requests` requests at once.
    pub fn of_new_connection(requests: u32) -> Self {
        Self::new(Arc::new(Mutex::new(control_budget())), Priorities::new(requests))
    }

    /// Takes the next bytes of the stream, once [`give`](Self::give) wants more.
    pub fn feed(&mut self, bytes: Bytes) {
        self.input = bytes;
    }

    /// The next bytes for h3; None when more is needed.
    ///
    /// # Errors
    /// The client breaks the protocol.
    pub fn give(&mut self) -> Result<Option<Bytes>, Breach> {
        let Some(frames) = &mut self.looked_at else {
            return Ok((!self.input.is_empty()).then(|| mem::take(&mut self.input)));
        };
        if frames.is_control {
            return frames.take_frame(&mut self.input);
        }
        let Some((kind, bytes)) = frames.take_kind(&mut self.input) else { return Ok(None) };
        frames.is_control = kind == CONTROL;
        if !frames.is_control {
            self.looked_at = None;
        }
        Ok(Some(bytes))
    }
}

impl Frames {
    /// The type of the stream, also as bytes for h3, once it is complete.
    fn take_kind(&mut self, input: &mut Bytes) -> Option<(u64, Bytes)> {
        while !input.is_empty() {
            self.partial.extend_from_slice(&input.split_to(1));
            if let Some((kind, _)) = parse_varint(&self.partial) {
                return Some((kind, mem::take(&mut self.partial).freeze()));
            }
        }
        None
    }

    /// The next frame that is for h3, once it is complete.
    fn take_frame(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, Breach> {
        while let Some(piece) = self.splitter.next(input) {
            match piece {
                Piece::Header { kind, length } => {
                    self.frame = (kind, self.judge(kind, length)?);
                    self.partial.clear();
                }
                Piece::Payload(bytes) if self.frame.1 != For::Nobody => self.partial.extend_from_slice(&bytes),
                Piece::Payload(_) => {}
            }
            if self.splitter.remaining() > 0 {
                continue;
            }
            let payload = mem::take(&mut self.partial);
            if self.frame.1 == For::Priorities {
                self.update_priority(&payload)?;
            } else if self.frame.1 == For::H3 {
                if !is_well_formed(self.frame.0, &payload) {
                    return Err(Breach::Connection(Code::H3_FRAME_ERROR, "a frame of the control stream is malformed"));
                }
                let mut frame = BytesMut::from(frame::header(self.frame.0, payload.len() as u64));
                frame.unsplit(payload);
                return Ok(Some(frame.freeze()));
            }
        }
        Ok(None)
    }

    /// Whom a frame is for; fails for one that may not come here, or comes too often.
    fn judge(&mut self, kind: u64, length: u64) -> Result<For, Breach> {
        let refuse = |code, reason| Err(Breach::Connection(code, reason));
        if !mem::replace(&mut self.settings, true) && kind != kind::SETTINGS {
            return refuse(Code::H3_MISSING_SETTINGS, "the control stream does not begin with SETTINGS"); // RFC 9114 section 6.2.1
        }
        match kind {
            kind::DATA | kind::HEADERS | kind::PUSH_PROMISE => {
                return refuse(Code::H3_FRAME_UNEXPECTED, "a frame of a request stream on the control stream");
            }
            http2 if kind::OF_HTTP2.contains(&http2) => return refuse(Code::H3_FRAME_UNEXPECTED, "a frame of HTTP/2"),
            _ if length > LARGEST => return refuse(Code::H3_EXCESSIVE_LOAD, "a frame of the control stream declares more than it may"),
            _ => {}
        }
        let cost = u32::try_from(length).unwrap_or(u32::MAX).saturating_add(FRAME_COST);
        if !self.budget.lock().unwrap_or_else(PoisonError::into_inner).charge(cost) {
            return refuse(Code::H3_EXCESSIVE_LOAD, "too much on the control stream");
        }
        Ok(match kind {
            kind::SETTINGS | kind::GOAWAY | kind::CANCEL_PUSH | kind::MAX_PUSH_ID => For::H3,
            kind::PRIORITY_UPDATE if length <= LARGEST_UPDATE as u64 => For::Priorities,
            // Section 7.2: of a push that was not promised, and none ever is.
            kind::PRIORITY_UPDATE_OF_PUSH => return refuse(Code::H3_ID_ERROR, "a priority for a push that was not promised"),
            _ => For::Nobody,
        })
    }

    /// RFC 9218 section 7.2: the id of a request stream, and a `priority` field in ASCII.
    fn update_priority(&self, payload: &[u8]) -> Result<(), Breach> {
        let Some((id, field)) = parse_varint(payload) else {
            return Err(Breach::Connection(Code::H3_FRAME_ERROR, "a priority without the id of its stream"));
        };
        // RFC 9000 section 2.1: the two low bits are the kind of stream; requests have 0.
        if id % 4 != 0 {
            return Err(Breach::Connection(Code::H3_ID_ERROR, "a priority for what is no request stream"));
        }
        if let Ok(field) = std::str::from_utf8(field) {
            self.priorities.update(id, Priority::of_field(field)); // section 7.1 lets a server forget what is too much
        }
        Ok(())
    }
}

/// SETTINGS holds pairs of integers (section 7.2.4), the others a single one (7.2.3, 7.2.6, 7.2.7).
fn is_well_formed(kind: u64, mut payload: &[u8]) -> bool {
    let mut integers = 0;
    while !payload.is_empty() {
        let Some((_, rest)) = parse_varint(payload) else { return false };
        payload = rest;
        integers += 1;
    }
    if kind == kind::SETTINGS { integers % 2 == 0 } else { integers == 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_the_control_stream_hold_whole_integers() {
        for (kind, payload, good) in [
            (kind::SETTINGS, &[][..], true),
            (kind::SETTINGS, &[0x06, 0x40, 0x64], true),
            (kind::SETTINGS, &[0x06], false),
            (kind::SETTINGS, &[0x06, 0x40], false),
            (kind::GOAWAY, &[0x04], true),
            (kind::GOAWAY, &[], false),
            (kind::MAX_PUSH_ID, &[0x04, 0x04], false),
        ] {
            assert_eq!(is_well_formed(kind, payload), good, "{kind:#x} {payload:x?}");
        }
    }
}
