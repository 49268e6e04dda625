//! The queue for RSA signatures, which take hundreds of microseconds and are made on blocking threads.
//!
//! At most one signature per core is made at a time. Under overload, other tokens wait in the queue and use no blocking
//! thread, so that other work still gets one. A thread with a permit signs all queued tokens. If a thread ended after
//! each signature, its core would be idle for much of the time.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_blocking;

use super::refusal::{Fault, Refusal};
use crate::crypto::sign::{SignFault, UnsignedToken};
use crate::domain::secret::SecretText;

type SignResult = Result<SecretText, SignFault>;

/// The signing queue and its permits.
#[derive(Debug)]
pub struct Signers {
    permits: Arc<Semaphore>,
    queue: Arc<SigningQueue>,
}

#[derive(Default)]
struct SigningQueue(Mutex<VecDeque<(UnsignedToken, oneshot::Sender<SignResult>)>>);

impl Signers {
    /// Creates a queue that makes up to `at_once` signatures at a time.
    pub fn new(at_once: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(at_once)), queue: Arc::default() }
    }

    /// The permits, one for each signature that may be made at a time.
    pub fn permits(&self) -> &Semaphore {
        &self.permits
    }

    /// Queues the token and returns its signed form.
    pub(super) async fn sign(&self, unsigned: UnsignedToken) -> Result<SignResult, Refusal> {
        let (reply, mut receiver) = oneshot::channel();
        self.queue.enqueue(unsigned, reply);
        tokio::select! {
            biased;
            signed = &mut receiver => return sign_result(signed),
            permit = Arc::clone(&self.permits).acquire_owned() => {
                let permit = permit.map_err(|error| Fault::new("waiting to sign a token", &error))?;
                let queue = Arc::clone(&self.queue);
                spawn_blocking(move || {
                    queue.sign_queued();
                    drop(permit); // here, so that the permit is held while the thread signs
                });
            }
        }
        sign_result(receiver.await)
    }
}

fn sign_result(signed: Result<SignResult, oneshot::error::RecvError>) -> Result<SignResult, Refusal> {
    signed.map_err(|error| Fault::new("signing a token", &error).into())
}

impl SigningQueue {
    fn enqueue(&self, unsigned: UnsignedToken, reply: oneshot::Sender<SignResult>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back((unsigned, reply));
    }

    /// Signs all queued tokens. Skips tokens whose caller has disconnected.
    fn sign_queued(&self) {
        loop {
            // A separate statement releases the lock before the token is signed.
            let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            match next {
                Some((_, reply)) if reply.is_closed() => {}
                // If a signature panics, its caller gets an error, and the rest of the queue is still signed.
                Some((unsigned, reply)) => {
                    if let Ok(signed) = catch_unwind(AssertUnwindSafe(|| unsigned.sign())) {
                        let _ = reply.send(signed); // fails if the caller has disconnected
                    }
                }
                None => return,
            }
        }
    }
}

impl std::fmt::Debug for SigningQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningQueue")
    }
}
