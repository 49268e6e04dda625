//! The dialect's error bodies: `{"status":<code>,"error":{"message":"…"}}`. The HTML page of `/restore` shows the
//! message as a sentence, with its own names of the fields (see [`page_field`]).

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::domain::field::Field;
use crate::http::rejection::Rejection;
use crate::http::reply;
use crate::issuer::redeem_reset::RedeemResetError;
use crate::issuer::{Fault, Refusal};

/// An error response of the dialect.
pub struct RestJwtErrorBody {
    /// The HTTP status.
    pub status: StatusCode,
    /// The message for the caller. It is ignored if there is a fault.
    message: String,
    /// The value of `Retry-After`. `None` sends no such header.
    retry_after: Option<Duration>,
    /// The internal error, for the log only.
    fault: Option<Fault>,
}

impl RestJwtErrorBody {
    /// Creates an error with a status and a message.
    pub fn new(status: StatusCode, message: &str) -> Self {
        Self { status, message: message.to_owned(), retry_after: None, fault: None }
    }

    /// Returns the response. `body` builds it from the status and the message.
    pub fn response(self, body: impl Fn(StatusCode, &str) -> Response + Send + Sync + 'static) -> Response {
        if let Some(fault) = self.fault {
            let message = move |id: &str| format!("internal error (request {id})");
            return reply::fault(fault, move |id| body(StatusCode::INTERNAL_SERVER_ERROR, &message(id)));
        }
        let response = body(self.status, &self.message);
        match self.retry_after {
            Some(after) => reply::retry_after(response, after),
            None if self.status == StatusCode::UNAUTHORIZED => reply::challenge(response),
            None => response,
        }
    }
}

impl IntoResponse for RestJwtErrorBody {
    fn into_response(self) -> Response {
        self.response(|status, message| {
            reply::json(status, &json!({"status": status.as_u16(), "error": {"message": message}}))
        })
    }
}

impl From<Rejection> for RestJwtErrorBody {
    fn from(rejection: Rejection) -> Self {
        Self::new(rejection.status(), &rejection.to_string())
    }
}

impl From<RedeemResetError> for RestJwtErrorBody {
    fn from(error: RedeemResetError) -> Self {
        redeem_error_body(error, wire_field)
    }
}

impl From<Refusal> for RestJwtErrorBody {
    fn from(refusal: Refusal) -> Self {
        error_body(refusal, wire_field)
    }
}

/// Returns the name of a field of `/restore` in the documentation of the original.
pub fn restore_field(field: Field) -> &'static str {
    if field == Field::Email { "restoring_email" } else { wire_field(field) }
}

/// Returns the name of a field in this dialect.
pub fn wire_field(field: Field) -> &'static str {
    match field {
        Field::NewPassword => "restoring_password",
        Field::ResetCode => "restoring_token",
        Field::Username | Field::Email | Field::Password => field.name(),
    }
}

/// Returns the name of a field on the HTML page of `/restore`.
pub fn page_field(field: Field) -> &'static str {
    match field {
        Field::NewPassword => "the new password",
        Field::ResetCode => "the link",
        Field::Email => "the address",
        Field::Username | Field::Password => field.name(),
    }
}

/// Returns the error response for a link that was not redeemed. `name` returns the name of a field in the message.
pub fn redeem_error_body(error: RedeemResetError, name: fn(Field) -> &'static str) -> RestJwtErrorBody {
    match error {
        RedeemResetError::WrongCode => {
            let message = "the link is invalid, already used or expired; request a new one";
            RestJwtErrorBody::new(StatusCode::BAD_REQUEST, message)
        }
        RedeemResetError::Refused(refusal) => error_body(refusal, name),
    }
}

/// Returns the error response for a refusal. `name` returns the name of a field in the message.
pub fn error_body(refusal: Refusal, name: fn(Field) -> &'static str) -> RestJwtErrorBody {
    let error = RestJwtErrorBody::new;
    match refusal {
        Refusal::Invalid(problems) => {
            let list: Vec<String> =
                problems.iter().map(|(field, problem)| format!("{} {problem}", name(*field))).collect();
            error(StatusCode::BAD_REQUEST, &list.join(" or "))
        }
        Refusal::Taken(field) => error(StatusCode::BAD_REQUEST, &format!("{} is taken", name(field))),
        Refusal::WrongCredentials(_) => error(StatusCode::UNAUTHORIZED, "wrong user name or password"),
        Refusal::NotSignedIn(_) => error(StatusCode::UNAUTHORIZED, "missing, invalid or expired token; sign in again"),
        Refusal::RegistrationClosed => {
            error(StatusCode::FORBIDDEN, "registration is closed; ask the operator for an account")
        }
        Refusal::RateLimited { retry_after } => {
            let message = format!("too many attempts; retry in {} s", retry_after.as_millis().div_ceil(1000));
            RestJwtErrorBody { retry_after: Some(retry_after), ..error(StatusCode::TOO_MANY_REQUESTS, &message) }
        }
        Refusal::Busy { retry_after } => {
            let message = "server is busy; retry after the time in Retry-After";
            RestJwtErrorBody { retry_after: Some(retry_after), ..error(StatusCode::SERVICE_UNAVAILABLE, message) }
        }
        Refusal::Fault(fault) => {
            RestJwtErrorBody { fault: Some(fault), ..error(StatusCode::INTERNAL_SERVER_ERROR, "") }
        }
    }
}
