//! What all kinds of providers need for a request: the client, the names for errors, and the time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::{ProviderError, ProviderStep};
use super::flow::Client;
use super::provider_client::ProviderClient;
use crate::clock::Clock;
use crate::domain::social::ProviderName;

/// The maximum number of requests that wait for one provider. Without it, a provider that does not respond would occupy
/// every connection of the server.
pub(super) const WAITING_MAX: usize = 8;

/// The parts that all kinds of providers have in common.
#[derive(Debug)]
pub(super) struct ProviderCommon {
    pub(super) name: ProviderName,
    pub(super) client: Client,
    pub(super) web: Arc<ProviderClient>,
    pub(super) clock: Clock,
    /// The tolerated difference between the provider's clock and the local clock.
    pub(super) leeway: Duration,
    /// The requests that may still wait for the provider.
    pub(super) waiting: Semaphore,
}

impl ProviderCommon {
    pub(super) fn step(&self, operation: &'static str) -> ProviderStep<'_> {
        ProviderStep { provider: &self.name, operation }
    }

    /// Counts a request that waits for the provider, until the returned value is dropped.
    ///
    /// # Errors
    /// [`ProviderError::Busy`] if [`WAITING_MAX`] requests wait already.
    pub(super) fn begin_waiting(&self, step: ProviderStep<'_>) -> Result<SemaphorePermit<'_>, ProviderError> {
        self.waiting.try_acquire().map_err(|_| step.busy(WAITING_MAX))
    }
}
