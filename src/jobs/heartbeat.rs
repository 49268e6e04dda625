//! Records that the process is running, and reads the runs that other processes recorded.
//!
//! With a heartbeat every 4 s, the reported availability is correct to within 4 s even after a `kill -9`. If the start
//! could not be recorded, the first heartbeat that succeeds records it.

use std::sync::Arc;

use crate::issuer::Issuer;
use crate::store::StoreError;

/// Records one heartbeat.
pub async fn tick(issuer: Arc<Issuer>) -> Result<(), StoreError> {
    issuer.uptime.record_heartbeat(&issuer.store, issuer.clock.now()).await
}
