//! Opens a database that could not be opened at the start, as soon as that becomes possible.

use std::sync::Arc;

use crate::issuer::{Issuer, settings};
use crate::store::StoreError;

/// Tries once to open the store, unless it is open.
pub async fn tick(issuer: Arc<Issuer>) -> Result<(), StoreError> {
    let Some(opening) = issuer.store.late_opening() else { return Ok(()) };
    settings::open_store(&issuer, opening).await?;
    tracing::info!("database opened; serving all requests");
    Ok(())
}
