//! Rotates keys.

use super::context::KeyContext;
use super::error::KeysError;
use super::outcome::{AddedKeys, RecordedChange};
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
        // First, because unreadable settings must prevent the change before any key is created.
        let policy = context.policy().await?;
        let (keys, unrecorded) = context.create_first_keys(&by).await?;
        if !keys.is_empty() {
            return Ok(AddedKeys { keys, policy: None, unrecorded });
        }
        let rotate = RingChange::Rotate { alg, at_once, policy };
        let RecordedChange { applied, unrecorded } = context.apply(rotate, by).await?;
        Ok(AddedKeys { keys: applied.added, policy: Some(policy), unrecorded })
    }
}
