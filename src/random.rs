//! The chance that is handed in. The only place that makes unguessable bytes for ids, codes and secrets
//! (key pairs excepted: the crypto library draws its own).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use uuid::{Builder, Uuid};

/// A source of random bytes.
#[derive(Clone, Debug)]
pub enum Random {
    /// The operating system's, by way of the crypto library's generator.
    System,
    /// The same bytes in the same order every time, for tests. Clones share the order.
    Seeded(Arc<AtomicU64>),
}

impl Random {
    /// A repeatable source, for tests.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(AtomicU64::new(seed << 32)))
    }

    /// Fills `out` with bytes nobody can guess.
    ///
    /// # Panics
    /// If the operating system has no randomness to give: nothing safe can be done without it.
    pub fn fill(&self, out: &mut [u8]) {
        match self {
            Self::System => aws_lc_rs::rand::fill(out).expect("the system gives random bytes"),
            Self::Seeded(counter) => {
                for chunk in out.chunks_mut(32) {
                    let block = digest(&SHA256, &counter.fetch_add(1, Ordering::SeqCst).to_be_bytes());
                    chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
                }
            }
        }
    }

    /// `N` fresh bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A version 4 UUID (RFC 9562 §5.4).
    pub fn uuid(&self) -> Uuid {
        Builder::from_random_bytes(self.bytes()).into_uuid()
    }
}
