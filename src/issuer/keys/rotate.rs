//! Rotates keys.

use super::context::KeyContext;
use super::error::KeysError;
use super::outcome::AddedKeys;
use crate::domain::algorithm::Algorithm;
use crate::domain::audit::Operator;
use crate::keys::change::RingChange;

/// An operator's request to rotate keys.
#[derive(Debug)]
pub struct Rotate {
    /// The algorithm; `None` for every algorithm in the ring.
    pub alg: Option<Algorithm>,
    /// Whether the new key signs at once, without being published ahead.
    pub at_once: bool,
    /// The operator.
    pub by: Operator,
}

impl Rotate {
    /// Creates the new keys. A command that finds no keys creates the first ones instead.
    pub async fn run(self, context: &KeyContext) -> Result<AddedKeys, KeysError> {
        let Self { alg, at_once, by } = self;
        let first_keys = context.create_first_keys().await?;
        if !first_keys.is_empty() {
            return Ok(AddedKeys::record(context, &by, first_keys, None).await);
        }
        let policy = context.policy().await?;
        let applied = context.apply(RingChange::Rotate { alg, at_once, policy }).await?;
        Ok(AddedKeys::record(context, &by, applied.added, Some(policy)).await)
    }
}
