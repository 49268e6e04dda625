//! Applies changes in the key folder, and rotations that are due. If that fails, the current keys stay in use.

use std::sync::Arc;

use crate::issuer::{Fault, Issuer, keys};

/// Checks the folder once.
pub async fn tick(issuer: Arc<Issuer>) -> Result<(), Fault> {
    keys::tick(&issuer).await
}
