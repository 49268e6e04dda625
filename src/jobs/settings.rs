//! Reloads the runtime settings that another process changed. If that fails, the current settings stay in use.

use std::sync::Arc;

use crate::issuer::{Issuer, settings};
use crate::store::StoreError;

/// Reads the revision. If it has changed, reads all settings and replaces the current ones together.
pub async fn tick(issuer: Arc<Issuer>) -> Result<(), StoreError> {
    settings::reload_if_changed(&issuer).await
}
