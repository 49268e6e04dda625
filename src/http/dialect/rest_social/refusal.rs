//! The dialect's error bodies: `{"status":"…"}`.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use crate::http::dialect::message_error::{EMAIL_NOT_CONFIRMED, MessageErrorBody, MessageFormat};
use crate::http::reply;
use crate::issuer::Refusal;
use crate::issuer::social::{SocialError, SocialRefusal};

/// An error response of the dialect.
pub type RestSocialErrorBody = MessageErrorBody<RestSocialFormat>;

/// The format of the dialect's error bodies.
pub enum RestSocialFormat {}

impl MessageFormat for RestSocialFormat {
    fn response(status: StatusCode, message: &str) -> Response {
        reply::json(status, &json!({"status": message}))
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
            Refusal::ChangeRefused(problem) => error(StatusCode::FORBIDDEN, &problem.to_string()),
            Refusal::EmailNotConfirmed => error(StatusCode::FORBIDDEN, EMAIL_NOT_CONFIRMED),
            Refusal::RegistrationClosed => {
                error(StatusCode::FORBIDDEN, "registration is closed; ask the operator for an account")
            }
            Refusal::RateLimited { retry_after } => {
                let message = "too many attempts; retry after the time in Retry-After";
                Self::retryable(StatusCode::TOO_MANY_REQUESTS, message, retry_after)
            }
            Refusal::Busy(busy) => Self::busy(busy.log()),
            Refusal::Fault(fault) => Self::fault(fault),
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
        | SocialRefusal::Untrusted
        | SocialRefusal::TokenTooLarge => StatusCode::BAD_REQUEST,
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
