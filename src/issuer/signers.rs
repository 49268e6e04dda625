//! Signatures that take long. An RSA signature takes hundreds of microseconds: it is made where waiting hurts nobody, and no
//! more of them at once than there are cores, so that a storm of them waits as tasks and leaves the threads that may block to
//! everything else.
//!
//! Whoever has a turn signs for all who stand in line, until nobody does. A thread that slept and was woken between any two
//! signatures would leave its core idle for a good part of the time.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_blocking;

use super::Refusal;
use super::refusal::Fault;
use crate::crypto::sign::{SignFault, UnsignedToken};
use crate::domain::secret::SecretText;

type SignResult = Result<SecretText, SignFault>;

/// The line before the turns.
#[derive(Debug)]
pub struct Signers {
    permits: Arc<Semaphore>,
    queue: Arc<SigningQueue>,
}

#[derive(Default)]
struct SigningQueue(Mutex<VecDeque<(UnsignedToken, oneshot::Sender<SignResult>)>>);

impl Signers {
    /// So many at once.
    pub fn new(at_once: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(at_once)), queue: Arc::default() }
    }

    /// One for each signature that may be made at once.
    pub fn permits(&self) -> &Semaphore {
        &self.permits
    }

    /// Signs, once it is this token's turn.
    pub(super) async fn sign(&self, unsigned: UnsignedToken) -> Result<SignResult, Refusal> {
        let (reply, mut told) = oneshot::channel();
        self.queue.enqueue(unsigned, reply);
        tokio::select! {
            biased;
            signed = &mut told => return received(signed),
            permit = Arc::clone(&self.permits).acquire_owned() => {
                let permit = permit.map_err(|error| Fault::new("waiting to sign a token", &error))?;
                let queue = Arc::clone(&self.queue);
                spawn_blocking(move || {
                    queue.sign_queued();
                    drop(permit); // by the thread, so that it counts for as long as it signs
                });
            }
        }
        received(told.await)
    }
}

fn received(signed: Result<SignResult, oneshot::error::RecvError>) -> Result<SignResult, Refusal> {
    signed.map_err(|error| Fault::new("signing a token aside", &error).into())
}

impl SigningQueue {
    fn enqueue(&self, unsigned: UnsignedToken, reply: oneshot::Sender<SignResult>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back((unsigned, reply));
    }

    /// Signs for whoever is in line; who has left is passed over.
    fn sign_queued(&self) {
        loop {
            // In a statement of its own, so that nobody waits to join while one is signed.
            let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            match next {
                Some((_, reply)) if reply.is_closed() => {}
                // One that panics is not told, and the rest of the line is served all the same.
                Some((unsigned, reply)) => {
                    if let Ok(signed) = catch_unwind(AssertUnwindSafe(|| unsigned.sign())) {
                        let _ = reply.send(signed); // who has left in the meantime is not told
                    }
                }
                None => return,
            }
        }
    }
}

impl std::fmt::Debug for SigningQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}
