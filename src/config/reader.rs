//! Reads settings one by one. Each call defines one setting: its key, its default and its allowed values.
//!
//! After an invalid value, the reader records the error and continues with the default, so that one run finds every
//! error. The keys that were read are the list of settings. A given key that was not read is unknown.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs::File;
use std::io::Read as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::problem::{ConfigError, ConfigProblem};
use super::secret_source::{SourceFiles, stray_ends};
use super::source::{RawValue, SettingSource, SourcedValue, SourcedValues};
use super::unknown_key::unknown_key;
use super::value::{self, ParsedValue};
use crate::domain::finding::Finding;
use crate::domain::secret::SecretText;

/// The maximum size of a file with a secret, in bytes. It is longer than any secret, and limits the read if the wrong file
/// is named, for example a device.
const SECRET_FILE_MAX: u64 = 64 * 1024;

/// The value of a setting for something that never happens.
const NEVER: &str = "never";

/// A setting in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootSetting {
    /// The dotted key, such as `server.listen`.
    pub key: String,
    /// The value as TOML (a secret is shown as `"…"`); `None`: not set, and without a default.
    pub value: Option<String>,
    /// The source of the value.
    pub source: SettingSource,
}

pub(super) struct Reader {
    given: SourcedValues,
    used: BTreeSet<String>,
    invalid: BTreeSet<String>,
    settings: Vec<BootSetting>,
    problems: Vec<ConfigProblem>,
    warnings: Vec<Finding>,
    source_files: SourceFiles,
}

impl Reader {
    pub(super) fn new(given: SourcedValues) -> Self {
        Self {
            given,
            used: BTreeSet::new(),
            invalid: BTreeSet::new(),
            settings: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            source_files: SourceFiles::default(),
        }
    }

    /// Reads one setting. If `read` rejects the given value, records the error and returns the default.
    fn setting<T>(
        &mut self,
        key: &str,
        default: (T, Option<String>),
        read: impl FnOnce(&RawValue) -> ParsedValue<T>,
    ) -> T {
        self.used.insert(key.to_owned());
        let ((value, display), source) = match self.given.get(key) {
            None => (default, SettingSource::Default),
            Some(given) => match read(&given.value) {
                Ok(parsed) => (parsed, given.source.clone()),
                Err(message) => {
                    let subject = format!("{}: {key} = {}", given.source, value::format_value(&given.value));
                    self.note(key, ConfigProblem::new(subject, message));
                    (default, SettingSource::Default)
                }
            },
        };
        self.settings.push(BootSetting { key: key.to_owned(), value: display, source });
        value
    }

    /// Records an error under a key.
    fn note(&mut self, key: &str, problem: ConfigProblem) {
        self.invalid.insert(key.to_owned());
        self.problems.push(problem);
    }

    /// Reads a text that `parse` accepts.
    ///
    /// # Panics
    /// If `parse` rejects the default. The tests read every constant default. A default that is derived from another
    /// setting must be valid for each value of that setting.
    pub(super) fn text<T, E: Display>(&mut self, key: &str, default: &str, parse: impl Fn(&str) -> Result<T, E>) -> T {
        let Ok(fallback) = parse(default) else { panic!("the default of {key} is not valid") };
        self.derived(key, fallback, default, parse)
    }

    /// Reads a text that `parse` accepts, with a default that is derived from another setting and not parsed.
    pub(super) fn derived<T, E: Display>(
        &mut self,
        key: &str,
        default: T,
        shown: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> T {
        self.setting(key, (default, Some(value::quote(shown))), |given| {
            let text = value::text(given)?;
            Ok((parse(text).map_err(|e| e.to_string())?, Some(value::quote(text))))
        })
    }

    /// Reads an optional text that `parse` accepts. An empty text counts as absent.
    pub(super) fn optional<T, E: Display>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        self.setting(key, (None, None), |given| match value::text(given)? {
            "" => Ok((None, None)),
            text => Ok((Some(parse(text).map_err(|e| e.to_string())?), Some(value::quote(text)))),
        })
    }

