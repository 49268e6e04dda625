//! What is wrong with a request as HTTP, before any use case is asked.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Why a request was turned away at the door. Each dialect has words for it; the status is the same in all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The body is no JSON object (or form) of the kind asked for.
    #[error("the body is not what it says: {0}")]
    MalformedBody(String),
    /// The body has another type than the route takes.
    #[error("send {0}")]
    WrongContentType(&'static str),
    /// The body is compressed, or in another coding.
    #[error("send the body as it is, without a content-encoding")]
    WrongContentEncoding,
    /// The body is larger than `server.max_body`.
    #[error("the body is over {0} bytes")]
    TooLarge(usize),
    /// The body did not come in time.
    #[error("the body took too long")]
    TooSlow,
    /// The route has other methods.
    #[error("this route has another method: see the Allow header")]
    WrongMethod,
    /// A cookie came with a page of another origin: somebody else's page must not act for its user.
    #[error("this request came from another origin: send the token in the Authorization header instead")]
    ForeignOrigin,
}

/// Never seen: every handler takes the extractor's result and gives it its dialect's words.
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.status().into_response()
    }
}

impl Rejection {
    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MalformedBody(_) => StatusCode::BAD_REQUEST,
            Self::WrongContentType(_) | Self::WrongContentEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
        }
    }
}
