//! Builds the providers from the configuration.

use anyhow::{Context as _, Result};

use crate::clock::Clock;
use crate::config::{Config, OidcConfig, ProviderConfig};
use crate::domain::social::ProviderName;
use crate::fetch::client::FetchLimits;
use crate::social::{KnownProvider, OidcProvider, Providers, SocialOptions};

/// Builds the configured providers. Sends no request to them.
pub fn providers(config: &Config, clock: &Clock) -> Result<Providers> {
    let social = &config.social;
    let oidc = social.oidc.iter().map(|(name, provider)| Ok((ProviderName::parse(name)?, oidc_provider(provider))));
    let options = SocialOptions {
        public_url: config.server.public_url.clone(),
        leeway: config.tokens.leeway,
        clock: clock.clone(),
        limits: FetchLimits::default(),
        google: social.google.as_ref().map(known_provider),
        github: social.github.as_ref().map(known_provider),
        facebook: social.facebook.as_ref().map(known_provider),
        oidc: oidc.collect::<Result<_>>().context("setting up [social.oidc]")?,
    };
    Providers::new(options).context("setting up [social]")
}

fn known_provider(provider: &ProviderConfig) -> KnownProvider {
    KnownProvider {
        client_id: provider.client_id.clone(),
        client_secret: provider.client_secret.clone(),
        authorize_url: provider.authorize_url.clone(),
        token_url: provider.token_url.clone(),
        userinfo_url: provider.userinfo_url.clone(),
        emails_url: provider.emails_url.clone(),
        issuer: provider.issuer.clone(),
        jwks_url: provider.jwks_url.clone(),
    }
}

fn oidc_provider(provider: &OidcConfig) -> OidcProvider {
    OidcProvider {
        issuer: provider.issuer.clone(),
        client_id: provider.client_id.clone(),
        client_secret: provider.client_secret.clone(),
        scopes: provider.scopes.clone(),
    }
}
