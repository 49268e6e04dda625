//! The dialect `jwt_issuer`, from outside: each line of its table in the contract, and the rules all dialects share.
#![expect(clippy::unwrap_used, reason = "tests")]

mod http_rules;
mod limits;
mod profile;
mod requests;
mod reset;
mod sign_in;
mod tokens;
