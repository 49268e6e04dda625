//! `/restore`: requests the e-mail with a link, shows the page that the link opens, and sets the new password.
//!
//! Opening the link changes nothing, because mail scanners also open links. Only a POST uses up the token. A JSON
//! request gets a JSON response, and a form gets an HTML page.

use std::borrow::Cow;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::refusal::{self, RestJwtErrorBody};
use super::wire::{self, Restore};
use crate::domain::password::Password;
use crate::domain::reset_code::{Delivery, LinkToken};
use crate::domain::secret::SecretText;
use crate::domain::user::Email;
use crate::http::context::Http;
use crate::http::extract::body::{JsonBody, SubmittedBody};
use crate::http::extract::url_encoded::UrlEncoded;
use crate::http::format::sentence;
use crate::http::pages::restore::RestorePage;
use crate::http::rejection::Rejection;
use crate::http::reply::HandlerResult;
use crate::issuer::Caller;
use crate::issuer::redeem_reset::{RedeemReset, RedeemResetError};
use crate::issuer::request_reset::RequestReset;

const INCOMPLETE: &str = "This link is incomplete. Open it from the e-mail again, or request a new one.";
const MISMATCH: &str = "The passwords do not match.";

/// Shows the page that the link opens. Any well-formed token gets the form, because the token is only checked when it
/// is used.
pub async fn page(State(http): State<Http>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let token = UrlEncoded::new(&query).first("restoring").map(Cow::into_owned);
    match token.filter(|token| LinkToken::parse(token).is_some()) {
        Some(token) => show(&http, StatusCode::OK, &form(&http, token, None)),
        None => show(&http, StatusCode::BAD_REQUEST, &RestorePage::Refused { problem: INCOMPLETE.to_owned() }),
    }
}

/// Handles a POST from a program (JSON) or from the form of the page.
pub async fn restore(
    State(http): State<Http>,
    from: Caller,
    body: Result<SubmittedBody, Rejection>,
) -> HandlerResult<RestJwtErrorBody> {
    match body? {
        SubmittedBody::Form(fields) => Ok(by_form(&http, from, fields).await),
        SubmittedBody::Json(fields) => match wire::restore(fields)? {
            Restore::RequestLink { email } => {
                reset_request(email, from).run(&http.issuer).await?;
                Ok(wire::message("if an account has this address, an e-mail with a link was sent to it"))
            }
            Restore::Redeem { token, password } => {
                redeem(token, password, from).run(&http.issuer).await?;
                Ok(wire::message("the new password is set"))
            }
        },
    }
}

async fn by_form(http: &Http, from: Caller, mut fields: JsonBody) -> Response {
    let repeated = fields.text_named("restoring_password_again").unwrap_or_default().map(Password::new);
    match wire::restore(fields) {
        Err(error_body) => refusal_page(http, error_body, None),
        Ok(Restore::RequestLink { email }) => match reset_request(email, from).run(&http.issuer).await {
            Ok(()) => show(http, StatusCode::OK, &RestorePage::Sent),
            Err(refusal) => refusal_page(http, refusal::error_body(refusal, refusal::page_field), None),
        },
        Ok(Restore::Redeem { token, password }) => {
            if repeated.is_some_and(|repeated| repeated.expose() != password.expose()) {
                return show(
                    http,
                    StatusCode::BAD_REQUEST,
                    &form(http, token.expose().to_owned(), Some(MISMATCH.to_owned())),
                );
            }
            match redeem(token.clone(), password, from).run(&http.issuer).await {
                Ok(_) => show(http, StatusCode::OK, &RestorePage::Done),
                Err(error) => {
                    // For a wrong token the page contains no form, because another attempt with it cannot succeed.
                    let token = (!matches!(error, RedeemResetError::WrongCode)).then_some(token);
                    refusal_page(http, refusal::redeem_error_body(error, refusal::page_field), token)
                }
            }
        }
    }
}

fn reset_request(email: Email, from: Caller) -> RequestReset {
    RequestReset { email, delivery: Delivery::Link, from }
}

fn redeem(token: SecretText, password: Password, from: Caller) -> RedeemReset {
    RedeemReset { secret: token, delivery: Delivery::Link, new_password: Some(password), from }
}

/// Returns the page with the error. It contains the form for another attempt if there is a token.
fn refusal_page(http: &Http, error_body: RestJwtErrorBody, token: Option<SecretText>) -> Response {
    let http = http.clone();
    error_body.response(move |status, message| {
        let problem = sentence(message);
        let page = match &token {
            Some(token) => form(&http, token.expose().to_owned(), Some(problem)),
            None => RestorePage::Refused { problem },
        };
        show(&http, status, &page)
    })
}

fn form(http: &Http, token: String, problem: Option<String>) -> RestorePage {
    let action = format!("{}/restore", http.options.public_url.path());
    RestorePage::Form { action, token, min_length: http.issuer.policy.passwords.min_length, problem }
}

fn show(http: &Http, status: StatusCode, page: &RestorePage) -> Response {
    http.pages.show(status, page, &http.issuer.random)
}
