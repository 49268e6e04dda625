//! The command line's words for every refusal: for an operator, who may know why.

use anyhow::{Error, anyhow};

use crate::issuer::{Denied, Refusal};

/// What to tell the operator.
pub fn refusal_error(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Invalid(problems) => {
            let list: Vec<String> =
                problems.iter().map(|(field, problem)| format!("{} {problem}", field.name())).collect();
            anyhow!("{}", list.join(", "))
        }
        Refusal::Taken(field) => anyhow!("another user has that {}", field.name()),
        Refusal::WrongCredentials => anyhow!("the user is disabled: see `countersign users enable`"),
        Refusal::NotSignedIn(why) => anyhow!("{why}"),
        Refusal::WrongResetCode => anyhow!("the reset code is wrong, used up or too old"),
        Refusal::RegistrationClosed => {
            anyhow!("registration is closed: see `countersign settings set registration.open true`")
        }
        Refusal::TooMany { retry_after } => anyhow!("too many tries: wait {} seconds", retry_after.as_secs()),
        Refusal::Busy { .. } => {
            anyhow!("the database does not answer (is the disk full, or the file locked or read-only?)")
        }
        Refusal::Social(why) => anyhow!("{why}"),
        Refusal::Fault(fault) => fault.into(),
    }
}

/// What to tell the operator whose change was not made.
pub fn denied_error(denied: Denied) -> Error {
    match denied {
        Denied::Rule(rule) => rule.into(),
        Denied::Refused(refusal) => refusal_error(refusal),
    }
}
