//! The operator of an audit entry, and the error page for an action that was refused.

use axum::http::StatusCode;

use super::guard::Superuser;
use super::page_error::{PageError, sentence};
use crate::domain::audit::Operator;
use crate::issuer::{Caller, Denied};

/// The operator for the audit log.
pub fn operator(who: &Superuser, from: Caller) -> Operator {
    let user = who.signed_in().user();
    Operator::Superuser { id: user.id, username: user.username.clone(), address: from.address }
}

/// The error page for an action that was refused.
pub fn denied(denied: Denied) -> PageError {
    match denied {
        Denied::Rule(rule) => {
            PageError::page(StatusCode::CONFLICT, "The action was not carried out", sentence(&rule.to_string()))
        }
        Denied::Refused(refusal) => refusal.into(),
    }
}
