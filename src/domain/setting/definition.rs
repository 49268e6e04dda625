//! The definition of a runtime setting: its name, kind, bounds and default, and how operators enter its values.

use serde_json::Value;

use super::super::claims::is_reserved;
use super::super::duration;

/// The type and the bounds of a setting.
#[derive(Clone, Copy, Debug)]
pub enum SettingKind {
    /// A number of seconds.
    Seconds {
        /// The minimum (inclusive).
        min: u64,
        /// The maximum (inclusive).
        max: u64,
    },
    /// `true` or `false`.
    Flag,
    /// A text of 1 to 255 characters without control characters.
    Text,
    /// The name of a claim: 1 to 64 characters without control characters, and not reserved unless it is `user_id`.
    Claim,
    /// One of these values.
    Choice(&'static [&'static str]),
}

/// The value of a setting if none is stored.
#[derive(Clone, Copy, Debug)]
pub(super) enum DefaultValue {
    /// `none`: the setting is optional.
    None,
    /// A number of seconds.
    Seconds(u64),
    /// `true` or `false`.
    Flag(bool),
    /// A text, a claim or a choice.
    Text(&'static str),
}

/// The definition of one setting.
#[derive(Debug)]
pub struct Definition {
    /// The name, with dots between its levels.
    pub name: &'static str,
    /// The type and the bounds.
    pub kind: SettingKind,
    /// A short description of the setting.
    pub description: &'static str,
    pub(super) default: DefaultValue,
}

/// Why the name or the value of a setting is rejected.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingError {
    /// No setting has this name.
    #[error("unknown setting \"{name}\"{}", nearest.as_ref().map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default())]
    Unknown {
        /// The requested name.
        name: String,
        /// The most similar name. `None` if no name is similar.
        nearest: Option<&'static str>,
    },
    /// The value is out of bounds or of another type.
    #[error("\"{name}\" must be {allowed}, not \"{value}\"")]
    InvalidValue {
        /// The name of the setting.
        name: &'static str,
        /// A description of the allowed values.
        allowed: String,
        /// The rejected value.
        value: String,
    },
}

impl Definition {
    /// The value if none is stored. Null means `none`.
    pub fn default_value(&self) -> Value {
        match self.default {
            DefaultValue::None => Value::Null,
            DefaultValue::Seconds(seconds) => seconds.into(),
            DefaultValue::Flag(flag) => flag.into(),
            DefaultValue::Text(text) => text.into(),
        }
    }

    /// Whether the value may be `none`. The default is then `none`.
    pub const fn is_optional(&self) -> bool {
        matches!(self.default, DefaultValue::None)
    }

    /// Parses a value as an operator types it: `300`, `5m`, `true`, `ES256`, `none`.
    ///
    /// # Errors
    /// The value is out of bounds or of another type.
    pub fn parse(&self, text: &str) -> Result<Value, SettingError> {
        let typed = match self.kind {
            _ if text == "none" => Some(Value::Null),
            SettingKind::Seconds { .. } => {
                text.parse().ok().or_else(|| Some(duration::parse(text)?.as_secs())).map(Value::from)
            }
            SettingKind::Flag => text.parse::<bool>().ok().map(Value::from),
            SettingKind::Text | SettingKind::Claim | SettingKind::Choice(_) => Some(Value::from(text)),
        };
        typed.filter(|value| self.is_valid(value)).ok_or_else(|| self.invalid_value(text))
    }

    /// Whether a value has the type of the setting and is within its bounds.
    pub fn is_valid(&self, value: &Value) -> bool {
        if value.is_null() {
            return self.is_optional();
        }
        match self.kind {
            SettingKind::Seconds { min, max } => value.as_u64().is_some_and(|seconds| (min..=max).contains(&seconds)),
            SettingKind::Flag => value.is_boolean(),
            SettingKind::Text => value.as_str().is_some_and(|text| is_printable(text, 255)),
            SettingKind::Claim => {
                value.as_str().is_some_and(|name| is_printable(name, 64) && (name == "user_id" || !is_reserved(name)))
            }
            SettingKind::Choice(of) => value.as_str().is_some_and(|choice| of.contains(&choice)),
        }
    }

    /// The valid stored value of the setting. `None` if no value is stored, or one that is no longer valid.
    pub(super) fn stored_value<'a>(&self, stored: &'a [(String, Value)]) -> Option<&'a Value> {
        let (_, value) = stored.iter().find(|(name, _)| name == self.name)?;
        self.is_valid(value).then_some(value)
    }

    /// A description of the allowed values.
    pub fn allowed(&self) -> String {
        let values = match self.kind {
            SettingKind::Seconds { min, max } => format!("{min} to {max} seconds"),
            SettingKind::Flag => "true or false".to_owned(),
            SettingKind::Text => "a text of 1 to 255 characters".to_owned(),
            SettingKind::Claim => {
                "the name of a claim of 1 to 64 characters that is not reserved, or user_id".to_owned()
            }
            SettingKind::Choice(of) => of.join(" or "),
        };
        if self.is_optional() { format!("{values}, or none") } else { values }
    }

    fn invalid_value(&self, value: &str) -> SettingError {
        let hint = if matches!(self.kind, SettingKind::Seconds { .. }) { " (300 and 5m are the same)" } else { "" };
        let allowed = format!("{}{hint}", self.allowed());
        SettingError::InvalidValue { name: self.name, allowed, value: value.to_owned() }
    }
}

/// Whether a text has 1 to `max` characters and no control characters.
fn is_printable(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}
