//! Errors in the settings: which setting, where it is set, what is wrong, and how to fix it.

use std::fmt;

/// One error in the settings. It never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The place of the error: a file, or the source of a setting with its key and value.
    pub subject: String,
    /// What is wrong and how to fix it.
    pub message: String,
}

impl ConfigProblem {
    pub(super) fn new(subject: impl fmt::Display, message: impl Into<String>) -> Self {
        Self { subject: subject.to_string(), message: message.into() }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.message)
    }
}

/// All errors found in the settings, at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The errors: invalid values first, then unknown keys.
    pub problems: Vec<ConfigProblem>,
}

impl From<ConfigProblem> for ConfigError {
    fn from(problem: ConfigProblem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] => write!(f, "configuration error: {only}"),
            all => {
                write!(f, "{} configuration errors:", all.len())?;
                all.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}
