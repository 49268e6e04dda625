//! The dialect `rest_jwt`: `/signup`, `/signin`, `/refresh`, `/restore`, `/validation` and `/get_user_by_jwt`.

use axum::Router;
use axum::extract::State;
use axum::handler::Handler;
use axum::routing::{MethodRouter, get, post};

use super::routing::{at, wrong_method};
use crate::domain::dialect::Dialect;
use crate::http::context::Http;
use crate::http::extract::bearer::BareOrBearer;
use crate::http::extract::body::JsonBodyResult;
use crate::http::reply::HandlerResult;
use crate::issuer::Caller;
use crate::issuer::authenticate::Authenticate;
use crate::issuer::issue::access_token;
use crate::issuer::register::Register;
use crate::issuer::renew::Renew;
use crate::issuer::sign_in::SignIn;

mod doc;
mod refusal;
mod restore;
mod wire;

pub use doc::ROUTE_GROUP;
use refusal::RestJwtErrorBody;

/// Returns the routes of the dialect.
pub fn routes() -> Router<Http> {
    Router::new()
        .merge(at("/signup", post_only(sign_up)))
        .merge(at("/signin", post_only(sign_in)))
        .merge(at("/refresh", post_only(refresh)))
        .merge(at("/restore", get(restore::page).post(restore::restore).fallback(wrong_method::<RestJwtErrorBody>)))
        .merge(at("/validation", post_only(validation)))
        .merge(at("/get_user_by_jwt", post_only(get_user_by_jwt)))
}

fn post_only<H: Handler<T, Http>, T: 'static>(handler: H) -> MethodRouter<Http> {
    post(handler).fallback(wrong_method::<RestJwtErrorBody>)
}

async fn sign_up(State(http): State<Http>, from: Caller, body: JsonBodyResult) -> HandlerResult<RestJwtErrorBody> {
    let wire::Registration { username, password, email } = wire::registration(body?)?;
    let register = Register { username, password, email: Some(email), from: Some(from), is_superuser: false };
    Ok(wire::user(&register.run(&http.issuer).await?))
}

async fn sign_in(State(http): State<Http>, from: Caller, body: JsonBodyResult) -> HandlerResult<RestJwtErrorBody> {
    let wire::Credentials { login, password } = wire::credentials(body?)?;
    let signed_in = SignIn { login, password, dialect: Dialect::RestJwt, from }.run(&http.issuer).await?;
    Ok(wire::token(&access_token(&http.issuer, &signed_in).await?))
}

async fn refresh(State(http): State<Http>, BareOrBearer { token }: BareOrBearer) -> HandlerResult<RestJwtErrorBody> {
    let signed_in = Renew { token: token.as_deref() }.run(&http.issuer).await?;
    Ok(wire::token(&access_token(&http.issuer, &signed_in).await?))
}

async fn validation(State(http): State<Http>, body: JsonBodyResult) -> HandlerResult<RestJwtErrorBody> {
    let token = wire::presented_token(body?)?;
    let (_, expires_at) = Authenticate { token: Some(token.expose()) }.run_with_expiry(&http.issuer).await?;
    Ok(wire::valid_until(expires_at))
}

async fn get_user_by_jwt(State(http): State<Http>, body: JsonBodyResult) -> HandlerResult<RestJwtErrorBody> {
    let token = wire::presented_token(body?)?;
    let signed_in = Authenticate { token: Some(token.expose()) }.run(&http.issuer).await?;
    Ok(wire::user(signed_in.user()))
}
