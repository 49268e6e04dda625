//! The response to a request that an extractor did not admit.

use axum::response::{IntoResponse, Response};

use super::page_error::PageError;
use super::redirect::see_other;
use crate::http::context::Http;

/// The response to a request that an extractor did not admit.
#[derive(Debug)]
pub enum NotAdmitted {
    /// A redirect, to the sign-in page or to the page that asks for the password again.
    Redirect(Box<Response>),
    /// An error page.
    Error(PageError),
}

impl NotAdmitted {
    /// A redirect to a path of the zone.
    pub fn redirect(http: &Http, path: &str) -> Self {
        Self::Redirect(Box::new(see_other(http, path)))
    }
}

impl<E: Into<PageError>> From<E> for NotAdmitted {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl IntoResponse for NotAdmitted {
    fn into_response(self) -> Response {
        match self {
            Self::Redirect(response) => *response,
            Self::Error(error) => error.into_response(),
        }
    }
}
