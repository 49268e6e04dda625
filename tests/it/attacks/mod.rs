//! What an attacker does: forged tokens at every door that takes one, broken HTTP, guesses, spoofed headers, and words
//! that would be code somewhere else. Nothing is let in, nothing breaks, nobody is called.
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
