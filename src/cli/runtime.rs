//! The async runtime of a command.

use anyhow::Result;

/// Runs a future on a single-threaded runtime, which is enough for one command.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
