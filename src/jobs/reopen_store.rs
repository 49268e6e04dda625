//! Opens a database that could not be opened at the start, once it can be.

use std::sync::Arc;

use crate::issuer::{Issuer, settings};
use crate::store::StoreError;

/// One try, where it is not open.
pub async fn tick(issuer: Arc<Issuer>) -> Result<(), StoreError> {
    if issuer.store.is_open() {
        return Ok(());
    }
    settings::open_store(&issuer).await?;
    tracing::info!("the database is open: what reads and writes is served again");
    Ok(())
}
