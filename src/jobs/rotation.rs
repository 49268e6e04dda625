//! Applies changes of the stored keys, and makes rotations that are due. If that fails, the current keys stay in use.

use std::sync::Arc;

use crate::issuer::{Fault, Issuer, keys};

/// Checks the stored keys once.
pub async fn tick(issuer: Arc<Issuer>) -> Result<(), Fault> {
    keys::maintain(&issuer).await
}
