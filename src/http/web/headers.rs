//! The security headers of every response of a zone.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The content security policy of a page. It allows only style sheets and images of this server, `data:` images, and
/// forms to this server.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";
/// The policy of a page that shows other pages of the zone in frames.
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
pub enum Framing {
    /// The page shows other pages of the zone in frames.
    HoldsFrames,
    /// The page is shown in a frame of the zone, and its content is not trusted. It cannot run scripts, send forms or
    /// load resources, except its own styles and `data:` images.
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

/// Adds the headers. Responses are not cached, unless the handler has set `Cache-Control`.
pub fn add(headers: &mut HeaderMap, framing: Option<Framing>) {
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in &HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in framing.into_iter().flat_map(Framing::headers) {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
