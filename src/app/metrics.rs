//! The listener of the metrics, where they have one of their own.

use std::net::TcpListener;

use anyhow::{Context as _, Result};
use tokio::sync::watch;

use crate::config::Config;
use crate::http::server::Server;
use crate::http::{Http, metrics};

/// How many may ask at once: a scraper or two, and somebody who looks.
const MAX_CONNECTIONS: usize = 64;

/// Serves the metrics beside everything else until `stop` says so, if they have an address of their own.
pub(super) fn serve(config: &Config, http: &Http, stop: watch::Receiver<bool>) -> Result<()> {
    let Some(address) = config.metrics.as_ref().and_then(|metrics| metrics.listen) else { return Ok(()) };
    let doing = || format!("listening on {address} for metrics (choose another address with metrics.listen)");
    let listener = TcpListener::bind(address).with_context(doing)?;
    tracing::info!(listen = %listener.local_addr().with_context(doing)?, "metrics are served");
    let server = Server { router: metrics::router(http), tls: None, max_connections: MAX_CONNECTIONS };
    tokio::spawn(async move {
        if let Err(error) = server.run(listener, stop).await {
            tracing::error!(%error, "metrics are served no more");
        }
    });
    Ok(())
}
