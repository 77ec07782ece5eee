//! The layout of HTTP/3 frames (RFC 9114 section 7.1), sans-IO: bytes in, frame headers and payload out.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Frame types of RFC 9114 section 7.2.
pub(super) mod kind {
    pub const DATA: u64 = 0x00;
    pub const HEADERS: u64 = 0x01;
    pub const CANCEL_PUSH: u64 = 0x03;
    pub const SETTINGS: u64 = 0x04;
    pub const PUSH_PROMISE: u64 = 0x05;
    pub const GOAWAY: u64 = 0x07;
    pub const MAX_PUSH_ID: u64 = 0x0d;
    /// RFC 9218 section 7.2: of a request, and of a push.
    pub const PRIORITY_UPDATE: u64 = 0xf_0700;
    pub const PRIORITY_UPDATE_OF_PUSH: u64 = 0xf_0701;

    /// PRIORITY, PING, WINDOW_UPDATE and CONTINUATION of HTTP/2: an error wherever they come (section 7.2.8).
    pub const OF_HTTP2: [u64; 4] = [0x02, 0x06, 0x08, 0x09];
}

/// What comes next in a sequence of frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A frame begins.
    Header {
        /// Its type.
        kind: u64,
        /// The length of its payload, as declared: nothing of it may have come yet.
        length: u64,
    },
    /// A part of the payload of the frame that began last; never empty.
    Payload(Bytes),
}

/// Cuts a stream of bytes into frame headers and payload, and holds no more of it than half a frame header.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    header: [u8; 16],
    filled: usize,
    /// Payload of the current frame still to come.
    remaining: u64,
}

impl Splitter {
    /// Takes the next piece from the front of `input`; None when `input` is used up.
    pub fn next(&mut self, input: &mut Bytes) -> Option<Piece> {
        if self.remaining > 0 {
            let length = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(input.len());
            self.remaining -= length as u64;
            return (length > 0).then(|| Piece::Payload(input.split_to(length)));
        }
        while input.has_remaining() {
            self.header[self.filled] = input.get_u8();
            self.filled += 1;
            if let Some((kind, length)) = parse_header(&self.header[..self.filled]) {
                self.filled = 0;
                self.remaining = length;
                return Some(Piece::Header { kind, length });
            }
        }
        None
    }

    /// Payload of the current frame still to come.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// No frame is torn at this point.
    pub fn is_between_frames(&self) -> bool {
        self.filled == 0 && self.remaining == 0
    }
}

fn parse_header(bytes: &[u8]) -> Option<(u64, u64)> {
    let (kind, rest) = parse_varint(bytes)?;
    let (length, _) = parse_varint(rest)?;
    Some((kind, length))
}

/// A variable-length integer (RFC 9000 section 16) and what follows; None when it is not all there.
pub(super) fn parse_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let first = *bytes.first()?;
    let length = 1 << (first >> 6);
    let (integer, rest) = bytes.split_at_checked(length)?;
    let value = integer[1..].iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte));
    Some((value, rest))
}

/// The header of a frame, to be followed by `length` bytes. `kind` and `length` are below 2^62.
pub(super) fn header(kind: u64, length: u64) -> Bytes {
    let mut bytes = BytesMut::with_capacity(16);
    put_varint(&mut bytes, kind);
    put_varint(&mut bytes, length);
    bytes.freeze()
}

fn put_varint(to: &mut BytesMut, value: u64) {
    match value {
        0..0x40 => to.put_uint(value, 1),
        0x40..0x4000 => to.put_uint(0x4000 | value, 2),
        0x4000..0x4000_0000 => to.put_uint(0x8000_0000 | value, 4),
        _ => to.put_u64(0xc000_0000_0000_0000 | value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_of_rfc_9000_appendix_a_1() {
        for (bytes, value) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ] {
            assert_eq!(parse_varint(bytes), Some((value, &[][..])));
            assert_eq!(parse_varint(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn headers_are_read_back_at_every_size_of_integer() {
        for length in [0, 63, 64, 16383, 16384, (1 << 30) - 1, 1 << 30, (1 << 62) - 1] {
            let mut bytes = header(kind::HEADERS, length);
            assert_eq!(Splitter::default().next(&mut bytes), Some(Piece::Header { kind: kind::HEADERS, length }));
            assert!(bytes.is_empty());
        }
    }

    #[test]
    fn frames_are_the_same_however_the_bytes_are_cut() {
        let mut stream = BytesMut::new();
        for (kind, payload) in [(kind::HEADERS, &b"head"[..]), (0x21, b""), (kind::DATA, b"body body"), (kind::DATA, b"")] {
            stream.extend_from_slice(&header(kind, payload.len() as u64));
            stream.extend_from_slice(payload);
        }
        let stream = stream.freeze();
        let frames = |step: usize| {
            let (mut splitter, mut seen) = (Splitter::default(), Vec::new());
            for chunk in stream.chunks(step) {
                let mut input = stream.slice_ref(chunk);
                while let Some(piece) = splitter.next(&mut input) {
                    match piece {
                        Piece::Header { kind, length } => seen.push((kind, length, Vec::new())),
                        Piece::Payload(bytes) => seen.last_mut().unwrap().2.extend_from_slice(&bytes),
                    }
                }
            }
            assert!(splitter.is_between_frames());
            seen
        };
        let whole = frames(stream.len());
        assert_eq!(whole.len(), 4);
        for step in 1..stream.len() {
            assert_eq!(frames(step), whole, "cut every {step} bytes");
        }
    }
}
