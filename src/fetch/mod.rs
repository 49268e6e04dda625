//! Connections and requests to other servers.
//!
//! This module protects the process: a request goes only to a URL that [`endpoint`] accepts, and to a private address
//! only if the operator chose the host. It has bounded time and size, and follows no redirect. This module knows no
//! provider and does not read a response body.

pub mod client;
pub mod connect;
pub mod endpoint;
mod proxy;
mod public_address;
pub mod readiness;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod client_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tls_tests;
