//! `countersign serve`: serves until SIGTERM or SIGINT.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::print;
use crate::app::FirstSuperuser;
use crate::clock::Clock;
use crate::config::{Config, LogFormat};
use crate::domain::finding::Finding;
use crate::issuer::Issuer;
use crate::random::Random;
use crate::{app, telemetry};

/// The number of async threads. Two are enough, because passwords are hashed and tokens are signed on other threads.
const THREADS: usize = 2;
/// The interval between checks for a superuser while the database is unavailable.
const SUPERUSER_RETRY: Duration = Duration::from_secs(5);

/// Serve the HTTP APIs, the JWKS and the admin zone until SIGTERM or SIGINT
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Listen on this address instead of server.listen; with port 0 the system chooses a free port
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

impl ServeArgs {
    /// Returns the settings that the flags of this command set.
    pub fn flags(&self) -> Option<(String, String)> {
        self.listen.clone().map(|address| ("server.listen".to_owned(), address))
    }

    pub fn run(config: Config) -> Result<ExitCode> {
        let log = &config.log;
        let collector = config.traces.as_ref().map(|traces| traces.collector.as_str());
        let traces = telemetry::start(&log.level, log.format == LogFormat::Json, collector)?;
        for Finding { setting, condition, consequence, fix } in &config.warnings {
            tracing::warn!(setting, "{condition}; {consequence}; {fix}");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
        let served = runtime.block_on(serve(config));
        traces.end();
        // Dropping the runtime would wait for blocked threads, and the server has already used its shutdown timeout.
        runtime.shutdown_background();
        served?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn serve(config: Config) -> Result<()> {
    let address = config.server.listen;
    let listener = app::listen(address, "--listen or server.listen")?;
    let config = config.listening_on(listener.local_addr()?);
    app::check_start(&config)?;
    ignore_file_size_signal()?;
    // Before the keys are loaded, so that `countersign keys renew-secret` does not replace a secret that was just loaded.
    let _serving = app::mark_serving(&config)?;
    let issuer = app::build(&config, Clock::system(), Random::System).await?;
    match app::first_superuser(&config, &issuer).await? {
        FirstSuperuser::Unknown => drop(tokio::spawn(retry_first_superuser(config.clone(), Arc::clone(&issuer)))),
        first => print_first_superuser(first, config.log.format),
    }
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        until_signal().await;
        tracing::info!("stopping; finishing requests in flight");
        stop.send_replace(true);
    });
    app::serve(&config, issuer, listener, stopped).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Installs a handler for SIGXFSZ, whose default action ends the process. With any handler, a write beyond the file
/// size limit (`ulimit -f`, `LimitFSIZE=`) fails like a write to a full disk.
fn ignore_file_size_signal() -> Result<()> {
    let kind = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    signal(kind).map(drop).context("cannot install a handler for SIGXFSZ")
}

/// Retries the creation of the first superuser until the database is available. Logs any other error and gives up.
async fn retry_first_superuser(config: Config, issuer: Arc<Issuer>) {
    tracing::warn!("database unavailable; retrying the check for a superuser");
    loop {
        tokio::time::sleep(SUPERUSER_RETRY).await;
        match app::first_superuser(&config, &issuer).await {
            Ok(FirstSuperuser::Unknown) => {}
            Ok(first) => return print_first_superuser(first, config.log.format),
            Err(error) => return tracing::error!(error = %format!("{error:#}"), "first superuser not created"),
        }
    }
}

/// Reports the first superuser. The link is a secret, so it is printed and not logged. With the log format `json` it is
/// printed as a JSON object, so that every line of the output is JSON.
fn print_first_superuser(first: FirstSuperuser, format: LogFormat) {
    match first {
        FirstSuperuser::Exists | FirstSuperuser::Unknown => {}
        FirstSuperuser::Ignored => tracing::info!("a superuser exists; ignoring [admin]"),
        FirstSuperuser::Created(username) => tracing::info!(username, "superuser of [admin] created"),
        FirstSuperuser::Link(link) => {
            let message = "There is no superuser yet. To create the first one, open this link within 24 h:";
            match format {
                LogFormat::Text => print::message(format!("{message}\n  {link}")),
                LogFormat::Json => {
                    let timestamp = Clock::system().now().to_string();
                    let level = "INFO";
                    let entry = json!({ "timestamp": timestamp, "level": level, "message": message, "link": link });
                    print::message(entry.to_string());
                }
            }
        }
    }
}

/// Waits for SIGTERM or SIGINT. If a handler cannot be installed, waits forever. The default action of a signal without
/// a handler then ends the process.
async fn until_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
