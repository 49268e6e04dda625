//! What an operator sees of the process: the log, counters, and traces where they are asked for.
//!
//! Logs go to stderr, as text or JSON lines. What is logged holds no secret by the types it is made of; query strings,
//! bodies and headers are never logged.

use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

pub mod counters;
pub mod jwks_clients;
pub mod process;
pub mod requests;
pub mod trace;
mod traces;

pub use traces::Traces;

/// The log or the traces can't be set up.
#[derive(Debug, thiserror::Error)]
#[error("setting up {what}: {why}")]
pub struct TelemetryError {
    what: &'static str,
    why: String,
}

impl TelemetryError {
    fn new(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self { what, why: why.to_string() }
    }
}

/// Starts logging for the whole process, and tracing where there is a collector's address. `level` is a level, or levels
/// by module like `info,countersign=debug`. What is answered is to be ended last.
pub fn start(level: &str, json: bool, collector: Option<&str>) -> Result<Traces, TelemetryError> {
    let filter: Targets = level.parse().map_err(|error| TelemetryError::new("log.level", error))?;
    // The log is made of events alone: what spans say is in the line that ends a request, too.
    let events = filter_fn(|metadata| !metadata.is_span()).with_max_level_hint(LevelFilter::TRACE);
    let filter = filter.and(events);
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines = if json {
        lines.json().flatten_event(true).with_filter(filter).boxed()
    } else {
        lines.with_ansi(false).with_filter(filter).boxed()
    };
    let traces = Traces::begin(collector)?;
    let log = tracing_subscriber::registry().with(lines).with(traces.layer());
    log.try_init().map_err(|error| TelemetryError::new("the log", error))?;
    Ok(traces)
}
