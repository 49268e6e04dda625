//! What all kinds of providers need for a request: the client, the names for errors, and the time.

use std::sync::Arc;
use std::time::Duration;

use super::error::ProviderStep;
use super::flow::Client;
use super::provider_client::ProviderClient;
use crate::clock::Clock;
use crate::domain::social::ProviderName;

/// The parts that all kinds of providers have in common.
#[derive(Debug)]
pub(super) struct ProviderCommon {
    pub(super) name: ProviderName,
    pub(super) client: Client,
    pub(super) web: Arc<ProviderClient>,
    pub(super) clock: Clock,
    /// The tolerated difference between the provider's clock and the local clock.
    pub(super) leeway: Duration,
}

impl ProviderCommon {
    pub(super) fn step(&self, operation: &'static str) -> ProviderStep<'_> {
        ProviderStep { provider: &self.name, operation }
    }
}
