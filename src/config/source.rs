//! Reads the sources of settings (file, environment, command line) into one flat map of dotted keys.
//!
//! This module does not know which settings exist or what they mean.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::problem::ConfigProblem;

/// The prefix of the environment variables.
pub(super) const PREFIX: &str = "COUNTERSIGN_";

/// The source of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingSource {
    /// No source sets it: the value is built in or derived from other settings.
    Default,
    /// The settings file.
    File {
        /// The path of the file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// The environment variable of this name.
    Environment(String),
    /// The command line.
    Flag,
}

impl fmt::Display for SettingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// A value before its type is checked. A text may be a secret, so it is wiped from memory when dropped.
#[derive(Clone)]
pub(super) enum RawValue {
    /// A value from a source without types (environment, command line). It is read as a text, a number, a boolean or a
    /// comma-separated list.
    Word(Zeroizing<String>),
    /// A TOML string.
    Text(Zeroizing<String>),
    Integer(i64),
    Boolean(bool),
    List(Vec<RawValue>),
    /// A value that no setting accepts: a date, a float, an integer beyond 64 bits, or a table in a list.
    Other(String),
}

impl RawValue {
    fn word(text: String) -> Self {
        Self::Word(Zeroizing::new(text))
    }
}

/// A value and its source.
#[derive(Clone)]
pub(super) struct SourcedValue {
    pub(super) value: RawValue,
    pub(super) source: SettingSource,
}

/// The given values by dotted key. A later source replaces the value of an earlier one.
pub(super) type SourcedValues = BTreeMap<String, SourcedValue>;

/// Adds the values of the settings file.
pub(super) fn read_file(path: &Path, into: &mut SourcedValues) -> Result<(), ConfigProblem> {
    let bytes = Zeroizing::new(std::fs::read(path).map_err(|e| {
        let advice =
            if e.kind() == std::io::ErrorKind::NotFound { "; name an existing file with --config" } else { "" };
        ConfigProblem::new(path.display(), format!("cannot be read: {e}{advice}"))
    })?);
    let text = std::str::from_utf8(&bytes).map_err(|_| ConfigProblem::new(path.display(), "is not UTF-8 text"))?;
    read_toml(text, path, into)
}

/// Adds the values of a TOML text; `path` is the file that errors name.
pub(super) fn read_toml(text: &str, path: &Path, into: &mut SourcedValues) -> Result<(), ConfigProblem> {
    let line_of = |offset: usize| 1 + text.bytes().take(offset).filter(|b| *b == b'\n').count();
    // Only the message of the parser's error is used, because its `Display` quotes the line, which may contain a
    // secret.
    let table = DeTable::parse(text).map_err(|e| {
        let line = e.span().map(|span| format!(":{}", line_of(span.start))).unwrap_or_default();
        ConfigProblem::new(format_args!("{}{line}", path.display()), format!("invalid TOML: {}", e.message()))
    })?;
    flatten(table.get_ref(), "", &mut |key, value, offset| {
        let source = SettingSource::File { path: path.to_owned(), line: line_of(offset) };
        into.insert(key, SourcedValue { value, source });
    });
    Ok(())
}

fn flatten(table: &DeTable<'_>, prefix: &str, found: &mut impl FnMut(String, RawValue, usize)) {
    for (name, value) in table {
        // A dot in a quoted name does not separate a section from a setting.
        let plain = !name.get_ref().contains('.');
        let name_as_written = if plain { Cow::clone(name.get_ref()) } else { format!("\"{}\"", name.get_ref()).into() };
        let key = format!("{prefix}{name_as_written}");
        match value.get_ref() {
            DeValue::Table(inner) => flatten(inner, &format!("{key}."), found),
            other => found(key, from_toml(other), name.span().start),
        }
    }
}

fn from_toml(value: &DeValue<'_>) -> RawValue {
    match value {
        DeValue::String(text) => RawValue::Text(Zeroizing::new(text.to_string())),
        DeValue::Integer(i) => match i64::from_str_radix(i.as_str(), i.radix()) {
            Ok(integer) => RawValue::Integer(integer),
            Err(_) => RawValue::Other(i.to_string()),
        },
        DeValue::Boolean(truth) => RawValue::Boolean(*truth),
        DeValue::Array(items) => RawValue::List(items.iter().map(|item| from_toml(item.get_ref())).collect()),
        DeValue::Float(float) => RawValue::Other(float.as_str().to_owned()),
        DeValue::Datetime(date) => RawValue::Other(date.to_string()),
        DeValue::Table(_) => RawValue::Other("{…}".to_owned()),
    }
}

/// Adds the values of the environment: `COUNTERSIGN_SERVER__LISTEN` sets `server.listen`.
pub(super) fn read_environment(variables: impl IntoIterator<Item = (String, String)>, into: &mut SourcedValues) {
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if is_foreign_variable(rest, &value) {
            continue;
        }
        let key = rest.to_lowercase().replace("__", ".");
        into.insert(key, SourcedValue { value: RawValue::word(value), source: SettingSource::Environment(name) });
    }
}

/// Whether a variable with the prefix is not a setting. Countersign's scripts read `COUNTERSIGN_BIN`, the binary to
/// run, and images set `COUNTERSIGN_VERSION`. Kubernetes sets variables for each service of the namespace.
fn is_foreign_variable(rest: &str, value: &str) -> bool {
    rest == "BIN" || rest == "VERSION" || is_service_variable(rest, value)
}

/// Whether Kubernetes derives the variable from the name of a service: `countersign`, or `countersign-` and more. The
/// variables of a service `NAME` are `NAME_SERVICE_HOST`, `NAME_SERVICE_PORT`, `NAME_SERVICE_PORT_<port name>`,
/// `NAME_PORT=tcp://…`, and `NAME_PORT_<number>_<protocol>` with `_PROTO`, `_PORT` or `_ADDR` or nothing at the end.
fn is_service_variable(rest: &str, value: &str) -> bool {
    // What follows the name of the service. A name ends with a letter or a digit.
    let endings = rest.match_indices('_').map(|(at, _)| (&rest[..at], &rest[at + 1..]));
    let mut endings =
        endings.filter(|(name, _)| name.ends_with(|c: char| c.is_ascii_alphanumeric())).map(|(_, end)| end);
    let is_service_ending = |ending: &str| match ending {
        "SERVICE_HOST" | "SERVICE_PORT" => true,
        "PORT" => value.contains("://"),
        _ => {
            // The name of a port has no two hyphens in a row, so this is not the name of a section.
            ending.strip_prefix("SERVICE_PORT_").is_some_and(|port| !port.contains("__"))
                || ending.strip_prefix("PORT_").is_some_and(is_port_ending)
        }
    };
    is_service_ending(rest) || endings.any(is_service_ending)
}

/// Whether this is `<number>_<protocol>`, with `_PROTO`, `_PORT` or `_ADDR` or nothing at the end.
fn is_port_ending(ending: &str) -> bool {
    let mut parts = ending.split('_');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    parts.next().is_some_and(is_number)
        && parts.next().is_some_and(|protocol| ["TCP", "UDP", "SCTP"].contains(&protocol))
        && parts.next().is_none_or(|member| ["PROTO", "PORT", "ADDR"].contains(&member))
        && parts.next().is_none()
}

/// Adds the values of the command line: pairs of a dotted key and a value.
pub(super) fn read_flags(flags: Vec<(String, String)>, into: &mut SourcedValues) {
    for (key, value) in flags {
        into.insert(key, SourcedValue { value: RawValue::word(value), source: SettingSource::Flag });
    }
}

/// Returns the name of the environment variable that sets `key`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}
