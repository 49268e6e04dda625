//! Builds the providers from the configuration.

use anyhow::{Context as _, Result};

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::social::ProviderName;
use crate::fetch::client::{FetchLimits, FetchOptions};
use crate::social::{Providers, SocialOptions};

/// Builds the configured providers. Sends no request to them.
pub fn providers(config: &Config, clock: &Clock) -> Result<Providers> {
    let social = &config.social;
    let oidc = social.oidc.iter().map(|(name, provider)| Ok((ProviderName::parse(name)?, provider.clone())));
    let options = SocialOptions {
        public_url: config.server.public_url.clone(),
        leeway: config.tokens.leeway,
        clock: clock.clone(),
        fetch: FetchOptions {
            limits: FetchLimits::default(),
            ca_file: social.ca_file.clone(),
            needs_system_roots: config.environment.has_roots,
            https_proxy: config.environment.https_proxy.clone(),
            no_proxy: config.environment.no_proxy.clone(),
        },
        google: social.google.clone(),
        github: social.github.clone(),
        facebook: social.facebook.clone(),
        oidc: oidc.collect::<Result<_>>().context("setting up [social.oidc]")?,
    };
    Providers::new(options).context("setting up [social]")
}
