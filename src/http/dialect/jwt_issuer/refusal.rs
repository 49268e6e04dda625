//! The dialect's words for every refusal: `{"status":"ERROR","code":"<machine word>","message":"…"}`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::http::rejection::Rejection;
use crate::http::reply;
use crate::issuer::Refusal;

/// An answer that says no.
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
            Rejection::TooSlow => "too_slow",
            Rejection::WrongMethod => "wrong_method",
            Rejection::ForeignOrigin => "foreign_origin",
        };
        Self(reply::error(rejection.status(), code, &rejection.to_string()))
    }
}

pub fn error_body(refusal: Refusal) -> JwtIssuerErrorBody {
    let no = reply::error;
    let response = match refusal {
        Refusal::Invalid(problems) => {
            let list: Vec<String> =
                problems.iter().map(|(field, problem)| format!("{} {problem}", field.name())).collect();
            no(StatusCode::BAD_REQUEST, "invalid_field", &list.join(" or "))
        }
        Refusal::Taken(field) => no(StatusCode::CONFLICT, "taken", &format!("{} is taken", field.name())),
        Refusal::WrongCredentials => {
            no(StatusCode::UNAUTHORIZED, "wrong_credentials", "the username or the password is wrong")
        }
        Refusal::NotSignedIn(_) => reply::challenge(no(
            StatusCode::UNAUTHORIZED,
            "not_signed_in",
            "send a token that has not expired, of a session that has not ended",
        )),
        Refusal::WrongResetCode => {
            no(StatusCode::BAD_REQUEST, "wrong_reset_code", "reset_code is wrong, used up or too old")
        }
        Refusal::RegistrationClosed => {
            no(StatusCode::FORBIDDEN, "registration_closed", "accounts are made by an operator alone")
        }
        Refusal::TooMany { retry_after } => {
            let message = "too many tries: wait as long as Retry-After says";
            reply::retry_after(no(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", message), retry_after)
        }
        Refusal::Busy { retry_after } => {
            let message = "too much to do at the moment: try again soon";
            reply::retry_after(no(StatusCode::SERVICE_UNAVAILABLE, "busy", message), retry_after)
        }
        // Nothing this dialect asks for is a provider's to refuse.
        Refusal::Social(why) => no(StatusCode::BAD_REQUEST, "refused", &why.to_string()),
        Refusal::Fault(fault) => reply::fault(fault, reply::internal_error),
    };
    JwtIssuerErrorBody(response)
}
