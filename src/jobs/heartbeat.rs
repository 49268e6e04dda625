//! The heartbeat: says that the process lives, so that availability is right to a few seconds even after a `kill -9`,
//! and takes up what other processes said of themselves. A start that could not be recorded is recorded by the first beat
//! that can be.

use std::sync::Arc;

use crate::issuer::Issuer;
use crate::store::StoreError;

/// One beat.
pub async fn tick(issuer: Arc<Issuer>) -> Result<(), StoreError> {
    issuer.uptime.record_heartbeat(&issuer.store, issuer.clock.now()).await
}
