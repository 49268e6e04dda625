//! The error for a given key that is not a setting, with the setting that the operator probably meant.

use super::problem::ConfigProblem;
use super::source::{SettingSource, SourcedValue, variable};

/// Reports a key that is not one of the `known` settings. The error does not contain the value, because the value may
/// be a secret under a misspelt name.
pub(super) fn unknown_key(key: &str, given: &SourcedValue, known: &[&str]) -> ConfigProblem {
    let (subject, name, show): (String, &str, fn(&str) -> String) = match &given.source {
        SettingSource::Environment(name) => ("environment".to_owned(), name.as_str(), variable),
        source => (source.to_string(), key, str::to_owned),
    };
    let section = format!("{key}.");
    if let Some(inside) = known.iter().find(|known| known.starts_with(&section)) {
        let inside = show(inside);
        let message = format!("{name:?} is a section and not a setting; set one of its settings, such as {inside:?}");
        return ConfigProblem::new(subject, message);
    }
    let above = |known: &&&str| key.strip_prefix(**known).is_some_and(|rest| rest.starts_with('.'));
    if let Some(setting) = known.iter().find(above) {
        let message = format!("{name:?} is not a setting, because {:?} is a setting and not a section", show(setting));
        return ConfigProblem::new(subject, message);
    }
    let nearest = known.iter().min_by_key(|known| distance(key, known)).map(|key| show(key)).unwrap_or_default();
    ConfigProblem::new(subject, format!("unknown setting {name:?}; did you mean {nearest:?}?"))
}

/// Returns the distance between a mistyped key and a known one. The operator may have left out the section, or joined
/// it with an underscore.
fn distance(key: &str, known: &str) -> usize {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let whole = strsim::damerau_levenshtein(key, known);
    let name = strsim::damerau_levenshtein(&last(key), &last(known));
    // The same name in another section is nearer than a different name in this section. The whole key breaks ties.
    whole.min(2 * name + 1) * 100 + whole.min(99)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::RawValue;

    const KNOWN: &[&str] =
        &["data_dir", "server.listen", "server.public_url", "email.password", "email.port", "tls.key"];

    fn with_source(key: &str, source: SettingSource) -> String {
        unknown_key(key, &SourcedValue { value: RawValue::Other("hunter2".to_owned()), source }, KNOWN).to_string()
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
                format!("command line: unknown setting {key:?}; did you mean {nearest:?}?")
            );
        }
    }

    #[test]
    fn an_unknown_variable_error_suggests_a_variable_without_the_value() {
        let name = "COUNTERSIGN_EMAIL__PASWORD".to_owned();
        assert_eq!(
            with_source("email.pasword", SettingSource::Environment(name)),
            r#"environment: unknown setting "COUNTERSIGN_EMAIL__PASWORD"; did you mean "COUNTERSIGN_EMAIL__PASSWORD"?"#
        );
    }

    #[test]
    fn a_section_is_distinguished_from_a_setting() {
        let file = || SettingSource::File { path: "countersign.toml".into(), line: 3 };
        assert_eq!(
            with_source("server", file()),
            "countersign.toml:3: \"server\" is a section and not a setting; set one of its settings, such as \
             \"server.listen\""
        );
        assert_eq!(
            with_source("server.listen.port", file()),
            "countersign.toml:3: \"server.listen.port\" is not a setting, because \"server.listen\" is a setting and \
             not a section"
        );
    }
}
