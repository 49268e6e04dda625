//! The dialect `rest_social`: `/<provider>/`, `/<provider>/callback/` and `/<provider>_refresh/` for Google, GitHub,
//! Facebook and every other configured provider, `/social_logout/`, and the routes under `/social/`. Facebook has no
//! refresh route.

use axum::Router;
use axum::extract::State;
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};

use super::routing::{at, wrong_method};
use crate::domain::social::ProviderName;
use crate::http::context::Http;
use crate::http::extract::bearer::{BearerResult, without_cookie};
use crate::http::extract::body::SubmittedBody;
use crate::http::rejection::Rejection;
use crate::http::reply;
use crate::http::reply::HandlerResult;
use crate::issuer::authenticate::Authenticate;
use crate::issuer::change_permit::OwnerProof;
use crate::issuer::social::accounts::{ProviderTokens, accounts, provider_tokens};
use crate::issuer::social::refresh::RefreshProvider;
use crate::issuer::social::sign_out::SignOutWithProvider;
use crate::issuer::social::unlink::UnlinkAccount;
use crate::issuer::{Caller, Refusal, SignedIn};
use crate::social::Providers;

mod doc;
mod flow;
mod refusal;
mod route;
mod wire;

pub use doc::ROUTE_GROUP;
use refusal::RestSocialErrorBody;
use route::ProviderPath;

/// The providers of the original, which is the system that this dialect replaces. Their routes exist even if they are
/// not configured.
const BUILT_IN_PROVIDERS: [&str; 3] = ["google", "github", "facebook"];
/// The only provider without a refresh route.
const WITHOUT_REFRESH: &str = "facebook";

/// Returns the routes of the dialect.
pub fn routes(providers: &Providers) -> Router<Http> {
    let others = providers.offered().map(|provider| provider.name().as_str());
    let others = others.filter(|name| !BUILT_IN_PROVIDERS.contains(name));
    let mut router = Router::new()
        .merge(at("/social", with_error_body(get(flow::page))))
        .merge(at("/social_logout", with_error_body(get(sign_out).post(sign_out))))
        .merge(at("/social/token", with_error_body(get(token))))
        .merge(at("/social/refresh_token", with_error_body(get(refresh_token))))
        .merge(at("/social/provider", with_error_body(get(session_provider))))
        .merge(at("/social/accounts", with_error_body(get(list))))
        .merge(at("/social/unlink", with_error_body(post(unlink))));
    for name in BUILT_IN_PROVIDERS.into_iter().chain(others) {
        router = router
            .merge(at(&format!("/{name}"), with_error_body(get(flow::begin).post(flow::link))))
            .merge(at(&format!("/{name}/callback"), get(flow::callback).head(get_only).fallback(get_only)));
        if name != WITHOUT_REFRESH {
            router = router.merge(at(&format!("/{name}_refresh"), with_error_body(get(refresh).post(refresh))));
        }
    }
    router
}

fn with_error_body(methods: MethodRouter<Http>) -> MethodRouter<Http> {
    methods.fallback(wrong_method::<RestSocialErrorBody>)
}

/// Returns the response for an unsupported method of the callback. HEAD is also unsupported, because it would use up
/// the authorization code, which is valid only once.
async fn get_only() -> Response {
    let mut response = RestSocialErrorBody::from(Rejection::WrongMethod).into_response();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    response
}

async fn authenticate(http: &Http, token: BearerResult) -> Result<SignedIn, RestSocialErrorBody> {
    let token = token?.token;
    Ok(Authenticate { token: token.as_deref() }.run(&http.issuer).await?)
}

/// Ends the session if the user is signed in. Redirects the browser to `logout_url` and deletes the cookie in both
/// cases.
async fn sign_out(State(http): State<Http>, from: Caller, token: BearerResult) -> HandlerResult<RestSocialErrorBody> {
    let token = token?.token;
    match (Authenticate { token: token.as_deref() }).run(&http.issuer).await {
        Ok(signed_in) => SignOutWithProvider { from }.run(&signed_in, &http.issuer).await?,
        Err(Refusal::NotSignedIn(_)) => {}
        Err(refusal) => return Err(refusal.into()),
    }
    let response = reply::redirect(StatusCode::FOUND, &http.options.logout_url);
    Ok(without_cookie(response, &http.options))
}

async fn refresh(
    State(http): State<Http>,
    from: Caller,
    ProviderPath(provider): ProviderPath,
    token: BearerResult,
) -> HandlerResult<RestSocialErrorBody> {
    match refresh_provider(&http, from, provider, token).await {
        Ok(()) => Ok(wire::status(StatusCode::OK, "refreshed")),
        // The original returns an empty message to a caller that is not signed in.
        Err(error_body) if error_body.status == StatusCode::UNAUTHORIZED => {
            Err(RestSocialErrorBody::new(error_body.status, ""))
        }
        Err(error_body) => Err(error_body),
    }
}

async fn refresh_provider(
    http: &Http,
    from: Caller,
    provider: ProviderName,
    token: BearerResult,
) -> Result<(), RestSocialErrorBody> {
    let signed_in = authenticate(http, token).await?;
    Ok(RefreshProvider { provider, from }.run(&signed_in, &http.issuer).await?)
}

async fn token(State(http): State<Http>, token: BearerResult) -> Response {
    match session_tokens(&http, token).await {
        Ok(tokens) => wire::token_response("token", tokens.access.as_ref()),
        Err(error_body) => error_body.response(|status, _| wire::no_token_response("token", status)),
    }
}

async fn refresh_token(State(http): State<Http>, token: BearerResult) -> Response {
    match session_tokens(&http, token).await {
        Ok(tokens) => wire::token_response("refresh_token", tokens.refresh.as_ref()),
        Err(error_body) => error_body.response(|status, _| wire::no_token_response("refresh_token", status)),
    }
}

async fn session_tokens(http: &Http, token: BearerResult) -> Result<ProviderTokens, RestSocialErrorBody> {
    let signed_in = authenticate(http, token).await?;
    Ok(provider_tokens(&http.issuer, &signed_in).await?)
}

async fn session_provider(State(http): State<Http>, token: BearerResult) -> Response {
    match authenticate(&http, token).await {
        Ok(signed_in) => wire::session_provider(signed_in.session().provider.as_ref()),
        Err(error_body) => error_body.response(|status, _| wire::no_session_provider(status)),
    }
}

async fn list(State(http): State<Http>, token: BearerResult) -> HandlerResult<RestSocialErrorBody> {
    let signed_in = authenticate(&http, token).await?;
    Ok(wire::accounts(&accounts(&http.issuer, &signed_in).await?))
}

async fn unlink(
    State(http): State<Http>,
    from: Caller,
    token: BearerResult,
    body: Result<SubmittedBody, Rejection>,
) -> HandlerResult<RestSocialErrorBody> {
    let signed_in = authenticate(&http, token).await?;
    let mut fields = body?.into_fields();
    let provider = wire::provider(&mut fields)?;
    let proof = OwnerProof { current_password: wire::current_password(&mut fields)?, from };
    UnlinkAccount { provider, proof }.run(&signed_in, &http.issuer).await?;
    Ok(wire::status(StatusCode::OK, "unlinked"))
}
