//! What an operator sees of the process: the log, and counters.
//!
//! Logs go to stderr, as text or JSON lines. What is logged holds no secret by the types it is made of; query strings,
//! bodies and headers are never logged.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub mod counters;
pub mod process;
pub mod requests;
pub mod trace;
pub mod visitors;

/// The log can't be set up.
#[derive(Debug, thiserror::Error)]
#[error("setting up the log: {0}")]
pub struct TelemetryError(String);

/// Starts logging for the whole process. `level` is a level, or levels by module like `info,countersign=debug`.
pub fn start(level: &str, json: bool) -> Result<(), TelemetryError> {
    let filter: Targets = level.parse().map_err(|error| TelemetryError(format!("log.level: {error}")))?;
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let log = tracing_subscriber::registry().with(filter);
    let started = if json {
        log.with(lines.json().flatten_event(true)).try_init()
    } else {
        log.with(lines.with_ansi(false)).try_init()
    };
    started.map_err(|error| TelemetryError(error.to_string()))
}
