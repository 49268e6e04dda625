//! `/confirm-email`: the page that a confirmation link opens. It belongs to no dialect, because users of every dialect
//! confirm their addresses here.
//!
//! Opening the link changes nothing, because mail scanners also open links. Only a POST confirms the address. The token
//! of the link authenticates it: no cookie is read, so a page of another origin gains nothing by sending the form.

use std::borrow::Cow;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::context::Http;
use super::extract::body::SubmittedBody;
use super::extract::url_encoded::UrlEncoded;
use super::format::sentence;
use super::openapi::model::{Access, JSON, Operation, Parameter, RouteGroup};
use super::pages::confirm_email::ConfirmEmailPage;
use super::rejection::Rejection;
use super::reply;
use super::web::page_error::PageError;
use crate::domain::reset_code::{CONFIRM_PARAMETER, LinkToken};
use crate::domain::secret::SecretText;
use crate::issuer::confirm_email::{ConfirmEmail, ConfirmEmailError, ConfirmedEmail};
use crate::issuer::{Caller, Refusal};

/// The path of the page.
pub const PATH: &str = "/confirm-email";

const INCOMPLETE: &str = "This link is incomplete. Open it from the e-mail again.";
const WRONG_LINK: &str =
    "The link is invalid, already used, replaced by a newer one or expired. Request a new one in your application.";
const TAKEN: &str = "Another account has this address by now. Your account keeps its previous address.";
const OPENED: &str = "An HTML page with a button; opening the link changes nothing";

/// Returns the route of the page and of its form.
pub fn routes() -> Router<Http> {
    let methods = get(page).post(confirm).fallback(wrong_method);
    Router::new().route(PATH, methods.clone()).route(&format!("{PATH}/"), methods)
}

/// The OpenAPI description of the page.
pub const ROUTE_GROUP: RouteGroup = RouteGroup {
    name: "confirmation",
    description: "The page that confirms an e-mail address. The link in the confirmation e-mail opens it.",
    media: JSON,
    operations: &[
        Operation {
            method: "get",
            path: PATH,
            summary: "Show the page with the button that confirms the address",
            access: Access::Open,
            query: &[Parameter {
                name: CONFIRM_PARAMETER,
                meaning: "The token in the link",
                example: "b2s7Vn0…",
                required: true,
            }],
            request_examples: &[],
            responses: &[(200, OPENED, ""), (400, "An HTML page with the error: the link is incomplete", "")],
        },
        Operation {
            method: "post",
            path: PATH,
            summary: "Confirm the address, which then replaces the previous one. The body may be JSON or a form",
            access: Access::Open,
            query: &[],
            request_examples: &[r#"{"confirming": "b2s7Vn0…"}"#],
            responses: &[
                (200, "An HTML page: the address is confirmed", ""),
                (400, "An HTML page: the link is invalid, already used, replaced or expired", ""),
                (409, "An HTML page: another account has the address", ""),
                (429, "An HTML page: too many attempts; see Retry-After", ""),
            ],
        },
    ],
};

/// Shows the page that the link opens. Any well-formed token gets the button, because the token is only checked when it
/// is used.
async fn page(State(http): State<Http>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let token = UrlEncoded::new(&query).first(CONFIRM_PARAMETER).map(Cow::into_owned);
    match token.filter(|token| LinkToken::parse(token).is_some()) {
        Some(token) => {
            let action = format!("{}{PATH}", http.options.public_url.path());
            show(&http, StatusCode::OK, &ConfirmEmailPage::Form { action, token })
        }
        None => refused(&http, StatusCode::BAD_REQUEST, INCOMPLETE),
    }
}

async fn confirm(State(http): State<Http>, from: Caller, body: Result<SubmittedBody, Rejection>) -> Response {
    let (SubmittedBody::Json(mut fields) | SubmittedBody::Form(mut fields)) = match body {
        Ok(body) => body,
        Err(rejection) => return refused(&http, rejection.status(), &sentence(&rejection.to_string())),
    };
    let token = SecretText::new(fields.text_or_empty(CONFIRM_PARAMETER));
    match (ConfirmEmail { token, from }).run(&http.issuer).await {
        Ok(ConfirmedEmail { email, username }) => {
            let page = ConfirmEmailPage::Done { email: email.to_string(), username: username.to_string() };
            show(&http, StatusCode::OK, &page)
        }
        Err(ConfirmEmailError::WrongLink) => refused(&http, StatusCode::BAD_REQUEST, WRONG_LINK),
        Err(ConfirmEmailError::Taken) => refused(&http, StatusCode::CONFLICT, TAKEN),
        Err(ConfirmEmailError::Refused(refusal)) => refusal_page(&http, refusal),
    }
}

async fn wrong_method(State(http): State<Http>) -> Response {
    let rejection = Rejection::WrongMethod;
    refused(&http, rejection.status(), &sentence(&rejection.to_string()))
}

fn refusal_page(http: &Http, refusal: Refusal) -> Response {
    match PageError::from(refusal) {
        PageError::Page { status, message, retry_after, .. } => {
            let response = refused(http, status, &message);
            match retry_after {
                Some(after) => reply::retry_after(response, after),
                None => response,
            }
        }
        PageError::Internal(fault) => {
            let http = http.clone();
            reply::shared_fault(fault, move |id| {
                let problem = format!("Internal error. The log contains the cause under the request id {id}.");
                refused(&http, StatusCode::INTERNAL_SERVER_ERROR, &problem)
            })
        }
    }
}

fn refused(http: &Http, status: StatusCode, problem: &str) -> Response {
    show(http, status, &ConfirmEmailPage::Refused { problem: problem.to_owned() })
}

fn show(http: &Http, status: StatusCode, page: &ConfirmEmailPage) -> Response {
    http.pages.show(status, page, &http.issuer.random)
}
