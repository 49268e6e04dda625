//! Redirects within the site.

use axum::http::StatusCode;
use axum::response::Response;

use crate::http::context::Http;
use crate::http::reply;

/// Redirects to a path (303). `path` does not contain the path of the public URL.
pub fn see_other(http: &Http, path: &str) -> Response {
    reply::redirect(StatusCode::SEE_OTHER, &format!("{}{path}", http.options.public_url.path()))
}
