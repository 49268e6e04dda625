//! The dialect's error bodies: `{"detail":"…"}`, and `{"email":["…"]}` for fields.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::http::dialect::drf;
use crate::issuer::{Refusal, Unauthenticated};

/// An error response of the dialect.
pub struct DrfPyjwtErrorBody(drf::DrfErrorBody);

impl IntoResponse for DrfPyjwtErrorBody {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl From<drf::DrfErrorBody> for DrfPyjwtErrorBody {
    fn from(error_body: drf::DrfErrorBody) -> Self {
        Self(error_body)
    }
}

impl From<Refusal> for DrfPyjwtErrorBody {
    fn from(refusal: Refusal) -> Self {
        let unauthorized = |detail: &str| drf::DrfErrorBody::unauthorized(&json!({"detail": detail}));
        Self(match refusal {
            Refusal::Invalid(problems) => drf::DrfErrorBody::invalid(&problems),
            Refusal::Taken(field) => drf::DrfErrorBody::taken(field),
            Refusal::WrongCredentials(_) => unauthorized("Incorrect authentication credentials."),
            Refusal::NotSignedIn(Unauthenticated::NoToken) => {
                unauthorized("Authentication credentials were not provided.")
            }
            Refusal::NotSignedIn(
                Unauthenticated::Token(_)
                | Unauthenticated::SessionEnded
                | Unauthenticated::Reused
                | Unauthenticated::OtherDialect
                | Unauthenticated::NotRenewable,
            ) => unauthorized("Token is invalid or expired."),
            Refusal::RegistrationClosed => drf::DrfErrorBody::detail(StatusCode::FORBIDDEN, "Registration is closed."),
            Refusal::RateLimited { retry_after } => drf::DrfErrorBody::throttled(retry_after),
            Refusal::Busy { retry_after } => drf::DrfErrorBody::busy(retry_after),
            Refusal::Fault(fault) => drf::DrfErrorBody::fault(fault),
        })
    }
}
