//! The periodic work on the keys of a running server.

use std::sync::Arc;

use super::super::context::Issuer;
use super::super::refusal::Fault;
use super::context::KeyContext;
use super::error::KeysError;
use super::policy::policy;
use super::reload::reload;
use crate::domain::audit::Operator;
use crate::domain::key::{Key, KeyChangeError};
use crate::keys::change::RingChange;
use crate::keys::error::KeySourceError;

/// Applies changes that another process made, and state changes that are due. Then deletes the private halves of keys
/// that no longer sign, and makes rotations that are due. Call it more often than every 2 s, because changes by other
/// processes must apply within 2 s.
pub async fn maintain(issuer: &Arc<Issuer>) -> Result<(), Fault> {
    let shared = Arc::clone(issuer);
    let due = tokio::task::spawn_blocking(move || reload_and_plan(&shared)).await;
    let due = due
        .map_err(|error| Fault::new("maintaining the keys", &error))?
        .map_err(|error| Fault::new("maintaining the keys", &error))?;
    match due {
        Some(rotation) => rotate(issuer, rotation).await.map_err(|error| Fault::new("maintaining the keys", &error)),
        None => Ok(()),
    }
}

/// Updates the ring, and plans the rotations that are due.
fn reload_and_plan(issuer: &Issuer) -> Result<Option<RingChange>, KeySourceError> {
    reload(issuer)?;
    for kid in issuer.key_source.delete_ended(&issuer.ring())? {
        tracing::info!(%kid, "private key removed; it no longer signs");
    }
    // Until the store is open, the lifetimes in the settings are unknown, and so is how long a key must stay published.
    Ok(if issuer.store.is_open() { plan_due(issuer) } else { None })
}

/// Plans the rotations that `keys.rotate_every` demands, so that no key signs longer than that, or than
/// `policy.lead_time()` if that is longer. `None` if no rotation is due.
fn plan_due(issuer: &Issuer) -> Option<RingChange> {
    let rotate_every = issuer.policy.rotate_every?;
    let policy = policy(issuer);
    let ring = issuer.ring();
    let schedule = ring.schedule();
    let due = schedule.due(issuer.clock.now(), rotate_every, &policy);
    let plans: Vec<_> = due.into_iter().map(|alg| schedule.plan_rotation(alg, false)).collect();
    (!plans.is_empty()).then_some(RingChange::RotateAsPlanned { plans, policy })
}

/// Makes the planned rotations. If another process has rotated meanwhile, does nothing.
async fn rotate(issuer: &Arc<Issuer>, rotation: RingChange) -> Result<(), KeysError> {
    match KeyContext::of_server(issuer).apply(rotation, Operator::RotateEvery).await {
        Ok(recorded) => {
            for Key { kid, alg, signs_from, .. } in &recorded.applied.added {
                tracing::info!(%kid, %alg, %signs_from, "key created by rotate_every");
            }
            Ok(())
        }
        Err(KeysError::Change(KeySourceError::RejectedChange(KeyChangeError::RingChanged))) => Ok(()),
        Err(error) => Err(error),
    }
}
