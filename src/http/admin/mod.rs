//! The admin zone: server-rendered pages for superusers, without scripts.
//!
//! [`sections`] lists the sections, and [`guard`] protects them: a page handler takes a [`guard::Superuser`], a form
//! handler a [`guard::Checked`]. This module owns the headers, cookies and frame of the pages. The use cases in
//! [`crate::issuer`] change users and keys. The CORS settings do not apply: no page of another origin may read an admin
//! page.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};

use super::context::Http;
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

/// The result of a handler.
type PageResult = Result<Response, PageError>;

/// The style sheet of the admin pages. It is always the built-in one, so an operator's template file cannot replace it.
const STYLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/pages/admin/style.css"));

/// The content security policy of a page. It allows only style sheets and images of this server, `data:` images, and
/// forms to this server.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";
/// The policy of a page that shows other pages of the admin zone in frames.
const POLICY_WITH_FRAMES: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-src 'self'; \
                            form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// The policy of an e-mail in a frame. It allows only the e-mail's own styles and `data:` images.
const POLICY_IN_FRAME: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; \
                         frame-ancestors 'self'; base-uri 'none'; sandbox";
/// The headers of every response. The referrer policy allows a referrer within this origin: without it, browsers send
/// `Origin: null` with a form, which the server rejects. Other origins receive no referrer.
static HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("x-frame-options"), "DENY"),
];

/// A response extension for pages that use frames. A page without it cannot contain a frame and cannot be shown in one.
#[derive(Clone, Copy, Debug)]
enum Framing {
    /// The page shows other pages of the admin zone in frames.
    HoldsFrames,
    /// The page is shown in a frame of the admin zone, and its content is not trusted. It cannot run scripts, send
    /// forms or load resources, except its own styles and `data:` images.
    IsFramed,
}

impl Framing {
    fn headers(self) -> Vec<(HeaderName, &'static str)> {
        match self {
            Self::HoldsFrames => vec![(CONTENT_SECURITY_POLICY, POLICY_WITH_FRAMES)],
            Self::IsFramed => {
                vec![
                    (CONTENT_SECURITY_POLICY, POLICY_IN_FRAME),
                    (HeaderName::from_static("x-frame-options"), "SAMEORIGIN"),
                ]
            }
        }
    }
}

/// The routes of every section, of the sign-in page, of the page for the first superuser, and of the style sheet.
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

/// Builds the response of a [`PageError`] (a page or a redirect), and adds the headers of the admin zone to every
/// response.
async fn finish_response(State(http): State<Http>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<PageError>() {
        let sent_headers = std::mem::take(response.headers_mut());
        response = error.response(&http);
        // Headers that axum has set, such as `Allow`, also apply to the rendered page.
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

/// The style sheet. Browsers must revalidate it on every use, because a new version of the server may serve a different
/// style sheet at the same path.
async fn style(headers: HeaderMap) -> Response {
    let etag = format!("\"{}\"", admin::fingerprint(STYLE.as_bytes()));
    let cached = headers.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let is_current = cached.is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    let mut response = if is_current { StatusCode::NOT_MODIFIED.into_response() } else { STYLE.into_response() };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    response
}
