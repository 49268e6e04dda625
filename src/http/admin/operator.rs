//! A superuser who does something: by what name the log knows them, and how they are told no.

use axum::http::StatusCode;

use super::guard::Superuser;
use super::page_error::{PageError, sentence};
use crate::domain::audit::Operator;
use crate::issuer::{Caller, Denied};

/// Who acts, for the log.
pub fn operator(who: &Superuser, from: Caller) -> Operator {
    let user = who.signed_in().user();
    Operator::Superuser { id: user.id, username: user.username.clone(), address: from.address }
}

/// The page for an act that was not let through.
pub fn denied(no: Denied) -> PageError {
    match no {
        Denied::Rule(rule) => PageError::page(StatusCode::CONFLICT, "That was not done", sentence(&rule.to_string())),
        Denied::Refused(refusal) => refusal.into(),
    }
}
