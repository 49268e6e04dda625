//! The dialect `jwt_issuer`: each row of its table in the contract, and the HTTP rules that all dialects share.
#![expect(clippy::unwrap_used, reason = "tests")]

mod http_rules;
mod limits;
mod profile;
mod requests;
mod reset;
mod sign_in;
mod tokens;
