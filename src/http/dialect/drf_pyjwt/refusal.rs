//! The dialect's words for every refusal: `{"detail":"…"}`, and `{"email":["…"]}` for fields.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::super::drf;
use crate::issuer::{Refusal, Unproven};

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
        let unauthorized = |detail: &str| drf::Words::unauthorized(&json!({"detail": detail}));
        Self(match refusal {
            Refusal::Invalid(problems) => drf::Words::invalid(&problems),
            Refusal::Taken(field) => drf::Words::taken(field),
            Refusal::WrongCredentials => unauthorized("Incorrect authentication credentials."),
            Refusal::NotSignedIn(Unproven::NoToken) => unauthorized("Authentication credentials were not provided."),
            Refusal::NotSignedIn(
                Unproven::Token(_)
                | Unproven::SessionEnded
                | Unproven::Reused
                | Unproven::OtherDialect
                | Unproven::NotRenewable,
            ) => unauthorized("Token is invalid or expired."),
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
