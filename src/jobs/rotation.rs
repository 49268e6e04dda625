//! Keeps the key ring in step with its folder and with time.

use std::sync::Arc;

use crate::issuer::{Issuer, keys};

/// One look at the folder.
pub async fn tick(issuer: Arc<Issuer>) {
    if let Err(fault) = keys::tick(&issuer).await {
        tracing::error!(%fault, "the keys in force stay");
    }
}
