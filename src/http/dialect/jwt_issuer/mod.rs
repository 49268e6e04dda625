//! The dialect `jwt_issuer`: `/auth`, `/register`, `/update_profile`, `/renew_token`, `/request_password_reset` and
//! `/reset_password`. The original also has `/liveliness` and `/get_public_cert`, which Countersign serves whatever
//! dialects are enabled.

use axum::Router;
use axum::extract::State;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::routing::{MethodRouter, post};

use super::routing::{at, wrong_method};
use crate::domain::dialect::Dialect;
use crate::domain::reset_code::Delivery;
use crate::http::context::Http;
use crate::http::extract::bearer::{BearerResult, with_cookie};
use crate::http::extract::body::JsonBodyResult;
use crate::http::reply;
use crate::http::reply::HandlerResult;
use crate::issuer::Caller;
use crate::issuer::authenticate::Authenticate;
use crate::issuer::change_permit::OwnerProof;
use crate::issuer::issue::access_token;
use crate::issuer::redeem_reset::RedeemReset;
use crate::issuer::register::Register;
use crate::issuer::renew::Renew;
use crate::issuer::request_reset::RequestReset;
use crate::issuer::sign_in::SignIn;
use crate::issuer::update_profile::UpdateProfile;

mod doc;
mod refusal;
mod wire;

pub use doc::ROUTE_GROUP;
use refusal::JwtIssuerErrorBody;

/// Returns the routes of the dialect.
pub fn routes() -> Router<Http> {
    Router::new()
        .merge(at("/auth", post_only(auth)))
        .merge(at("/register", post_only(register)))
        .merge(at("/update_profile", post_only(update_profile)))
        .merge(at("/renew_token", post_only(renew_token)))
        .merge(at("/request_password_reset", post_only(request_password_reset)))
        .merge(at("/reset_password", post_only(reset_password)))
}

fn post_only<H: Handler<T, Http>, T: 'static>(handler: H) -> MethodRouter<Http> {
    post(handler).fallback(wrong_method::<JwtIssuerErrorBody>)
}

async fn auth(State(http): State<Http>, from: Caller, body: JsonBodyResult) -> HandlerResult<JwtIssuerErrorBody> {
    let wire::Auth { login, password } = wire::auth(body?)?;
    let signed_in = SignIn { login, password, dialect: Dialect::JwtIssuer, from }.run(&http.issuer).await?;
    let token = access_token(&http.issuer, &signed_in).await?;
    let body = wire::signed(&token, signed_in.session().temporary_since.is_some());
    Ok(with_cookie(reply::json(StatusCode::OK, &body), &token, &http.options))
}

async fn register(State(http): State<Http>, from: Caller, body: JsonBodyResult) -> HandlerResult<JwtIssuerErrorBody> {
    let wire::Registration { username, password, email } = wire::registration(body?)?;
    let register = Register { username, password, email: Some(email), from: Some(from), is_superuser: false };
    register.run(&http.issuer).await?;
    Ok(wire::ok())
}

async fn update_profile(
    State(http): State<Http>,
    from: Caller,
    token: BearerResult,
    body: JsonBodyResult,
) -> HandlerResult<JwtIssuerErrorBody> {
    let token = token?.token;
    let signed_in = Authenticate { token: token.as_deref() }.run(&http.issuer).await?;
    let wire::Profile { password, email, current_password } = wire::profile(body?)?;
    let proof = OwnerProof { current_password, from };
    let update = UpdateProfile { password, email, username: None, proof, dialect: Dialect::JwtIssuer };
    let Some(opened) = update.run(&signed_in, &http.issuer).await?.opened else { return Ok(wire::ok()) };
    let token = access_token(&http.issuer, &opened).await?;
    Ok(with_cookie(reply::json(StatusCode::OK, &wire::signed(&token, false)), &token, &http.options))
}

async fn renew_token(State(http): State<Http>, token: BearerResult) -> HandlerResult<JwtIssuerErrorBody> {
    let token = token?.token;
    let signed_in = Renew { token: token.as_deref() }.run(&http.issuer).await?;
    let token = access_token(&http.issuer, &signed_in).await?;
    Ok(with_cookie(reply::json(StatusCode::OK, &wire::renewed(&token)), &token, &http.options))
}

async fn request_password_reset(
    State(http): State<Http>,
    from: Caller,
    body: JsonBodyResult,
) -> HandlerResult<JwtIssuerErrorBody> {
    let email = wire::reset_request(body?)?;
    RequestReset { email, delivery: Delivery::Code, from }.run(&http.issuer).await?;
    Ok(wire::ok())
}

async fn reset_password(
    State(http): State<Http>,
    from: Caller,
    body: JsonBodyResult,
) -> HandlerResult<JwtIssuerErrorBody> {
    let wire::Reset { code, new_password } = wire::reset(body?)?;
    let redeem = RedeemReset { secret: code, delivery: Delivery::Code, new_password, from };
    let temporary = redeem.run(&http.issuer).await?;
    Ok(temporary.map_or_else(wire::ok, |password| wire::temporary(&password)))
}
