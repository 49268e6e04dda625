//! The page of a [`PageError`].

use std::marker::PhantomData;

use axum::http::StatusCode;
use axum::response::Response;
use minijinja::context;
use minijinja::value::Value;

use super::frame::PageFrame;
use super::page_error::PageError;
use super::zone::Zone;
use crate::http::context::Http;
use crate::http::pages::Page;
use crate::http::reply;

/// An error page of a zone.
pub struct ErrorPage<Z> {
    title: &'static str,
    message: String,
    zone: PhantomData<Z>,
}

impl<Z: Zone> Page for ErrorPage<Z> {
    const TEMPLATE: &'static str = Z::POLICY.error_template;

    fn context(&self) -> Value {
        let Self { title, message, .. } = self;
        context! { title => *title, message }
    }

    fn samples() -> Vec<Self> {
        let page = |message: &str| Self { title: "Page not found", message: message.to_owned(), zone: PhantomData };
        vec![page(""), page("No user has the name <b>anna</b>.")]
    }
}

/// Renders an error in the zone's frame without a user.
pub fn render<Z: Zone>(error: PageError, http: &Http) -> Response {
    match error {
        PageError::Page { status, title, message, retry_after } => {
            let response = show::<Z>(http, status, title, message);
            match retry_after {
                Some(after) => reply::retry_after(response, after),
                None => response,
            }
        }
        PageError::Internal(fault) => {
            let http = http.clone();
            reply::shared_fault(fault, move |id| {
                let message = format!("The log contains the cause under the request id {id}.");
                show::<Z>(&http, StatusCode::INTERNAL_SERVER_ERROR, "Internal error", message)
            })
        }
    }
}

fn show<Z: Zone>(http: &Http, status: StatusCode, title: &'static str, message: String) -> Response {
    let page = ErrorPage::<Z> { title, message, zone: PhantomData };
    PageFrame::without_user(&Z::POLICY, http).show(http, status, &page)
}
