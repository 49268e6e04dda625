//! The options of the providers. `app` fills them from the settings.

use std::time::Duration;

use crate::clock::Clock;
use crate::domain::public_url::PublicUrl;
use crate::domain::social::ProviderName;
use crate::domain::social::provider_options::{KnownProvider, OidcProvider};
use crate::fetch::client::FetchOptions;

/// The providers, and the common options of requests to them.
#[derive(Clone, Debug)]
pub struct SocialOptions {
    /// The base of the callback URLs `<public_url>/<name>/callback/`.
    pub public_url: PublicUrl,
    /// The tolerated difference between a provider's clock and the local clock.
    pub leeway: Duration,
    /// The clock that measures the age of cached documents.
    pub clock: Clock,
    /// The options of requests to providers.
    pub fetch: FetchOptions,
    /// Google. `None`: not configured.
    pub google: Option<KnownProvider>,
    /// GitHub. `None`: not configured.
    pub github: Option<KnownProvider>,
    /// Facebook. `None`: not configured.
    pub facebook: Option<KnownProvider>,
    /// Other OpenID Connect providers, with their names.
    pub oidc: Vec<(ProviderName, OidcProvider)>,
}
