//! Extractors: what a handler takes from a request. They check syntax and limits and make no decision about users or
//! tokens.

pub mod bearer;
pub mod body;
pub mod caller;
pub mod cookies;
pub mod multipart;
pub mod query;
pub mod url_encoded;
