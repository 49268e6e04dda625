//! Reads settings one by one: each call is one row (key, default, what is allowed), and the only place that knows it.
//!
//! A wrong value is noted and its default goes on in its place, so that one reading finds every mistake. What is
//! given but was never asked for is unknown; what was asked for is the list of settings.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use zeroize::Zeroizing;

use super::mistake::{ConfigError, Mistake, unknown};
use super::source::{RawValue, SettingSource, SourcedValue, SourcedValues};
use super::value::{self, ParsedValue};
use crate::domain::secret::SecretText;

/// A setting in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its dotted key, as in `server.listen`.
    pub key: String,
    /// Its value as TOML (a secret's is `"…"`); none where it is not set and has no default.
    pub value: Option<String>,
    /// Where it was found.
    pub source: SettingSource,
}

pub(super) struct Reader {
    given: SourcedValues,
    used: BTreeSet<String>,
    wrong: BTreeSet<String>,
    settings: Vec<Setting>,
    mistakes: Vec<Mistake>,
}

impl Reader {
    pub(super) fn new(given: SourcedValues) -> Self {
        Self { given, used: BTreeSet::new(), wrong: BTreeSet::new(), settings: Vec::new(), mistakes: Vec::new() }
    }

    fn setting<T>(
        &mut self,
        key: &str,
        default: (T, Option<String>),
        read: impl FnOnce(&RawValue) -> ParsedValue<T>,
    ) -> T {
        self.used.insert(key.to_owned());
        let ((value, shown), source) = match self.given.get(key) {
            None => (default, SettingSource::Default),
            Some(given) => match read(&given.value) {
                Ok(found) => (found, given.source.clone()),
                Err(what) => {
                    let subject = format!("{key} = {} ({})", value::shown(&given.value), given.source);
                    self.note(key, Mistake::new(subject, what));
                    (default, SettingSource::Default)
                }
            },
        };
        self.settings.push(Setting { key: key.to_owned(), value: shown, source });
        value
    }

    fn note(&mut self, key: &str, mistake: Mistake) {
        self.wrong.insert(key.to_owned());
        self.mistakes.push(mistake);
    }

    /// A text that `parse` understands.
    ///
    /// # Panics
    /// If it does not understand the default: the tests read every default.
    pub(super) fn text<T, E: Display>(&mut self, key: &str, default: &str, parse: impl Fn(&str) -> Result<T, E>) -> T {
        let Ok(fallback) = parse(default) else { panic!("the default of {key} is not valid") };
        self.setting(key, (fallback, Some(value::quoted(default))), |given| {
            let text = value::text(given)?;
            Ok((parse(text).map_err(|e| e.to_string())?, Some(value::quoted(text))))
        })
    }

