//! Error pages. A handler returns a [`PageError`] with `?`. The layer of the zone renders it, because the conversion into
//! a response has no access to the templates.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::form_problem::{WRONG_CREDENTIALS, form_problem};
use crate::domain::duration::seconds_rounded_up;
use crate::http::format::sentence;
use crate::http::rejection::Rejection;
use crate::issuer::{Denied, Fault, OperatorRule, Refusal};

/// The result of a handler.
pub type PageResult = Result<Response, PageError>;

/// Why a handler does not return the requested page.
#[derive(Clone, Debug)]
pub enum PageError {
    /// An error page.
    Page {
        /// The status of the response.
        status: StatusCode,
        /// What happened, as a title.
        title: &'static str,
        /// The reason, and what to do. May be empty.
        message: String,
        /// The value for `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// An internal error (500). The page shows only the request id.
    Internal(Arc<Fault>),
}

impl PageError {
    /// The page or the object does not exist (404).
    pub const NOT_FOUND: Self = Self::plain(StatusCode::NOT_FOUND, "Page not found", String::new());
    /// The page does not support the method (405).
    pub const WRONG_METHOD: Self = Self::plain(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", String::new());

    const fn plain(status: StatusCode, title: &'static str, message: String) -> Self {
        Self::Page { status, title, message, retry_after: None }
    }

    /// An error page.
    pub fn page(status: StatusCode, title: &'static str, message: impl Into<String>) -> Self {
        Self::plain(status, title, message.into())
    }

    /// The CSRF token or the origin of the form is not valid, the token belongs to another session, or the cookie of an
    /// anonymous browser is missing or expired (403).
    pub fn forged() -> Self {
        let message = "The form does not belong to your current session, or the page with the form has expired. \
                       Nothing was changed. Go back, reload the page, and send the form again.";
        Self::page(StatusCode::FORBIDDEN, "This form was not accepted", message)
    }
}

/// A placeholder, which the layer of the zone replaces with the rendered page.
impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Fault> for PageError {
    fn from(fault: Fault) -> Self {
        Self::Internal(Arc::new(fault))
    }
}

impl From<Denied> for PageError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Rule(OperatorRule::NoUser | OperatorRule::NoSession) => Self::NOT_FOUND,
            Denied::Rule(rule) => {
                Self::page(StatusCode::CONFLICT, "The action was not carried out", sentence(&rule.to_string()))
            }
            Denied::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Rejection> for PageError {
    fn from(rejection: Rejection) -> Self {
        Self::page(rejection.status(), "The request is not valid", sentence(&rejection.to_string()))
    }
}

impl From<Refusal> for PageError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(_) | Refusal::Taken(_) => {
                let message = form_problem(&refusal).unwrap_or_default();
                Self::page(StatusCode::BAD_REQUEST, "The input is not valid", message)
            }
            // No page of a zone takes an access token, so that no use case refuses one.
            Refusal::WrongCredentials(_) | Refusal::NotSignedIn(_) | Refusal::ChangeRefused(_) => {
                Self::page(StatusCode::FORBIDDEN, "Wrong credentials", WRONG_CREDENTIALS)
            }
            // No page of a zone opens a session in a dialect.
            Refusal::EmailNotConfirmed => {
                Self::page(StatusCode::FORBIDDEN, "The e-mail address is not confirmed", "Confirm the address first.")
            }
            Refusal::RegistrationClosed => {
                Self::page(StatusCode::FORBIDDEN, "Registration is closed", "Only an operator can create accounts.")
            }
            Refusal::RateLimited { retry_after } => Self::Page {
                status: StatusCode::TOO_MANY_REQUESTS,
                title: "Too many attempts",
                message: format!("Try again in {} s.", seconds_rounded_up(retry_after)),
                retry_after: Some(retry_after),
            },
            Refusal::Busy(busy) => Self::Page {
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "The server is busy",
                message: "Nothing was changed. Try again in a moment.".to_owned(),
                retry_after: Some(busy.log()),
            },
            Refusal::Fault(fault) => fault.into(),
        }
    }
}
