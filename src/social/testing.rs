//! Helpers of the provider tests: options, attempts, and a simulated OpenID Connect provider.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use serde_json::{Value, json};

use super::{Callback, Provider, ProviderError, Providers, SocialOptions};
use crate::clock::Clock;
use crate::crypto::key_pair::KeyPair;
use crate::crypto::testing::{NOW, foreign_token};
use crate::domain::algorithm::Algorithm;
use crate::domain::secret::SecretText;
use crate::domain::social::provider_options::{KnownProvider, OidcProvider};
use crate::domain::social::{AttemptPurpose, ProviderName, SignInAttempt, SocialIdentity};
use crate::fetch::client::{FetchLimits, FetchOptions};
use crate::fetch::testing::TestServer;

/// An access token, which must not appear in any error.
pub(super) const ACCESS_TOKEN: &str = "at-1-hunter2";
/// A client secret, which must not appear in any error.
pub(super) const CLIENT_SECRET: &str = "cs-hunter2";

pub(super) fn secret(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

pub(super) fn name(text: &str) -> ProviderName {
    ProviderName::parse(text).unwrap()
}

/// Options without a provider.
pub(super) fn options(clock: &Clock) -> SocialOptions {
    SocialOptions {
        public_url: "https://id.example.com/auth".parse().unwrap(),
        leeway: Duration::from_secs(5),
        clock: clock.clone(),
        fetch: FetchOptions::default(),
        google: None,
        github: None,
        facebook: None,
        oidc: Vec::new(),
    }
}

/// A well-known provider at its default URLs.
pub(super) fn known() -> KnownProvider {
    KnownProvider {
        client_id: "us".to_owned(),
        client_secret: secret(CLIENT_SECRET),
        authorize_url: None,
        token_url: None,
        userinfo_url: None,
        emails_url: None,
        issuer: None,
        jwks_url: None,
    }
}

pub(super) fn attempt(provider: &str) -> SignInAttempt {
    SignInAttempt {
        provider: name(provider),
        state: secret("st-1"),
        nonce: secret("n-1"),
        // RFC 7636 appendix B.
        verifier: secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        started_at: NOW,
        purpose: AttemptPurpose::SignIn,
    }
}

pub(super) fn callback() -> Callback {
    Callback { code: Ok(secret("code-1")), iss: None }
}

/// A simulated OpenID Connect provider with a discovery document, and `Providers` that are configured for it. All its
/// responses are valid by default.
pub(super) struct TestOpenId {
    pub(super) server: TestServer,
    pub(super) clock: Clock,
    pub(super) pair: KeyPair,
    providers: Providers,
}

impl TestOpenId {
    pub(super) async fn start() -> Self {
        Self::with_limits(FetchLimits::default()).await
    }

    pub(super) async fn with_limits(limits: FetchLimits) -> Self {
        let server = TestServer::start().await;
        let clock = Clock::manual(NOW);
        let pair = KeyPair::generate(Algorithm::Es256, 0).unwrap();
        let mut options =
            SocialOptions { fetch: FetchOptions { limits, ..FetchOptions::default() }, ..options(&clock) };
        options.oidc.push((
            name("corp"),
            OidcProvider {
                issuer: server.url.clone(),
                client_id: "us".to_owned(),
                client_secret: Some(secret(CLIENT_SECRET)),
                scopes: vec!["email".to_owned()],
            },
        ));
        let op = Self { providers: Providers::new(options).unwrap(), server, clock, pair };
        op.set_discovery_document(&[]);
        op.publish_keys(&[&op.pair]);
        op.issue_id_token(&op.header(), &op.claims());
        op
    }

    pub(super) fn provider(&self) -> &Provider {
        self.providers.find("corp").unwrap()
    }

    /// Sets the discovery document. `changes` replace members; a null removes a member.
    pub(super) fn set_discovery_document(&self, changes: &[(&str, Value)]) {
        let url = &self.server.url;
        let mut object = json!({"issuer": url, "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"), "jwks_uri": format!("{url}/jwks")});
        for (name, value) in changes {
            object[*name] = value.clone();
        }
        object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.server.reply_with_json("/.well-known/openid-configuration", object);
    }

    /// Sets the JWKS.
    pub(super) fn publish_keys(&self, pairs: &[&KeyPair]) {
        let keys: Vec<_> = pairs.iter().map(|pair| pair.public().jwk()).collect();
        self.server.reply_with_json("/jwks", json!({ "keys": keys }));
    }

    pub(super) fn header(&self) -> Value {
        json!({"alg": "ES256", "typ": "JWT", "kid": self.pair.public().kid().as_str()})
    }

    pub(super) fn claims(&self) -> Value {
        json!({"iss": self.server.url, "sub": "ann-1", "aud": "us", "exp": NOW.unix() + 300, "iat": NOW.unix(),
            "nonce": "n-1", "email": "ann@example.com", "email_verified": true, "name": "Ann Other"})
    }

    /// Sets the ID token of the following token responses.
    pub(super) fn issue_id_token(&self, header: &Value, claims: &Value) {
        self.issue_id_token_text(&foreign_token(&self.pair, header, claims));
    }

    pub(super) fn issue_id_token_text(&self, id_token: &str) {
        let response = json!({"access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 3600,
            "refresh_token": "rt-1", "id_token": id_token});
        self.server.reply_with_json("/token", response);
    }
}

/// Signs in with the valid callback. Asserts that an error contains no secret.
pub(super) async fn identify(op: &TestOpenId) -> Result<SocialIdentity, ProviderError> {
    let result = op.provider().identify(&callback(), &attempt("corp"), NOW).await;
    if let Err(error) = &result {
        let shown = format!("{error} {error:?}");
        for hidden in [ACCESS_TOKEN, CLIENT_SECRET, "code-1", "n-1", "eyJ", "ann@example.com"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
    result
}

/// The message of an `Untrusted` error. `what` describes the case if the result is another one.
pub(super) fn untrusted<T: std::fmt::Debug>(result: Result<T, ProviderError>, what: &str) -> String {
    match result {
        Err(ProviderError::Untrusted(message)) => message,
        other => panic!("{what}: {other:?}"),
    }
}

/// The object with one member changed.
pub(super) fn changed(value: &Value, name: &str, to: &Value) -> Value {
    let mut changed = value.clone();
    changed[name] = to.clone();
    changed
}
