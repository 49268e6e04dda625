//! Error bodies that consist of a message: what `rest_jwt` and `rest_social` have in common.

use std::marker::PhantomData;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::http::rejection::Rejection;
use crate::http::reply;
use crate::issuer::Fault;

/// The message of [`Refusal::EmailNotConfirmed`](crate::issuer::Refusal::EmailNotConfirmed).
pub const EMAIL_NOT_CONFIRMED: &str = "confirm your e-mail address first, with the link that was sent to it; for another link, sign in again in 5 minutes";

/// How a dialect writes a message into the body of an error.
pub trait MessageFormat: 'static {
    /// Returns the response, with this message in its body.
    fn response(status: StatusCode, message: &str) -> Response;
}

/// An error response of the dialect with the format `F`.
pub struct MessageErrorBody<F> {
    /// The HTTP status.
    pub status: StatusCode,
    /// The message for the caller. It is ignored if there is a fault.
    message: String,
    /// The value of `Retry-After`. `None` sends no such header.
    retry_after: Option<Duration>,
    /// The internal error, for the log only.
    fault: Option<Fault>,
    format: PhantomData<F>,
}

impl<F> MessageErrorBody<F> {
    /// Creates an error with a status and a message.
    pub fn new(status: StatusCode, message: &str) -> Self {
        Self { status, message: message.to_owned(), retry_after: None, fault: None, format: PhantomData }
    }

    /// Creates an error with `Retry-After`.
    pub fn retryable(status: StatusCode, message: &str, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(status, message) }
    }

    /// Creates the error of a server that is too busy.
    pub fn busy(retry_after: Duration) -> Self {
        let message = "server is busy; retry after the time in Retry-After";
        Self::retryable(StatusCode::SERVICE_UNAVAILABLE, message, retry_after)
    }

    /// Creates an error that contains only the request id.
    pub fn fault(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "") }
    }

    /// Returns the response. `body` builds it from the status and the message.
    pub fn response(self, body: impl Fn(StatusCode, &str) -> Response + Send + Sync + 'static) -> Response {
        if let Some(fault) = self.fault {
            let message = move |id: &str| format!("internal error (request {id})");
            return reply::fault(fault, move |id| body(StatusCode::INTERNAL_SERVER_ERROR, &message(id)));
        }
        let response = body(self.status, &self.message);
        match self.retry_after {
            Some(after) => reply::retry_after(response, after),
            None if self.status == StatusCode::UNAUTHORIZED => reply::challenge(response),
            None => response,
        }
    }
}

impl<F: MessageFormat> IntoResponse for MessageErrorBody<F> {
    fn into_response(self) -> Response {
        self.response(F::response)
    }
}

impl<F> From<Rejection> for MessageErrorBody<F> {
    fn from(rejection: Rejection) -> Self {
        Self::new(rejection.status(), &rejection.to_string())
    }
}
