//! The admin zone: pages for superusers, rendered here, without a script.
//!
//! The table of its sections is in [`sections`]; what stands at its door in [`guard`]: a page takes a [`guard::Superuser`],
//! a form a [`guard::Checked`], and neither can be had otherwise. It owns the pages' headers, cookies and frame; what an
//! operator does to users and keys are use cases. It stands apart from CORS: no other origin's page may read one of these.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};

use super::Http;
use crate::crypto::admin;

mod audit;
mod audit_export;
mod chart;
mod charts;
mod cookies;
mod dashboard;
pub mod frame;
mod guard;
mod health_checks;
mod key_pages;
mod keys;
mod operator;
mod outbox;
mod page_error;
mod path;
mod query;
pub mod sections;
mod sessions;
mod settings;
pub mod sign_in;
mod timeline;
mod users;
mod welcome;

use page_error::PageError;

/// What a handler answers.
type PageResult = Result<Response, PageError>;

/// The style of all pages here; built in alone, so that a template of an operator's own can change it only by being one.
const STYLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/pages/admin/style.css"));

/// A page may be styled by the one sheet, show pictures of ours and post its forms here, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";
/// The same for a page that shows others of ours in frames.
const HOLDS_FRAMES: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-src 'self'; \
                            form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// A mail in a frame may be styled by itself, as in a mail reader, and nothing else.
const IS_FRAMED: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; \
                         frame-ancestors 'self'; base-uri 'none'; sandbox";
/// What every answer here is sent with. Pages here tell each other where one came from, for a browser that must not say so
/// sends no origin with a form; they tell nobody else.
static HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("x-frame-options"), "DENY"),
];

/// What a handler adds to its answer that has to do with frames: all else neither is in one nor holds one.
#[derive(Clone, Copy, Debug)]
enum Framing {
    /// It shows others of ours in frames.
    HoldsFrames,
    /// It is shown in a frame of ours, and was written by others: nothing in it runs, is fetched or leads anywhere.
    IsFramed,
}

impl Framing {
    fn headers(self) -> Vec<(HeaderName, &'static str)> {
        match self {
            Self::HoldsFrames => vec![(CONTENT_SECURITY_POLICY, HOLDS_FRAMES)],
            Self::IsFramed => {
                vec![(CONTENT_SECURITY_POLICY, IS_FRAMED), (HeaderName::from_static("x-frame-options"), "SAMEORIGIN")]
            }
        }
    }
}

/// The door, and every section.
pub fn routes(http: &Http) -> Router<Http> {
    let sections = sections::SECTIONS.iter().fold(Router::new(), |routes, section| routes.merge((section.routes)()));
    sections
        .merge(sign_in::routes())
        .merge(welcome::routes())
        .route("/admin", get(redirect_to_sign_in))
        .route("/admin/style.css", get(style))
        .route("/admin/{*rest}", any(not_found))
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(http.clone(), finish_response))
}

/// Gives an answer the headers of the zone, and one that says no its page.
async fn finish_response(State(http): State<Http>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(trouble) = response.extensions_mut().remove::<PageError>() {
        let sent_headers = std::mem::take(response.headers_mut());
        response = trouble.response(&http);
        // What axum has said (Allow) holds for the page, too.
        for (name, value) in &sent_headers {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
    }
    let framing = response.extensions_mut().remove::<Framing>();
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in &HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in framing.into_iter().flat_map(Framing::headers) {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn redirect_to_sign_in() -> PageError {
    PageError::Redirect("/admin/".to_owned())
}

async fn not_found() -> PageError {
    PageError::NOT_FOUND
}

async fn wrong_method() -> PageError {
    PageError::WRONG_METHOD
}

/// The style sheet. A browser asks each time whether it has changed, for a new version has another at the same address.
async fn style(headers: HeaderMap) -> Response {
    let etag = format!("\"{}\"", admin::fingerprint(STYLE.as_bytes()));
    let known = headers.get(IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    let is_known = known.is_some_and(|known| known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { STYLE.into_response() };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    response
}
