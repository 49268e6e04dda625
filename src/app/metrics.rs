//! The separate listener for metrics, if one is configured.

use std::net::TcpListener;

use anyhow::{Context as _, Result};
use tokio::sync::watch;

use super::keep_alive;
use crate::app::listen::listen;
use crate::config::Config;
use crate::http::context::Http;
use crate::http::metrics;
use crate::http::server::Server;
use crate::http::server::caller_limit::CallerLimit;

/// The maximum number of connections: enough for several scrapers and an operator with a browser.
const MAX_CONNECTIONS: usize = 64;

/// Listens on the separate address for metrics, if there is one.
pub(super) fn listener(config: &Config) -> Result<Option<TcpListener>> {
    let address = config.metrics.as_ref().and_then(|metrics| metrics.listen);
    address.map(|address| listen(address, "metrics.listen")).transpose()
}

/// Serves the metrics on their own address until `stop` is signalled, if `metrics.listen` is set.
pub(super) fn serve(config: &Config, http: &Http, stop: watch::Receiver<bool>) -> Result<()> {
    let Some(listener) = listener(config)? else { return Ok(()) };
    tracing::info!(listen = %listener.local_addr().context("reading the address for metrics")?, "serving metrics");
    let is_https = config.server.public_url.is_https();
    let server = Server {
        router: metrics::router(http),
        tls: None,
        max_connections: MAX_CONNECTIONS,
        caller_limit: CallerLimit::new(MAX_CONNECTIONS, Vec::new()),
        keep_alive: keep_alive::of(&config.server),
        is_https,
    };
    tokio::spawn(async move {
        if let Err(error) = server.run(listener, stop).await {
            tracing::error!(%error, "metrics listener failed");
        }
    });
    Ok(())
}
