//! Imports a private key.

use super::context::KeyContext;
use super::error::KeysError;
use super::outcome::{AddedKeys, RecordedChange};
use crate::domain::audit::Operator;
use crate::domain::secret::{SecretBytes, SecretText};
use crate::keys::change::RingChange;

/// An operator's request to add an existing private key.
#[derive(Debug)]
pub struct Import {
    /// The key in PEM: PKCS#8, PKCS#1 or SEC1.
    pub pem: SecretBytes,
    /// The passphrase that decrypts it.
    pub passphrase: Option<SecretText>,
    /// Whether the key signs at once, without being published ahead.
    pub at_once: bool,
    /// The operator.
    pub by: Operator,
}

impl Import {
    /// Adds the key, scheduled as in a rotation. A command that finds no keys creates the first ones before.
    pub async fn run(self, context: &KeyContext) -> Result<AddedKeys, KeysError> {
        let Self { pem, passphrase, at_once, by } = self;
        context.create_first_keys(&by).await?;
        let policy = context.policy().await?;
        let import = RingChange::Import { pem, passphrase, at_once, policy };
        let RecordedChange { applied, unrecorded } = context.apply(import, by).await?;
        Ok(AddedKeys { keys: applied.added, policy: Some(policy), unrecorded })
    }
}
