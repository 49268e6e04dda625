//! The dialect's words for every refusal: `{"status":<code>,"error":{"message":"…"}}`, and the same as a sentence for the
//! page.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::domain::field::Field;
use crate::http::rejection::Rejection;
use crate::http::reply;
use crate::issuer::{Fault, Refusal};

/// An answer that says no.
pub struct RestJwtErrorBody {
    /// Its status.
    pub status: StatusCode,
    /// What the caller is told; nothing of use where there is a fault.
    message: String,
    /// When to come again.
    retry_after: Option<Duration>,
    /// What broke, for the log.
    fault: Option<Fault>,
}

impl RestJwtErrorBody {
    /// A status and what to say with it.
    pub fn new(status: StatusCode, message: &str) -> Self {
        Self { status, message: message.to_owned(), retry_after: None, fault: None }
    }

    /// The answer, in a body that is made of the message.
    pub fn response(self, body: impl Fn(StatusCode, &str) -> Response + Send + Sync + 'static) -> Response {
        if let Some(fault) = self.fault {
            let said = move |id: &str| format!("something went wrong here (request {id})");
            return reply::fault(fault, move |id| body(StatusCode::INTERNAL_SERVER_ERROR, &said(id)));
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

impl From<Refusal> for RestJwtErrorBody {
    fn from(refusal: Refusal) -> Self {
        error_body(refusal, wire_field)
    }
}

/// A field of `/restore`, by its documented name.
pub fn restore_field(field: Field) -> &'static str {
    if field == Field::Email { "restoring_email" } else { wire_field(field) }
}

/// A field by the name this dialect has for it.
pub fn wire_field(field: Field) -> &'static str {
    match field {
        Field::NewPassword => "restoring_password",
        Field::ResetCode => "restoring_token",
        Field::Username | Field::Email | Field::Password => field.name(),
    }
}

/// A field as the page calls it.
pub fn page_field(field: Field) -> &'static str {
    match field {
        Field::NewPassword => "the new password",
        Field::ResetCode => "the link",
        Field::Email => "the address",
        Field::Username | Field::Password => field.name(),
    }
}

/// The words for a refusal, with a name for each field in it.
pub fn error_body(refusal: Refusal, name: fn(Field) -> &'static str) -> RestJwtErrorBody {
    let no = RestJwtErrorBody::new;
    match refusal {
        Refusal::Invalid(problems) => {
            let list: Vec<String> =
                problems.iter().map(|(field, problem)| format!("{} {problem}", name(*field))).collect();
            no(StatusCode::BAD_REQUEST, &list.join(" or "))
        }
        Refusal::Taken(field) => no(StatusCode::BAD_REQUEST, &format!("{} is taken", name(field))),
        Refusal::WrongCredentials => no(StatusCode::UNAUTHORIZED, "the username or the password is wrong"),
        Refusal::NotSignedIn(_) => {
            no(StatusCode::UNAUTHORIZED, "send a token that has not expired, of a session that has not ended")
        }
        Refusal::WrongResetCode => {
            no(StatusCode::BAD_REQUEST, "the link is wrong, used up or too old: ask for a new one")
        }
        Refusal::RegistrationClosed => no(StatusCode::FORBIDDEN, "accounts are made by an operator alone"),
        Refusal::TooMany { retry_after } => {
            let message = format!("too many tries: wait {} seconds", retry_after.as_millis().div_ceil(1000));
            RestJwtErrorBody { retry_after: Some(retry_after), ..no(StatusCode::TOO_MANY_REQUESTS, &message) }
        }
        Refusal::Busy { retry_after } => {
            let message = "too much to do at the moment: try again soon";
            RestJwtErrorBody { retry_after: Some(retry_after), ..no(StatusCode::SERVICE_UNAVAILABLE, message) }
        }
        // Nothing this dialect asks for is a provider's to refuse.
        Refusal::Social(why) => no(StatusCode::BAD_REQUEST, &why.to_string()),
        Refusal::Fault(fault) => RestJwtErrorBody { fault: Some(fault), ..no(StatusCode::INTERNAL_SERVER_ERROR, "") },
    }
}
