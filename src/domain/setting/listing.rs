//! The settings with their values, as operators see them.

use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use serde_json::Value;

use super::definition::{Definition, SettingKind};
use super::table::definitions;

/// A setting with its effective value. It is serialised as `settings list --json` prints it.
#[derive(Clone, Debug)]
pub struct SettingRow {
    /// The definition.
    pub definition: &'static Definition,
    /// The stored value if it is valid, otherwise the default. Null means `none`.
    pub value: Value,
}

/// All settings with their values, in the order of the definitions.
pub fn rows(stored: &[(String, Value)]) -> Vec<SettingRow> {
    let row = |definition: &'static Definition| SettingRow {
        definition,
        value: definition.stored_value(stored).cloned().unwrap_or_else(|| definition.default_value()),
    };
    definitions().map(row).collect()
}

/// A value as an operator types it: `300`, `true`, `ES256`, `none`.
pub fn as_typed(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Serialize for SettingRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, unit, bounds) = match self.definition.kind {
            SettingKind::Seconds { min, max } => ("duration", Some("seconds"), Some((min, max))),
            SettingKind::Flag => ("boolean", None, None),
            SettingKind::Text | SettingKind::Claim => ("text", None, None),
            SettingKind::Choice(_) => ("choice", None, None),
        };
        let mut row = serializer.serialize_struct("SettingRow", 7)?;
        row.serialize_field("name", self.definition.name)?;
        row.serialize_field("value", &self.value)?;
        row.serialize_field("default", &self.definition.default_value())?;
        row.serialize_field("type", kind)?;
        row.serialize_field("unit", &unit)?;
        row.serialize_field("min", &bounds.map(|(min, _)| min))?;
        row.serialize_field("max", &bounds.map(|(_, max)| max))?;
        row.end()
    }
}
