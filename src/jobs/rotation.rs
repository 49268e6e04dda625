//! Applies changes in the key folder, and makes rotations that are due. If that fails, the current keys stay in use.

use std::sync::Arc;

use crate::issuer::{Fault, Issuer, keys};

/// Checks the key folder once.
pub async fn tick(issuer: Arc<Issuer>) -> Result<(), Fault> {
    keys::tick(&issuer).await
}
