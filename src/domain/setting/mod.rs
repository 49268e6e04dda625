//! The runtime settings. One row per setting defines its name, type, bounds, unit and default.
//!
//! Runtime settings are stored in the database and apply without a restart. Settings that are needed before the
//! database is open are boot settings, which belong to `config`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::algorithm::Algorithm;
use super::claims::RESERVED;
use super::dialect::Dialect;
use super::profile::{AccessType, Profile};
use super::session::RefreshPolicy;
use super::time::Timestamp;

const MINUTE: u64 = 60;
const DAY: u64 = 86_400;
const YEAR: u64 = 366 * DAY;

/// The stored name of [`Settings::promised_until`], in Unix seconds. It is stored with the settings but is not a
/// setting.
pub const PROMISED_UNTIL: &str = "keys.promised_until";
/// The stored name of [`Settings::former_audiences`], an object with audiences as names and Unix seconds as values. It
/// is stored with the settings but is not a setting.
pub const FORMER_AUDIENCES: &str = "tokens.former_audiences";

/// The type and the bounds of a setting.
#[derive(Clone, Copy, Debug)]
pub enum SettingKind {
    /// A number of seconds.
    Seconds {
        /// The minimum (inclusive).
        min: u64,
        /// The maximum (inclusive).
        max: u64,
        /// Whether the value may be `none`.
        optional: bool,
    },
    /// `true` or `false`.
    Flag,
    /// A text of 1 to 255 characters without control characters.
    Text {
        /// Whether the value may be `none`.
        optional: bool,
    },
    /// The name of a claim: 1 to 64 characters without control characters, and not reserved unless it is `user_id`.
    Claim,
    /// One of several fixed values.
    Choice {
        /// The allowed values.
        of: &'static [&'static str],
        /// Whether the value may be `none`.
        optional: bool,
    },
}

/// The definition of one setting.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The name, with dots between its levels.
    pub name: &'static str,
    /// The type and the bounds.
    pub kind: SettingKind,
    /// The value if none is stored. Null means `none`.
    pub default: Value,
    /// A short description of the setting.
    pub description: &'static str,
}

const ALGORITHMS: &[&str] = &["ES256", "RS256"];
const TYPES: &[&str] = &["JWT", "at+jwt"];

macro_rules! rows {
    ($($name:expr, $kind:expr, $default:expr, $description:expr;)*) => {
        vec![$(Definition { name: $name, kind: $kind, default: Value::from($default), description: $description }),*]
    };
}

macro_rules! profile_rows {
    ($name:literal, $access:expr, $refresh:expr) => {
        rows! {
            concat!("profiles.", $name, ".access_lifetime"), SettingKind::Seconds { min: 1, max: 90 * DAY, optional: false },
                $access, "lifetime of an access token";
            concat!("profiles.", $name, ".refresh_lifetime"), SettingKind::Seconds { min: 1, max: 10 * YEAR, optional: false },
                $refresh, "lifetime of a session from sign-in, or from its last refresh or renewal";
            concat!("profiles.", $name, ".algorithm"), SettingKind::Choice { of: ALGORITHMS, optional: true },
                Value::Null, "signature algorithm of access tokens; none means tokens.algorithm";
            concat!("profiles.", $name, ".audience"), SettingKind::Text { optional: true },
                Value::Null, "the aud claim of access tokens; none means tokens.audience";
            concat!("profiles.", $name, ".typ"), SettingKind::Choice { of: TYPES, optional: false },
                "JWT", "the typ header of access tokens";
        }
    };
}

/// The definitions of all runtime settings.
pub fn definitions() -> Vec<Definition> {
    let mut all = profile_rows!("jwt_issuer", DAY, 30 * DAY);
    all.extend(profile_rows!("rest_jwt", DAY, 30 * DAY));
    all.extend(profile_rows!("rest_social", DAY, 30 * DAY));
    all.extend(profile_rows!("drf_pyjwt", 30, 30 * DAY));
    all.extend(profile_rows!("simplejwt", 5 * MINUTE, DAY));
    all.extend(rows! {
        "profiles.simplejwt.rotate_refresh_tokens", SettingKind::Flag, false,
            "whether a refresh returns a new refresh token";
        "profiles.simplejwt.blacklist_after_rotation", SettingKind::Flag, false,
            "whether a refresh token is refused once it has been rotated";
        "profiles.simplejwt.user_id_claim", SettingKind::Claim, "user_id", "the name of the claim that contains the integer user id";
        "sessions.reuse_grace", SettingKind::Seconds { min: 0, max: 5 * MINUTE, optional: false }, 10,
            "time after a rotation for which the previous refresh token still returns the same new refresh token";
        "sessions.max_age", SettingKind::Seconds { min: 60, max: 10 * YEAR, optional: true }, Value::Null,
            "maximum lifetime of a session, regardless of refreshes";
        "passwords.reset_timeout", SettingKind::Seconds { min: 1, max: 7 * DAY, optional: false }, 15 * MINUTE,
            "time for which a reset code or link is valid";
        "registration.open", SettingKind::Flag, true, "whether anyone may register";
    });
    all
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
        nearest: Option<String>,
    },
    /// The value is out of bounds or of another type.
    #[error("\"{name}\" must be {allowed}, not \"{value}\"")]
    InvalidValue {
        /// The name of the setting.
        name: String,
        /// A description of the allowed values.
        allowed: String,
        /// The rejected value.
        value: String,
    },
}

