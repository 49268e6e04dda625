//! `/metrics`: the metrics of the process for Prometheus. Disabled unless `metrics.listen` or `metrics.token` is set.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use subtle::ConstantTimeEq as _;

use super::context::Http;
use super::{layers, reply};
use crate::domain::secret::SecretText;

mod exposition;
mod families;

/// Returns the route for the main listener.
pub fn routes() -> Router<Http> {
    Router::new().route("/metrics", get(metrics))
}

/// Returns the router of the separate metrics listener, which has no other route.
pub fn router(http: &Http) -> Router {
    let routes = routes().fallback(reply::not_found).method_not_allowed_fallback(reply::wrong_method);
    layers::with_layers(Router::new(), routes, http)
}

async fn metrics(State(http): State<Http>, headers: HeaderMap) -> Response {
    let token = http.options.metrics.as_ref().and_then(|metrics| metrics.token.as_ref());
    if !token.is_none_or(|token| has_bearer_token(&headers, token)) {
        let message = "missing or wrong bearer token; send metrics.token in the Authorization header";
        return reply::challenge(reply::error(StatusCode::UNAUTHORIZED, "no_metrics_token", message));
    }
    let mut response = Response::new(Body::from(families::all(&http).await));
    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, format);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whether the request carries this bearer token. The comparison takes the same time for all tokens of this length.
fn has_bearer_token(headers: &HeaderMap, token: &SecretText) -> bool {
    let sent = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).and_then(|line| line.split_at_checked(7));
    sent.is_some_and(|(scheme, sent)| {
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(sent.ct_eq(token.expose().as_bytes()))
    })
}
