//! HTTP: routes, bodies, headers and error bodies. All decisions about users and tokens are made in the use cases.
//!
//! A dialect translates one documented API to and from the use cases; each has its own folder in `dialect`. The routes
//! that belong to no dialect, such as the JWKS, discovery and liveliness, are in the modules next to `dialect`. The
//! JWKS route has none of the layers in `layers`: its response is precomputed, and the handler sets the CORS header
//! itself.
//!
//! The modules import each other in one direction only:
//!
//! ```text
//! this file (assembles the routes, the OpenAPI tables and the pages)
//!   → admin, dialect, confirm_email, metrics, openapi::routes, wellknown, liveliness → web → openapi::document, layers
//!   → extract → context → pages → static_document → etag, format, security_headers, reply, rejection, openapi::model
//! ```

use std::collections::BTreeSet;

use axum::Router;

use crate::domain::dialect::Dialect;
use context::Http;
use openapi::model::RouteGroup;
use pages::PageSet;

mod admin;
mod confirm_email;
pub mod context;
mod dialect;
mod etag;
pub mod extract;
mod format;
mod layers;
mod liveliness;
pub mod metrics;
pub mod openapi;
pub mod pages;
mod rejection;
mod reply;
mod security_headers;
pub mod server;
mod static_document;
mod web;
mod wellknown;

/// Returns the OpenAPI tables of the enabled dialects and of the routes that belong to no dialect.
pub fn route_groups(enabled: &BTreeSet<Dialect>) -> Vec<RouteGroup> {
    let mut route_groups: Vec<RouteGroup> = enabled.iter().map(|dialect| dialect::route_group(*dialect)).collect();
    route_groups.extend([
        wellknown::ROUTE_GROUP,
        liveliness::ROUTE_GROUP,
        confirm_email::ROUTE_GROUP,
        openapi::routes::ROUTE_GROUP,
    ]);
    route_groups
}

/// The path of the page that confirmation links open.
pub const CONFIRM_EMAIL_PATH: &str = confirm_email::PATH;

/// The templates and samples of all pages.
pub const PAGES: &[PageSet] =
    &[pages::restore::PAGES, pages::confirm_email::PAGES, pages::api_doc::PAGES, pages::social::PAGES, admin::PAGES];

/// Returns the router with all routes of the main listener.
pub fn router(http: &Http) -> Router {
    let dialects = dialect::routes(http);
    let on_main_listener = http.options.metrics.as_ref().is_some_and(|metrics| !metrics.own_listener);
    let layered = if on_main_listener { metrics::routes() } else { Router::new() };
    let layered = layered
        .merge(wellknown::routes())
        .merge(liveliness::routes())
        .merge(openapi::routes::routes(route_groups(&http.options.dialects)))
        .merge(dialects)
        .fallback(reply::not_found)
        .method_not_allowed_fallback(reply::wrong_method);
    let without_cors = admin::routes(http).merge(confirm_email::routes());
    let layered = layers::with_layers(layered, without_cors, http);
    Router::new()
        .merge(wellknown::jwks_route())
        .method_not_allowed_fallback(wellknown::wrong_jwks_method)
        .with_state(http.clone())
        .fallback_service(layered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_json_and_every_operation_is_unique() {
        let mut seen = BTreeSet::new();
        for operation in route_groups(&Dialect::ALL.into()).iter().flat_map(|route_group| route_group.operations) {
            let name = format!("{} {}", operation.method, operation.path);
            let bodies = operation.responses.iter().map(|(_, _, body)| *body);
            for body in bodies.chain(operation.request_examples.iter().copied()).filter(|body| !body.is_empty()) {
                assert!(serde_json::from_str::<serde_json::Value>(body).is_ok(), "{name}: {body}");
            }
            assert!(seen.insert(name.clone()), "duplicate: {name}");
        }
    }
}
