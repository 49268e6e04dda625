//! The dialect `rest_social`: `/google/`, `/github/`, `/facebook/` and every other provider's name, `/social_logout/`,
//! `/<provider>_refresh/`, and under `/social/` what a signed-in user may know and change.

use axum::Router;
use axum::extract::State;
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};

use super::super::bearer::HeaderOrCookie;
use super::super::body::Submitted;
use super::super::rejection::Rejection;
use super::super::{Http, reply};
use super::{at, wrong_method};
use crate::domain::social::ProviderName;
use crate::issuer::authenticate::Authenticate;
use crate::issuer::social::accounts::{ProviderTokens, accounts, provider_tokens};
use crate::issuer::social::refresh::RefreshProvider;
use crate::issuer::social::sign_out::SignOutSocially;
use crate::issuer::social::unlink::Unlink;
use crate::issuer::{Caller, Refusal, SignedIn};
use crate::social::Providers;

mod attempt;
mod dance;
mod doc;
mod refusal;
mod route;
mod wire;

pub use doc::CHAPTER;
use refusal::Words;
use route::Named;

type Token = Result<HeaderOrCookie, Rejection>;
type Answer = Result<Response, Words>;

/// The providers of the original: their routes answer even where they are not configured.
const ORIGINALS: [&str; 3] = ["google", "github", "facebook"];
/// The one whose tokens are not refreshed.
const WITHOUT_REFRESH: &str = "facebook";

/// The dialect's table of contents.
pub fn routes(providers: &Providers) -> Router<Http> {
    let others = providers.offered().map(|provider| provider.name().as_str());
    let others = others.filter(|name| !ORIGINALS.contains(name));
    let mut router = Router::new()
        .merge(at("/social", only(get(dance::page))))
        .merge(at("/social_logout", only(get(sign_out).post(sign_out))))
        .merge(at("/social/token", only(get(token))))
        .merge(at("/social/refresh_token", only(get(refresh_token))))
        .merge(at("/social/provider", only(get(opened_by))))
        .merge(at("/social/accounts", only(get(list))))
        .merge(at("/social/unlink", only(post(unlink))));
    for name in ORIGINALS.into_iter().chain(others) {
        router = router
            .merge(at(&format!("/{name}"), only(get(dance::begin).post(dance::link))))
            .merge(at(&format!("/{name}/callback"), get(dance::callback).head(get_alone).fallback(get_alone)));
        if name != WITHOUT_REFRESH {
            router = router.merge(at(&format!("/{name}_refresh"), only(get(refresh).post(refresh))));
        }
    }
    router
}

fn only(methods: MethodRouter<Http>) -> MethodRouter<Http> {
    methods.fallback(wrong_method::<Words>)
}

/// The words for a wrong method where even HEAD is one: what a callback brings is good once.
async fn get_alone() -> Response {
    let mut response = Words::from(Rejection::WrongMethod).into_response();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    response
}

async fn signed_in(http: &Http, token: Token) -> Result<SignedIn, Words> {
    let token = token?.token;
    Ok(Authenticate { token: token.as_deref() }.run(&http.issuer).await?)
}

/// Signed in or not, the browser goes where it is told to.
async fn sign_out(State(http): State<Http>, from: Caller, token: Token) -> Answer {
    let token = token?.token;
    match (Authenticate { token: token.as_deref() }).run(&http.issuer).await {
        Ok(who) => SignOutSocially { from }.run(&who, &http.issuer).await?,
        Err(Refusal::NotSignedIn(_)) => {}
        Err(refusal) => return Err(refusal.into()),
    }
    let response = reply::redirect(StatusCode::FOUND, &http.options.logout_url);
    Ok(reply::without_cookie(response, &http.options))
}

async fn refresh(State(http): State<Http>, from: Caller, Named(provider): Named, token: Token) -> Answer {
    match refreshed(&http, from, provider, token).await {
        Ok(()) => Ok(wire::status(StatusCode::OK, "refreshed")),
        // The original says nothing to strangers.
        Err(words) if words.status == StatusCode::UNAUTHORIZED => Err(Words::new(words.status, "")),
        Err(words) => Err(words),
    }
}

async fn refreshed(http: &Http, from: Caller, provider: ProviderName, token: Token) -> Result<(), Words> {
    let who = signed_in(http, token).await?;
    Ok(RefreshProvider { provider, from }.run(&who, &http.issuer).await?)
}

async fn token(State(http): State<Http>, token: Token) -> Response {
    match held(&http, token).await {
        Ok(tokens) => wire::held("token", tokens.access.as_ref()),
        Err(words) => words.answer(|status, _| wire::not_held("token", status)),
    }
}

async fn refresh_token(State(http): State<Http>, token: Token) -> Response {
    match held(&http, token).await {
        Ok(tokens) => wire::held("refresh_token", tokens.refresh.as_ref()),
        Err(words) => words.answer(|status, _| wire::not_held("refresh_token", status)),
    }
}

async fn held(http: &Http, token: Token) -> Result<ProviderTokens, Words> {
    let who = signed_in(http, token).await?;
    Ok(provider_tokens(&http.issuer, &who).await?)
}

async fn opened_by(State(http): State<Http>, token: Token) -> Response {
    match signed_in(&http, token).await {
        Ok(who) => wire::opened_by(who.session().provider.as_ref()),
        Err(words) => words.answer(|status, _| wire::opened_by_nobody_knows(status)),
    }
}

async fn list(State(http): State<Http>, token: Token) -> Answer {
    let who = signed_in(&http, token).await?;
    Ok(wire::accounts(&accounts(&http.issuer, &who).await?))
}

async fn unlink(State(http): State<Http>, from: Caller, token: Token, body: Result<Submitted, Rejection>) -> Answer {
    let who = signed_in(&http, token).await?;
    let (Submitted::Json(fields) | Submitted::Form(fields)) = body?;
    let provider = wire::provider(fields)?;
    Unlink { provider, from }.run(&who, &http.issuer).await?;
    Ok(wire::status(StatusCode::OK, "unlinked"))
}
