//! What is wrong with the settings, said so that it can be mended: which, where, why, and what would be right.

use std::fmt;

use super::source::{SettingSource, SourcedValue, variable};

/// One thing wrong. It never quotes a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong: a key with its value and where it was found, or a file.
    pub subject: String,
    /// Why, and what would be right.
    pub what: String,
}

impl Mistake {
    pub(super) fn new(subject: impl fmt::Display, what: impl Into<String>) -> Self {
        Self { subject: subject.to_string(), what: what.into() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.what)
    }
}

/// The settings can't be used. Holds every mistake that was found, at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The mistakes, wrong values before unknown keys.
    pub mistakes: Vec<Mistake>,
}

impl From<Mistake> for ConfigError {
    fn from(mistake: Mistake) -> Self {
        Self { mistakes: vec![mistake] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mistakes.as_slice() {
            [only] => write!(f, "reading the settings: {only}"),
            all => {
                write!(f, "reading the settings: {} mistakes", all.len())?;
                all.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
            }
        }
    }
}

/// The mistake of giving a value to a key that is no setting's; `known` are those that are. The value is not shown:
/// it may be a secret under a misspelt name.
pub(super) fn unknown(key: &str, given: &SourcedValue, known: &[&str]) -> Mistake {
    let (subject, show): (String, fn(&str) -> String) = match &given.source {
        SettingSource::Environment(name) => (name.clone(), variable),
        source => (format!("{key} ({source})"), str::to_owned),
    };
    let section = format!("{key}.");
    if let Some(inside) = known.iter().find(|known| known.starts_with(&section)) {
        return Mistake::new(subject, format!("is a section, not a setting: set what is in it, as {}", show(inside)));
    }
    let above = |known: &&&str| key.strip_prefix(**known).is_some_and(|rest| rest.starts_with('.'));
    if let Some(setting) = known.iter().find(above) {
        return Mistake::new(subject, format!("is inside {}, which is one setting and no section", show(setting)));
    }
    let nearest = known.iter().min_by_key(|known| distance(key, known)).map(|key| show(key)).unwrap_or_default();
    Mistake::new(subject, format!("is no setting; the nearest is {nearest}"))
}

/// How far a mistyped key is from a known one: the section may have been forgotten, or joined by an underscore.
fn distance(key: &str, known: &str) -> usize {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let whole = strsim::damerau_levenshtein(key, known);
    let name = strsim::damerau_levenshtein(&last(key), &last(known));
    // Same name elsewhere is nearer than a different name here, but the same place breaks a tie.
    whole.min(2 * name + 1) * 100 + whole.min(99)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::RawValue;

    const KNOWN: &[&str] =
        &["data_dir", "server.listen", "server.public_url", "email.password", "email.port", "tls.key"];

    fn with_source(key: &str, source: SettingSource) -> String {
        unknown(key, &SourcedValue { value: RawValue::Other("hunter2".to_owned()), source }, KNOWN).to_string()
    }

    #[test]
    fn an_unknown_key_error_names_the_nearest_key_and_the_source() {
        for (key, nearest) in [
            ("server.lisen", "server.listen"),
            ("server.public-url", "server.public_url"),
            ("listen", "server.listen"),
            ("server_listen", "server.listen"),
            ("tls.password", "email.password"),
            ("smtp.port", "email.port"),
            ("datadir", "data_dir"),
            ("tls.key_file", "tls.key"),
        ] {
            assert_eq!(
                with_source(key, SettingSource::Flag),
                format!("{key} (command line): is no setting; the nearest is {nearest}")
            );
        }
    }

    #[test]
    fn an_unknown_variable_error_suggests_a_variable_without_the_value() {
        let name = "COUNTERSIGN_EMAIL__PASWORD".to_owned();
        assert_eq!(
            with_source("email.pasword", SettingSource::Environment(name)),
            "COUNTERSIGN_EMAIL__PASWORD: is no setting; the nearest is COUNTERSIGN_EMAIL__PASSWORD"
        );
    }

    #[test]
    fn a_section_is_distinguished_from_a_setting() {
        let file = || SettingSource::File { path: "countersign.toml".into(), line: 3 };
        assert_eq!(
            with_source("server", file()),
            "server (countersign.toml, line 3): is a section, not a setting: set what is in it, as server.listen"
        );
        assert_eq!(
            with_source("server.listen.port", file()),
            "server.listen.port (countersign.toml, line 3): is inside server.listen, which is one setting and no section"
        );
    }
}
