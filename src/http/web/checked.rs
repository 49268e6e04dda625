//! The extractor of forms. It verifies the sender, the CSRF token and the origin of the form, so a form handler cannot
//! omit these checks.

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::ORIGIN;

use super::form_sender::FormSender;
use super::not_admitted::NotAdmitted;
use super::page_error::PageError;
use crate::http::context::Http;
use crate::http::extract::body::{JsonBody, SubmittedBody};
use crate::http::rejection::Rejection;

/// The form field with the CSRF token.
const CSRF_FIELD: &str = "csrf";

/// A form with a valid CSRF token, sent by an authorised sender and not from a page of another origin.
#[derive(Debug)]
pub struct Checked<S> {
    /// The sender.
    pub sender: S,
    /// The fields.
    pub form: JsonBody,
}

impl<S: FormSender + Send> FromRequest<Http> for Checked<S> {
    type Rejection = NotAdmitted;

    async fn from_request(request: Request, http: &Http) -> Result<Self, NotAdmitted> {
        if is_cross_origin(request.headers(), http) {
            return Err(PageError::forged().into());
        }
        let (parts, body) = request.into_parts();
        let sender = S::find(&parts, http).await?;
        let mut form = match SubmittedBody::from_request(Request::from_parts(parts, body), http).await? {
            SubmittedBody::Form(form) => form,
            SubmittedBody::Json(_) => {
                return Err(Rejection::WrongContentType("a form as application/x-www-form-urlencoded, in UTF-8").into());
            }
        };
        if !http.issuer.browser_keys.is_csrf_token(&sender.csrf_binding(), &form.text_or_empty(CSRF_FIELD)) {
            return Err(PageError::forged().into());
        }
        Ok(Self { sender, form })
    }
}

/// Whether a page of another origin sent the form. Old browsers that send neither `Origin` nor `Sec-Fetch-Site` are
/// accepted, because they do not send the cookies with requests of other sites (`SameSite`).
fn is_cross_origin(headers: &HeaderMap, http: &Http) -> bool {
    let value = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let origin = http.options.public_url.origin();
    value(ORIGIN.as_str()).is_some_and(|from| from != origin)
        || value("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}
