//! Takes up runtime settings that another process changed.

use std::sync::Arc;

use crate::issuer::{Issuer, settings};

/// Reads the settings and swaps them in whole.
pub async fn tick(issuer: Arc<Issuer>) {
    match settings::load(&issuer.store).await {
        Ok(fresh) => issuer.runtime.store(fresh.into()),
        Err(error) => tracing::error!(%error, "the settings could not be read: those in force stay"),
    }
}
