//! HTTP: routes, bodies, headers and error bodies. All decisions about users and tokens are made in the use cases.
//!
//! A dialect translates one documented API to and from the use cases; each has its own folder in `dialect`. The routes
//! that belong to no dialect, such as the JWKS, discovery and liveliness, are in the modules next to `dialect`. The
//! JWKS route has none of the layers in `layers`: its response is precomputed, and the handler sets the CORS header
//! itself.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;

use crate::domain::dialect::Dialect;
use crate::domain::network::Network;
use crate::domain::public_url::PublicUrl;
use crate::issuer::Issuer;
use crate::telemetry::requests::Requests;

mod admin;
mod bearer;
pub mod body;
mod caller;
mod dialect;
mod layers;
mod liveliness;
pub mod metrics;
pub mod multipart;
pub mod openapi;
pub mod pages;
mod rejection;
mod reply;
pub mod server;
mod wellknown;

use metrics::MetricsOptions;
use pages::Pages;

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
    pub allowed_origins: Vec<String>,
    /// The redirect target after a sign-in with a provider or after linking an account: a path on this server or an
    /// absolute URL.
    pub authed_url: String,
    /// The redirect target after a sign-out in the dialect `rest_social`.
    pub logout_url: String,
    /// The enabled dialects.
    pub dialects: BTreeSet<Dialect>,
    /// Where the metrics are served. `None` disables them, and request durations are not recorded.
    pub metrics: Option<MetricsOptions>,
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
    jwks_cache_control: HeaderValue,
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
        let jwks_cache_control = wellknown::cache_control(options.jwks_max_age);
        let requests = options.metrics.is_some().then(Requests::default);
        Self(Arc::new(HttpParts { issuer, options, pages, requests, jwks_cache_control }))
    }
}

/// Returns the router with all routes of the main listener.
pub fn router(http: &Http) -> Router {
    let dialects = dialect::routes(http);
    let on_main_listener = http.options.metrics.as_ref().is_some_and(|metrics| !metrics.own_listener);
    let layered = if on_main_listener { metrics::routes() } else { Router::new() };
    let layered = layered
        .merge(wellknown::routes())
        .merge(liveliness::routes())
        .merge(openapi::routes())
        .merge(dialects)
        .fallback(reply::not_found)
        .method_not_allowed_fallback(reply::wrong_method);
    let layered = layers::with_layers(layered, admin::routes(http), http);
    Router::new()
        .merge(wellknown::jwks_route())
        .method_not_allowed_fallback(reply::wrong_method)
        .with_state(http.clone())
        .fallback_service(layered)
}
