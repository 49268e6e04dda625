//! The style sheet of the admin pages.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::crypto::browser;
use crate::http::context::Http;
use crate::http::etag::is_current;

/// The style sheet. It is always the built-in one, so an operator's template file cannot replace it.
const STYLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/pages/admin/style.css"));

/// The route of the style sheet.
pub fn routes() -> Router<Http> {
    Router::new().route("/admin/style.css", get(style))
}

/// The style sheet. Browsers must revalidate it on every use, because a new version of the server may serve a different
/// style sheet at the same path.
async fn style(headers: HeaderMap) -> Response {
    let etag = format!("\"{}\"", browser::fingerprint(STYLE.as_bytes()));
    let mut response = if is_current(&headers, etag.as_bytes()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        STYLE.into_response()
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    response
}
