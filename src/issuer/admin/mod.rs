//! The use cases that only the admin zone has. Those shared with the command line are in [`super::keys`],
//! [`super::users`], [`super::settings`] and [`super::request_reset`].
//!
//! Each change is written to the audit log with the superuser and the caller's address.

pub mod audit;
pub mod health;
pub mod maintenance;
pub mod outbox;
pub mod sessions;
pub mod sign_in;
pub mod users;
