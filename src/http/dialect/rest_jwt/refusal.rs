//! The dialect's error bodies: `{"status":<code>,"error":{"message":"…"}}`. The HTML page of `/restore` shows the
//! message as a sentence, with its own names of the fields (see [`page_field`]).

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use crate::domain::duration::seconds_rounded_up;
use crate::domain::field::Field;
use crate::http::dialect::message_error::{EMAIL_NOT_CONFIRMED, MessageErrorBody, MessageFormat};
use crate::http::reply;
use crate::issuer::Refusal;
use crate::issuer::redeem_reset::RedeemResetError;

/// An error response of the dialect.
pub type RestJwtErrorBody = MessageErrorBody<RestJwtFormat>;

/// The format of the dialect's error bodies.
pub enum RestJwtFormat {}

impl MessageFormat for RestJwtFormat {
    fn response(status: StatusCode, message: &str) -> Response {
        reply::json(status, &json!({"status": status.as_u16(), "error": {"message": message}}))
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
        Field::Username | Field::Email | Field::Password | Field::CurrentPassword => field.name(),
    }
}

/// Returns the name of a field on the HTML page of `/restore`.
pub fn page_field(field: Field) -> &'static str {
    match field {
        Field::NewPassword => "the new password",
        Field::ResetCode => "the link",
        Field::Email => "the address",
        Field::Username | Field::Password | Field::CurrentPassword => field.name(),
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
        Refusal::ChangeRefused(problem) => error(StatusCode::FORBIDDEN, &problem.to_string()),
        Refusal::EmailNotConfirmed => error(StatusCode::FORBIDDEN, EMAIL_NOT_CONFIRMED),
        Refusal::RegistrationClosed => {
            error(StatusCode::FORBIDDEN, "registration is closed; ask the operator for an account")
        }
        Refusal::RateLimited { retry_after } => {
            let message = format!("too many attempts; retry in {} s", seconds_rounded_up(retry_after));
            RestJwtErrorBody::retryable(StatusCode::TOO_MANY_REQUESTS, &message, retry_after)
        }
        Refusal::Busy(busy) => RestJwtErrorBody::busy(busy.log()),
        Refusal::Fault(fault) => RestJwtErrorBody::fault(fault),
    }
}
