//! What an attacker does: forged tokens at every door that takes one, broken HTTP, guesses, spoofed headers, and words
//! that would be code somewhere else. Nothing is let in, nothing breaks, nobody is called.
#![expect(clippy::unwrap_used, reason = "tests")]

mod corpus;
mod doors;
mod encodings;
mod forge;
mod forgeries;
mod guesses;
mod injection;
mod raw;
mod raw_http;
mod same_bytes;
mod secrets;
mod spellings;
mod table;
