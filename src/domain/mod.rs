//! The rules of the product, without I/O: keys, sessions, users, passwords, settings, and how each may change.
//!
//! No code here reads a clock, a file or a database, or uses another module of the crate. A state is computed from
//! dates: `state(now)` is a pure function. A transition is a function that returns an error if it is not allowed.

pub mod account_change;
pub mod algorithm;
pub mod amr;
pub mod audit;
pub mod availability;
pub mod browser_session;
pub mod characters;
pub mod claims;
pub(crate) mod closed_set;
mod common_password;
pub mod count;
pub mod dialect;
pub mod django;
pub mod duration;
pub mod email;
pub mod email_confirmation;
pub mod excerpt;
pub mod failure_log;
pub mod field;
pub mod finding;
pub mod hello_name;
pub mod id;
pub mod import;
pub mod key;
pub mod limit;
pub mod look_up_key;
pub mod mail_item;
pub mod mail_name;
pub mod network;
pub mod origin;
pub mod password;
pub mod profile;
pub mod public_url;
pub mod refresh_key;
pub mod reset_code;
pub mod role;
pub mod secret;
pub mod session;
#[cfg(test)]
mod session_tests;
pub mod setting;
pub mod social;
pub mod strict_json;
pub mod time;
pub mod token_kind;
pub mod token_spec;
pub mod user;
pub mod user_record;
pub mod web_origin;
