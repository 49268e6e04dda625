//! HTTP: routes, bodies, headers and error bodies. All decisions about users and tokens are made in the use cases.
//!
//! A dialect translates one documented API to and from the use cases; each has its own folder in `dialect`. The routes
//! that belong to no dialect, such as the JWKS, discovery and liveliness, are in the modules next to `dialect`. The
//! JWKS route has none of the layers in `layers`: its response is precomputed, and the handler sets the CORS header
//! itself.

use axum::Router;

use context::Http;

mod admin;
pub mod context;
mod dialect;
pub mod extract;
mod layers;
mod liveliness;
pub mod metrics;
pub mod openapi;
pub mod pages;
mod rejection;
mod reply;
pub mod server;
mod wellknown;

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
