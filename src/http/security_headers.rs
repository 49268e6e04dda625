//! The security headers of every response. Also sets them on responses without the layers: the JWKS and rejected heads.

use axum::http::header::{STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue};

/// Sets `X-Content-Type-Options`, and with an https public URL `Strict-Transport-Security` (RFC 6797 §7.1). Copies no
/// text.
pub fn set_security_headers(headers: &mut HeaderMap, is_https: bool) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}
