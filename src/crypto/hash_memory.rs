//! The memory that hashes are made in. A fresh one for each would cost as much again in page faults; one kept for good, a
//! small host a good part of its memory for the few seconds a day in which somebody signs in. So it is kept from one hash
//! to the next, and given back when none has come for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::Block;
use kevy_madvise::advise_hugepage;

/// Room is asked for in pieces of more than 32 MiB, of which only what is used becomes memory. Of smaller ones glibc keeps
/// what is freed (`M_MMAP_THRESHOLD` in mallopt(3)): it takes it that they will be wanted again.
const MIN_BLOCKS: usize = (33 << 20) / Block::SIZE;

/// What is kept: clones share it. No more of it than were at work at once.
#[derive(Clone)]
pub(super) struct HashMemory {
    /// How many blocks a hash of the usual cost needs.
    usual: usize,
    spare: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl HashMemory {
    /// Nothing yet; each piece will have `usual` blocks.
    pub(super) fn new(usual: usize) -> Self {
        Self { usual, spare: Arc::default() }
    }

    /// A piece of at least so many blocks.
    pub(super) fn take(&self, blocks: usize) -> Vec<Block> {
        let kept = if blocks <= self.usual { self.spare().pop() } else { None };
        kept.unwrap_or_else(|| {
            let blocks = blocks.max(self.usual);
            let mut memory: Vec<Block> = Vec::with_capacity(blocks.max(MIN_BLOCKS));
            // A hash jumps about in more pages of 4 KiB than a processor knows the places of. Before they are touched, for
            // then they come as huge ones; where there are none, as usual.
            advise_hugepage(memory.as_ptr().cast::<u8>(), blocks * Block::SIZE);
            memory.resize(blocks, Block::default());
            memory
        })
    }

    /// Takes a piece back, for the next hash. A larger one than usual was for a stored hash of another cost, which comes
    /// once: it is not kept.
    pub(super) fn keep(&self, memory: Vec<Block>) {
        if memory.len() == self.usual {
            self.spare().push(memory);
        }
    }

    /// Gives what no hash is being made in back to the system.
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
            let piece = memory.take(64);
            memory.keep(piece);
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
        let piece = memory.take(65);
        assert_eq!(piece.len(), 65);
        memory.keep(piece);
        assert!(kept(&memory).is_empty());
    }
}
