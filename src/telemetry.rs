//! What an operator sees of the process: the log, and counters.
//!
//! Logs go to stderr, as text or JSON lines. What is logged holds no secret by the types it is made of; query strings,
//! bodies and headers are never logged.

use tracing_subscriber::EnvFilter;

pub mod counters;
pub mod process;
pub mod requests;
pub mod trace;
pub mod visitors;

/// The log can't be set up.
#[derive(Debug, thiserror::Error)]
#[error("setting up the log: {0}")]
pub struct TelemetryError(String);

/// Starts logging for the whole process. `level` is a level or a filter like `info,countersign=debug`.
pub fn start(level: &str, json: bool) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(level).map_err(|error| TelemetryError(format!("log.level: {error}")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started =
        if json { builder.json().flatten_event(true).try_init() } else { builder.with_ansi(false).try_init() };
    started.map_err(|error| TelemetryError(error.to_string()))
}
