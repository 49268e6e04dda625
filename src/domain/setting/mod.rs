//! The runtime settings. One row per setting defines its name, type, bounds and default.
//!
//! Runtime settings are stored in the database and apply without a restart. Settings that are needed before the
//! database is open are boot settings, which belong to `config`.
//!
//! Code reads a setting as a value with a Rust type from [`snapshot::Settings`]. Only operators name a setting by a
//! text, which [`table::find`] looks up.

pub mod definition;
pub mod listing;
mod profiles;
pub mod snapshot;
pub mod table;
mod typed;

#[cfg(test)]
mod tests;
