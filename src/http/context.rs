//! The state of the handlers: the use cases' dependencies, the HTTP settings and the pages.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;

use super::pages::Pages;
use crate::domain::dialect::Dialect;
use crate::domain::finding::Finding;
use crate::domain::network::Network;
use crate::domain::public_url::PublicUrl;
use crate::domain::secret::SecretText;
use crate::domain::web_origin::WebOrigin;
use crate::issuer::Issuer;
use crate::telemetry::requests::Requests;

/// The HTTP settings from the configuration.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// The URL under which clients reach the issuer.
    pub public_url: PublicUrl,
    /// The networks of the proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<Network>,
    /// The maximum size of a request body, in bytes.
    pub max_body: usize,
    /// The maximum time in which the whole request body must be received.
    pub body_timeout: Duration,
    /// How long verifiers may cache the JWKS.
    pub jwks_max_age: Duration,
    /// The origins whose pages may call the dialects and read the responses (CORS).
    pub allowed_origins: Vec<WebOrigin>,
    /// The names of the request headers that these pages may send, in lower case.
    pub allowed_headers: Vec<String>,
    /// The redirect target after a sign-in with a provider or after linking an account: a path on this server or an
    /// absolute URL.
    pub authed_url: String,
    /// The redirect target after a sign-out in the dialect `rest_social`.
    pub logout_url: String,
    /// The boot settings that are unsafe in production, for the dashboard.
    pub findings: Vec<Finding>,
    /// The enabled dialects.
    pub dialects: BTreeSet<Dialect>,
    /// Where the metrics are served. `None` disables them, and request durations are not recorded.
    pub metrics: Option<MetricsOptions>,
}

impl HttpOptions {
    /// Whether pages of this origin may call the dialects. `origin` is the value of an `Origin` header.
    pub fn allows_origin(&self, origin: &[u8]) -> bool {
        self.allowed_origins.iter().any(|allowed| allowed.is(origin))
    }
}

/// Where the metrics are served, and who may read them.
#[derive(Clone, Debug)]
pub struct MetricsOptions {
    /// The bearer token that a request must carry. `None` lets every client that reaches the route read the metrics.
    pub token: Option<SecretText>,
    /// Whether a separate listener serves the metrics instead of the main listener.
    pub own_listener: bool,
}

/// The state of every handler. It is one pointer, because each request clones it several times.
#[derive(Clone, Debug)]
pub struct Http(Arc<HttpParts>);

/// The content of [`Http`].
#[derive(Debug)]
pub struct HttpParts {
    /// The dependencies of the use cases.
    pub issuer: Arc<Issuer>,
    /// The HTTP settings.
    pub options: HttpOptions,
    /// The HTML pages.
    pub pages: Pages,
    /// The request durations. `None` if metrics are disabled.
    pub requests: Option<Requests>,
    /// The precomputed `Cache-Control` header of the JWKS response.
    pub jwks_cache_control: HeaderValue,
}

impl Deref for Http {
    type Target = HttpParts;

    fn deref(&self) -> &HttpParts {
        &self.0
    }
}

impl Http {
    /// Builds the state of the handlers.
    pub fn new(issuer: Arc<Issuer>, options: HttpOptions, pages: Pages) -> Self {
        let jwks_cache_control = jwks_cache_control(options.jwks_max_age);
        let requests = options.metrics.is_some().then(Requests::default);
        Self(Arc::new(HttpParts { issuer, options, pages, requests, jwks_cache_control }))
    }
}

/// Returns the `Cache-Control` of the JWKS. While the issuer is unreachable or returns server errors, a verifier may
/// use an expired JWKS for one more day (`stale-if-error`, RFC 5861 §4).
fn jwks_cache_control(max_age: Duration) -> HeaderValue {
    let text = format!("public, max-age={}, stale-if-error=86400", max_age.as_secs());
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("no-cache"))
}