impl Definition {
    /// Finds the definition with this name.
    pub fn find(name: &str) -> Result<Self, SettingError> {
        let all = definitions();
        let nearest = || {
            let scored = all.iter().map(|row| (strsim::jaro_winkler(row.name, name), row.name));
            scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, near)| near.to_owned())
        };
        all.iter()
            .find(|row| row.name == name)
            .cloned()
            .ok_or_else(|| SettingError::Unknown { name: name.to_owned(), nearest: nearest() })
    }

    /// Parses a value as an operator types it: `300`, `5m`, `true`, `ES256`, `none`.
    pub fn parse(&self, text: &str) -> Result<Value, SettingError> {
        let typed = match self.kind {
            _ if text == "none" => Some(Value::Null),
            SettingKind::Seconds { .. } => {
                text.parse().ok().or_else(|| Some(humantime::parse_duration(text).ok()?.as_secs())).map(Value::from)
            }
            SettingKind::Flag => text.parse::<bool>().ok().map(Value::from),
            SettingKind::Text { .. } | SettingKind::Claim | SettingKind::Choice { .. } => Some(Value::from(text)),
        };
        typed.filter(|value| self.is_valid(value)).ok_or_else(|| self.invalid_value(text))
    }

    /// Whether a value has the type of the setting and is within its bounds.
    pub fn is_valid(&self, value: &Value) -> bool {
        match (self.kind, value) {
            (
                SettingKind::Seconds { optional, .. }
                | SettingKind::Text { optional }
                | SettingKind::Choice { optional, .. },
                Value::Null,
            ) => optional,
            (SettingKind::Seconds { min, max, .. }, value) => {
                value.as_u64().is_some_and(|seconds| (min..=max).contains(&seconds))
            }
            (SettingKind::Flag, value) => value.is_boolean(),
            (SettingKind::Text { .. }, value) => value
                .as_str()
                .is_some_and(|text| (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control)),
            (SettingKind::Claim, value) => value.as_str().is_some_and(|name| {
                (1..=64).contains(&name.chars().count())
                    && !name.chars().any(char::is_control)
                    && (name == "user_id" || !RESERVED.contains(&name))
            }),
            (SettingKind::Choice { of, .. }, value) => value.as_str().is_some_and(|choice| of.contains(&choice)),
        }
    }

    /// A description of the allowed values.
    pub fn allowed(&self) -> String {
        let (values, optional) = match self.kind {
            SettingKind::Seconds { min, max, optional } => (format!("{min} to {max} seconds"), optional),
            SettingKind::Flag => ("true or false".to_owned(), false),
            SettingKind::Text { optional } => ("a text of 1 to 255 characters".to_owned(), optional),
            SettingKind::Claim => {
                ("the name of a claim of 1 to 64 characters that is not reserved, or user_id".to_owned(), false)
            }
            SettingKind::Choice { of, optional } => (of.join(" or "), optional),
        };
        if optional { format!("{values}, or none") } else { values }
    }

    fn invalid_value(&self, value: &str) -> SettingError {
        let hint = if matches!(self.kind, SettingKind::Seconds { .. }) { " (300 and 5m are the same)" } else { "" };
        let allowed = format!("{}{hint}", self.allowed());
        SettingError::InvalidValue { name: self.name.to_owned(), allowed, value: value.to_owned() }
    }
}

/// A setting with its current value, as `settings list --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct SettingRow {
    /// The name.
    pub name: &'static str,
    /// The effective value. Null means `none`.
    pub value: Value,
    /// The value if none is stored.
    pub default: Value,
    /// `duration`, `boolean`, `text` or `choice`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `seconds` if the value is a number.
    pub unit: Option<&'static str>,
    /// The minimum if the value is a number.
    pub min: Option<u64>,
    /// The maximum if the value is a number.
    pub max: Option<u64>,
}

/// The effective values of all settings: an immutable snapshot.
#[derive(Clone, Debug)]
pub struct Settings {
    values: BTreeMap<&'static str, Value>,
    promised_until: Option<Timestamp>,
    former_audiences: BTreeMap<String, Timestamp>,
    profiles: Vec<Profile>,
}

