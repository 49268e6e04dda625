//! The dialect `jwt_issuer`: the documented requests and responses, and the HTTP rules that all dialects share.
#![expect(clippy::unwrap_used, reason = "tests")]

mod cookies;
mod http_rules;
mod limits;
mod mail_limits;
mod profile;
mod requests;
mod reset;
mod sign_in;
mod tokens;
