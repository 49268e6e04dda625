//! The error of the setup.

/// The log or the traces cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up {what}: {why}")]
pub struct TelemetryError {
    what: &'static str,
    why: String,
}

impl TelemetryError {
    pub(super) fn new(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self { what, why: why.to_string() }
    }
}
