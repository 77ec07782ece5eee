//! The bytes of a representation, before anybody reads them: made bytes and ranges of a file.

use std::{collections::VecDeque, io, ops::Range, sync::Arc};

use bytes::Bytes;
use reelway_core::Fragment;

use crate::storage::{Piece, SourceFile};

/// A piece of content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Bytes that are at hand.
    Made(Bytes),
    /// A range of the file.
    Extent(Range<u64>),
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Self::Made(bytes) => bytes.len() as u64,
            Self::Extent(range) => range.end - range.start,
        }
    }

    /// Takes the first `length` bytes off, which it has.
    fn split_to(&mut self, length: u64) -> Self {
        match self {
            Self::Made(bytes) => Self::Made(bytes.split_to(usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len()))),
            Self::Extent(range) => {
                let taken = range.start..range.end.min(range.start.saturating_add(length));
                range.start = taken.end;
                Self::Extent(taken)
            }
        }
    }
}

/// Bytes that are at hand and ranges of a file, one behind the other.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// The pieces, in order; none is empty.
    parts: VecDeque<Part>,
    /// Where the ranges are; `None` where there are none.
    source: Option<Arc<SourceFile>>,
}

impl Content {
    fn new(parts: impl IntoIterator<Item = Part>, source: Option<Arc<SourceFile>>) -> Self {
        Self { parts: parts.into_iter().filter(|part| part.len() > 0).collect(), source }
    }

    /// Content that is all at hand.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self::new([Part::Made(bytes.into())], None)
    }

    /// A whole file.
    pub fn from_file(source: Arc<SourceFile>) -> Self {
        let all = 0..source.identity().size;
        Self::new([Part::Extent(all)], Some(source))
    }

    /// A range of a file.
    pub fn from_range(source: Arc<SourceFile>, range: Range<u64>) -> Self {
        Self::new([Part::Extent(range)], Some(source))
    }

    /// Fragments whose payload is in a file.
    pub fn from_fragments(fragments: Vec<Fragment>, source: Arc<SourceFile>) -> Self {
        let parts = fragments.into_iter().flat_map(|Fragment { head, extents }| {
            let extents = extents.into_iter().map(Part::Extent);
            [Part::Made(head.into())].into_iter().chain(extents)
        });
        Self::new(parts, Some(source))
    }

    /// Puts `next`, of the same file if both are of one, behind it.
    pub fn push(&mut self, next: Self) {
        self.parts.extend(next.parts);
        self.source = self.source.take().or(next.source);
    }

    /// The pieces, in order.
    pub fn parts(&self) -> &VecDeque<Part> {
        &self.parts
    }

    /// Where the ranges are.
    pub fn source(&self) -> Option<&SourceFile> {
        self.source.as_deref()
    }

    /// Takes off the bytes at its front that are at hand in one piece.
    pub fn take_made(&mut self) -> Option<Bytes> {
        match self.parts.pop_front()? {
            Part::Made(bytes) => Some(bytes),
            extent @ Part::Extent(_) => {
                self.parts.push_front(extent);
                None
            }
        }
    }

    /// Whether all of it is at hand.
    pub fn is_made(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Made(_)))
    }

    /// The file and the range, if it is one range of a file.
    pub fn as_range(&self) -> Option<(&SourceFile, &Range<u64>)> {
        match self.parts.front() {
            Some(Part::Extent(range)) if self.parts.len() == 1 => self.source().map(|source| (source, range)),
            _ => None,
        }
    }

    /// All of its bytes; what is in the file is read there, which blocks.
    pub fn read(&self) -> io::Result<Bytes> {
        let mut bytes = vec![0; usize::try_from(self.len()).map_err(io::Error::other)?];
        let (mut free, mut extents) = (bytes.as_mut_slice(), Vec::new());
        for part in &self.parts {
            let (target, rest) = free.split_at_mut(usize::try_from(part.len()).map_err(io::Error::other)?);
            match part {
                Part::Made(made) => target.copy_from_slice(made),
                Part::Extent(range) => extents.push(Piece { offset: range.start, target }),
            }
            free = rest;
        }
        if let Some(source) = &self.source {
            source.read(extents)?;
        }
        Ok(bytes.into())
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.parts.iter().map(Part::len).sum()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The bytes of `range`, which ends at the end of the content at most.
    #[must_use]
    pub fn slice(mut self, range: Range<u64>) -> Self {
        drop(self.take(range.start));
        self.take(range.end.saturating_sub(range.start))
    }

    /// Takes the first `length` bytes off, or all if there are fewer.
    #[must_use]
    pub fn take(&mut self, length: u64) -> Self {
        let mut left = length;
        let mut taken = VecDeque::new();
        while left > 0
            && let Some(mut part) = self.parts.pop_front()
        {
            let piece = part.split_to(left.min(part.len()));
            left -= piece.len();
            if part.len() > 0 {
                self.parts.push_front(part);
            }
            taken.push_back(piece);
        }
        Self { parts: taken, source: self.source.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_made_bytes_and_extents() {
        let made = |bytes: &'static [u8]| Part::Made(Bytes::from_static(bytes));
        let extent = Part::Extent;
        let whole = Content::new([made(b"head"), extent(100..110), made(b""), made(b"next"), extent(7..7), extent(200..210)], None);
        for (range, parts) in [
            (0..28, vec![made(b"head"), extent(100..110), made(b"next"), extent(200..210)]),
            (1..3, vec![made(b"ea")]),
            (3..5, vec![made(b"d"), extent(100..101)]),
            (4..14, vec![extent(100..110)]),
            (9..15, vec![extent(105..110), made(b"n")]),
            (17..19, vec![made(b"t"), extent(200..201)]),
            (27..28, vec![extent(209..210)]),
            (5..5, vec![]),
        ] {
            let slice = whole.clone().slice(range.clone());
            assert_eq!(*slice.parts(), parts, "{range:?}");
            assert_eq!(slice.len(), range.end - range.start);
        }
    }
}