impl Settings {
    /// Builds a snapshot from stored values and defaults. A stored value that is no longer valid is ignored.
    pub fn new(stored: &[(String, Value)]) -> Self {
        let values = definitions().into_iter().map(|row| {
            let valid = stored.iter().find(|(name, value)| name == row.name && row.is_valid(value));
            (row.name, valid.map_or(row.default, |(_, value)| value.clone()))
        });
        let values = values.collect();
        let extra = |name: &str| stored.iter().find(|(stored_name, _)| stored_name == name).map(|(_, value)| value);
        let date = |at: &Value| at.as_i64().map(Timestamp::from_unix);
        let promised_until = extra(PROMISED_UNTIL).and_then(date);
        let former = extra(FORMER_AUDIENCES).and_then(Value::as_object).into_iter().flatten();
        let former_audiences = former.filter_map(|(name, until)| Some((name.clone(), date(until)?))).collect();
        let mut settings = Self { values, promised_until, former_audiences, profiles: Vec::new() };
        settings.profiles = Dialect::ALL.into_iter().map(|dialect| settings.build_profile(dialect)).collect();
        settings
    }

    /// The profile of a dialect.
    pub fn profile(&self, dialect: Dialect) -> &Profile {
        &self.profiles[dialect as usize]
    }

    /// How long a reset code or link is valid.
    pub fn reset_timeout(&self) -> Duration {
        self.seconds("passwords.reset_timeout").unwrap_or_default()
    }

    /// Whether anyone may register.
    pub fn is_registration_open(&self) -> bool {
        self.flag("registration.open")
    }

    /// The latest `exp` of tokens issued before an access-token lifetime was lowered. `None` if none was lowered.
    pub fn promised_until(&self) -> Option<Timestamp> {
        self.promised_until
    }

    /// The previous audiences of profiles, each with the latest `exp` of tokens issued for it.
    pub fn former_audiences(&self) -> &BTreeMap<String, Timestamp> {
        &self.former_audiences
    }

    /// The longest access-token lifetime of all profiles. A key stays published at least this long after it stops
    /// signing.
    pub fn longest_access_lifetime(&self) -> Duration {
        self.profiles.iter().map(|profile| profile.access_lifetime).max().unwrap_or_default()
    }

    /// All settings with their values and bounds.
    pub fn rows(&self) -> Vec<SettingRow> {
        let row = |definition: Definition| {
            let (kind, unit, bounds) = match definition.kind {
                SettingKind::Seconds { min, max, .. } => ("duration", Some("seconds"), Some((min, max))),
                SettingKind::Flag => ("boolean", None, None),
                SettingKind::Text { .. } | SettingKind::Claim => ("text", None, None),
                SettingKind::Choice { .. } => ("choice", None, None),
            };
            SettingRow {
                name: definition.name,
                value: self.value(definition.name).clone(),
                default: definition.default,
                kind,
                unit,
                min: bounds.map(|(min, _)| min),
                max: bounds.map(|(_, max)| max),
            }
        };
        definitions().into_iter().map(row).collect()
    }

    fn value(&self, name: &str) -> &Value {
        self.values.get(name).unwrap_or(&Value::Null)
    }

    fn seconds(&self, name: &str) -> Option<Duration> {
        self.value(name).as_u64().map(Duration::from_secs)
    }

    fn flag(&self, name: &str) -> bool {
        self.value(name).as_bool().unwrap_or_default()
    }

    fn build_profile(&self, dialect: Dialect) -> Profile {
        let setting = |key: &str| format!("profiles.{dialect}.{key}");
        let text = |key: &str| self.value(&setting(key)).as_str().map(str::to_owned);
        let rotates = match dialect {
            Dialect::DrfPyjwt => true,
            Dialect::Simplejwt => self.flag("profiles.simplejwt.rotate_refresh_tokens"),
            Dialect::JwtIssuer | Dialect::RestJwt | Dialect::RestSocial => false,
        };
        // In djangorestframework-simplejwt, blacklisting has no effect without rotation.
        let blacklists = dialect != Dialect::Simplejwt || self.flag("profiles.simplejwt.blacklist_after_rotation");
        Profile {
            dialect,
            access_lifetime: self.seconds(&setting("access_lifetime")).unwrap_or_default(),
            refresh: RefreshPolicy {
                lifetime: self.seconds(&setting("refresh_lifetime")).unwrap_or_default(),
                max_age: self.seconds("sessions.max_age"),
                rotate: rotates,
                reuse_grace: self.seconds("sessions.reuse_grace").unwrap_or_default(),
                earlier_stay_valid: rotates && !blacklists,
            },
            algorithm: text("algorithm").and_then(|name| name.parse::<Algorithm>().ok()),
            audience: text("audience"),
            typ: if text("typ").as_deref() == Some("at+jwt") { AccessType::AtJwt } else { AccessType::Jwt },
            user_id_claim: text("user_id_claim").unwrap_or_else(|| "user_id".to_owned()),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(&[])
    }
}

#[cfg(test)]
mod tests;
