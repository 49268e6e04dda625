//! The dialect's error bodies: `{"detail","code"}` for tokens and credentials, lists of errors for fields.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::http::dialect::drf;
use crate::issuer::Refusal;

/// An error response of the dialect.
pub struct SimpleJwtErrorBody(drf::DrfErrorBody);

impl IntoResponse for SimpleJwtErrorBody {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl From<drf::DrfErrorBody> for SimpleJwtErrorBody {
    fn from(error_body: drf::DrfErrorBody) -> Self {
        Self(error_body)
    }
}

impl From<Refusal> for SimpleJwtErrorBody {
    fn from(refusal: Refusal) -> Self {
        let unauthorized =
            |code: &str, detail: &str| drf::DrfErrorBody::unauthorized(&json!({"detail": detail, "code": code}));
        Self(match refusal {
            Refusal::Invalid(problems) => drf::DrfErrorBody::invalid(&problems),
            Refusal::Taken(field) => drf::DrfErrorBody::taken(field),
            Refusal::WrongCredentials(_) => {
                unauthorized("no_active_account", "No active account found with the given credentials")
            }
            Refusal::NotSignedIn(_) => unauthorized("token_not_valid", "Token is invalid"),
            Refusal::RegistrationClosed => drf::DrfErrorBody::detail(StatusCode::FORBIDDEN, "Registration is closed."),
            Refusal::RateLimited { retry_after } => drf::DrfErrorBody::throttled(retry_after),
            Refusal::Busy { retry_after } => drf::DrfErrorBody::busy(retry_after),
            Refusal::Fault(fault) => drf::DrfErrorBody::fault(fault),
        })
    }
}
