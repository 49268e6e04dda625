//! The dialect's error bodies: `{"detail","code"}` for tokens and credentials, lists of errors for fields.

use serde_json::{Value, json};

use crate::http::dialect::drf::{DrfDialect, DrfDialectErrorBody};
use crate::issuer::Unauthenticated;

/// An error response of the dialect.
pub type SimpleJwtErrorBody = DrfDialectErrorBody<SimpleJwt>;

/// The dialect.
pub enum SimpleJwt {}

impl DrfDialect for SimpleJwt {
    fn wrong_credentials() -> Value {
        json!({"detail": "No active account found with the given credentials", "code": "no_active_account"})
    }

    fn email_not_confirmed() -> Value {
        let detail = "Confirm your email address first, with the link that was sent to it. For another link, sign in again in 5 minutes.";
        json!({"detail": detail, "code": "email_not_confirmed"})
    }

    fn not_signed_in(_: Unauthenticated) -> Value {
        json!({"detail": "Token is invalid", "code": "token_not_valid"})
    }
}
