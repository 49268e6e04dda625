//! Keeps the key ring in step with its folder and with time. Where that fails the keys in force stay.

use std::sync::Arc;

use crate::issuer::{Fault, Issuer, keys};

/// One look at the folder.
pub async fn tick(issuer: Arc<Issuer>) -> Result<(), Fault> {
    keys::tick(&issuer).await
}
