//! The dialect's error bodies: `{"status":"ERROR","code":"<error code>","message":"…"}`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::http::dialect::message_error::EMAIL_NOT_CONFIRMED;
use crate::http::rejection::Rejection;
use crate::http::reply;
use crate::issuer::Refusal;
use crate::issuer::redeem_reset::RedeemResetError;

/// An error response of the dialect.
pub struct JwtIssuerErrorBody(Response);

impl IntoResponse for JwtIssuerErrorBody {
    fn into_response(self) -> Response {
        self.0
    }
}

impl From<Rejection> for JwtIssuerErrorBody {
    fn from(rejection: Rejection) -> Self {
        let code = match rejection {
            Rejection::MalformedBody(_) => "malformed_body",
            Rejection::WrongContentType(_) => "wrong_content_type",
            Rejection::WrongContentEncoding => "wrong_content_encoding",
            Rejection::TooLarge(_) => "body_too_large",
            Rejection::TooSlow(_) => "too_slow",
            Rejection::WrongMethod => "wrong_method",
            Rejection::ForeignOrigin => "foreign_origin",
        };
        Self(reply::error(rejection.status(), code, &rejection.to_string()))
    }
}

impl From<RedeemResetError> for JwtIssuerErrorBody {
    fn from(error: RedeemResetError) -> Self {
        match error {
            RedeemResetError::WrongCode => Self(reply::error(
                StatusCode::BAD_REQUEST,
                "wrong_reset_code",
                "reset_code is wrong, already used or expired; request a new one",
            )),
            RedeemResetError::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Refusal> for JwtIssuerErrorBody {
    fn from(refusal: Refusal) -> Self {
        let error = reply::error;
        let response = match refusal {
            Refusal::Invalid(problems) => {
                let list: Vec<String> =
                    problems.iter().map(|(field, problem)| format!("{} {problem}", field.name())).collect();
                error(StatusCode::BAD_REQUEST, "invalid_field", &list.join(" or "))
            }
            Refusal::Taken(field) => error(StatusCode::CONFLICT, "taken", &format!("{} is taken", field.name())),
            Refusal::WrongCredentials(_) => {
                reply::challenge(error(StatusCode::UNAUTHORIZED, "wrong_credentials", "wrong user name or password"))
            }
            Refusal::NotSignedIn(_) => reply::challenge(error(
                StatusCode::UNAUTHORIZED,
                "not_signed_in",
                "missing, invalid or expired token; sign in again",
            )),
            Refusal::ChangeRefused(problem) => error(StatusCode::FORBIDDEN, problem.code(), &problem.to_string()),
            Refusal::EmailNotConfirmed => error(StatusCode::FORBIDDEN, "email_not_confirmed", EMAIL_NOT_CONFIRMED),
            Refusal::RegistrationClosed => error(
                StatusCode::FORBIDDEN,
                "registration_closed",
                "registration is closed; ask the operator for an account",
            ),
            Refusal::RateLimited { retry_after } => {
                let message = "too many attempts; retry after the time in Retry-After";
                reply::retry_after(error(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", message), retry_after)
            }
            Refusal::Busy(busy) => {
                let message = "server is busy; retry after the time in Retry-After";
                reply::retry_after(error(StatusCode::SERVICE_UNAVAILABLE, "busy", message), busy.log())
            }
            Refusal::Fault(fault) => reply::fault(fault, reply::internal_error),
        };
        Self(response)
    }
}
