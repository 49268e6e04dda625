//! The failed sign-ins that were not recorded in the audit log yet. A job writes them.
//!
//! A use case only adds a failure here and does not wait for the audit log. Otherwise the response time would show whether
//! a line was written, and so whether the account exists.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::audit::AuditEntry;
use crate::domain::failure_log::{FailedSignIn, FailureLog};
use crate::domain::time::Timestamp;

/// The failures, and the signal that there is a new one.
#[derive(Debug, Default)]
pub struct FailedSignIns {
    log: Mutex<FailureLog>,
    added: Notify,
}

impl FailedSignIns {
    /// Adds a failure. Known and unknown accounts cost the same.
    pub fn add(&self, failure: FailedSignIn) {
        self.log().add(failure);
        self.added.notify_one();
    }

    /// Waits for a new failure. A failure that was added before the call counts too.
    pub async fn added(&self) {
        self.added.notified().await;
    }

    /// Removes and returns the lines that are due.
    pub fn take_due(&self, now: Timestamp) -> Vec<AuditEntry> {
        self.log().take_due(now)
    }

    /// Removes and returns all lines, whether or not they are due.
    pub fn take_all(&self, now: Timestamp) -> Vec<AuditEntry> {
        self.log().take_all(now)
    }

    /// Keeps lines that could not be written.
    pub fn restore(&self, lines: Vec<AuditEntry>) {
        self.log().restore(lines);
    }

    fn log(&self) -> MutexGuard<'_, FailureLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
