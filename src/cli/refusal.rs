//! Error messages of the command line for every refusal. They contain causes, because the reader is an operator.

use anyhow::{Error, anyhow};

use crate::domain::duration::seconds_rounded_up;
use crate::issuer::{Denied, OperatorRule, Refusal};

/// Converts a refusal to an error message for the operator.
pub fn error_from_refusal(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Invalid(problems) => {
            let list: Vec<String> =
                problems.iter().map(|(field, problem)| format!("{} {problem}", field.name())).collect();
            anyhow!("{}", list.join(", "))
        }
        Refusal::Taken(field) => anyhow!("another user has that {}", field.name()),
        Refusal::WrongCredentials(problem) => anyhow!("{problem}"),
        Refusal::NotSignedIn(why) => anyhow!("{why}"),
        Refusal::ChangeRefused(problem) => anyhow!("{problem}"),
        Refusal::EmailNotConfirmed => anyhow!("the user must confirm the e-mail address first"),
        Refusal::RegistrationClosed => {
            anyhow!("registration is closed; open it with `countersign settings set registration.open true`")
        }
        Refusal::RateLimited { retry_after } => {
            anyhow!("too many attempts; retry after {} s", seconds_rounded_up(retry_after))
        }
        Refusal::Busy(busy) => {
            busy.log();
            anyhow!("the database is unavailable; check whether the disk is full, or the file is locked or read-only")
        }
        Refusal::Fault(fault) => fault.into(),
    }
}

/// Converts a denied change to an error message for the operator.
pub fn error_from_denied(denied: Denied) -> Error {
    match denied {
        Denied::Rule(OperatorRule::Disabled) => {
            anyhow!("the user is disabled; enable the user with `countersign users enable`")
        }
        Denied::Rule(rule) => rule.into(),
        Denied::Refused(refusal) => error_from_refusal(refusal),
    }
}
