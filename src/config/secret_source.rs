//! What is suspicious about the sources of secrets: stray characters at their ends, and files that other users can use.
//! The texts never contain a secret.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::domain::finding::Finding;

/// The permissions that a file with a secret should not have.
const WIDER_THAN_OWNER: u32 = 0o077;
/// The permissions that a settings file without a secret should not have: to change it.
const WRITE_BY_OTHERS: u32 = 0o022;

/// Warns if a secret begins or ends with a character that is probably not part of it.
pub(super) fn stray_ends(key: &str, secret: &str, source: &str) -> Option<Finding> {
    let ends = [("begins", secret.chars().next()), ("ends", secret.chars().next_back())];
    let stray = ends.into_iter().find_map(|(where_, c)| Some((where_, name_of_stray(c?)?)));
    let (where_, what) = stray?;
    Some(Finding::new(
        key,
        format!("the secret {where_} with {what} ({source})"),
        "it is used as it is, so the other side may reject it",
        "remove the character, unless it is part of the secret",
    ))
}

fn name_of_stray(c: char) -> Option<&'static str> {
    match c {
        '\u{feff}' => Some("U+FEFF, a byte order mark"),
        '\n' | '\r' => Some("a line ending"),
        c if c.is_whitespace() => Some("white space"),
        c if c.is_control() => Some("a control character"),
        _ => None,
    }
}

/// The files from which settings were read.
#[derive(Debug, Default)]
pub(super) struct SourceFiles(BTreeMap<PathBuf, Option<String>>);

impl SourceFiles {
    /// Records a file, and the setting whose secret it holds. Of several settings, the first one is named.
    pub(super) fn add(&mut self, path: &Path, secret_key: Option<&str>) {
        let recorded = self.0.entry(path.to_owned()).or_default();
        if recorded.is_none() {
            *recorded = secret_key.map(str::to_owned);
        }
    }

    /// Warns about each file that other users can read or change.
    pub(super) fn findings(&self) -> impl Iterator<Item = Finding> + '_ {
        self.0.iter().filter_map(|(path, secret_key)| wide_file(path, secret_key.as_deref()))
    }
}

fn wide_file(path: &Path, secret_key: Option<&str>) -> Option<Finding> {
    let entry = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mode = entry.permissions().mode() & 0o777;
    let path = path.display();
    match secret_key {
        Some(key) if mode & WIDER_THAN_OWNER != 0 => Some(Finding::new(
            key,
            format!("{path}, which holds the secret, is accessible to other users (mode {mode:04o})"),
            "every user of the machine whom the mode admits can use the secret",
            format!("run `chmod 600 {path}`, or mount the secret with a narrower mode"),
        )),
        None if mode & WRITE_BY_OTHERS != 0 => Some(Finding::new(
            path.to_string(),
            format!("other users can change the settings file {path} (mode {mode:04o})"),
            "every user of the machine whom the mode admits can change the settings",
            format!("run `chmod 644 {path}`"),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stray_characters_at_the_ends_of_a_secret_are_named() {
        for (secret, expected) in [
            ("abc\n", "ends with a line ending"),
            ("abc\r", "ends with a line ending"),
            ("\nabc", "begins with a line ending"),
            (" abc", "begins with white space"),
            ("abc\t", "ends with white space"),
            ("abc\u{a0}", "ends with white space"),
            ("\u{3000}abc", "begins with white space"),
            ("\u{feff}abc", "begins with U+FEFF"),
            ("abc\u{feff}", "ends with U+FEFF"),
            ("abc\u{0}", "ends with a control character"),
            ("\u{1b}abc", "begins with a control character"),
            ("abc\u{85}", "ends with white space"),
            (" ", "begins with white space"),
        ] {
            let finding = stray_ends("email.password", secret, "default");
            assert!(finding.as_ref().is_some_and(|finding| finding.condition.contains(expected)), "{finding:?}");
            assert!(!format!("{finding:?}").contains("abc"));
        }
        for secret in ["", "abc", "a b\tc", "a\nb", "ü", "a\u{feff}b"] {
            assert_eq!(stray_ends("email.password", secret, "default"), None, "{secret:?}");
        }
    }
}
