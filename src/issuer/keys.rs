//! The key ring in a running issuer: applies changes in the key folder, and makes rotations that are due.
//!
//! Commands change the folder directly ([`crate::crypto::key_dir`]); the running issuer applies their changes here.

use std::sync::Arc;

use super::context::Issuer;
use super::refusal::Fault;
use crate::crypto::key_dir::KeyDirError;
use crate::crypto::key_ring::KeyRing;
use crate::domain::key::KeyPolicy;
use crate::domain::origin::Origin;
use crate::domain::time::Timestamp;
use crate::store::{Store, StoreError};

/// Returns the policy by which rotations are planned, with the lifetimes of the current runtime settings.
pub fn policy(issuer: &Issuer) -> KeyPolicy {
    let settings = issuer.settings();
    let longest_access = settings.longest_access_lifetime();
    let promised_until = settings.promised_until();
    KeyPolicy { longest_access, promised_until, ..issuer.policy.keys }
}

/// Applies changes that another process made in the folder, and state changes that are due. Then removes the private
/// halves of keys that no longer sign, and makes rotations that are due. Call it more often than every 2 s, because
/// changes by other processes must apply within 2 s.
pub async fn tick(issuer: &Arc<Issuer>) -> Result<(), Fault> {
    let shared = Arc::clone(issuer);
    let done = tokio::task::spawn_blocking(move || maintain(&shared)).await;
    done.map_err(|error| Fault::new("maintaining the keys", &error))?
        .map_err(|error| Fault::new("maintaining the keys", &error))
}

fn maintain(issuer: &Issuer) -> Result<(), KeyDirError> {
    reload(issuer)?;
    let ring = issuer.ring();
    for kid in issuer.key_dir.remove_ended_keys(&ring)? {
        tracing::info!(%kid, "private key removed; it no longer signs");
    }
    // Until the store is open, the lifetimes in the settings are unknown, and so is how long a key must stay published.
    let rotate_every = issuer.policy.rotate_every.filter(|_| issuer.store.is_open());
    let Some(rotate_every) = rotate_every else { return Ok(()) };
    let new_keys = issuer.key_dir.rotate_due(&ring, rotate_every, &policy(issuer))?;
    for key in &new_keys {
        tracing::info!(kid = %key.kid, alg = %key.alg, signs_from = %key.signs_from, "key created by rotate_every");
    }
    if new_keys.is_empty() { Ok(()) } else { reload(issuer) }
}

/// Applies changes in the folder, and state changes that are due.
pub(super) fn reload(issuer: &Issuer) -> Result<(), KeyDirError> {
    let ring = issuer.ring();
    let updated = if issuer.key_dir.version()? == ring.version() {
        ring.rebuild(issuer.clock.now())
    } else {
        let reloaded = issuer.key_dir.reload(&ring)?;
        log_new_warnings(&reloaded, &ring);
        tracing::info!(keys = reloaded.schedule().keys().len(), "key ring reloaded");
        Some(reloaded)
    };
    if let Some(ring) = updated {
        issuer.ring.store(Arc::new(ring));
    }
    Ok(())
}

fn log_new_warnings(reloaded: &KeyRing, previous: &KeyRing) {
    for warning in reloaded.warnings().iter().filter(|warning| !previous.warnings().contains(warning)) {
        tracing::warn!(warning, "key ring warning");
    }
}

/// Returns the earliest time at which a refresh token may have been signed that is valid although its key is no longer
/// published; `None` if there is no such token. A key that signed after this time must not be pruned.
pub async fn needed_since(store: &Store, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let needs_retired_keys = |origin: &Origin| {
        let refresh_token = origin.refresh_style().token_kind();
        refresh_token.is_some_and(|kind| !kind.row().by_published_key)
    };
    store
        .read(move |tx| {
            let oldest =
                Origin::all().filter(needs_retired_keys).map(|origin| tx.oldest_live_session_opened_at(origin, now));
            Ok(oldest.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().min())
        })
        .await
}
