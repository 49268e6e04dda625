//! The rules, without I/O: what a key, a session or a password *is*, and what may follow from what.
//!
//! Nothing here reads a clock, a file or a database, or knows a colleague outside this folder. State follows
//! from dates: `state(now)` is pure, and a transition is a function that may refuse.

pub mod admin_session;
pub mod algorithm;
pub mod audit;
pub mod availability;
pub mod claims;
pub(crate) mod closed_set;
mod common_password;
pub mod count;
pub mod dialect;
pub mod django;
pub mod field;
pub mod id;
pub mod key;
pub mod limit;
pub mod mail_item;
pub mod network;
pub mod password;
pub mod profile;
pub mod public_url;
pub mod reset_code;
pub mod role;
pub mod secret;
pub mod session;
pub mod setting;
pub mod social;
pub mod strict_json;
pub mod time;
pub mod user;
pub mod user_record;
