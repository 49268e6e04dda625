//! Runtime settings: names and JSON values. The domain defines their meaning.

use serde_json::Value;

use super::error::StoreError;
use crate::domain::time::Timestamp;

/// The last change of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingChange {
    /// The name of the setting.
    pub name: String,
    /// When it was changed.
    pub at: Timestamp,
    /// Who changed it: the operator's user name at that time, or the command line.
    pub by: String,
}

/// Reads settings.
pub trait ReadSettings {
    /// Returns all stored settings. A setting without a stored value has its default.
    fn stored_settings(&self) -> Result<Vec<(String, Value)>, StoreError>;
    /// Returns a number that every change of a setting changes. A restored backup may have any number.
    fn settings_revision(&self) -> Result<u64, StoreError>;
    /// Returns the last change of each stored setting, ordered by name.
    fn setting_changes(&self) -> Result<Vec<SettingChange>, StoreError>;
}

/// Changes settings.
pub trait WriteSettings {
    /// Stores a value and the operator who changed it.
    fn put_setting(&self, name: &str, value: &Value, now: Timestamp, by: &str) -> Result<(), StoreError>;
    /// Deletes a stored value, so that the default applies. Returns false if no value was stored.
    fn unset_setting(&self, name: &str) -> Result<bool, StoreError>;
}
