//! Answers: JSON that no cache keeps, cookies, and the empty shell a fault travels in until the edge logs it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use cookie::{Cookie, SameSite};
use serde::Serialize;
use serde_json::json;

use super::HttpOptions;
use super::bearer::COOKIE_NAME;
use super::rejection::Rejection;
use crate::issuer::Fault;
use crate::issuer::issue::AccessToken;

/// What a handler returns: a response, or the error body of its API.
pub type HandlerResult<E> = Result<Response, E>;

/// JSON that no cache keeps: it may hold a token, and never holds what is the same for everyone.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // What is serialised here are our own types, which are all JSON.
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Adds `Retry-After` (RFC 9110 §10.2.3), in whole seconds rounded up.
pub fn retry_after(mut response: Response, after: Duration) -> Response {
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    response
}

/// Adds the challenge a 401 must carry (RFC 6750 §3).
pub fn challenge(mut response: Response) -> Response {
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Adds the cookie that carries an access token, for as long as the token is good.
pub fn with_cookie(mut response: Response, token: &AccessToken, options: &HttpOptions) -> Response {
    let cookie = Cookie::build((COOKIE_NAME, token.text.expose()))
        .http_only(true)
        .same_site(SameSite::Lax)
        .path("/")
        .max_age(cookie::time::Duration::seconds(token.lifetime.as_secs().try_into().unwrap_or(i64::MAX)))
        .secure(options.public_url.is_https());
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}

/// Takes the cookie away that carries an access token.
pub fn without_cookie(mut response: Response, options: &HttpOptions) -> Response {
    let cookie = Cookie::build(COOKIE_NAME)
        .http_only(true)
        .same_site(SameSite::Lax)
        .path("/")
        .max_age(cookie::time::Duration::ZERO)
        .secure(options.public_url.is_https());
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}

/// Sends a browser elsewhere; no cache keeps where.
pub fn redirect(status: StatusCode, to: &str) -> Response {
    let mut response = status.into_response();
    // What a header can't hold (line breaks) the settings have refused, and providers' URLs are parsed ones.
    let to = HeaderValue::from_bytes(to.as_bytes()).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, to);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A fault on its way to the edge, with the dialect's words for it once the request's id is known.
#[derive(Clone)]
pub struct FaultResponse {
    /// What happened, for the log.
    pub fault: Arc<Fault>,
    /// What the caller is told: that something broke, and the request's id.
    pub body: Arc<dyn Fn(&str) -> Response + Send + Sync>,
}

/// A 500 that the edge logs once and gives its body.
pub fn fault(fault: Fault, body: impl Fn(&str) -> Response + Send + Sync + 'static) -> Response {
    shared_fault(Arc::new(fault), body)
}

/// As [`fault`], for one that has been passed on before.
pub fn shared_fault(fault: Arc<Fault>, body: impl Fn(&str) -> Response + Send + Sync + 'static) -> Response {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(FaultResponse { fault, body: Arc::new(body) });
    response
}

/// The answer to a route nobody has.
pub async fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
}

/// The answer to a wrong method outside every dialect. axum adds the `Allow` header.
pub async fn wrong_method() -> Response {
    let rejection = Rejection::WrongMethod;
    error(rejection.status(), "wrong_method", &rejection.to_string())
}

/// An error outside every dialect, in the form of the oldest one.
pub fn error(status: StatusCode, code: &str, message: &str) -> Response {
    json(status, &json!({"status": "ERROR", "code": code, "message": message}))
}

/// The words for a fault outside every dialect.
pub fn internal_error(request_id: &str) -> Response {
    error(StatusCode::INTERNAL_SERVER_ERROR, "internal", &format!("something went wrong here (request {request_id})"))
}
