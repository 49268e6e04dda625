//! Reloads the runtime settings that another process changed. If that fails, the current settings stay in use.

use std::sync::Arc;

use crate::issuer::{Issuer, settings};
use crate::store::StoreError;

/// Reads all settings, and replaces the current ones together.
pub async fn tick(issuer: Arc<Issuer>) -> Result<(), StoreError> {
    settings::reload(&issuer).await
}
