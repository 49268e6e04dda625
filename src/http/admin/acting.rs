//! A superuser who does something: by what name the log knows them, and how they are told no.

use axum::http::StatusCode;

use super::guard::Superuser;
use super::trouble::{Trouble, sentence};
use crate::domain::audit::Operator;
use crate::issuer::{Caller, Denied};

/// Who acts, for the log.
pub fn operator(who: &Superuser, from: Caller) -> Operator {
    let user = who.entered().user();
    Operator::Superuser { id: user.id, username: user.username.clone(), address: from.address }
}

/// The page for an act that was not let through.
pub fn denied(no: Denied) -> Trouble {
    match no {
        Denied::Rule(rule) => Trouble::told(StatusCode::CONFLICT, "That was not done", sentence(&rule.to_string())),
        Denied::Refused(refusal) => refusal.into(),
    }
}
