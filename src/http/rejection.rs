//! Errors of a request at the HTTP level, found before a use case runs.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Why a request was rejected before a use case ran. The status is the same in all dialects; each dialect has its own
/// error body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The body is not valid JSON or a valid form, or the connection failed while it was received.
    #[error("malformed body: {0}")]
    MalformedBody(String),
    /// The route does not accept the content type of the body. The value names the content that it accepts.
    #[error("unsupported content type; send {0}")]
    WrongContentType(&'static str),
    /// The body has a content coding, such as compression.
    #[error("unsupported content encoding; send the body without Content-Encoding")]
    WrongContentEncoding,
    /// The body is larger than `server.max_body`. The value is this limit, in bytes.
    #[error("request body is larger than {0} bytes")]
    TooLarge(usize),
    /// The body was not received in time. The value is the limit,
    /// [`body_timeout`](super::context::HttpOptions::body_timeout).
    #[error("request body not received within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// The route does not support the method.
    #[error("method not allowed; see the Allow header")]
    WrongMethod,
    /// A page of an origin that is not allowed sent the request with the cookie. Such a page must not act for the user.
    #[error("cookie not accepted from another origin; send the token in the Authorization header")]
    ForeignOrigin,
}

/// Required by axum's extractor traits, but not used: every handler converts a rejection into its own error body.
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.status().into_response()
    }
}

impl Rejection {
    /// The HTTP status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MalformedBody(_) => StatusCode::BAD_REQUEST,
            Self::WrongContentType(_) | Self::WrongContentEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
        }
    }
}
