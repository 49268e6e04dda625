//! The source of random bytes, passed in as a value. Only this module makes random ids, codes and secrets.
//!
//! Key pairs are the exception: the crypto library generates them with its own random numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use uuid::{Builder, Uuid};

/// A source of random bytes.
#[derive(Clone, Debug)]
pub enum Random {
    /// The crypto library's generator, which is seeded by the operating system.
    System,
    /// Repeatable bytes for tests. Clones share the position in the sequence.
    Seeded(Arc<AtomicU64>),
}

impl Random {
    /// Creates a repeatable source, for tests.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(AtomicU64::new(seed << 32)))
    }

    /// Fills `out` with unpredictable bytes.
    ///
    /// # Panics
    /// If the operating system returns no random bytes. Without them no id, code or secret is safe.
    pub fn fill(&self, out: &mut [u8]) {
        match self {
            Self::System => aws_lc_rs::rand::fill(out).expect("the operating system returns random bytes"),
            Self::Seeded(counter) => {
                for chunk in out.chunks_mut(32) {
                    let block = digest(&SHA256, &counter.fetch_add(1, Ordering::SeqCst).to_be_bytes());
                    chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
                }
            }
        }
    }

    /// Returns `N` new random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// Returns a new version 4 UUID (RFC 9562 §5.4).
    pub fn uuid(&self) -> Uuid {
        Builder::from_random_bytes(self.bytes()).into_uuid()
    }
}
