//! Responses: JSON that must not be cached, redirects, and the placeholder response of a fault.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::json;

use super::rejection::Rejection;
use crate::domain::duration::seconds_rounded_up;
use crate::issuer::Fault;

/// What a handler returns: a response, or the error body of its API.
pub type HandlerResult<E> = Result<Response, E>;

/// Returns a JSON response with `Cache-Control: no-store`, because it may contain a token or a user's data.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // All bodies are JSON values or types of this crate that serialise without an error.
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Adds `Retry-After` (RFC 9110 §10.2.3), in whole seconds rounded up, at least 1.
pub fn retry_after(mut response: Response, after: Duration) -> Response {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds_rounded_up(after)));
    response
}

/// Adds the challenge that a 401 must contain (RFC 6750 §3).
pub fn challenge(mut response: Response) -> Response {
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Returns a redirect with `Cache-Control: no-store`.
pub fn redirect(status: StatusCode, to: &str) -> Response {
    let mut response = status.into_response();
    // The fallback is never used: the settings reject line breaks, and the URLs of providers are parsed.
    let to = HeaderValue::from_bytes(to.as_bytes()).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, to);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A fault that a handler passes to `layers`, which knows the request id and logs the cause.
#[derive(Clone)]
pub struct FaultResponse {
    /// The cause, for the log only.
    pub fault: Arc<Fault>,
    /// Builds the dialect's response from the request id. The response contains no cause.
    pub body: Arc<dyn Fn(&str) -> Response + Send + Sync>,
}

/// Returns a 500 without a body. `layers` logs the fault once and replaces the response with that of `body`.
pub fn fault(fault: Fault, body: impl Fn(&str) -> Response + Send + Sync + 'static) -> Response {
    shared_fault(Arc::new(fault), body)
}

/// Like [`fault`], for a fault that is already shared.
pub fn shared_fault(fault: Arc<Fault>, body: impl Fn(&str) -> Response + Send + Sync + 'static) -> Response {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(FaultResponse { fault, body: Arc::new(body) });
    response
}

/// Returns the response for a path that matches no route.
pub async fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "not_found", "no such route")
}

/// Returns the response for an unsupported method outside the dialects. axum adds the `Allow` header.
pub async fn wrong_method() -> Response {
    let rejection = Rejection::WrongMethod;
    error(rejection.status(), "wrong_method", &rejection.to_string())
}

/// Returns an error outside the dialects, in the format of the dialect `jwt_issuer`.
pub fn error(status: StatusCode, code: &str, message: &str) -> Response {
    json(status, &json!({"status": "ERROR", "code": code, "message": message}))
}

/// Returns the response for a fault outside the dialects.
pub fn internal_error(request_id: &str) -> Response {
    error(StatusCode::INTERNAL_SERVER_ERROR, "internal", &format!("internal error (request {request_id})"))
}
