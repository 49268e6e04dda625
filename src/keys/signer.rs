//! Signs tokens. ES256 signatures are made at once. RSA signatures take hundreds of microseconds and are made on
//! blocking threads, from a queue.
//!
//! At most one RSA signature per core is made at a time. Under overload, other tokens wait in the queue and use no
//! blocking thread, so that other work still gets one. A thread with a permit signs all queued tokens. If a thread ended
//! after each signature, its core would be idle for much of the time.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::{AcquireError, Semaphore, oneshot};
use tokio::task::spawn_blocking;
use tracing::{Instrument as _, trace_span};

use crate::crypto::key_ring::{KeyRing, SigningKey};
use crate::crypto::sign::{SignFault, UnsignedToken};
use crate::domain::algorithm::Algorithm;
use crate::domain::secret::SecretText;
use crate::domain::time::Timestamp;
use crate::domain::token_kind::Typ;

type SignResult = Result<SecretText, SignFault>;

/// Why a token was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The claims could not be encoded, or the key could not sign.
    #[error(transparent)]
    Fault(#[from] SignFault),
    /// The queue is closed.
    #[error(transparent)]
    Queue(#[from] AcquireError),
    /// The thread that signed the token has panicked.
    #[error(transparent)]
    Thread(#[from] oneshot::error::RecvError),
}

/// Signs tokens with one key. Callers do not know where the private half is.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    key: &'a SigningKey,
    queue: &'a SigningQueue,
}

impl Signer<'_> {
    /// The algorithm of the key.
    pub fn alg(&self) -> Algorithm {
        self.key.alg()
    }

    /// The time at which the key leaves the JWKS, if it is known. The caller must not set a later `exp`.
    pub fn published_until(&self) -> Option<Timestamp> {
        self.key.published_until()
    }

    /// Signs claims as a token of the given `typ`.
    pub async fn sign(&self, typ: Typ, claims: &impl Serialize) -> Result<SecretText, SignError> {
        let algorithm = self.alg();
        let unsigned = UnsignedToken::new(self.key, typ, claims)?;
        let span = trace_span!("token.sign", %algorithm);
        Ok(match algorithm {
            Algorithm::Es256 => span.in_scope(|| unsigned.sign()),
            Algorithm::Rs256 => self.queue.sign(unsigned).instrument(span).await?,
        }?)
    }
}

/// The queue of tokens to be signed, and the permits of the threads that sign them.
#[derive(Debug)]
pub struct SigningQueue {
    permits: Arc<Semaphore>,
    tokens: Arc<UnsignedTokens>,
}

#[derive(Default)]
struct UnsignedTokens(Mutex<VecDeque<(UnsignedToken, oneshot::Sender<SignResult>)>>);

impl SigningQueue {
    /// Creates a queue that makes up to `at_once` signatures at a time.
    pub fn new(at_once: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(at_once)), tokens: Arc::default() }
    }

    /// The permits, one for each signature that may be made at a time.
    pub fn permits(&self) -> &Semaphore {
        &self.permits
    }

    /// The signer for `alg`: the active key of the ring. `None` if no key can sign.
    pub fn signer<'a>(&'a self, ring: &'a KeyRing, alg: Algorithm, now: Timestamp) -> Option<Signer<'a>> {
        ring.signing_key(alg, now).map(|key| Signer { key, queue: self })
    }

    /// Queues the token and returns its signed form.
    async fn sign(&self, unsigned: UnsignedToken) -> Result<SignResult, SignError> {
        let (reply, mut receiver) = oneshot::channel();
        self.tokens.enqueue(unsigned, reply);
        tokio::select! {
            biased;
            signed = &mut receiver => return Ok(signed?),
            permit = Arc::clone(&self.permits).acquire_owned() => {
                let permit = permit?;
                let tokens = Arc::clone(&self.tokens);
                spawn_blocking(move || {
                    tokens.sign_queued();
                    drop(permit); // here, so that the permit is held while the thread signs
                });
            }
        }
        Ok(receiver.await?)
    }
}

impl UnsignedTokens {
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

impl std::fmt::Debug for UnsignedTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnsignedTokens")
    }
}
