//! The dialect's words for every refusal: `{"detail","code"}` for tokens and credentials, lists for fields.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::super::drf;
use crate::issuer::Refusal;

/// An answer that says no.
pub struct Words(drf::Words);

impl IntoResponse for Words {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl From<drf::Words> for Words {
    fn from(words: drf::Words) -> Self {
        Self(words)
    }
}

impl From<Refusal> for Words {
    fn from(refusal: Refusal) -> Self {
        let unauthorized =
            |code: &str, detail: &str| drf::Words::unauthorized(&json!({"detail": detail, "code": code}));
        Self(match refusal {
            Refusal::Invalid(problems) => drf::Words::invalid(&problems),
            Refusal::Taken(field) => drf::Words::taken(field),
            Refusal::WrongCredentials => {
                unauthorized("no_active_account", "No active account found with the given credentials")
            }
            Refusal::NotSignedIn(_) => unauthorized("token_not_valid", "Token is invalid"),
            Refusal::WrongResetCode => drf::Words::detail(StatusCode::BAD_REQUEST, "Invalid code."),
            Refusal::RegistrationClosed => drf::Words::detail(StatusCode::FORBIDDEN, "Registration is closed."),
            Refusal::TooMany { retry_after } => drf::Words::throttled(retry_after),
            Refusal::Busy { retry_after } => drf::Words::busy(retry_after),
            // Nothing this dialect asks for is a provider's to refuse.
            Refusal::Social(why) => drf::Words::detail(StatusCode::BAD_REQUEST, &why.to_string()),
            Refusal::Fault(fault) => drf::Words::fault(fault),
        })
    }
}
