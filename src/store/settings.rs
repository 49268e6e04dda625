//! Runtime settings, as the store keeps them: names and JSON values. What they mean is the domain's.

use serde_json::Value;

use super::StoreError;
use crate::domain::time::Timestamp;

/// Who set a setting last, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingChange {
    /// The setting.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// Who, by the name they had then.
    pub by: String,
}

/// Asking for settings.
pub trait ReadSettings {
    /// All stored settings; those that have their default may be missing.
    fn stored_settings(&self) -> Result<Vec<(String, Value)>, StoreError>;
    /// Who set what is stored, in order of name.
    fn setting_changes(&self) -> Result<Vec<SettingChange>, StoreError>;
}

/// Changing settings.
pub trait WriteSettings {
    /// Stores a value, and who changed it.
    fn put_setting(&self, name: &str, value: &Value, now: Timestamp, by: &str) -> Result<(), StoreError>;
    /// Forgets a stored value, so that the default is in force. False where none was stored.
    fn unset_setting(&self, name: &str) -> Result<bool, StoreError>;
}
