//! Saying no in the zone: each refusal becomes a page that looks like the others. A handler returns a [`PageError`] by `?`;
//! [`super::finish_response`] renders it, for only there is everything at hand.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use minijinja::context;
use minijinja::value::Value;

use super::frame::PageFrame;
use crate::domain::field::{Field, FieldProblem};
use crate::http::pages::Page;
use crate::http::rejection::Rejection;
use crate::http::{Http, reply};
use crate::issuer::{Denied, Fault, OperatorRule, Refusal};
use crate::store::StoreError;

/// Why a request is not answered with what it asked for.
#[derive(Clone, Debug)]
pub enum PageError {
    /// Somewhere else first: a path of ours, gone to by GET.
    Redirect(String),
    /// A page that says why not.
    Page {
        /// The answer's status.
        status: StatusCode,
        /// What happened, in a few words.
        title: &'static str,
        /// Why, and what to do.
        message: String,
        /// When to come again.
        retry_after: Option<Duration>,
    },
    /// Something broke.
    Broken(Arc<Fault>),
}

impl PageError {
    /// There is no such page, or nothing of that name.
    pub const NOT_FOUND: Self = Self::plain(StatusCode::NOT_FOUND, "There is nothing here", String::new());
    /// A page was posted to, or a form was opened.
    pub const WRONG_METHOD: Self =
        Self::plain(StatusCode::METHOD_NOT_ALLOWED, "This page is not used that way", String::new());

    const fn plain(status: StatusCode, title: &'static str, message: String) -> Self {
        Self::Page { status, title, message, retry_after: None }
    }

    /// A page that says why not.
    pub fn page(status: StatusCode, title: &'static str, message: impl Into<String>) -> Self {
        Self::plain(status, title, message.into())
    }

    /// The form was not one of ours, or the page it was on is of another sign-in.
    pub fn forged() -> Self {
        let message = "The form did not come from a page that was made for you, or that page is too old. Nothing was \
                       done. Go back, load the page again, and send the form once more.";
        Self::page(StatusCode::FORBIDDEN, "This form was not accepted", message)
    }

    /// The answer itself.
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
                let response = PageFrame::bare(http).show(http, status, &ErrorPage { title, message });
                match retry_after {
                    Some(after) => reply::retry_after(response, after),
                    None => response,
                }
            }
            Self::Broken(fault) => {
                let http = http.clone();
                reply::shared_fault(fault, move |id| {
                    let message = format!("Nothing more is known here. The log has it under the request {id}.");
                    let page = ErrorPage { title: "Something went wrong", message };
                    PageFrame::bare(&http).show(&http, StatusCode::INTERNAL_SERVER_ERROR, &page)
                })
            }
        }
    }
}

/// An empty shell until it is rendered.
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
            Denied::Rule(rule) => Self::page(StatusCode::CONFLICT, "That can't be done", sentence(&rule.to_string())),
            Denied::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Rejection> for PageError {
    fn from(rejection: Rejection) -> Self {
        Self::page(rejection.status(), "The request was not understood", sentence(&rejection.to_string()))
    }
}

impl From<Refusal> for PageError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(_) | Refusal::Taken(_) | Refusal::WrongResetCode => {
                let message = problem(&refusal).unwrap_or_default();
                Self::page(StatusCode::BAD_REQUEST, "That can't be", message)
            }
            Refusal::WrongCredentials => {
                Self::page(StatusCode::FORBIDDEN, "That is wrong", "The name or the password is wrong.")
            }
            Refusal::NotSignedIn(_) => Self::Redirect("/admin/login".to_owned()),
            Refusal::RegistrationClosed => {
                Self::page(StatusCode::FORBIDDEN, "Registration is closed", "Accounts are made by an operator alone.")
            }
            Refusal::TooMany { retry_after } => Self::Page {
                status: StatusCode::TOO_MANY_REQUESTS,
                title: "Too many tries",
                message: format!("The next one is let through in {} seconds.", seconds(retry_after)),
                retry_after: Some(retry_after),
            },
            Refusal::Busy { retry_after } => Self::Page {
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "Too much to do at the moment",
                message: "Nothing was changed. Try again soon.".to_owned(),
                retry_after: Some(retry_after),
            },
            // No page here asks a provider.
            Refusal::Social(refusal) => {
                Self::page(StatusCode::BAD_REQUEST, "That can't be", sentence(&refusal.to_string()))
            }
            Refusal::Fault(fault) => fault.into(),
        }
    }
}

fn seconds(span: Duration) -> u128 {
    span.as_millis().div_ceil(1000).max(1)
}

/// A field as the forms call it.
pub fn field_name(field: Field) -> &'static str {
    match field {
        Field::Username => "The name",
        Field::Email => "The e-mail address",
        Field::Password | Field::NewPassword => "The password",
        Field::ResetCode => "The code",
    }
}

/// What is wrong with a field, as a sentence.
pub fn field_problem(field: Field, problem: FieldProblem) -> String {
    format!("{} {problem}.", field_name(field))
}

/// A refusal that the form itself can show, as a sentence; None for one that only a page of its own can tell.
pub fn problem(refusal: &Refusal) -> Option<String> {
    match refusal {
        Refusal::Invalid(problems) => {
            let sentences: Vec<_> = problems.iter().map(|(field, problem)| field_problem(*field, *problem)).collect();
            Some(sentences.join(" "))
        }
        Refusal::Taken(field) => Some(format!("{} is taken.", field_name(*field))),
        Refusal::WrongCredentials => Some("The name or the password is wrong.".to_owned()),
        Refusal::WrongResetCode => Some("The code is wrong, used up or too old.".to_owned()),
        Refusal::NotSignedIn(_)
        | Refusal::RegistrationClosed
        | Refusal::TooMany { .. }
        | Refusal::Busy { .. }
        | Refusal::Social(_)
        | Refusal::Fault(_) => None,
    }
}

/// With a capital letter and a full stop.
pub fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// A page that says no.
pub struct ErrorPage {
    /// What happened.
    pub title: &'static str,
    /// Why, and what to do; may be empty.
    pub message: String,
}

impl Page for ErrorPage {
    const TEMPLATE: &'static str = "admin/trouble.html";

    fn context(&self) -> Value {
        let Self { title, message } = self;
        context! { title => *title, message }
    }

    fn samples() -> Vec<Self> {
        let page = |message: &str| Self { title: "There is nothing here", message: message.to_owned() };
        vec![page(""), page("Nobody has <b>that</b> name.")]
    }
}
