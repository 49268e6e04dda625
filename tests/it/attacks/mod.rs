//! Attacks: forged tokens at every endpoint that accepts a token, malformed HTTP, guessing, spoofed headers and
//! injection. The server rejects all of them, returns no 5xx, and follows no URL in a token.
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
