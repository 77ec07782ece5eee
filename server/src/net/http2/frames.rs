//! The frames that a client sends over HTTP/2 (RFC 9113 section 4), as they pass, sans-IO.

use std::mem;

use crate::net::wish::LARGEST_UPDATE;

/// What a client of HTTP/2 begins with, section 3.4.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The bytes of the header of a frame, section 4.1.
const HEADER: usize = 9;

/// Types of frames, section 6, and RFC 9218 section 7.1.
mod kind {
    pub const RST_STREAM: u8 = 0x03;
    pub const PRIORITY_UPDATE: u8 = 0x10;
}

/// The highest bit of an id of a stream is reserved.
const ID: u32 = 0x7fff_ffff;

/// What has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The client ends this stream.
    Reset(u32),
    /// A PRIORITY_UPDATE frame.
    Update {
        /// The stream in the header of the frame.
        on: u32,
        /// Its payload, or as much of it as may be of use: at most 256 bytes.
        payload: Vec<u8>,
        /// Bytes of its payload.
        length: u32,
    },
}

/// Looks at what a client sends. Whether that begins with the preface is for h2 to see.
#[derive(Debug)]
pub struct Http2Frames {
    state: State,
    header: [u8; HEADER],
    frame: Frame,
    /// Of a PRIORITY_UPDATE.
    payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// So much of the preface is to come.
    Preface(usize),
    /// So much of the header of a frame.
    Header(usize),
    /// So much of the payload is to come.
    Payload(u32),
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    length: u32,
    kind: u8,
    stream: u32,
}

impl Default for Http2Frames {
    fn default() -> Self {
        Self { state: State::Preface(PREFACE.len()), header: [0; HEADER], frame: Frame::default(), payload: Vec::new() }
    }
}

impl Http2Frames {
    /// Looks at what comes next, up to the first thing that is of interest; gives how many bytes that were, and what.
    pub fn next(&mut self, bytes: &[u8]) -> (usize, Option<Seen>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.state {
                State::Preface(left) => {
                    let (now, later) = rest.split_at(left.min(rest.len()));
                    self.state = if left > now.len() { State::Preface(left - now.len()) } else { State::Header(0) };
                    rest = later;
                    continue;
                }
                State::Header(passed) => {
                    let place = self.header.get_mut(passed..).unwrap_or_default();
                    let (now, later) = rest.split_at(place.len().min(rest.len()));
                    for (place, byte) in place.iter_mut().zip(now) {
                        *place = *byte;
                    }
                    rest = later;
                    if passed + now.len() < HEADER {
                        self.state = State::Header(passed + now.len());
                        continue;
                    }
                    self.frame = Frame::of(self.header);
                    self.state = State::Payload(self.frame.length);
                }
                State::Payload(left) => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let (now, later) = rest.split_at(length);
                    if self.frame.kind == kind::PRIORITY_UPDATE {
                        let useful = now.len().min(LARGEST_UPDATE - self.payload.len());
                        self.payload.extend_from_slice(now.get(..useful).unwrap_or_default());
                    }
                    rest = later;
                    self.state = State::Payload(left - u32::try_from(length).unwrap_or(left));
                }
            }
            if matches!(self.state, State::Payload(0)) {
                self.state = State::Header(0);
                let seen = self.end();
                if seen.is_some() {
                    return (bytes.len() - rest.len(), seen);
                }
            }
        }
        (bytes.len(), None)
    }

    /// A frame has passed.
    fn end(&mut self) -> Option<Seen> {
        let Frame { length, kind, stream } = self.frame;
        match kind {
            kind::RST_STREAM => Some(Seen::Reset(stream)),
            kind::PRIORITY_UPDATE => Some(Seen::Update { on: stream, payload: mem::take(&mut self.payload), length }),
            _ => None,
        }
    }
}

impl Frame {
    fn of([a, b, c, kind, _flags, stream @ ..]: [u8; HEADER]) -> Self {
        Self { length: u32::from_be_bytes([0, a, b, c]), kind, stream: u32::from_be_bytes(stream) & ID }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    fn seen(bytes: &[u8], step: usize) -> Vec<Seen> {
        let (mut frames, mut all) = (Http2Frames::default(), Vec::new());
        for mut chunk in bytes.chunks(step) {
            while !chunk.is_empty() {
                let (passed, seen) = frames.next(chunk);
                chunk = &chunk[passed..];
                all.extend(seen);
            }
        }
        all
    }

    #[test]
    fn resets_and_updates_are_seen_however_the_bytes_are_cut() {
        let stream = [
            PREFACE.to_vec(),
            frame(0x4, 0, 0, &[0, 3, 0, 0, 0, 100]),
            frame(kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x05u=1"),
            frame(0x1, 0x4, 1, b"a request"),
            frame(0x0, 0x1, 1, &[0x10; 1000]),
            frame(kind::RST_STREAM, 0, 1, &[0, 0, 0, 8]),
            frame(kind::PRIORITY_UPDATE, 0, 0x8000_0007, &[7; 300]),
        ]
        .concat();
        let all = [
            Seen::Update { on: 0, payload: b"\0\0\0\x05u=1".to_vec(), length: 7 },
            Seen::Reset(1),
            Seen::Update { on: 7, payload: vec![7; LARGEST_UPDATE], length: 300 },
        ];
        for step in 1..=stream.len() {
            assert_eq!(seen(&stream, step), all, "cut every {step} bytes");
        }
    }
}
