//! Attacks: forged tokens at every endpoint that takes one, malformed HTTP, guessing, spoofed headers and injection.
//! The server accepts none of them, does not fail, and follows no URL.
#![expect(clippy::unwrap_used, reason = "tests")]

mod corpus;
mod encodings;
mod forge;
mod forged_tokens;
mod forgeries;
mod guessing;
mod identical_responses;
mod injection;
mod raw;
mod raw_http;
mod secrets;
mod token_endpoints;
mod token_spellings;
