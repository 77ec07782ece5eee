//! The bytes of a representation, before anybody reads them: made bytes, then ranges of a file.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use bytes::Bytes;

use crate::storage::SourceFile;

/// Bytes that are at hand, followed by ranges of a file.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// What comes first.
    pub head: Bytes,
    /// Ranges of `source`, in order.
    pub extents: VecDeque<Range<u64>>,
    /// Where the ranges are; `None` where there are none.
    pub source: Option<Arc<SourceFile>>,
}

impl Content {
    /// Content that is all at hand.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self { head: bytes.into(), ..Self::default() }
    }

    /// A whole file.
    pub fn from_file(source: Arc<SourceFile>) -> Self {
        let all = 0..source.identity().size;
        Self { head: Bytes::new(), extents: VecDeque::from([all]), source: Some(source) }
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.head.len() as u64 + self.extents.iter().map(|extent| extent.end - extent.start).sum::<u64>()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        let in_head = usize::try_from(length).map_or(self.head.len(), |length| length.min(self.head.len()));
        let head = self.head.split_to(in_head);
        let mut left = length.saturating_sub(head.len() as u64);
        let mut extents = VecDeque::new();
        while left > 0
            && let Some(mut extent) = self.extents.pop_front()
        {
            let taken = extent.start..extent.end.min(extent.start.saturating_add(left));
            extent.start = taken.end;
            left -= taken.end - taken.start;
            if !extent.is_empty() {
                self.extents.push_front(extent);
            }
            extents.push_back(taken);
        }
        Self { head, extents, source: self.source.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_head_and_extents() {
        let whole = Content { head: Bytes::from_static(b"head"), extents: VecDeque::from([100..110, 200..210]), source: None };
        for (range, head, extents) in [
            (0..24, &b"head"[..], &[100..110, 200..210][..]),
            (1..3, b"ea", &[]),
            (3..5, b"d", &[100..101]),
            (4..14, b"", &[100..110]),
            (9..15, b"", &[105..110, 200..201]),
            (23..24, b"", &[209..210]),
        ] {
            let slice = whole.clone().slice(range.clone());
            assert_eq!((&slice.head[..], &*Vec::from(slice.extents.clone())), (head, extents), "{range:?}");
            assert_eq!(slice.len(), range.end - range.start);
        }
    }
}
