//! Bytes off the wire that are not read yet, in the pieces in which they came.

use alloc::{collections::VecDeque, vec::Vec};
use core::mem;

use bytes::{Buf, Bytes};

/// Pieces smaller than this are gathered: a handle on them costs more than they do.
const SMALL: usize = 512;
/// Small pieces are gathered up to so many bytes.
const GATHERED: usize = 4096;

/// A queue of bytes whose place in the input is known.
#[derive(Debug, Default)]
pub struct Buffer {
    pieces: VecDeque<Bytes>,
    /// Small pieces that follow `pieces`.
    small: Vec<u8>,
    length: usize,
    position: u64,
}

impl Buffer {
    /// Adds what came.
    pub fn push(&mut self, bytes: Bytes) {
        self.length += bytes.len();
        if bytes.len() < SMALL {
            self.small.extend_from_slice(&bytes);
            if self.small.len() >= GATHERED {
                self.gather();
            }
        } else {
            self.gather();
            self.pieces.push_back(bytes);
        }
    }

    fn gather(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push_back(Bytes::from(mem::take(&mut self.small)));
        }
    }

    /// Bytes that are there.
    pub fn len(&self) -> usize {
        self.length
    }

    /// The place in the input of the first of them.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The first bytes, as many as there are and `into` holds.
    pub fn peek<'a>(&mut self, into: &'a mut [u8]) -> &'a [u8] {
        self.gather();
        let mut filled = 0;
        for piece in &self.pieces {
            let Some(room) = into.get_mut(filled..).filter(|room| !room.is_empty()) else { break };
            let length = room.len().min(piece.len());
            room.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
            filled += length;
        }
        into.get(..filled).unwrap_or_default()
    }

    /// Takes the first `length` bytes, which must be there, without copying them.
    pub fn take(&mut self, length: usize) -> Vec<Bytes> {
        self.gather();
        let mut taken = Vec::new();
        let mut left = length.min(self.length);
        while left > 0 {
            let Some(first) = self.pieces.front_mut() else { break };
            let piece = first.split_to(left.min(first.len()));
            if first.is_empty() {
                self.pieces.pop_front();
            }
            left -= piece.len();
            self.length -= piece.len();
            self.position = self.position.saturating_add(piece.len() as u64);
            taken.push(piece);
        }
        taken
    }

    /// The same in one piece.
    pub fn take_whole(&mut self, length: usize) -> Bytes {
        let mut pieces = self.take(length);
        match pieces.len() {
            1 => pieces.pop().unwrap_or_default(),
            _ => pieces.concat().into(),
        }
    }

    /// Passes over `length` bytes or, if there are fewer, over all; returns how many.
    pub fn skip(&mut self, length: u64) -> u64 {
        self.gather();
        let skipped = usize::try_from(length).unwrap_or(usize::MAX).min(self.length);
        let mut left = skipped;
        while let Some(first) = self.pieces.front_mut().filter(|_| left > 0) {
            let step = left.min(first.len());
            first.advance(step);
            left -= step;
            if first.is_empty() {
                self.pieces.pop_front();
            }
        }
        self.length -= skipped;
        self.position = self.position.saturating_add(skipped as u64);
        skipped as u64
    }
}
