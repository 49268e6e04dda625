//! The OAuth flow: the redirect to a provider, the callback from the provider, and the page with a link to each
//! provider.

use axum::extract::{RawQuery, State};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::refusal::RestSocialErrorBody;
use super::route::ProviderPath;
use super::wire;
use crate::domain::secret::SecretText;
use crate::domain::social::{AttemptPurpose, ProviderName, SignInAttempt};
use crate::http::context::Http;
use crate::http::extract::bearer::{BearerResult, fits_cookie, has_cookie, with_cookie};
use crate::http::extract::body::{JsonBody, JsonOrForm};
use crate::http::extract::url_encoded::UrlEncoded;
use crate::http::format::sentence;
use crate::http::pages::social::{RetryAction, SocialPage};
use crate::http::rejection::Rejection;
use crate::http::reply;
use crate::http::web::provider_attempt;
use crate::issuer::authenticate::Authenticate;
use crate::issuer::change_permit::OwnerProof;
use crate::issuer::issue::access_token;
use crate::issuer::social::begin::{BeginFlow, StartedFlow};
use crate::issuer::social::finish::{FinishFlow, FlowResult};
use crate::issuer::social::sign_out::SignOutWithProvider;
use crate::issuer::social::{SocialError, SocialRefusal};
use crate::issuer::{Caller, Refusal, SignedIn};
use crate::social::Callback;

/// The purpose of a failed flow. It determines the link on the error page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FlowPurpose {
    SignIn,
    Link,
    /// The browser has no cookie of the attempt, but an access token in the cookie `jwt_token`. A signed-in user may
    /// have wanted to link an account, and a new sign-in would then create a second account.
    Unknown,
}

/// Shows the page with a link to each provider.
pub async fn page(State(http): State<Http>) -> Response {
    let offered = http.issuer.providers.offered();
    let providers =
        offered.map(|provider| (provider_path(&http, provider.name()), provider.label().to_owned())).collect();
    http.pages.show(StatusCode::OK, &SocialPage::Offered { providers }, &http.issuer.random)
}

/// Redirects to the provider to sign in.
pub async fn begin(State(http): State<Http>, ProviderPath(provider): ProviderPath, headers: HeaderMap) -> Response {
    match (BeginFlow { provider: &provider, link_to: None }).run(&http.issuer).await {
        Ok(started) => redirect_to_provider(&http, &headers, StatusCode::FOUND, &started),
        Err(error) => refusal_page(&http, &headers, &provider, FlowPurpose::SignIn, error),
    }
}

/// Redirects to the provider to link the user's account there. The method is POST, so that a hyperlink on a page of
/// another origin cannot start the flow.
pub async fn link(
    State(http): State<Http>,
    ProviderPath(provider): ProviderPath,
    headers: HeaderMap,
    from: Caller,
    token: BearerResult,
    body: Result<JsonOrForm, Rejection>,
) -> Response {
    let token = match token {
        Ok(token) => token.token,
        // A page of another origin sent this request. The error page must not offer to repeat it.
        Err(rejection) => return refusal_response(&http, &headers, back_action(&http), rejection.into()),
    };
    let signed_in = match (Authenticate { token: token.as_deref() }).run(&http.issuer).await {
        Ok(signed_in) => signed_in,
        Err(refusal) => return refusal_page(&http, &headers, &provider, FlowPurpose::Link, refusal.into()),
    };
    let body = match body {
        Ok(body) => body.into_fields(),
        // The route needs no body, so a body of another kind is ignored.
        Err(Rejection::WrongContentType(_)) => JsonBody::default(),
        Err(rejection) => return refusal_response(&http, &headers, back_action(&http), rejection.into()),
    };
    match begin_link(&http, &provider, &signed_in, from, body).await {
        Ok(started) => redirect_to_provider(&http, &headers, StatusCode::SEE_OTHER, &started),
        Err(error) => refusal_page(&http, &headers, &provider, FlowPurpose::Link, error),
    }
}

async fn begin_link(
    http: &Http,
    provider: &ProviderName,
    signed_in: &SignedIn,
    from: Caller,
    mut body: JsonBody,
) -> Result<StartedFlow, SocialError> {
    let proof = OwnerProof { current_password: wire::current_password(&mut body)?, from };
    BeginFlow { provider, link_to: Some((signed_in, proof)) }.run(&http.issuer).await
}

fn redirect_to_provider(http: &Http, headers: &HeaderMap, status: StatusCode, started: &StartedFlow) -> Response {
    provider_attempt::with_attempt(reply::redirect(status, &started.url), http, headers, &started.attempt)
}

/// Handles the redirect back from the provider.
pub async fn callback(
    State(http): State<Http>,
    from: Caller,
    ProviderPath(provider): ProviderPath,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let state = parameter(&query, "state").map(SecretText::new);
    let attempt = state.and_then(|state| provider_attempt::find(&http, &headers, &provider, &state));
    let response = match finish(&http, from, &provider, attempt.clone(), &query).await {
        Ok(response) => response,
        Err(error) => {
            let purpose = flow_purpose(attempt.as_ref(), has_cookie(&headers, &http.options));
            refusal_page(&http, &headers, &provider, purpose, error)
        }
    };
    match attempt {
        Some(attempt) => provider_attempt::without_attempt(response, &http, &attempt),
        None => response,
    }
}

fn flow_purpose(attempt: Option<&SignInAttempt>, has_cookie: bool) -> FlowPurpose {
    match attempt.map(|attempt| attempt.purpose) {
        Some(AttemptPurpose::Link { .. }) => FlowPurpose::Link,
        None if has_cookie => FlowPurpose::Unknown,
        Some(AttemptPurpose::SignIn) | None => FlowPurpose::SignIn,
    }
}

