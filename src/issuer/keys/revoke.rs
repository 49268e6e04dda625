//! Revokes a key. It works without the database, which may be unavailable while an attacker uses a stolen key.

use super::context::KeyContext;
use super::error::KeysError;
use super::outcome::{RecordedChange, Revocation};
use crate::domain::audit::Operator;
use crate::domain::key::KeyChangeError;
use crate::keys::change::RingChange;

/// An operator's request to revoke a key.
#[derive(Debug)]
pub struct Revoke {
    /// The `kid`, or a prefix of it with at least 4 characters.
    pub kid: String,
    /// The operator.
    pub by: Operator,
    /// Called before the change if the runtime settings cannot be read and the default settings are used. `None`: the
    /// change is refused then.
    pub on_default_settings: Option<fn(KeysError)>,
}

impl Revoke {
    /// Removes the key from the JWKS. When this returns, this process no longer uses the key.
    pub async fn run(self, context: &KeyContext) -> Result<Revocation, KeysError> {
        let Self { kid, by, on_default_settings } = self;
        let policy = match (context.policy().await, on_default_settings) {
            (Err(error), Some(report)) => {
                report(error);
                context.policy_without_settings()?
            }
            (policy, _) => policy?,
        };
        let revoke = RingChange::Revoke { prefix: kid.clone(), policy };
        let RecordedChange { applied, unrecorded } = context.apply(revoke, by).await?;
        let unknown = || KeysError::Change(KeyChangeError::Unknown(kid).into());
        let revoked = applied.revoked.ok_or_else(unknown)?;
        Ok(Revocation { revoked, policy, unrecorded })
    }
}
