//! Records that the process is running, and reads what other processes recorded.
//!
//! With the heartbeat, the availability is correct to a few seconds even after a `kill -9`. If the start could not be
//! recorded, the first heartbeat that succeeds records it.

use std::sync::Arc;

use crate::issuer::Issuer;
use crate::store::StoreError;

/// Records one heartbeat.
pub async fn tick(issuer: Arc<Issuer>) -> Result<(), StoreError> {
    issuer.uptime.record_heartbeat(&issuer.store, issuer.clock.now()).await
}
