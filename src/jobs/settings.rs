//! Takes up runtime settings that another process changed. Where that fails those in force stay.

use std::sync::Arc;

use crate::issuer::{Issuer, settings};
use crate::store::StoreError;

/// Reads the settings and swaps them in whole.
pub async fn tick(issuer: Arc<Issuer>) -> Result<(), StoreError> {
    settings::reload(&issuer).await
}
