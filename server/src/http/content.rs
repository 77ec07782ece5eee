//! The bytes of a representation, before anybody reads them: made bytes, then ranges of a file.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use crate::storage::SourceFile;

/// Bytes that are at hand, followed by ranges of a file.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// What comes first.
    pub head: Bytes,
    /// Ranges of `source`, in order.
    pub extents: Vec<Range<u64>>,
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
        Self { head: Bytes::new(), extents: Vec::from([all]), source: Some(source) }
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
        let head = self.head.len() as u64;
        let in_head = |position: u64| usize::try_from(position.min(head)).unwrap_or(usize::MAX);
        let mut skip = range.start.saturating_sub(head);
        let mut left = range.end.saturating_sub(range.start.max(head));
        self.head = self.head.slice(in_head(range.start)..in_head(range.end).max(in_head(range.start)));
        self.extents.retain_mut(|extent| {
            let skipped = skip.min(extent.end - extent.start);
            skip -= skipped;
            extent.start += skipped;
            extent.end = extent.end.min(extent.start.saturating_add(left));
            left -= extent.end - extent.start;
            !extent.is_empty()
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_head_and_extents() {
        let whole = Content { head: Bytes::from_static(b"head"), extents: vec![100..110, 200..210], source: None };
        for (range, head, extents) in [
            (0..24, &b"head"[..], vec![100..110, 200..210]),
            (1..3, b"ea", vec![]),
            (3..5, b"d", vec![100..101]),
            (4..14, b"", vec![100..110]),
            (9..15, b"", vec![105..110, 200..201]),
            (23..24, b"", vec![209..210]),
        ] {
            let slice = whole.clone().slice(range.clone());
            assert_eq!((&slice.head[..], &slice.extents), (head, &extents), "{range:?}");
            assert_eq!(slice.len(), range.end - range.start);
        }
    }
}
