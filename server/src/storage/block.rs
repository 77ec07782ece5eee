//! Memory for blocks of files, used again: what the system gives anew it clears, page by page, which takes longer than reading into it.

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use super::BLOCK;

/// The most blocks that wait to be used again, 4 MiB.
const MOST: usize = 32;

/// A block, as far as `usize` goes.
#[expect(clippy::cast_possible_truncation, reason = "128 KiB")]
const LENGTH: usize = BLOCK as usize;

/// Those that wait, for the whole process.
static FREE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Bytes to be filled, then [read](Block::freeze) by whoever has them.
#[derive(Debug)]
pub struct Block(Vec<u8>);

impl Block {
    /// Of `length` bytes. What is in them is of no meaning, and to be overwritten to the last.
    pub fn new(length: usize) -> Self {
        let used = if length == LENGTH { free().pop() } else { None };
        Self(used.unwrap_or_else(|| vec![0; length]))
    }

    /// What is in them. The memory is used again when the last of these is dropped.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

fn free() -> MutexGuard<'static, Vec<Vec<u8>>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.0.len() == LENGTH {
            let mut free = free();
            if free.len() < MOST {
                free.push(std::mem::take(&mut self.0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_when_nobody_reads_it() {
        let mut block = Block::new(LENGTH);
        block.fill(7);
        let bytes = block.freeze();
        let (place, part) = (bytes.as_ptr(), bytes.slice(LENGTH - 10..));
        drop(bytes);
        assert!(free().iter().all(|free| free.as_ptr() != place), "a part of it is still read");
        assert_eq!(part, [7; 10][..]);
        drop(part);
        assert!(free().iter().any(|free| free.as_ptr() == place));
    }

    #[test]
    fn no_more_than_a_few_wait_and_only_whole_ones() {
        let blocks: Vec<Block> = (0..MOST * 2).map(|_| Block::new(LENGTH)).collect();
        drop(blocks);
        drop(Block::new(10));
        let free = free();
        assert!(free.len() <= MOST && free.iter().all(|free| free.len() == LENGTH));
        drop(free);
        assert_eq!(Block::new(10).freeze().len(), 10);
    }
}
