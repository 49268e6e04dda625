//! Sign-in with providers: the redirect to the provider, and the identity of the user who returns.
//!
//! This module communicates with providers, and verifies that a response comes from the provider and is meant for this
//! client. It caches only documents that a provider publishes, and a failed fetch of a discovery document for 5 s. The
//! use cases decide to which account an identity belongs, and the routes bind an attempt to the browser.

mod cache;
mod common;
mod discovery;
mod error;
mod facebook;
mod flow;
mod github;
mod id_token;
mod openid;
mod options;
mod person;
mod provider_client;
mod urls;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod discovery_tests;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod known_tests;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod openid_tests;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod provider_client_tests;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod stalled_provider_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod token_response_tests;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod userinfo_tests;

use std::sync::Arc;

use oauth2::RedirectUrl;
use tokio::sync::Semaphore;

pub use error::ProviderError;
pub use options::SocialOptions;

use crate::domain::public_url::PublicUrl;
use crate::domain::secret::SecretText;
use crate::domain::social::provider_options::KnownProvider;
use crate::domain::social::{ProviderName, SignInAttempt, SocialIdentity, SocialTokens};
use crate::domain::time::Timestamp;
use common::{ProviderCommon, WAITING_MAX};
use error::ProviderStep;
use facebook::Facebook;
use flow::{Client, Endpoints};
use github::GitHub;
use openid::OpenId;
use provider_client::{ProviderClient, plain_code};

/// The parameters of a callback (RFC 6749 §4.1.2), except the state, which the caller has already checked.
#[derive(Clone, Debug)]
pub struct Callback {
    /// The authorization code, or the unchecked error code of the provider (RFC 6749 §4.1.2.1).
    pub code: Result<SecretText, String>,
    /// The issuer that the callback names (RFC 9207 §2).
    pub iss: Option<String>,
}

/// The configured providers.
#[derive(Debug)]
pub struct Providers {
    all: Vec<Provider>,
}

/// One provider.
#[derive(Debug)]
pub struct Provider {
    common: ProviderCommon,
    label: String,
    kind: ProviderKind,
}

#[derive(Debug)]
enum ProviderKind {
    /// Google, or any other OpenID Connect provider.
    OpenId(Box<OpenId>),
    GitHub(Box<GitHub>),
    Facebook(Box<Facebook>),
}

/// The parts from which a provider is built.
struct ProviderPlan {
    name: ProviderName,
    label: String,
    client_id: String,
    client_secret: Option<SecretText>,
    scopes: Vec<String>,
    extra: &'static [(&'static str, &'static str)],
    kind: ProviderKind,
}

impl Providers {
    /// Builds the providers from the options, without a request to them.
    ///
    /// # Errors
    /// A URL in the options is invalid, or TLS cannot be set up.
    pub fn new(options: SocialOptions) -> Result<Self, ProviderError> {
        let public_url = options.public_url.clone();
        let clock = options.clock.clone();
        let leeway = options.leeway;
        let fetch = options.fetch.clone();
        let plans = plans(options)?;
        if plans.is_empty() {
            return Ok(Self { all: Vec::new() });
        }
        let web = ProviderClient::new(&fetch);
        let unusable = |error| ProviderError::InvalidResponse(format!("cannot set up requests to providers: {error}"));
        let web = Arc::new(web.map_err(unusable)?);
        let build = |plan: ProviderPlan| {
            let client = Client {
                id: plan.client_id,
                secret: plan.client_secret,
                redirect_uri: callback_url(&public_url, &plan.name)?,
                scopes: plan.scopes,
                extra: plan.extra,
            };
            let common = ProviderCommon {
                name: plan.name,
                client,
                web: Arc::clone(&web),
                clock: clock.clone(),
                leeway,
                waiting: Semaphore::new(WAITING_MAX),
            };
            Ok(Provider { common, label: plan.label, kind: plan.kind })
        };
        Ok(Self { all: plans.into_iter().map(build).collect::<Result<_, _>>()? })
    }

    /// The provider with this name.
    pub fn find(&self, name: &str) -> Option<&Provider> {
        self.offered().find(|provider| provider.name().as_str() == name)
    }

    /// All providers, in the order in which pages list them.
    pub fn offered(&self) -> impl Iterator<Item = &Provider> {
        self.all.iter()
    }
}

impl Provider {
    /// The name, which is also a path segment of the provider's routes.
    pub fn name(&self) -> &ProviderName {
        &self.common.name
    }

