//! `countersign serve`.

use std::net::TcpListener;
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
use crate::issuer::Issuer;
use crate::random::Random;
use crate::{app, telemetry};

/// Two threads answer what needs no hashing; the hashing pool has its own.
const THREADS: usize = 2;
/// How soon the database is asked for a superuser again.
const SUPERUSER: Duration = Duration::from_secs(5);

/// Serve until SIGTERM or SIGINT: register, sign in, renew, publish keys.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The address to listen on, instead of server.listen; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

impl ServeArgs {
    /// The settings that the command's own flags stand for.
    pub fn flags(&self) -> Option<(String, String)> {
        self.listen.clone().map(|address| ("server.listen".to_owned(), address))
    }

    pub fn run(config: Config) -> Result<ExitCode> {
        let log = &config.log;
        let collector = config.traces.as_ref().map(|traces| traces.collector.as_str());
        let traces = telemetry::start(&log.level, log.format == LogFormat::Json, collector)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
        let served = runtime.block_on(serve(config));
        traces.end();
        // Its drop would wait for whatever still blocks a thread, and the time for that is over.
        runtime.shutdown_background();
        served?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn serve(config: Config) -> Result<()> {
    let address = config.server.listen;
    let listener = TcpListener::bind(address)
        .with_context(|| format!("listening on {address} (choose another address with --listen or server.listen)"))?;
    let config = config.listening_on(listener.local_addr()?);
    ignore_file_size_signal()?;
    let issuer = app::build(&config, Clock::system(), Random::System).await?;
    match app::first_superuser(&config, &issuer).await? {
        FirstSuperuser::Later => drop(tokio::spawn(retry_first_superuser(config.clone(), Arc::clone(&issuer)))),
        first => print_first_superuser(first, config.log.format),
    }
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        until_signal().await;
        tracing::info!("stopping: what is in flight may finish");
        stop.send_replace(true);
    });
    app::serve(&config, issuer, listener, stopped).await?;
    tracing::info!("stopped");
    Ok(())
}

/// A file that may not grow any more (`ulimit -f`, `LimitFSIZE=`) is to the write that meets it what a full disk is, and no
/// end of the process: any handler of the signal makes it so, whether anyone listens or not.
fn ignore_file_size_signal() -> Result<()> {
    let kind = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    signal(kind).map(drop).context("handling the signal of files that grew too long")
}

/// Asks for the first superuser again until the database answers.
async fn retry_first_superuser(config: Config, issuer: Arc<Issuer>) {
    tracing::warn!("nobody knows whether there is a superuser, for the database does not answer: it is asked again");
    loop {
        tokio::time::sleep(SUPERUSER).await;
        match app::first_superuser(&config, &issuer).await {
            Ok(FirstSuperuser::Later) => {}
            Ok(first) => return print_first_superuser(first, config.log.format),
            Err(error) => return tracing::error!("there is no superuser yet: {error:#}"),
        }
    }
}

/// The link is a secret: it is said to whoever started the server, and not logged. Among lines for machines it is one.
fn print_first_superuser(first: FirstSuperuser, format: LogFormat) {
    match first {
        FirstSuperuser::There | FirstSuperuser::Later => {}
        FirstSuperuser::Ignored => tracing::info!("there is a superuser: [admin] is not looked at"),
        FirstSuperuser::Made(username) => tracing::info!(username, "the superuser of [admin] is made"),
        FirstSuperuser::Link(link) => {
            let words = "there is no superuser yet; to make the first, open within a day:";
            match format {
                LogFormat::Text => print::message(format!("{words}\n  {link}")),
                LogFormat::Json => {
                    let timestamp = Clock::system().now().to_string();
                    let level = "INFO";
                    let said = json!({ "timestamp": timestamp, "level": level, "message": words, "link": link });
                    print::message(said.to_string());
                }
            }
        }
    }
}

/// Waits for SIGTERM or SIGINT. A handler that can't be installed is as good as none: the default one ends the process.
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
