//! Loads changes of the stored keys into a running server.

use super::super::context::Issuer;
use crate::crypto::key_ring::KeyRing;
use crate::keys::error::KeySourceError;

/// Applies changes of the stored ring, and state changes that are due. Blocks the thread.
pub(super) fn reload(issuer: &Issuer) -> Result<(), KeySourceError> {
    issuer.ring.replace(|ring| {
        if issuer.key_source.version()? == ring.version() {
            return Ok(ring.rebuild(issuer.clock.now()));
        }
        let reloaded = issuer.key_source.reload(ring)?;
        log_new_warnings(&reloaded, ring);
        tracing::info!(keys = reloaded.schedule().keys().len(), "key ring reloaded");
        Ok(Some(reloaded))
    })
}

fn log_new_warnings(reloaded: &KeyRing, previous: &KeyRing) {
    for warning in reloaded.warnings().iter().filter(|warning| !previous.warnings().contains(warning)) {
        tracing::warn!(warning, "key ring warning");
    }
}
