//! The memory of the hashing threads.
//!
//! With a new allocation for each hash, page faults would take as long as the hash itself. A permanent allocation would
//! take a large part of a small host's memory for the few seconds a day in which users sign in. So the memory is reused
//! from one hash to the next, and unused memory is released when no job arrives for 5 s.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::Block;

/// The minimum size of an allocation: more than 32 MiB. glibc may keep smaller freed allocations for reuse instead of
/// returning them to the system (`M_MMAP_THRESHOLD` in mallopt(3)). Only the used part of an allocation becomes
/// resident memory.
const MIN_BLOCKS: usize = (33 << 20) / Block::SIZE;

/// The buffers that are kept for reuse; clones share them. There are never more buffers than hashing threads.
#[derive(Clone)]
pub(super) struct HashMemory {
    /// The number of blocks for a hash of the configured cost.
    default_blocks: usize,
    spare: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl HashMemory {
    /// Creates an empty pool for buffers of `default_blocks` blocks.
    pub(super) fn new(default_blocks: usize) -> Self {
        Self { default_blocks, spare: Arc::default() }
    }

    /// Takes a spare buffer, or allocates one, with at least `blocks` blocks.
    pub(super) fn take(&self, blocks: usize) -> Vec<Block> {
        let spare_buffer = if blocks <= self.default_blocks { self.spare().pop() } else { None };
        spare_buffer.unwrap_or_else(|| {
            let blocks = blocks.max(self.default_blocks);
            let mut memory: Vec<Block> = Vec::with_capacity(blocks.max(MIN_BLOCKS));
            memory.resize(blocks, Block::default());
            memory
        })
    }

    /// Keeps a buffer for the next hash. A larger buffer is dropped, because it was needed for a stored hash with more
    /// memory. Such a hash is replaced when its user enters the correct password.
    pub(super) fn put_back(&self, memory: Vec<Block>) {
        if memory.len() == self.default_blocks {
            self.spare().push(memory);
        }
    }

    /// Releases all unused buffers to the system.
    pub(super) fn release_all(&self) {
        drop(std::mem::take(&mut *self.spare()));
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spare_sizes(memory: &HashMemory) -> Vec<usize> {
        memory.spare().iter().map(Vec::len).collect()
    }

    #[test]
    fn memory_is_bounded_by_concurrent_use() {
        let memory = HashMemory::new(64);
        for _ in 0..3 {
            let buffer = memory.take(64);
            memory.put_back(buffer);
        }
        assert_eq!(spare_sizes(&memory), [64]);
        let one = memory.take(8);
        let other = memory.take(64);
        assert_eq!((one.len(), other.len()), (64, 64));
        memory.put_back(one);
        memory.put_back(other);
        assert_eq!(spare_sizes(&memory), [64, 64]);
        memory.release_all();
        assert!(spare_sizes(&memory).is_empty());
    }

    #[test]
    fn a_larger_allocation_is_not_kept() {
        let memory = HashMemory::new(64);
        let buffer = memory.take(65);
        assert_eq!(buffer.len(), 65);
        memory.put_back(buffer);
        assert!(spare_sizes(&memory).is_empty());
    }
}
