//! The dialect `drf_pyjwt`: `/api/register/`, `/api/login/`, `/api/refresh/`, `/api/logout/` and `/api/me/`.
//!
//! Accounts of the original have an e-mail address and an empty user name. In Countersign every account needs a unique
//! user name. An account that is registered without one stores its address there, and shows an empty user name until
//! `/api/me/` sets one. If the address is too long for a user name, `username` is required.

use axum::Router;
use axum::extract::State;
use axum::routing::get;

use super::drf::{self, BodyFields, post_only};
use super::routing::at;
use crate::domain::dialect::Dialect;
use crate::http::context::Http;
use crate::http::extract::bearer::BearerHeader;
use crate::http::reply::HandlerResult;
use crate::issuer::authenticate::Authenticate;
use crate::issuer::change_permit::OwnerProof;
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

pub use doc::ROUTE_GROUP;
use refusal::DrfPyjwtErrorBody;

/// Returns the routes of the dialect.
pub fn routes() -> Router<Http> {
    let profile = get(me)
        .put(|state, from, token, body| update(state, from, token, body, wire::replacement))
        .patch(|state, from, token, body| update(state, from, token, body, wire::change));
    Router::new()
        .merge(at("/api/register/", post_only(register)))
        .merge(at("/api/login/", post_only(login)))
        .merge(at("/api/refresh/", post_only(refresh)))
        .merge(at("/api/logout/", post_only(logout)))
        .merge(at("/api/me/", profile.fallback(drf::wrong_method)))
}

async fn register(State(http): State<Http>, from: Caller, body: BodyFields) -> HandlerResult<DrfPyjwtErrorBody> {
    let wire::Registration { username, password, email, has_username } =
        wire::registration(body, &http.issuer.policy.passwords)?;
    let register = Register { username, password, email: Some(email), from: Some(from), is_superuser: false };
    let is_address = register.email.as_ref().is_some_and(|email| email.key() == register.username.key());
    let registered =
        if has_username { register.run(&http.issuer).await } else { register.run_without_username(&http.issuer).await };
    let user = registered.map_err(|refusal| wire::report_conflict(refusal, is_address))?;
    Ok(wire::registered(&user))
}

async fn login(State(http): State<Http>, from: Caller, body: BodyFields) -> HandlerResult<DrfPyjwtErrorBody> {
    let wire::Credentials { login, password } = wire::credentials(body)?;
    let signed_in = SignIn { login, password, dialect: Dialect::DrfPyjwt, from }.run(&http.issuer).await?;
    pair(&http, &signed_in).await
}

async fn refresh(State(http): State<Http>, from: Caller, body: BodyFields) -> HandlerResult<DrfPyjwtErrorBody> {
    let token = parse_refresh_uuid(&http.issuer, &wire::refresh_token(body)?)?;
    let refreshed = Refresh { token, from }.run(&http.issuer).await?;
    pair(&http, &refreshed.signed_in).await
}

async fn pair(http: &Http, signed_in: &SignedIn) -> HandlerResult<DrfPyjwtErrorBody> {
    let access = access_token(&http.issuer, signed_in).await?;
    Ok(wire::pair(&access, refresh_uuid(&http.issuer, signed_in)))
}

async fn logout(State(http): State<Http>, from: Caller, body: BodyFields) -> HandlerResult<DrfPyjwtErrorBody> {
    let token = parse_refresh_uuid(&http.issuer, &wire::refresh_token(body)?)?;
    SignOutByRefresh { token, from }.run(&http.issuer).await?;
    Ok(wire::logged_out())
}

async fn me(State(http): State<Http>, BearerHeader { token }: BearerHeader) -> HandlerResult<DrfPyjwtErrorBody> {
    let signed_in = Authenticate { token: token.as_deref() }.run(&http.issuer).await?;
    Ok(wire::profile(signed_in.user()))
}

/// Handles PUT and PATCH. The extractor reads the request body first, but an unauthenticated caller gets a 401 and not
/// the errors in the body.
async fn update(
    State(http): State<Http>,
    from: Caller,
    BearerHeader { token }: BearerHeader,
    body: Result<BodyFields, drf::DrfErrorBody>,
    read: fn(BodyFields, bool) -> Result<wire::ProfileChange, drf::DrfErrorBody>,
) -> HandlerResult<DrfPyjwtErrorBody> {
    let signed_in = Authenticate { token: token.as_deref() }.run(&http.issuer).await?;
    let wire::ProfileChange { username, email, current_password } = read(body?, signed_in.user().has_username)?;
    let proof = OwnerProof { current_password, from };
    let update = UpdateProfile { password: None, email, username, proof, dialect: Dialect::DrfPyjwt };
    let updated = update.run(&signed_in, &http.issuer).await?;
    Ok(wire::profile(&updated.user))
}
