//! The key ring that a running server uses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};

use crate::crypto::key_ring::KeyRing;

/// The current key ring, which is replaced as a whole. Reading it takes no lock.
#[derive(Debug)]
pub struct SharedRing {
    ring: ArcSwap<KeyRing>,
    /// Held while the ring is replaced. Without it, a slow reload could replace a newer ring with the ring that it read
    /// earlier, and a revoked key would be used again.
    replacing: Mutex<()>,
    unreadable: AtomicBool,
}

impl SharedRing {
    /// Takes the ring of a start.
    pub fn new(ring: KeyRing) -> Self {
        Self { ring: ArcSwap::from_pointee(ring), replacing: Mutex::default(), unreadable: AtomicBool::new(false) }
    }

    /// Returns the ring, for a short time.
    pub fn load(&self) -> Guard<Arc<KeyRing>> {
        self.ring.load()
    }

    /// Returns the ring.
    pub fn load_full(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// Replaces the ring with the one that `next` makes from it; `None` keeps the ring. Waits while another thread
    /// replaces it. Blocks the thread.
    pub fn replace<E>(&self, next: impl FnOnce(&KeyRing) -> Result<Option<KeyRing>, E>) -> Result<(), E> {
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = next(&self.ring.load_full());
        self.unreadable.store(next.is_err(), Ordering::Relaxed);
        if let Some(ring) = next? {
            self.ring.store(Arc::new(ring));
        }
        Ok(())
    }

    /// Whether the last attempt to replace the ring has failed, so that changes of the stored ring are not in use.
    pub fn is_unreadable(&self) -> bool {
        self.unreadable.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::convert::Infallible;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::domain::algorithm::Algorithm;
    use crate::keys::testing::TestKeyFolder;

    #[test]
    fn an_older_ring_never_replaces_a_newer_one() {
        let folder = TestKeyFolder::new();
        let keys = folder.keys("");
        let shared = SharedRing::new(keys.start().unwrap());
        let (has_read, reads) = mpsc::channel();
        let (go_on, going_on) = mpsc::channel();
        thread::scope(|scope| {
            let (shared, keys) = (&shared, &keys);
            scope.spawn(move || {
                let slow = |ring: &KeyRing| {
                    let older = keys.reload(ring).unwrap();
                    has_read.send(()).unwrap();
                    going_on.recv().unwrap();
                    Ok::<_, Infallible>(Some(older))
                };
                shared.replace(slow)
            });
            reads.recv().unwrap();
            keys.rotate(Some(Algorithm::Es256), true).unwrap();
            let newer = scope.spawn(move || shared.replace(|ring| keys.reload(ring).map(Some)));
            // Enough for the second reload, if it did not wait for the first one.
            thread::sleep(Duration::from_millis(300));
            let has_overtaken = newer.is_finished();
            go_on.send(()).unwrap();
            newer.join().unwrap().unwrap();
            assert!(!has_overtaken);
        });
        assert_eq!(shared.load().version(), keys.version().unwrap());
    }
}
