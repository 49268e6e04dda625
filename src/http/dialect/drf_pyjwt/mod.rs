//! The dialect `drf_pyjwt`: `/api/register/`, `/api/login/`, `/api/refresh/`, `/api/logout/` and `/api/me/`.
//!
//! Accounts of the original have an e-mail address and an empty user name. Here every account has a user name. An
//! account that is registered without one gets its address as the user name, and `/api/me/` shows and changes it. If
//! the address is too long for a user name, `username` is required.

use axum::Router;
use axum::extract::State;
use axum::handler::Handler;
use axum::routing::{MethodRouter, get, post};

use super::at;
use super::drf::{self, BodyFields};
use crate::domain::dialect::Dialect;
use crate::http::Http;
use crate::http::bearer::BearerHeader;
use crate::http::reply::HandlerResult;
use crate::issuer::authenticate::Authenticate;
use crate::issuer::issue::access_token;
use crate::issuer::refresh::Refresh;
use crate::issuer::refresh_token::{parse_refresh_uuid, refresh_uuid};
use crate::issuer::register::Register;
use crate::issuer::sign_in::SignIn;
use crate::issuer::sign_out::SignOutByRefresh;
use crate::issuer::update_profile::UpdateProfile;
use crate::issuer::{Caller, SignedIn};

mod doc;
mod refusal;
mod wire;

pub use doc::CHAPTER;
use refusal::DrfPyjwtErrorBody;

/// Returns the routes of the dialect.
pub fn routes() -> Router<Http> {
    Router::new()
        .merge(at("/api/register/", post_only(register)))
        .merge(at("/api/login/", post_only(login)))
        .merge(at("/api/refresh/", post_only(refresh)))
        .merge(at("/api/logout/", post_only(logout)))
        .merge(at("/api/me/", get(me).put(replace_me).patch(change_me).fallback(drf::wrong_method)))
}

fn post_only<H: Handler<T, Http>, T: 'static>(handler: H) -> MethodRouter<Http> {
    post(handler).fallback(drf::wrong_method)
}

async fn register(State(http): State<Http>, from: Caller, body: BodyFields) -> HandlerResult<DrfPyjwtErrorBody> {
    let wire::Registration { username, password, email, has_username } =
        wire::registration(body, &http.issuer.policy.passwords)?;
    let register = Register { username, password, email: Some(email), from: Some(from), is_superuser: false };
    let user = register.run(&http.issuer).await.map_err(|refusal| wire::as_sent(refusal, has_username))?;
    Ok(wire::registered(&user))
}

async fn login(State(http): State<Http>, from: Caller, body: BodyFields) -> HandlerResult<DrfPyjwtErrorBody> {
    let wire::Credentials { login, password } = wire::credentials(body)?;
    let who = SignIn { login, password, dialect: Dialect::DrfPyjwt, from }.run(&http.issuer).await?;
    pair(&http, &who).await
}

async fn refresh(State(http): State<Http>, from: Caller, body: BodyFields) -> HandlerResult<DrfPyjwtErrorBody> {
    let token = parse_refresh_uuid(&http.issuer, &wire::refresh_token(body)?)?;
    let who = Refresh { token, from }.run(&http.issuer).await?;
    pair(&http, &who).await
}

async fn pair(http: &Http, who: &SignedIn) -> HandlerResult<DrfPyjwtErrorBody> {
    let access = access_token(&http.issuer, who).await?;
    Ok(wire::pair(&access, refresh_uuid(&http.issuer, who)))
}

async fn logout(State(http): State<Http>, from: Caller, body: BodyFields) -> HandlerResult<DrfPyjwtErrorBody> {
    let token = parse_refresh_uuid(&http.issuer, &wire::refresh_token(body)?)?;
    SignOutByRefresh { token, from }.run(&http.issuer).await?;
    Ok(wire::logged_out())
}

async fn me(State(http): State<Http>, BearerHeader { token }: BearerHeader) -> HandlerResult<DrfPyjwtErrorBody> {
    let who = Authenticate { token: token.as_deref() }.run(&http.issuer).await?;
    Ok(wire::profile(who.user()))
}

/// Authenticates the caller before an error in the body is returned. The body itself is read earlier, by its extractor.
async fn replace_me(
    state: State<Http>,
    from: Caller,
    token: BearerHeader,
    body: Result<BodyFields, drf::DrfErrorBody>,
) -> HandlerResult<DrfPyjwtErrorBody> {
    update(state, from, token, body, wire::replacement).await
}

async fn change_me(
    state: State<Http>,
    from: Caller,
    token: BearerHeader,
    body: Result<BodyFields, drf::DrfErrorBody>,
) -> HandlerResult<DrfPyjwtErrorBody> {
    update(state, from, token, body, wire::change).await
}

async fn update(
    State(http): State<Http>,
    from: Caller,
    BearerHeader { token }: BearerHeader,
    body: Result<BodyFields, drf::DrfErrorBody>,
    read: fn(BodyFields) -> Result<wire::Change, drf::DrfErrorBody>,
) -> HandlerResult<DrfPyjwtErrorBody> {
    let who = Authenticate { token: token.as_deref() }.run(&http.issuer).await?;
    let wire::Change { username, email } = read(body?)?;
    let update = UpdateProfile { password: None, email, username, dialect: Dialect::DrfPyjwt, from };
    let user = update.run(&who, &http.issuer).await?;
    Ok(wire::profile(&user))
}
