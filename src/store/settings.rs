//! Runtime settings, as the store keeps them: names and JSON values. What they mean is the domain's.

use serde_json::Value;

use super::StoreError;
use crate::domain::time::Timestamp;

/// Asking for settings.
pub trait ReadSettings {
    /// All stored settings; those that have their default may be missing.
    fn stored_settings(&self) -> Result<Vec<(String, Value)>, StoreError>;
}

/// Changing settings.
pub trait WriteSettings {
    /// Stores a value, and who changed it.
    fn put_setting(&self, name: &str, value: &Value, now: Timestamp, by: &str) -> Result<(), StoreError>;
}