    /// Reads one of several words.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, default: &str, choices: &[(&str, T)]) -> T {
        self.text(key, default, |text| {
            choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice).ok_or_else(|| {
                let names: Vec<_> = choices.iter().map(|(name, _)| value::quote(name)).collect();
                format!("must be {}", names.join(" or "))
            })
        })
    }

    /// Reads a duration in whole seconds within the bounds (inclusive), written with a unit.
    pub(super) fn duration(&mut self, key: &str, default: &str, bounds: RangeInclusive<Duration>) -> Duration {
        let Ok(fallback) = value::duration(default, &bounds) else { panic!("the default of {key} is not valid") };
        self.setting(key, (fallback, Some(value::quote(default))), |given| value::whole_duration(given, &bounds))
    }

    /// Reads a duration like [`Reader::duration`], or the word `never`, which is `None`. An empty text counts as absent.
    pub(super) fn duration_or_never(
        &mut self,
        key: &str,
        default: &str,
        bounds: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let Ok(fallback) = value::duration(default, &bounds) else { panic!("the default of {key} is not valid") };
        let fallback = (Some(fallback), Some(value::quote(default)));
        self.setting(key, fallback.clone(), |given| match given {
            RawValue::Word(text) | RawValue::Text(text) if text.trim().is_empty() => Ok(fallback),
            RawValue::Word(text) | RawValue::Text(text) if text.trim() == NEVER => {
                Ok((None, Some(value::quote(NEVER))))
            }
            _ => match value::whole_duration(given, &bounds) {
                Ok((found, shown)) => Ok((Some(found), shown)),
                Err(message) => Err(format!("{message}, or {}", value::quote(NEVER))),
            },
        })
    }

    /// Reads a whole number within the bounds (inclusive).
    pub(super) fn number<T>(&mut self, key: &str, default: T, bounds: RangeInclusive<T>) -> T
    where
        T: Copy + Display + PartialOrd + TryFrom<i64>,
    {
        self.setting(key, (default, Some(default.to_string())), |given| {
            let allowed = || format!("must be a whole number from {} to {}", bounds.start(), bounds.end());
            let number = value::integer(given).and_then(|number| T::try_from(number).ok()).ok_or_else(allowed)?;
            if bounds.contains(&number) { Ok((number, Some(number.to_string()))) } else { Err(allowed()) }
        })
    }

    /// Reads a boolean.
    pub(super) fn flag(&mut self, key: &str, default: bool) -> bool {
        self.setting(key, (default, Some(default.to_string())), |given| {
            let truth = value::boolean(given).ok_or("must be true or false")?;
            Ok((truth, Some(truth.to_string())))
        })
    }

    /// Reads a list of texts that `parse` accepts. It is displayed in the form that `parse` returns.
    ///
    /// # Panics
    /// If `parse` rejects a default. The tests read every default.
    pub(super) fn list<T: Display, E: Display>(
        &mut self,
        key: &str,
        default: &[&str],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let read = |texts: &[&str]| -> ParsedValue<Vec<T>> {
            let each = |text: &&str| parse(text).map_err(|e| format!("{}: {e}", value::quote(text)));
            let found = texts.iter().map(each).collect::<Result<Vec<T>, _>>()?;
            let quoted: Vec<_> = found.iter().map(|item| value::quote(&item.to_string())).collect();
            Ok((found, Some(format!("[{}]", quoted.join(", ")))))
        };
        let Ok(fallback) = read(default) else { panic!("the default of {key} is not valid") };
        self.setting(key, fallback, |given| read(&value::string_list(given)?))
    }

    /// Reads an optional secret. Instead of the secret, the environment may name a file that contains it (`…_FILE`).
    /// The command line overrides this file, and this file overrides the settings file. It is an error if the
    /// environment sets both the secret and the file.
    pub(super) fn secret(&mut self, key: &str) -> Option<SecretText> {
        let file_key = format!("{key}_file");
        let file =
            self.given.get(&file_key).filter(|file| matches!(file.source, SettingSource::Environment(_))).cloned();
        let direct = self.given.get(key).cloned();
        self.used.insert(key.to_owned());
        if file.is_some() {
            self.used.insert(file_key);
        }
        let (found, source) = match (direct, file) {
            (None, None) => (Ok(None), SettingSource::Default),
            (
                Some(SourcedValue { source: SettingSource::Environment(name), .. }),
                Some(SourcedValue { source, .. }),
            ) => (Err(format!("{name} and {source} are both set; remove one of them")), source),
            (Some(SourcedValue { value, source }), None)
            | (Some(SourcedValue { value, source: source @ SettingSource::Flag }), _) => {
                (value::secret(&value), source)
            }
            (_, Some(SourcedValue { value, source })) => {
                if let Ok(path) = value::text(&value) {
                    self.source_files.add(Path::new(path), Some(key));
                }
                (read_secret(&value).map(Some), source)
            }
        };
        let secret = found.unwrap_or_else(|message| {
            self.note(key, ConfigProblem::new(format_args!("{source}: {key}"), message));
            None
        });
        if let Some(secret) = &secret {
            self.warnings.extend(stray_ends(key, secret.expose(), &source.to_string()));
            if let SettingSource::File { path, .. } = &source {
                self.source_files.add(path, Some(key));
            }
        }
        let value = secret.as_ref().map(|_| "\"…\"".to_owned());
        self.settings.push(BootSetting { key: key.to_owned(), value, source });
        secret
    }

    /// Reads a secret like [`Reader::secret`], but rejects an empty text: a passphrase that is empty by mistake would
    /// leave the keys unencrypted, or make encrypted keys unreadable.
    pub(super) fn non_empty_secret(&mut self, key: &str) -> Option<SecretText> {
        if let Some(SourcedValue { value: RawValue::Word(text) | RawValue::Text(text), source }) = self.given.get(key)
            && value::without_line_ending(text).is_empty()
        {
            let message = "must not be empty; set the secret, or remove the setting";
            let problem = ConfigProblem::new(format_args!("{source}: {key}"), message);
            self.note(key, problem);
        }
        self.secret(key)
    }

    /// Whether the operator has given a value for this key, valid or not.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// Returns the names that the operator gave to the subsections of `section`, for example of `social.oidc`.
    pub(super) fn names(&self, section: &str) -> BTreeSet<String> {
        let under = self.given.keys().filter_map(|key| key.strip_prefix(section)?.strip_prefix('.')?.split_once('.'));
        under.map(|(name, _)| name.to_owned()).collect()
    }

    /// Records an error that does not belong to a single key.
    pub(super) fn record(&mut self, problem: ConfigProblem) {
        self.problems.push(problem);
    }

    /// If `holds` is false, records an error about this combination of keys and marks the first key as invalid. Does
    /// nothing if one of the keys already has an error.
    pub(super) fn require(&mut self, keys: &[&str], holds: bool, message: &str) {
        if holds || keys.iter().any(|key| self.invalid.contains(*key)) {
            return;
        }
        let named = |key: &&str| {
            let setting = self.settings.iter().rev().find(|setting| setting.key == *key && setting.value.is_some())?;
            Some(format!("{key} = {} ({})", setting.value.as_deref()?, setting.source))
        };
        let subject = keys.iter().filter_map(named).collect::<Vec<_>>().join(", ");
        self.note(keys[0], ConfigProblem::new(subject, message));
    }

    /// Reads an optional path of a file that holds a secret.
    pub(super) fn secret_path<E: Display>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<PathBuf, E>,
    ) -> Option<PathBuf> {
        let path = self.optional(key, parse);
        if let Some(path) = &path {
            self.source_files.add(path, Some(key));
        }
        path
    }

    /// Returns every setting that was read, and the warnings about the sources of the secrets.
    ///
    /// # Errors
    /// All recorded errors, and one error for each given key that is unknown.
    pub(super) fn finish(mut self) -> Result<(Vec<BootSetting>, Vec<Finding>), ConfigError> {
        for given in self.given.values() {
            if let SettingSource::File { path, .. } = &given.source {
                self.source_files.add(path, None);
            }
        }
        let known: Vec<&str> = self.settings.iter().map(|setting| setting.key.as_str()).collect();
        let unused = self.given.iter().filter(|(key, _)| !self.used.contains(*key));
        self.problems.extend(unused.map(|(key, given)| unknown_key(key, given, &known)));
        if !self.problems.is_empty() {
            return Err(ConfigError { problems: self.problems });
        }
        self.warnings.extend(self.source_files.findings());
        Ok((self.settings, self.warnings))
    }
}

/// Reads the secret from the file that a variable names, without one line ending. The error never contains any of the
/// file's content.
fn read_secret(path: &RawValue) -> Result<SecretText, String> {
    let path = value::text(path)?;
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(SECRET_FILE_MAX + 1).read_to_end(&mut bytes))
        .map_err(|e| format!("cannot read {}: {e}", value::quote(path)))?;
    if bytes.len() as u64 > SECRET_FILE_MAX {
        return Err(format!("{} has more than {SECRET_FILE_MAX} bytes", value::quote(path)));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{} is not UTF-8 text", value::quote(path)))?;
    match value::without_line_ending(text) {
        "" => Err(format!("{} is empty; write the secret into it", value::quote(path))),
        secret => Ok(SecretText::new(secret.to_owned())),
    }
}