async fn finish(
    http: &Http,
    from: Caller,
    provider: &ProviderName,
    attempt: Option<SignInAttempt>,
    query: &str,
) -> Result<Response, SocialError> {
    let finish = FinishFlow { provider: provider.clone(), attempt, callback: read_callback(query), from };
    let response = reply::redirect(StatusCode::FOUND, &http.options.authed_url);
    match finish.run(&http.issuer).await? {
        FlowResult::Linked => Ok(response),
        FlowResult::SignedIn(signed_in) => {
            let token = access_token(&http.issuer, &signed_in).await?;
            if !fits_cookie(&token, &http.options) {
                SignOutWithProvider { from }.run(&signed_in, &http.issuer).await?;
                return Err(SocialRefusal::TokenTooLarge.into());
            }
            Ok(with_cookie(response, &token, &http.options))
        }
    }
}

/// Reads the callback of the provider. `None` if it contains neither a code nor an error.
fn read_callback(query: &str) -> Option<Callback> {
    let code = match parameter(query, "error") {
        Some(error) => Err(error),
        None => Ok(SecretText::new(parameter(query, "code")?)),
    };
    Some(Callback { code, iss: parameter(query, "iss") })
}

/// Returns the value of a query parameter. `None` if it is missing, empty or repeated. RFC 6749 §3.1 forbids repeated
/// parameters.
fn parameter(query: &str, name: &str) -> Option<String> {
    let value = UrlEncoded::new(query).single(name).ok()??;
    (!value.is_empty()).then(|| value.into_owned())
}

fn refusal_page(
    http: &Http,
    headers: &HeaderMap,
    provider: &ProviderName,
    purpose: FlowPurpose,
    error: SocialError,
) -> Response {
    refusal_response(http, headers, retry_action(http, provider, purpose, &error), error.into())
}

/// Returns the link or button on the error page. If a user may be signed in, it does not start a new sign-in.
fn retry_action(http: &Http, provider: &ProviderName, purpose: FlowPurpose, error: &SocialError) -> RetryAction {
    match purpose {
        _ if matches!(error, SocialError::Refused(Refusal::NotSignedIn(_))) => RetryAction::Link(list_path(http)),
        FlowPurpose::SignIn if is_retryable(error) => RetryAction::Link(provider_path(http, provider)),
        FlowPurpose::SignIn => RetryAction::Link(list_path(http)),
        FlowPurpose::Link if is_retryable(error) => RetryAction::Form(provider_path(http, provider)),
        FlowPurpose::Link | FlowPurpose::Unknown => back_action(http),
    }
}

fn back_action(http: &Http) -> RetryAction {
    RetryAction::Back(http.options.authed_url.clone())
}

/// Returns the error as an HTML page with a link or button if the client accepts HTML, else as JSON.
fn refusal_response(
    http: &Http,
    headers: &HeaderMap,
    action: RetryAction,
    error_body: RestSocialErrorBody,
) -> Response {
    if !wants_page(headers) {
        return error_body.into_response();
    }
    let http = http.clone();
    error_body.response(move |status, message| {
        let page = SocialPage::Refused { problem: sentence(message), retry: action.clone() };
        http.pages.show(status, &page, &http.issuer.random)
    })
}

/// Whether another attempt may succeed.
fn is_retryable(error: &SocialError) -> bool {
    !matches!(
        error,
        SocialError::Refused(Refusal::RegistrationClosed | Refusal::ChangeRefused(_) | Refusal::Invalid(_))
            | SocialError::Social(
                SocialRefusal::NotConfigured
                    | SocialRefusal::TokenTooLarge
                    | SocialRefusal::Disabled
                    | SocialRefusal::LinkedToOther
                    | SocialRefusal::AlreadyLinked
            )
    )
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|value| value.split(','))
        .any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html")))
}

fn provider_path(http: &Http, provider: &ProviderName) -> String {
    format!("{}/{provider}/", public_path(http))
}

/// Returns the path of the page with all providers.
fn list_path(http: &Http) -> String {
    format!("{}/social/", public_path(http))
}

fn public_path(http: &Http) -> &str {
    http.options.public_url.path()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_of_the_callback_must_not_be_empty_or_repeated() {
        for (query, state) in [
            ("code=c", None),
            ("code=c&state=", None),
            ("code=c&state=right&state=right", None),
            ("error=access_denied&state=right", Some("right")),
        ] {
            assert_eq!(parameter(query, "state").as_deref(), state, "{query}");
        }
        for query in ["state=right", "state=right&code=", "state=right&code=a&code=b"] {
            assert!(read_callback(query).is_none(), "{query}");
        }
    }

    #[test]
    fn a_callback_has_a_code_or_an_error() {
        let read = |query| read_callback(query).map(|callback| (callback.code, callback.iss));
        let iss = Some("https://example.com".to_owned());
        assert_eq!(
            read("code=a%2Fb&state=right&iss=https%3A%2F%2Fexample.com&scope=x"),
            Some((Ok(SecretText::new("a/b".to_owned())), iss.clone()))
        );
        let error = "error=access_denied&state=right&code=c&iss=https%3A%2F%2Fexample.com";
        assert_eq!(read(error), Some((Err("access_denied".to_owned()), iss)));
    }

    #[test]
    fn browsers_get_pages_and_programs_get_json() {
        for (accept, page) in [
            (Some("text/html,application/xhtml+xml,*/*;q=0.8"), true),
            (Some("application/json, Text/HTML;q=0.9"), true),
            (Some("*/*"), false),
            (Some("application/json"), false),
            (None, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(accept.map(|accept| (ACCEPT, accept.parse().expect("valid header value"))));
            assert_eq!(wants_page(&headers), page, "{accept:?}");
        }
    }
}
