//! Where settings come from: the file, the environment, the command line; read into one flat map of dotted keys.
//!
//! Nothing here knows which settings exist or what they mean.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::mistake::Mistake;

/// What every variable's name begins with.
pub(super) const PREFIX: &str = "COUNTERSIGN_";

/// Where a setting was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingSource {
    /// Nowhere: it is built in, or follows from others.
    Default,
    /// In the settings file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// In the environment variable of this name.
    Environment(String),
    /// On the command line.
    Flag,
}

impl fmt::Display for SettingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// A value as it was found, before anyone asked what it should be. Texts may be secrets: they are wiped.
#[derive(Clone)]
pub(super) enum RawValue {
    /// From a place without types: may turn out as a text, a number, a boolean or a comma-separated list.
    Word(Zeroizing<String>),
    /// A text in quotes.
    Text(Zeroizing<String>),
    Integer(i64),
    Boolean(bool),
    List(Vec<RawValue>),
    /// Something no setting takes: a date, a fraction, a table in a list.
    Other(String),
}

impl RawValue {
    fn word(text: String) -> Self {
        Self::Word(Zeroizing::new(text))
    }
}

/// A value and where it was found.
#[derive(Clone)]
pub(super) struct SourcedValue {
    pub(super) value: RawValue,
    pub(super) source: SettingSource,
}

/// What is given, by dotted key; later layers have replaced earlier ones.
pub(super) type SourcedValues = BTreeMap<String, SourcedValue>;

/// Adds what the settings file says.
pub(super) fn read_file(path: &Path, into: &mut SourcedValues) -> Result<(), Mistake> {
    let bytes = Zeroizing::new(std::fs::read(path).map_err(|e| {
        let advice = if e.kind() == std::io::ErrorKind::NotFound { ": name another with --config" } else { "" };
        Mistake::new(path.display(), format!("cannot be read: {e}{advice}"))
    })?);
    let text = std::str::from_utf8(&bytes).map_err(|_| Mistake::new(path.display(), "is not UTF-8 text"))?;
    read_toml(text, path, into)
}

/// Adds what a TOML text says; `path` is where it is said to come from.
pub(super) fn read_toml(text: &str, path: &Path, into: &mut SourcedValues) -> Result<(), Mistake> {
    let line_of = |offset: usize| 1 + text.bytes().take(offset).filter(|b| *b == b'\n').count();
    // The parser's own display quotes the line, which may hold a secret: only its message is used.
    let table = DeTable::parse(text).map_err(|e| {
        let line = e.span().map(|span| format!(", line {}", line_of(span.start))).unwrap_or_default();
        Mistake::new(format_args!("{}{line}", path.display()), format!("is not TOML: {}", e.message()))
    })?;
    flatten(table.get_ref(), "", &mut |key, value, offset| {
        let source = SettingSource::File { path: path.to_owned(), line: line_of(offset) };
        into.insert(key, SourcedValue { value, source });
    });
    Ok(())
}

fn flatten(table: &DeTable<'_>, prefix: &str, found: &mut impl FnMut(String, RawValue, usize)) {
    for (name, value) in table {
        // A quoted name with a dot in it must not pass for two levels.
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

/// Adds what the environment says: `COUNTERSIGN_SERVER__LISTEN` is `server.listen`.
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

/// Whether nobody meant the variable as a setting: our scripts are told by `COUNTERSIGN_BIN` which binary to run, and an
/// orchestrator puts others there because a service is called "countersign" (`COUNTERSIGN_PORT=tcp://…`,
/// `COUNTERSIGN_SERVICE_HOST`).
fn is_foreign_variable(rest: &str, value: &str) -> bool {
    rest == "BIN"
        || rest == "SERVICE_HOST"
        || rest.starts_with("SERVICE_PORT")
        || (rest == "PORT" && value.contains("://"))
        || (rest.starts_with("PORT_") && (rest.contains("_TCP") || rest.contains("_UDP")))
}

/// Adds what the command line says, as pairs of a dotted key and a value.
pub(super) fn read_flags(flags: Vec<(String, String)>, into: &mut SourcedValues) {
    for (key, value) in flags {
        into.insert(key, SourcedValue { value: RawValue::word(value), source: SettingSource::Flag });
    }
}

/// The name of the variable that sets `key`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}
