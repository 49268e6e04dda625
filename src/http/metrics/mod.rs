//! `/metrics`: what the process counts and measures, for Prometheus. Off unless the settings say where and for whom.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use subtle::ConstantTimeEq as _;

use super::{Http, layers, reply};
use crate::domain::secret::SecretText;

mod exposition;
mod families;

/// Where the metrics are, and for whom.
#[derive(Clone, Debug)]
pub struct MetricsOptions {
    /// What must be shown as a bearer token; None: whoever reaches the route may read.
    pub token: Option<SecretText>,
    /// Whether a listener of its own serves them, and not the one of everything else.
    pub own_listener: bool,
}

/// The route, for the listener of everything else.
pub fn routes() -> Router<Http> {
    Router::new().route("/metrics", get(metrics))
}

/// The route and nothing else, for a listener of its own.
pub fn router(http: &Http) -> Router {
    let routes = routes().fallback(reply::not_found).method_not_allowed_fallback(reply::wrong_method);
    layers::with_layers(Router::new(), routes, http)
}

async fn metrics(State(http): State<Http>, headers: HeaderMap) -> Response {
    let token = http.options.metrics.as_ref().and_then(|metrics| metrics.token.as_ref());
    if !token.is_none_or(|token| has_bearer_token(&headers, token)) {
        let words = "metrics are shown to whoever has metrics.token, as a bearer token";
        return reply::challenge(reply::error(StatusCode::UNAUTHORIZED, "no_metrics_token", words));
    }
    let mut response = Response::new(Body::from(families::all(&http).await));
    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, format);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whether the request has this bearer token. The comparison takes as long wherever they differ.
fn has_bearer_token(headers: &HeaderMap, token: &SecretText) -> bool {
    let shown = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).and_then(|line| line.split_at_checked(7));
    shown.is_some_and(|(scheme, shown)| {
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(shown.ct_eq(token.expose().as_bytes()))
    })
}
