//! Who may send a form.

use axum::http::request::Parts;

use super::not_admitted::NotAdmitted;
use crate::http::context::Http;

/// A sender of forms, and the value to which the CSRF token is bound.
pub trait FormSender: Sized {
    /// Finds the sender of the request. The error is a redirect, for example to the sign-in page, or an error page.
    fn find(parts: &Parts, http: &Http) -> impl Future<Output = Result<Self, NotAdmitted>> + Send;
    /// The value to which the CSRF tokens of this sender are bound.
    fn csrf_binding(&self) -> Vec<u8>;
}
