//! The periodic work on the keys of a running server.

use std::sync::Arc;

use super::super::context::Issuer;
use super::super::refusal::Fault;
use super::policy::policy;
use super::reload::reload;
use crate::domain::key::{Key, KeyChangeError};
use crate::keys::change::RingChange;
use crate::keys::error::KeySourceError;

/// Applies changes that another process made, and state changes that are due. Then deletes the private halves of keys
/// that no longer sign, and makes rotations that are due. Call it more often than every 2 s, because changes by other
/// processes must apply within 2 s.
pub async fn maintain(issuer: &Arc<Issuer>) -> Result<(), Fault> {
    let shared = Arc::clone(issuer);
    let done = tokio::task::spawn_blocking(move || maintain_now(&shared)).await;
    done.map_err(|error| Fault::new("maintaining the keys", &error))?
        .map_err(|error| Fault::new("maintaining the keys", &error))
}

fn maintain_now(issuer: &Issuer) -> Result<(), KeySourceError> {
    reload(issuer)?;
    for kid in issuer.key_source.delete_ended(&issuer.ring())? {
        tracing::info!(%kid, "private key removed; it no longer signs");
    }
    // Until the store is open, the lifetimes in the settings are unknown, and so is how long a key must stay published.
    if !issuer.store.is_open() {
        return Ok(());
    }
    let new_keys = rotate_due(issuer)?;
    for key in &new_keys {
        tracing::info!(kid = %key.kid, alg = %key.alg, signs_from = %key.signs_from, "key created by rotate_every");
    }
    if new_keys.is_empty() { Ok(()) } else { reload(issuer) }
}

/// Makes the rotations that `keys.rotate_every` demands, so that no key signs longer than that, or than
/// `policy.lead_time()` if that is longer. If another process has rotated meanwhile, does nothing.
fn rotate_due(issuer: &Issuer) -> Result<Vec<Key>, KeySourceError> {
    let Some(rotate_every) = issuer.policy.rotate_every else { return Ok(Vec::new()) };
    let policy = policy(issuer);
    let ring = issuer.ring();
    let schedule = ring.schedule();
    let due = schedule.due(issuer.clock.now(), rotate_every, &policy);
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let plans = due.into_iter().map(|alg| schedule.plan_rotation(alg, false)).collect();
    match issuer.key_source.apply(RingChange::RotateAsPlanned { plans, policy }) {
        Ok(applied) => Ok(applied.added),
        Err(KeySourceError::RejectedChange(KeyChangeError::RingChanged)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
