//! The dialect's error bodies: `{"detail":"…"}`, and `{"email":["…"]}` for fields.

use serde_json::{Value, json};

use crate::http::dialect::drf::{DrfDialect, DrfDialectErrorBody};
use crate::issuer::Unauthenticated;

/// An error response of the dialect.
pub type DrfPyjwtErrorBody = DrfDialectErrorBody<DrfPyjwt>;

/// The dialect.
pub enum DrfPyjwt {}

impl DrfDialect for DrfPyjwt {
    fn wrong_credentials() -> Value {
        json!({"detail": "Incorrect authentication credentials."})
    }

    fn not_signed_in(reason: Unauthenticated) -> Value {
        match reason {
            Unauthenticated::NoToken => json!({"detail": "Authentication credentials were not provided."}),
            Unauthenticated::Token(_)
            | Unauthenticated::SessionEnded
            | Unauthenticated::Reused
            | Unauthenticated::Ahead { .. }
            | Unauthenticated::OtherDialect
            | Unauthenticated::NotRenewable => json!({"detail": "Token is invalid or expired."}),
        }
    }
}
