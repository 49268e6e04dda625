//! A runtime setting with the Rust type of its values. There is one constructor for each kind of setting, so that the
//! type, the allowed values and the default agree.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::Value;

use super::super::algorithm::Algorithm;
use super::super::email_confirmation::VerifyEmail;
use super::super::token_kind::{TokenKind, Typ};
use super::definition::{DefaultValue, Definition, SettingKind};

/// A runtime setting whose value is a `T`.
#[derive(Debug)]
pub(super) struct Setting<T: 'static> {
    /// The name, the allowed values and the description.
    pub definition: Definition,
    /// The same value as the default of the definition.
    default: T,
    /// Converts a valid stored value.
    read: fn(&Value) -> Option<T>,
}

impl<T: Clone> Setting<T> {
    /// The stored value, or the default if no valid value is stored.
    pub fn value_in(&self, stored: &[(String, Value)]) -> T {
        let stored = self.definition.stored_value(stored);
        stored.and_then(self.read).unwrap_or_else(|| self.default.clone())
    }
}

const fn definition(
    name: &'static str,
    kind: SettingKind,
    default: DefaultValue,
    description: &'static str,
) -> Definition {
    Definition { name, kind, description, default }
}

impl Setting<Duration> {
    /// A duration of `min` to `max` seconds (inclusive).
    pub const fn seconds(name: &'static str, [min, max]: [u64; 2], default: u64, description: &'static str) -> Self {
        let kind = SettingKind::Seconds { min, max };
        Self {
            definition: definition(name, kind, DefaultValue::Seconds(default), description),
            default: Duration::from_secs(default),
            read: |value| value.as_u64().map(Duration::from_secs),
        }
    }
}

impl Setting<Option<Duration>> {
    /// A duration of `min` to `max` seconds (inclusive), or `none`.
    pub const fn optional_seconds(name: &'static str, [min, max]: [u64; 2], description: &'static str) -> Self {
        Self {
            definition: definition(name, SettingKind::Seconds { min, max }, DefaultValue::None, description),
            default: None,
            read: |value| value.as_u64().map(|seconds| Some(Duration::from_secs(seconds))),
        }
    }
}

impl Setting<bool> {
    /// `true` or `false`.
    pub const fn flag(name: &'static str, default: bool, description: &'static str) -> Self {
        Self {
            definition: definition(name, SettingKind::Flag, DefaultValue::Flag(default), description),
            default,
            read: Value::as_bool,
        }
    }
}

impl Setting<Option<String>> {
    /// A text of 1 to 255 characters, or `none`.
    pub const fn optional_text(name: &'static str, description: &'static str) -> Self {
        Self {
            definition: definition(name, SettingKind::Text, DefaultValue::None, description),
            default: None,
            read: |value| value.as_str().map(|text| Some(text.to_owned())),
        }
    }
}

impl Setting<Cow<'static, str>> {
    /// The name of a claim.
    pub const fn claim(name: &'static str, default: &'static str, description: &'static str) -> Self {
        Self {
            definition: definition(name, SettingKind::Claim, DefaultValue::Text(default), description),
            default: Cow::Borrowed(default),
            read: |value| value.as_str().map(|claim| Cow::Owned(claim.to_owned())),
        }
    }
}

impl Setting<Option<Algorithm>> {
    /// A signature algorithm, or `none`.
    pub const fn optional_algorithm(name: &'static str, description: &'static str) -> Self {
        Self {
            definition: definition(name, SettingKind::Choice(&Algorithm::NAMES), DefaultValue::None, description),
            default: None,
            read: |value| value.as_str()?.parse().ok().map(Some),
        }
    }
}

impl Setting<VerifyEmail> {
    /// What a registration requires of the e-mail address.
    pub const fn verify_email(name: &'static str, default: VerifyEmail, description: &'static str) -> Self {
        let kind = SettingKind::Choice(&VerifyEmail::NAMES);
        Self {
            definition: definition(name, kind, DefaultValue::Text(default.name()), description),
            default,
            read: |value| VerifyEmail::from_name(value.as_str()?),
        }
    }
}

/// The `typ` headers that an access token may have.
const ACCESS_TYPS: &[Typ] = TokenKind::Access.row().typs;
const ACCESS_TYP_NAMES: [&str; ACCESS_TYPS.len()] = [ACCESS_TYPS[0].name(), ACCESS_TYPS[1].name()];

impl Setting<Typ> {
    /// The `typ` header of access tokens.
    pub const fn access_typ(name: &'static str, default: Typ, description: &'static str) -> Self {
        let kind = SettingKind::Choice(&ACCESS_TYP_NAMES);
        Self {
            definition: definition(name, kind, DefaultValue::Text(default.name()), description),
            default,
            read: |value| ACCESS_TYPS.iter().copied().find(|typ| value.as_str() == Some(typ.name())),
        }
    }
}
