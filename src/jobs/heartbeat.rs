//! The heartbeat: says that the process lives, so that availability is right to a few seconds even after a `kill -9`,
//! and takes up what other processes said of themselves.

use std::sync::Arc;

use crate::issuer::Issuer;
use crate::store::{RunId, StoreError};

/// One beat.
pub async fn tick(issuer: Arc<Issuer>, run: RunId) -> Result<(), StoreError> {
    let now = issuer.clock.now();
    issuer.store.write(move |tx| tx.beat(run, now)).await?;
    issuer.uptime.reload(&issuer.store, now).await
}
