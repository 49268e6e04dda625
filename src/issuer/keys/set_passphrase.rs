//! Changes the passphrase of the private halves and the secret.

use super::context::KeyContext;
use super::error::KeysError;
use crate::domain::audit::{Action, Operator};
use crate::domain::secret::SecretText;

/// A request to encrypt the private halves and the secret with another passphrase.
#[derive(Debug)]
pub struct SetPassphrase {
    /// The new passphrase; `None` to store them unencrypted.
    pub new: Option<SecretText>,
    /// The operator.
    pub by: Operator,
}

/// A change of the passphrase that was made.
#[derive(Debug)]
pub struct ChangedPassphrase {
    /// How many private halves were rewritten.
    pub rewritten: usize,
    /// Why the change is not in the audit log, although it was made.
    pub unrecorded: Option<String>,
}

impl SetPassphrase {
    /// Rewrites the files, and records the change. May be interrupted and repeated.
    pub async fn run(self, context: &KeyContext) -> Result<ChangedPassphrase, KeysError> {
        let Self { new, by } = self;
        let what = if new.is_some() { "private keys encrypted" } else { "private keys no longer encrypted" };
        let changed = context.on_source(move |source| source.set_passphrase(new.as_ref())).await?;
        let rewritten = changed.map_err(KeysError::Change)?;
        let detail = format!("{what}: {rewritten}");
        let unrecorded = context.record_action(&by, Action::PassphraseChanged, detail).await;
        Ok(ChangedPassphrase { rewritten, unrecorded })
    }
}
