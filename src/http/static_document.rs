//! Public documents that stay the same while the server runs. Their bytes are built once, and a client with a current
//! copy gets 304.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use super::etag;
use crate::crypto::content_hash::ContentHash;

/// A document with its headers, ready to send.
#[derive(Clone, Debug)]
pub struct StaticDocument {
    headers: HeaderMap,
    etag: String,
    body: Bytes,
}

impl StaticDocument {
    /// Takes the headers and the body. Adds the `ETag`, and lets caches store the document if they ask for a newer one
    /// before each use, because the next start of the server may change it.
    pub fn new(mut headers: HeaderMap, body: String) -> Self {
        let etag = ContentHash::of(body.as_bytes()).etag();
        // An `ETag` of this form is always a valid header value.
        if let Ok(value) = HeaderValue::from_str(&etag) {
            headers.insert(ETAG, value);
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Self { headers, etag, body: body.into() }
    }

    /// Returns the document, or 304 without a body if the request names its `ETag` (RFC 9110 §15.4.5).
    pub fn response(&self, request_headers: &HeaderMap) -> Response {
        let is_current = etag::is_current(request_headers, self.etag.as_bytes());
        let mut response = Response::new(if is_current { Body::empty() } else { Body::from(self.body.clone()) });
        *response.headers_mut() = self.headers.clone();
        if is_current {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(CONTENT_TYPE);
        }
        response
    }
}
