//! The dialect `simplejwt`: `/api/token/` and, below it, `refresh/`, `verify/`, `blacklist/`, `sliding/` and
//! `sliding/refresh/`, with the responses of the views of `djangorestframework-simplejwt`.
//!
//! The package returns different errors for expired tokens, blacklisted tokens and tokens of the wrong type. This
//! dialect returns the same body for all of them. At a sign-in, an empty password is a wrong password, not a missing
//! field, as in every dialect with passwords.

use axum::Router;
use axum::extract::State;

use super::drf::{BodyFields, post_only};
use super::routing::at;
use crate::domain::dialect::Dialect;
use crate::http::context::Http;
use crate::http::reply::HandlerResult;
use crate::issuer::issue::{access_token, sliding_token};
use crate::issuer::refresh::{Refresh, Refreshed};
use crate::issuer::refresh_token::{sign_refresh_jwt, verify_refresh_jwt};
use crate::issuer::sign_in::SignIn;
use crate::issuer::sign_out::SignOutByRefresh;
use crate::issuer::sliding::RenewSliding;
use crate::issuer::verify_token::VerifyToken;
use crate::issuer::{Caller, SignedIn};

mod doc;
mod refusal;
mod wire;

pub use doc::ROUTE_GROUP;
use refusal::SimpleJwtErrorBody;

/// Returns the routes of the dialect.
pub fn routes() -> Router<Http> {
    Router::new()
        .merge(at("/api/token/", post_only(obtain_pair)))
        .merge(at("/api/token/refresh/", post_only(refresh)))
        .merge(at("/api/token/verify/", post_only(verify)))
        .merge(at("/api/token/blacklist/", post_only(blacklist)))
        .merge(at("/api/token/sliding/", post_only(obtain_sliding)))
        .merge(at("/api/token/sliding/refresh/", post_only(refresh_sliding)))
}

async fn obtain_pair(State(http): State<Http>, from: Caller, body: BodyFields) -> HandlerResult<SimpleJwtErrorBody> {
    let signed_in = sign_in(&http, from, body).await?;
    let refresh = sign_refresh_jwt(&http.issuer, &signed_in).await?;
    let access = access_token(&http.issuer, &signed_in).await?;
    Ok(wire::pair(&refresh, &access))
}

async fn obtain_sliding(State(http): State<Http>, from: Caller, body: BodyFields) -> HandlerResult<SimpleJwtErrorBody> {
    let signed_in = sign_in(&http, from, body).await?;
    Ok(wire::sliding_response(&sliding_token(&http.issuer, &signed_in).await?))
}

async fn sign_in(http: &Http, from: Caller, body: BodyFields) -> Result<SignedIn, SimpleJwtErrorBody> {
    let wire::Credentials { login, password } = wire::credentials(body)?;
    Ok(SignIn { login, password, dialect: Dialect::Simplejwt, from }.run(&http.issuer).await?)
}

async fn refresh(State(http): State<Http>, from: Caller, body: BodyFields) -> HandlerResult<SimpleJwtErrorBody> {
    let token = verify_refresh_jwt(&http.issuer, &wire::token(body, "refresh")?)?;
    let Refreshed { signed_in, rotated } = Refresh { token: token.into(), from }.run(&http.issuer).await?;
    let access = access_token(&http.issuer, &signed_in).await?;
    let successor = if rotated { Some(sign_refresh_jwt(&http.issuer, &signed_in).await?) } else { None };
    Ok(wire::refresh_response(&access, successor.as_ref()))
}

async fn refresh_sliding(State(http): State<Http>, body: BodyFields) -> HandlerResult<SimpleJwtErrorBody> {
    let token = wire::token(body, "token")?;
    let signed_in = RenewSliding { token: &token }.run(&http.issuer).await?;
    Ok(wire::sliding_response(&sliding_token(&http.issuer, &signed_in).await?))
}

async fn verify(State(http): State<Http>, from: Caller, body: BodyFields) -> HandlerResult<SimpleJwtErrorBody> {
    let token = wire::token(body, "token")?;
    VerifyToken { token: &token, from }.run(&http.issuer).await?;
    Ok(wire::empty_object())
}

async fn blacklist(State(http): State<Http>, from: Caller, body: BodyFields) -> HandlerResult<SimpleJwtErrorBody> {
    let token = verify_refresh_jwt(&http.issuer, &wire::token(body, "refresh")?)?;
    SignOutByRefresh { token: token.into(), from }.run(&http.issuer).await?;
    Ok(wire::empty_object())
}
