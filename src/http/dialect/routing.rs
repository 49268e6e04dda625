//! Routes as the dialects need them: with and without a trailing slash, and with the error body of the dialect for an
//! unsupported method.

use axum::Router;
use axum::routing::MethodRouter;

use crate::http::context::Http;
use crate::http::rejection::Rejection;

/// Returns a router for a path with and without a trailing slash, because the originals accept both.
pub fn at(path: &str, methods: MethodRouter<Http>) -> Router<Http> {
    let path = path.trim_end_matches('/');
    Router::new().route(path, methods.clone()).route(&format!("{path}/"), methods)
}

/// Returns the error body of a dialect for an unsupported method. axum adds the `Allow` header.
pub async fn wrong_method<E: From<Rejection>>() -> E {
    E::from(Rejection::WrongMethod)
}