    /// The display name.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The issuer within which the provider's user ids are unique: the issuer of an OpenID Connect provider, and the
    /// origin of the token endpoint of a provider without an issuer of its own.
    pub fn issuer(&self) -> &str {
        match &self.kind {
            ProviderKind::OpenId(openid) => openid.id_issuer(),
            ProviderKind::GitHub(github) => &github.id_issuer,
            ProviderKind::Facebook(facebook) => &facebook.id_issuer,
        }
    }

    /// Whether access tokens can be refreshed. Facebook issues no refresh tokens.
    pub fn can_refresh(&self) -> bool {
        match self.kind {
            ProviderKind::OpenId(_) | ProviderKind::GitHub(_) => true,
            ProviderKind::Facebook(_) => false,
        }
    }

    /// Returns the URL to which the browser is redirected (RFC 6749 §4.1.1). May fetch the discovery document first.
    ///
    /// # Errors
    /// The attempt is invalid, the discovery document is invalid or not available, or too many requests wait for it.
    pub async fn authorize_url(&self, attempt: &SignInAttempt) -> Result<String, ProviderError> {
        let step = self.common.step("redirecting to the provider");
        self.check_attempt(step, attempt)?;
        let nonce = matches!(self.kind, ProviderKind::OpenId(_));
        let at = if let Some(known) = self.known_endpoints() {
            known
        } else {
            let _waiting = self.common.begin_waiting(step)?;
            self.endpoints().await?
        };
        self.common.client.authorize_url(step, &at, attempt, nonce)
    }

    /// Exchanges the code of a callback for tokens, and returns the verified identity of the user.
    ///
    /// # Errors
    /// The callback, the attempt or a response of the provider is invalid, the provider reports an error or is not
    /// available, or too many requests wait for it.
    pub async fn identify(
        &self,
        callback: &Callback,
        attempt: &SignInAttempt,
        now: Timestamp,
    ) -> Result<SocialIdentity, ProviderError> {
        let ProviderCommon { name, client, web, .. } = &self.common;
        let step = self.common.step("checking the callback");
        self.check_attempt(step, attempt)?;
        let _waiting = self.common.begin_waiting(step)?;
        let at = self.endpoints().await?;
        self.check_issuer(step, callback.iss.as_deref(), at.sends_iss)?;
        let code = callback.code.as_ref().map_err(|code| ProviderError::CallbackError(plain_code(code).to_owned()))?;
        let step = self.common.step("exchanging the code");
        let granted = client.exchange(step, web, &at, code, attempt, now).await?;
        let person = match &self.kind {
            ProviderKind::OpenId(openid) => openid.person(&self.common, &at, &granted, attempt, now).await?,
            ProviderKind::GitHub(github) => github.person(&self.common, &granted.tokens.access).await?,
            ProviderKind::Facebook(facebook) => facebook.person(&self.common, &granted.tokens.access).await?,
        };
        Ok(SocialIdentity {
            provider: name.clone(),
            issuer: self.issuer().to_owned(),
            social_id: person.social_id,
            username: person.username,
            email_verified: person.email.is_some() && person.email_verified == Some(true),
            email: person.email,
            first_name: person.first_name,
            last_name: person.last_name,
            tokens: granted.tokens,
        })
    }

    /// Gets a new access token for a refresh token (RFC 6749 §6). If the provider returns no new refresh token, the old
    /// one stays valid.
    ///
    /// # Errors
    /// The provider issues no refresh tokens, refuses the token, returns an invalid response or is not available, or too
    /// many requests wait for it.
    pub async fn refresh(&self, token: &SecretText, now: Timestamp) -> Result<SocialTokens, ProviderError> {
        if !self.can_refresh() {
            return Err(ProviderError::NoToken);
        }
        let step = self.common.step("refreshing the access token");
        let _waiting = self.common.begin_waiting(step)?;
        let client = &self.common.client;
        let web = &self.common.web;
        Ok(client.refresh(step, web, &self.endpoints().await?, token, now).await?.tokens)
    }

    /// The endpoints, if they are known without a request to the provider.
    fn known_endpoints(&self) -> Option<Endpoints> {
        match &self.kind {
            ProviderKind::OpenId(openid) => openid.known_endpoints(&self.common),
            ProviderKind::GitHub(github) => Some(github.endpoints.clone()),
            ProviderKind::Facebook(facebook) => Some(facebook.endpoints.clone()),
        }
    }

