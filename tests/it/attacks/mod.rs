//! Attacks: forged tokens at every endpoint that accepts a token, malformed HTTP, guessing, spoofed headers and
//! injection. The server rejects all of them and follows no URL in a token. The only 5xx that the tests accept are 501
//! for an unsupported transfer coding and 505 for a malformed request head.
#![expect(clippy::unwrap_used, reason = "tests")]

mod corpus;
mod encodings;
mod forge;
mod forged_tokens;
mod forgeries;
mod guessing;
mod identical_responses;
mod injection;
pub mod raw;
mod raw_http;
mod secrets;
mod token_endpoints;
mod token_spellings;