    /// A text that `parse` understands, or none: absent and empty are the same.
    pub(super) fn optional<T, E: Display>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        self.setting(key, (None, None), |given| match value::text(given)? {
            "" => Ok((None, None)),
            text => Ok((Some(parse(text).map_err(|e| e.to_string())?), Some(value::quoted(text)))),
        })
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, default: &str, choices: &[(&str, T)]) -> T {
        self.text(key, default, |text| {
            choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice).ok_or_else(|| {
                let names: Vec<_> = choices.iter().map(|(name, _)| value::quoted(name)).collect();
                format!("use {}", names.join(" or "))
            })
        })
    }

    /// A time of whole seconds within bounds, written with its unit.
    pub(super) fn duration(&mut self, key: &str, default: &str, bounds: RangeInclusive<Duration>) -> Duration {
        let Ok(fallback) = value::duration(default, &bounds) else { panic!("the default of {key} is not valid") };
        self.setting(key, (fallback, Some(value::quoted(default))), |given| value::whole_duration(given, &bounds))
    }

    /// A time as [`Reader::duration`], or none: absent and empty are the same.
    pub(super) fn optional_duration(&mut self, key: &str, bounds: RangeInclusive<Duration>) -> Option<Duration> {
        self.setting(key, (None, None), |given| match given {
            RawValue::Word(text) | RawValue::Text(text) if text.trim().is_empty() => Ok((None, None)),
            _ => value::whole_duration(given, &bounds).map(|(found, shown)| (Some(found), shown)),
        })
    }

    /// A whole number within bounds.
    pub(super) fn number<T>(&mut self, key: &str, default: T, bounds: RangeInclusive<T>) -> T
    where
        T: Copy + Display + PartialOrd + TryFrom<i64>,
    {
        self.setting(key, (default, Some(default.to_string())), |given| {
            let allowed = || format!("use a whole number from {} to {}", bounds.start(), bounds.end());
            let number = value::integer(given).and_then(|number| T::try_from(number).ok()).ok_or_else(allowed)?;
            if bounds.contains(&number) { Ok((number, Some(number.to_string()))) } else { Err(allowed()) }
        })
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, key: &str, default: bool) -> bool {
        self.setting(key, (default, Some(default.to_string())), |given| {
            let truth = value::boolean(given).ok_or("use true or false")?;
            Ok((truth, Some(truth.to_string())))
        })
    }

    /// A list of texts that `parse` understands.
    ///
    /// # Panics
    /// If it does not understand the defaults: the tests read every default.
    pub(super) fn list<T, E: Display>(
        &mut self,
        key: &str,
        default: &[&str],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let read = |texts: &[&str]| -> ParsedValue<Vec<T>> {
            let each = |text: &&str| parse(text).map_err(|e| format!("{}: {e}", value::quoted(text)));
            let found = texts.iter().map(each).collect::<Result<_, _>>()?;
            let quoted: Vec<_> = texts.iter().map(|text| value::quoted(text)).collect();
            Ok((found, Some(format!("[{}]", quoted.join(", ")))))
        };
        let Ok(fallback) = read(default) else { panic!("the default of {key} is not valid") };
        self.setting(key, fallback, |given| read(&value::texts(given)?))
    }

    /// A secret, or none. The environment may name a file that holds it instead: `…_FILE`.
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
            ) => (Err(format!("{name} and {source} are both set: leave one out")), source),
            (Some(SourcedValue { value, source }), None)
            | (Some(SourcedValue { value, source: source @ SettingSource::Flag }), _) => {
                (value::secret(&value), source)
            }
            (_, Some(SourcedValue { value, source })) => (read_secret(&value).map(Some), source),
        };
        let secret = found.unwrap_or_else(|what| {
            self.note(key, Mistake::new(format_args!("{key} ({source})"), what));
            None
        });
        let value = secret.as_ref().map(|_| "\"…\"".to_owned());
        self.settings.push(Setting { key: key.to_owned(), value, source });
        secret
    }

    /// As [`Reader::secret`], for one that an empty text must not turn off: a variable that came out empty would leave
    /// the keys unencrypted, or lock their owner out.
    pub(super) fn non_empty_secret(&mut self, key: &str) -> Option<SecretText> {
        if let Some(SourcedValue { value: RawValue::Word(text) | RawValue::Text(text), source }) = self.given.get(key)
            && text.is_empty()
        {
            let mistake =
                Mistake::new(format_args!("{key} ({source})"), "is empty: put the secret in it, or leave it out");
            self.note(key, mistake);
        }
        self.secret(key)
    }

    /// The names given under a section whose keys are names of the operator's choosing.
    pub(super) fn names(&self, section: &str) -> BTreeSet<String> {
        let under = self.given.keys().filter_map(|key| key.strip_prefix(section)?.strip_prefix('.')?.split_once('.'));
        under.map(|(name, _)| name.to_owned()).collect()
    }

    /// Notes a mistake that is no single key's.
    pub(super) fn refuse(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    /// Notes a mistake that lies between several keys, under the first of them, unless one of them is wrong by itself.
    pub(super) fn require(&mut self, keys: &[&str], holds: bool, what: &str) {
        if holds || keys.iter().any(|key| self.wrong.contains(*key)) {
            return;
        }
        let named = |key: &&str| {
            let setting = self.settings.iter().rev().find(|setting| setting.key == *key && setting.value.is_some())?;
            Some(format!("{key} = {} ({})", setting.value.as_deref()?, setting.source))
        };
        let subject = keys.iter().filter_map(named).collect::<Vec<_>>().join(", ");
        self.note(keys[0], Mistake::new(subject, what));
    }

    /// Every setting asked for, if nothing was wrong and nothing else given.
    pub(super) fn finish(mut self) -> Result<Vec<Setting>, ConfigError> {
        let known: Vec<&str> = self.settings.iter().map(|setting| setting.key.as_str()).collect();
        let strangers = self.given.iter().filter(|(key, _)| !self.used.contains(*key));
        self.mistakes.extend(strangers.map(|(key, given)| unknown(key, given, &known)));
        if self.mistakes.is_empty() { Ok(self.settings) } else { Err(ConfigError { mistakes: self.mistakes }) }
    }
}

/// The secret in the file that a variable names. Neither its content nor a part of it is ever in the error.
fn read_secret(path: &RawValue) -> Result<SecretText, String> {
    let path = value::text(path)?;
    let bytes = std::fs::read(path).map(Zeroizing::new).map_err(|e| format!("reading {}: {e}", value::quoted(path)))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{} is not UTF-8 text", value::quoted(path)))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("{} is empty: put the secret in it", value::quoted(path))),
        secret => Ok(SecretText::new(secret.to_owned())),
    }
}
