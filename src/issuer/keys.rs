//! The key ring in a running issuer: taking up what changed in the folder, and rotating by itself. What an operator
//! does with keys goes to the folder directly ([`crate::crypto::key_dir`]); the running issuer takes it up here.

use std::sync::Arc;

use super::{Fault, Issuer};
use crate::crypto::key_dir::KeyDirError;
use crate::crypto::key_ring::KeyRing;
use crate::domain::dialect::Dialect;
use crate::domain::key::KeyPolicy;
use crate::domain::time::Timestamp;
use crate::store::{Store, StoreError};

/// The spans a rotation is planned with, by the settings in force.
pub fn policy(issuer: &Issuer) -> KeyPolicy {
    let settings = issuer.settings();
    let longest_access = settings.longest_access_lifetime();
    let promised_until = settings.promised_until();
    KeyPolicy { longest_access, promised_until, ..issuer.policy.keys }
}

/// Takes up what another process did to the folder, and what came with time: then removes the private halves that
/// have ended, and rotates what is due. To be called more often than every 2 s.
pub async fn tick(issuer: &Arc<Issuer>) -> Result<(), Fault> {
    let shared = Arc::clone(issuer);
    let done = tokio::task::spawn_blocking(move || maintain(&shared)).await;
    done.map_err(|error| Fault::new("tending the keys", &error))?
        .map_err(|error| Fault::new("tending the keys", &error))
}

fn maintain(issuer: &Issuer) -> Result<(), KeyDirError> {
    reload(issuer)?;
    let ring = issuer.ring();
    for kid in issuer.key_dir.remove_ended_keys(&ring)? {
        tracing::info!(%kid, "the private half of a key that signs no more was removed");
    }
    // As long as nobody knows the lifetimes that are set, nobody knows for how long a key must be published.
    let rotate_every = issuer.policy.rotate_every.filter(|_| issuer.store.is_open());
    let Some(rotate_every) = rotate_every else { return Ok(()) };
    let made = issuer.key_dir.rotate_due(&ring, rotate_every, &policy(issuer))?;
    for key in &made {
        tracing::info!(kid = %key.kid, alg = %key.alg, signs_from = %key.signs_from, "a key was made by keys.rotate_every");
    }
    if made.is_empty() { Ok(()) } else { reload(issuer) }
}

/// Takes up what changed in the folder or came with time.
pub(super) fn reload(issuer: &Issuer) -> Result<(), KeyDirError> {
    let ring = issuer.ring();
    let fresh = if issuer.key_dir.version()? == ring.version() {
        ring.rebuilt(issuer.clock.now())
    } else {
        let fresh = issuer.key_dir.reload(&ring)?;
        log_warnings(&fresh, &ring);
        tracing::info!(keys = fresh.schedule().keys().len(), "the key ring was taken up anew");
        Some(fresh)
    };
    if let Some(fresh) = fresh {
        issuer.ring.store(Arc::new(fresh));
    }
    Ok(())
}

fn log_warnings(fresh: &KeyRing, before: &KeyRing) {
    let known: Vec<String> = before.warnings().iter().map(ToString::to_string).collect();
    for warning in fresh.warnings().iter().map(ToString::to_string).filter(|warning| !known.contains(warning)) {
        tracing::warn!("{warning}");
    }
}

/// Since when signed refresh tokens may be about: no key that signed later than this may be forgotten.
pub async fn needed_since(store: &Store, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    store.read(move |tx| tx.oldest_opening(Dialect::Simplejwt, now)).await
}
