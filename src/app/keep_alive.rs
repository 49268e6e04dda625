//! The idle timeouts of the listeners, from the configuration.

use crate::config::ServerConfig;
use crate::http::server::keep_alive::KeepAlive;

/// Returns when idle connections close.
pub(super) fn of(config: &ServerConfig) -> KeepAlive {
    KeepAlive {
        clients: config.keep_alive,
        proxies: config.keep_alive_of_proxies,
        trusted_proxies: config.trusted_proxies.clone(),
    }
}
