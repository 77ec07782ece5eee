//! Blocks of files that were read lately, in memory: one copy for all who are sent them. A file as it is goes out as these, without being
//! read or copied again.

use std::{
    ops::Range,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};

use super::Identity;

/// Bytes of a block: blocks of a file begin at multiples of it.
pub const BLOCK: u64 = 128 << 10;

/// Memory for blocks, in bytes.
const MEMORY: u64 = 64 << 20;

/// A file that was changed so shortly ago may be changed again without showing it: its clock may tick no finer.
const SETTLED: Duration = Duration::from_secs(2);

/// A version of a file, and the number of a block in it.
type Key = (Identity, u64);

#[derive(Clone, Debug)]
struct Length;

impl Weighter<Key, Bytes> for Length {
    fn weight(&self, _: &Key, block: &Bytes) -> u64 {
        block.len() as u64
    }
}

/// The blocks.
#[derive(Debug)]
pub struct Hot(Cache<Key, Bytes, Length>);

impl Default for Hot {
    fn default() -> Self {
        Self(Cache::with_weighter(usize::try_from(MEMORY / BLOCK).unwrap_or(usize::MAX), MEMORY, Length))
    }
}

impl Hot {
    /// The bytes of a range within one block.
    pub fn get(&self, file: &Identity, range: &Range<u64>) -> Option<Bytes> {
        let block = self.0.get(&(*file, range.start / BLOCK))?;
        let place = |offset: u64| usize::try_from(offset - range.start / BLOCK * BLOCK).ok();
        let (start, end) = (place(range.start)?, place(range.end)?);
        (start <= end && end <= block.len()).then(|| block.slice(start..end))
    }

    /// Takes the bytes of a range, if it is a whole block of a file that can be told from what it may become.
    pub fn put(&self, file: &Identity, range: &Range<u64>, bytes: &Bytes) {
        let is_block = range.start.is_multiple_of(BLOCK) && range.end == file.size.min(range.start.saturating_add(BLOCK));
        if is_block && bytes.len() as u64 == range.end - range.start && is_settled(file) {
            self.0.insert((*file, range.start / BLOCK), bytes.clone());
        }
    }
}

fn is_settled(file: &Identity) -> bool {
    let modified = u64::try_from(file.modified).ok().and_then(|nanoseconds| UNIX_EPOCH.checked_add(Duration::from_nanos(nanoseconds)));
    modified.and_then(|modified| modified.checked_add(SETTLED)).is_some_and(|settled| settled < SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_blocks_are_kept_and_given_by_range() {
        let (hot, size) = (Hot::default(), BLOCK * 2 + 100);
        let file = Identity { size, inode: (1, 2), modified: 1_000_000_000 };
        let bytes = |range: Range<u64>| range.map(|at| u8::try_from(at % 251).unwrap()).collect::<Bytes>();
        for (range, is_kept, told) in [
            (0..BLOCK, true, "the first"),
            (BLOCK..BLOCK * 2 - 1, false, "not to its end"),
            (1..BLOCK, false, "not from its beginning"),
            (BLOCK * 2..size, true, "the last, which is short"),
        ] {
            let number = range.start / BLOCK;
            let before = hot.0.get(&(file, number)).is_some();
            hot.put(&file, &range, &bytes(range.clone()));
            assert_eq!(hot.0.get(&(file, number)).is_some() && !before, is_kept, "{told}");
        }
        for range in [0..10, 7..BLOCK, BLOCK * 2..size, size - 1..size] {
            assert_eq!(hot.get(&file, &range), Some(bytes(range.clone())), "{range:?}");
        }
        assert_eq!(hot.get(&file, &(0..BLOCK + 1)), None, "beyond its block");
        assert_eq!(hot.get(&file, &(BLOCK..BLOCK + 1)), None, "never read");
        let other = Identity { modified: 2_000_000_000, ..file };
        assert_eq!(hot.get(&other, &(0..10)), None, "another version");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let fresh = Identity { modified: i128::try_from(now).unwrap(), ..file };
        hot.put(&fresh, &(0..BLOCK), &bytes(0..BLOCK));
        assert_eq!(hot.get(&fresh, &(0..10)), None, "it may change again within the same tick");
    }
}
