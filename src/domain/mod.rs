//! The rules, without I/O: what a key, a session or a password *is*, and what may follow from what.
//!
//! Nothing here reads a clock, a file or a database, or knows a colleague outside this folder. State follows
//! from dates: `state(now)` is pure, and a transition is a function that may refuse.

pub mod algorithm;
pub mod id;
pub mod secret;
pub mod time;
