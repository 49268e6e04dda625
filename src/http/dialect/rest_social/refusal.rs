//! The dialect's error bodies: `{"status":"…"}`.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::http::rejection::Rejection;
use crate::http::reply;
use crate::issuer::social::{SocialError, SocialRefusal};
use crate::issuer::{Fault, Refusal};

/// An error response of the dialect.
pub struct RestSocialErrorBody {
    /// The HTTP status.
    pub status: StatusCode,
    /// The message for the caller. It is ignored if there is a fault.
    message: String,
    /// The value of `Retry-After`. `None` sends no such header.
    retry_after: Option<Duration>,
    /// The internal error, for the log only.
    fault: Option<Fault>,
}

impl RestSocialErrorBody {
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

impl IntoResponse for RestSocialErrorBody {
    fn into_response(self) -> Response {
        self.response(|status, message| reply::json(status, &json!({"status": message})))
    }
}

impl From<Rejection> for RestSocialErrorBody {
    fn from(rejection: Rejection) -> Self {
        Self::new(rejection.status(), &rejection.to_string())
    }
}

impl From<SocialError> for RestSocialErrorBody {
    fn from(error: SocialError) -> Self {
        match error {
            SocialError::Social(refusal) => Self::new(status(refusal), &message_of(refusal)),
            SocialError::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Refusal> for RestSocialErrorBody {
    fn from(refusal: Refusal) -> Self {
        let error = Self::new;
        match refusal {
            Refusal::Invalid(problems) => {
                let list: Vec<String> =
                    problems.iter().map(|(field, problem)| format!("{} {problem}", field.name())).collect();
                error(StatusCode::BAD_REQUEST, &list.join(" or "))
            }
            Refusal::Taken(field) => error(StatusCode::CONFLICT, &format!("{} is taken", field.name())),
            Refusal::WrongCredentials(_) => error(StatusCode::UNAUTHORIZED, "wrong user name or password"),
            Refusal::NotSignedIn(_) => {
                error(StatusCode::UNAUTHORIZED, "missing, invalid or expired token; sign in again")
            }
            Refusal::RegistrationClosed => {
                error(StatusCode::FORBIDDEN, "registration is closed; ask the operator for an account")
            }
            Refusal::RateLimited { retry_after } => {
                let message = "too many attempts; retry after the time in Retry-After";
                Self { retry_after: Some(retry_after), ..error(StatusCode::TOO_MANY_REQUESTS, message) }
            }
            Refusal::Busy { retry_after } => {
                let message = "server is busy; retry after the time in Retry-After";
                Self { retry_after: Some(retry_after), ..error(StatusCode::SERVICE_UNAVAILABLE, message) }
            }
            Refusal::Fault(fault) => Self { fault: Some(fault), ..error(StatusCode::INTERNAL_SERVER_ERROR, "") },
        }
    }
}

fn status(refusal: SocialRefusal) -> StatusCode {
    match refusal {
        SocialRefusal::NotStarted
        | SocialRefusal::NoCode
        | SocialRefusal::Denied
        | SocialRefusal::Unreachable
        | SocialRefusal::Refused
        | SocialRefusal::NoToken
        | SocialRefusal::InvalidResponse
        | SocialRefusal::Untrusted => StatusCode::BAD_REQUEST,
        SocialRefusal::Disabled => StatusCode::FORBIDDEN,
        SocialRefusal::NotConfigured | SocialRefusal::NotLinked | SocialRefusal::NoRefreshToken => {
            StatusCode::NOT_FOUND
        }
        SocialRefusal::LinkedToOther | SocialRefusal::AlreadyLinked | SocialRefusal::LastSignInMethod => {
            StatusCode::CONFLICT
        }
    }
}

/// Returns the message of a refusal. For a missing refresh token it is empty, as in the system that this dialect
/// replaces.
fn message_of(refusal: SocialRefusal) -> String {
    if refusal == SocialRefusal::NoRefreshToken { String::new() } else { refusal.to_string() }
}
