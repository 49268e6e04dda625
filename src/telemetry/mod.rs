//! Observability for the operator: the log, counters, and traces if a collector is configured.
//!
//! Logs go to stderr, as text or JSON lines. The types that are logged contain no secrets. Query strings and bodies are
//! never logged. Of the request headers, only a well-formed `traceparent` and the forwarded client address are logged.

use tracing::Metadata;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

pub mod counters;
mod error;
pub mod jwks_clients;
pub mod process;
pub mod requests;
pub mod trace;
mod traces;
mod warnings;

pub use error::TelemetryError;
pub use traces::Traces;
pub use warnings::print_warnings;

/// Starts the log for the whole process, and sends traces if `collector` is given. `level` is a log level, or several
/// log levels by module, such as `info,countersign=debug`. Call [`Traces::end`] last, at the end of the process.
pub fn start(level: &str, json: bool, collector: Option<&str>) -> Result<Traces, TelemetryError> {
    let filter: Targets = level.parse().map_err(|error| TelemetryError::new("the log filter log.level", error))?;
    let events = filter_fn(is_logged).with_max_level_hint(LevelFilter::TRACE);
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

/// Whether the log may contain the event. It contains no spans: the line at the end of each request already has its id,
/// method and status. It does not contain the steps of a connection to a provider, of which hyper-util reports each one.
fn is_logged(metadata: &Metadata<'_>) -> bool {
    !metadata.is_span() && !metadata.target().starts_with("hyper_util::")
}
