//! The memory of the hashing threads.
//!
//! A new allocation for each hash would cost as much again in page faults. A permanent allocation would take a large
//! part of a small host's memory for the few seconds a day in which users sign in. So the memory is reused from one
//! hash to the next and released when no hash has been requested for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::Block;
use kevy_madvise::advise_hugepage;

/// The minimum size of an allocation: more than 32 MiB. glibc keeps smaller freed allocations for reuse instead of
/// returning them to the system (`M_MMAP_THRESHOLD` in mallopt(3)). Only the used part of an allocation becomes
/// resident memory.
const MIN_BLOCKS: usize = (33 << 20) / Block::SIZE;

/// The buffers that are kept for reuse; clones share them. There are never more buffers than concurrent hashes.
#[derive(Clone)]
pub(super) struct HashMemory {
    /// The number of blocks for a hash of the configured cost.
    usual: usize,
    spare: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl HashMemory {
    /// Creates an empty pool for buffers of `usual` blocks.
    pub(super) fn new(usual: usize) -> Self {
        Self { usual, spare: Arc::default() }
    }

    /// Takes a kept buffer, or allocates one, with at least `blocks` blocks.
    pub(super) fn take(&self, blocks: usize) -> Vec<Block> {
        let kept = if blocks <= self.usual { self.spare().pop() } else { None };
        kept.unwrap_or_else(|| {
            let blocks = blocks.max(self.usual);
            let mut memory: Vec<Block> = Vec::with_capacity(blocks.max(MIN_BLOCKS));
            // A hash accesses more 4 KiB pages at random than a processor's TLB has entries, so huge pages are faster.
            // The advice must precede the first access. A system without huge pages uses normal pages.
            advise_hugepage(memory.as_ptr().cast::<u8>(), blocks * Block::SIZE);
            memory.resize(blocks, Block::default());
            memory
        })
    }

    /// Keeps a buffer for the next hash. A larger buffer is dropped: it was for a stored hash of another cost, which is
    /// needed only once.
    pub(super) fn keep(&self, memory: Vec<Block>) {
        if memory.len() == self.usual {
            self.spare().push(memory);
        }
    }

    /// Releases all unused buffers to the system.
    pub(super) fn give_back(&self) {
        drop(std::mem::take(&mut *self.spare()));
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(memory: &HashMemory) -> Vec<usize> {
        memory.spare().iter().map(Vec::len).collect()
    }

    #[test]
    fn memory_is_bounded_by_concurrent_use() {
        let memory = HashMemory::new(64);
        for _ in 0..3 {
            let buffer = memory.take(64);
            memory.keep(buffer);
        }
        assert_eq!(kept(&memory), [64]);
        let one = memory.take(8);
        let other = memory.take(64);
        assert_eq!((one.len(), other.len()), (64, 64));
        memory.keep(one);
        memory.keep(other);
        assert_eq!(kept(&memory), [64, 64]);
        memory.give_back();
        assert!(kept(&memory).is_empty());
    }

    #[test]
    fn a_larger_allocation_is_not_kept() {
        let memory = HashMemory::new(64);
        let buffer = memory.take(65);
        assert_eq!(buffer.len(), 65);
        memory.keep(buffer);
        assert!(kept(&memory).is_empty());
    }
}
