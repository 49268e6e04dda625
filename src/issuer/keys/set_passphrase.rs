//! Changes the passphrase of the private halves and the secret. It takes the source and no `KeyContext`, because it
//! publishes nothing: it needs no policy and has no entry in the audit log.

use crate::domain::secret::SecretText;
use crate::keys::KeySource;
use crate::keys::error::KeySourceError;

/// A request to encrypt the private halves and the secret with another passphrase.
#[derive(Debug)]
pub struct SetPassphrase {
    /// The new passphrase; `None` to store them unencrypted.
    pub new: Option<SecretText>,
}

impl SetPassphrase {
    /// Rewrites the files, and returns how many private halves were rewritten. May be interrupted and repeated. Blocks
    /// the thread.
    pub fn run(self, source: &KeySource) -> Result<usize, KeySourceError> {
        source.set_passphrase(self.new.as_ref())
    }
}