    async fn endpoints(&self) -> Result<Endpoints, ProviderError> {
        match &self.kind {
            ProviderKind::OpenId(openid) => openid.endpoints(&self.common).await,
            ProviderKind::GitHub(github) => Ok(github.endpoints.clone()),
            ProviderKind::Facebook(facebook) => Ok(facebook.endpoints.clone()),
        }
    }

    fn check_attempt(&self, step: ProviderStep<'_>, attempt: &SignInAttempt) -> Result<(), ProviderError> {
        if attempt.provider == *self.name() {
            return Ok(());
        }
        Err(step.untrusted(format_args!("the attempt belongs to the provider {}", attempt.provider)))
    }

    /// Checks the `iss` of a callback, even of a callback that reports an error (RFC 9207 §2.4). It must be an issuer
    /// of this provider, if the provider has a known issuer. A missing `iss` is rejected only if `is_required` is set.
    ///
    /// Without this check an attacker could make this server send the code of one provider to another provider
    /// (RFC 9700 §4.4).
    fn check_issuer(&self, step: ProviderStep<'_>, iss: Option<&str>, is_required: bool) -> Result<(), ProviderError> {
        let issuers = match &self.kind {
            ProviderKind::OpenId(openid) => openid.issuers().collect(),
            ProviderKind::GitHub(github) => Vec::from_iter(github.issuer.as_deref()),
            ProviderKind::Facebook(facebook) => Vec::from_iter(facebook.issuer.as_deref()),
        };
        match iss {
            Some(iss) if !issuers.is_empty() && !issuers.contains(&iss) => {
                Err(step.untrusted("the callback is from another issuer (iss)"))
            }
            None if is_required => Err(step.untrusted("the callback has no issuer (iss)")),
            _ => Ok(()),
        }
    }
}

/// The plans of the configured providers, the well-known ones first.
fn plans(options: SocialOptions) -> Result<Vec<ProviderPlan>, ProviderError> {
    let well_known = [
        options.google.map(|google| {
            let kind = ProviderKind::OpenId(Box::new(OpenId::google(&google)?));
            // Google issues a refresh token only with this parameter, and only at the user's first consent.
            let extra: &[_] = &[("access_type", "offline")];
            well_known_plan("google", "Google", google, &["openid", "email", "profile"], extra, kind)
        }),
        options.github.map(|github| {
            let kind = ProviderKind::GitHub(Box::new(GitHub::new(&github)?));
            well_known_plan("github", "GitHub", github, &github::SCOPES, &[], kind)
        }),
        options.facebook.map(|facebook| {
            let kind = ProviderKind::Facebook(Box::new(Facebook::new(&facebook)?));
            well_known_plan("facebook", "Facebook", facebook, &facebook::SCOPES, &[], kind)
        }),
    ];
    let discovered = options.oidc.into_iter().map(|(name, oidc)| {
        let kind = ProviderKind::OpenId(Box::new(OpenId::discovered(name.as_str(), &oidc)?));
        let mut scopes = oidc.scopes;
        if !scopes.iter().any(|scope| scope == "openid") {
            scopes.insert(0, "openid".to_owned());
        }
        Ok(ProviderPlan {
            label: name.to_string(),
            name,
            client_id: oidc.client_id,
            client_secret: oidc.client_secret,
            scopes,
            extra: &[],
            kind,
        })
    });
    well_known.into_iter().flatten().chain(discovered).collect()
}

fn well_known_plan(
    name: &str,
    label: &str,
    options: KnownProvider,
    scopes: &[&str],
    extra: &'static [(&'static str, &'static str)],
    kind: ProviderKind,
) -> Result<ProviderPlan, ProviderError> {
    Ok(ProviderPlan {
        name: ProviderName::parse(name).map_err(|error| ProviderError::InvalidResponse(error.to_string()))?,
        label: label.to_owned(),
        client_id: options.client_id,
        client_secret: Some(options.client_secret),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        extra,
        kind,
    })
}

/// Returns the callback URL. The operator must register exactly this URL with the provider.
fn callback_url(public_url: &PublicUrl, name: &ProviderName) -> Result<RedirectUrl, ProviderError> {
    let url = public_url.join(&format!("/{name}/callback/"));
    RedirectUrl::new(url)
        .map_err(|error| ProviderError::InvalidResponse(format!("{name}: invalid callback URL: {error}")))
}
