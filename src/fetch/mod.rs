//! Connections and requests to other servers.
//!
//! This module protects the process: a request goes only to a URL that [`endpoint`] accepts, has bounded time and size,
//! and follows no redirect. It knows no provider and does not read a response body.

pub mod client;
pub mod connect;
pub mod endpoint;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod client_tests;
#[cfg(test)]
pub(crate) mod testing;
