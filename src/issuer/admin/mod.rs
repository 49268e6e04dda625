//! What a superuser sees and does in the admin zone, beyond what the command line does too ([`super::users`],
//! [`super::settings`], [`super::request_reset`]). Each change is written to the log with the superuser and their address.

pub mod audit;
pub mod door;
pub mod health;
pub mod keys;
pub mod mails;
pub mod sessions;
pub mod users;
