//! Lists the stored keys. It takes the source and no `KeyContext`, because it changes nothing: it needs no policy and
//! has no entry in the audit log.

use crate::crypto::key_ring::KeyRing;
use crate::keys::KeySource;
use crate::keys::error::KeySourceError;

/// A request to list the stored keys, with their dates and public halves.
#[derive(Debug)]
pub struct List;

impl List {
    /// Loads the ring without opening a private half, so that it needs no passphrase. Blocks the thread.
    pub fn run(self, source: &KeySource) -> Result<KeyRing, KeySourceError> {
        source.load_public()
    }
}
