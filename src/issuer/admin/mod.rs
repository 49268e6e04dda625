//! What a superuser sees and does in the admin zone, beyond what the command line does too ([`super::users`],
//! [`super::settings`], [`super::request_reset`]). Each change is written to the log with the superuser and their address.

pub mod audit;
pub mod health;
pub mod keys;
pub mod outbox;
pub mod sessions;
pub mod sign_in;
pub mod users;
