//! Error pages of the admin zone. A handler returns a [`PageError`] with `?`. [`super::finish_response`] renders it,
//! because the conversion into a response has no access to the templates.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use minijinja::context;
use minijinja::value::Value;

use super::frame::PageFrame;
use crate::domain::field::{Field, FieldProblem};
use crate::http::context::Http;
use crate::http::pages::{Page, sentence};
use crate::http::rejection::Rejection;
use crate::http::reply;
use crate::issuer::{Denied, Fault, OperatorRule, Refusal};
use crate::store::StoreError;

const WRONG_CREDENTIALS: &str = "The user name or the password is wrong.";

/// The response of a handler that does not return the requested page.
#[derive(Clone, Debug)]
pub enum PageError {
    /// A redirect to a path of the admin zone (303).
    Redirect(String),
    /// An error page.
    Page {
        /// The status of the response.
        status: StatusCode,
        /// What happened, as a title.
        title: &'static str,
        /// The reason, and what to do. May be empty.
        message: String,
        /// The value for `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// An internal error (500). The page shows only the request id.
    Broken(Arc<Fault>),
}

impl PageError {
    /// The page or the object does not exist (404).
    pub const NOT_FOUND: Self = Self::plain(StatusCode::NOT_FOUND, "Page not found", String::new());
    /// The page does not support the method (405).
    pub const WRONG_METHOD: Self = Self::plain(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", String::new());

    const fn plain(status: StatusCode, title: &'static str, message: String) -> Self {
        Self::Page { status, title, message, retry_after: None }
    }

    /// An error page.
    pub fn page(status: StatusCode, title: &'static str, message: impl Into<String>) -> Self {
        Self::plain(status, title, message.into())
    }

    /// The CSRF token or the origin of the form is not valid, the token belongs to another session, or the cookie of an
    /// anonymous browser is missing or expired (403).
    pub fn forged() -> Self {
        let message = "The form does not belong to your current session, or the page with the form has expired. \
                       Nothing was changed. Go back, reload the page, and send the form again.";
        Self::page(StatusCode::FORBIDDEN, "This form was not accepted", message)
    }

    /// Builds the response.
    pub(super) fn response(self, http: &Http) -> Response {
        match self {
            Self::Redirect(path) => {
                let mut response = StatusCode::SEE_OTHER.into_response();
                let location = format!("{}{path}", http.options.public_url.path());
                if let Ok(location) = HeaderValue::from_str(&location) {
                    response.headers_mut().insert(LOCATION, location);
                }
                response
            }
            Self::Page { status, title, message, retry_after } => {
                let response = PageFrame::without_user(http).show(http, status, &ErrorPage { title, message });
                match retry_after {
                    Some(after) => reply::retry_after(response, after),
                    None => response,
                }
            }
            Self::Broken(fault) => {
                let http = http.clone();
                reply::shared_fault(fault, move |id| {
                    let message = format!("The log contains the cause under the request id {id}.");
                    let page = ErrorPage { title: "Internal error", message };
                    PageFrame::without_user(&http).show(&http, StatusCode::INTERNAL_SERVER_ERROR, &page)
                })
            }
        }
    }
}

/// A placeholder, which [`super::finish_response`] replaces with the rendered page.
impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Fault> for PageError {
    fn from(fault: Fault) -> Self {
        Self::Broken(Arc::new(fault))
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<Denied> for PageError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Rule(OperatorRule::NoUser | OperatorRule::NoSession) => Self::NOT_FOUND,
            Denied::Rule(rule) => {
                Self::page(StatusCode::CONFLICT, "The action was not carried out", sentence(&rule.to_string()))
            }
            Denied::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Rejection> for PageError {
    fn from(rejection: Rejection) -> Self {
        Self::page(rejection.status(), "The request is not valid", sentence(&rejection.to_string()))
    }
}

impl From<Refusal> for PageError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(_) | Refusal::Taken(_) => {
                let message = problem(&refusal).unwrap_or_default();
                Self::page(StatusCode::BAD_REQUEST, "The input is not valid", message)
            }
            Refusal::WrongCredentials(_) => Self::page(StatusCode::FORBIDDEN, "Wrong credentials", WRONG_CREDENTIALS),
            Refusal::NotSignedIn(_) => Self::Redirect("/admin/login".to_owned()),
            Refusal::RegistrationClosed => {
                Self::page(StatusCode::FORBIDDEN, "Registration is closed", "Only an operator can create accounts.")
            }
            Refusal::RateLimited { retry_after } => Self::Page {
                status: StatusCode::TOO_MANY_REQUESTS,
                title: "Too many attempts",
                message: format!("Try again in {} s.", seconds(retry_after)),
                retry_after: Some(retry_after),
            },
            Refusal::Busy { retry_after } => Self::Page {
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "The server is busy",
                message: "Nothing was changed. Try again in a moment.".to_owned(),
                retry_after: Some(retry_after),
            },
            Refusal::Fault(fault) => fault.into(),
        }
    }
}

/// A duration in seconds, rounded up, at least 1.
fn seconds(span: Duration) -> u128 {
    span.as_millis().div_ceil(1000).max(1)
}

/// The name of a field at the start of a sentence.
pub fn field_name(field: Field) -> &'static str {
    match field {
        Field::Username => "The user name",
        Field::Email => "The e-mail address",
        Field::Password | Field::NewPassword => "The password",
        Field::ResetCode => "The code",
    }
}

/// What is wrong with a field, as a sentence.
pub fn field_problem(field: Field, problem: FieldProblem) -> String {
    format!("{} {problem}.", field_name(field))
}

/// The sentence for a refusal that the form can show, so that the user can correct the input. `None` for a refusal that
/// needs an error page.
pub fn problem(refusal: &Refusal) -> Option<String> {
    match refusal {
        Refusal::Invalid(problems) => {
            let sentences: Vec<_> = problems.iter().map(|(field, problem)| field_problem(*field, *problem)).collect();
            Some(sentences.join(" "))
        }
        Refusal::Taken(field) => Some(format!("{} is taken.", field_name(*field))),
        Refusal::WrongCredentials(_) => Some(WRONG_CREDENTIALS.to_owned()),
        Refusal::NotSignedIn(_)
        | Refusal::RegistrationClosed
        | Refusal::RateLimited { .. }
        | Refusal::Busy { .. }
        | Refusal::Fault(_) => None,
    }
}

/// An error page.
pub struct ErrorPage {
    /// What happened, as a title.
    pub title: &'static str,
    /// The reason, and what to do. May be empty.
    pub message: String,
}

impl Page for ErrorPage {
    const TEMPLATE: &'static str = "admin/trouble.html";

    fn context(&self) -> Value {
        let Self { title, message } = self;
        context! { title => *title, message }
    }

    fn samples() -> Vec<Self> {
        let page = |message: &str| Self { title: "Page not found", message: message.to_owned() };
        vec![page(""), page("No user has the name <b>anna</b>.")]
    }
}
