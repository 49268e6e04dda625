//! HTTP: routes, bodies, headers and words. Everything it knows about users it asks the use cases.
//!
//! Each dialect is a folder that translates; what has no dialect (the key set, discovery, liveliness) is beside them.
//! The JWKS route passes through no layer: its bytes are ready, and whoever fetches them needs nothing else.

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

/// What the configuration says about HTTP.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Where clients find the issuer.
    pub public_url: PublicUrl,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// The greatest number of bytes in a body.
    pub max_body: usize,
    /// How long a whole body may take to come.
    pub body_timeout: Duration,
    /// How long verifiers may keep the key set.
    pub jwks_max_age: Duration,
    /// The origins whose pages may call the dialects and read the answers.
    pub allowed_origins: Vec<String>,
    /// Where a browser goes that signed in at a provider: a path here or a whole URL.
    pub authed_url: String,
    /// Where a browser goes that signed out.
    pub logout_url: String,
    /// The dialects that are spoken.
    pub dialects: BTreeSet<Dialect>,
    /// Where the metrics are; None: nowhere, and nothing is measured for them.
    pub metrics: Option<MetricsOptions>,
}

/// What every handler is given: one pointer, which each request copies several times.
#[derive(Clone, Debug)]
pub struct Http(Arc<HttpParts>);

/// What is behind it.
#[derive(Debug)]
pub struct HttpParts {
    /// The use cases' parts.
    pub issuer: Arc<Issuer>,
    /// The configuration's words on HTTP.
    pub options: HttpOptions,
    /// The pages people see.
    pub pages: Pages,
    /// How long requests took, where anybody may ask.
    pub requests: Option<Requests>,
    /// The JWKS answer's `Cache-Control`, ready.
    jwks_cache_control: HeaderValue,
}

impl Deref for Http {
    type Target = HttpParts;

    fn deref(&self) -> &HttpParts {
        &self.0
    }
}

impl Http {
    /// Puts the parts together.
    pub fn new(issuer: Arc<Issuer>, options: HttpOptions, pages: Pages) -> Self {
        let jwks_cache_control = wellknown::cache_control(options.jwks_max_age);
        let requests = options.metrics.is_some().then(Requests::default);
        Self(Arc::new(HttpParts { issuer, options, pages, requests, jwks_cache_control }))
    }
}

/// Every route there is.
pub fn router(http: &Http) -> Router {
    let dialects = dialect::routes(http);
    let shared = http.options.metrics.as_ref().is_some_and(|metrics| !metrics.own_listener);
    let layered = if shared { metrics::routes() } else { Router::new() };
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
