//! The authorization code flow with PKCE (RFC 6749 §4.1, RFC 7636) and the refresh of access tokens (RFC 6749 §6), by
//! means of the `oauth2` crate. This module is the same for all providers.

use std::fmt;
use std::pin::Pin;

use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RefreshToken, RequestTokenError, Scope, StandardRevocableToken, StandardTokenResponse, TokenResponse, TokenUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::error::{ProviderError, ProviderStep};
use super::provider_client::{ProviderClient, error_code};
use crate::domain::secret::SecretText;
use crate::domain::social::{SignInAttempt, SocialTokens};
use crate::domain::strict_json;
use crate::domain::time::Timestamp;
use crate::fetch::endpoint::{Endpoint, Reach};

/// The length of a PKCE verifier in characters (RFC 7636 §4.1).
const VERIFIER_LENGTH: std::ops::RangeInclusive<usize> = 43..=128;
/// The maximum length of a provider's access or refresh token in bytes. The tokens are stored, so their size is
/// limited.
const TOKEN_MAX: usize = 16 * 1024;
/// The longest lifetime of an access token that is stored, 100 years. Some providers state a longer one for a token that
/// never expires.
const LIFETIME_MAX: u64 = 100 * 365 * 24 * 60 * 60;

/// This server as an OAuth client of a provider.
pub(super) struct Client {
    pub(super) id: String,
    /// The client secret. `None` for a public client.
    pub(super) secret: Option<SecretText>,
    /// The callback URL.
    pub(super) redirect_uri: RedirectUrl,
    /// The requested scopes (RFC 6749 §3.3).
    pub(super) scopes: Vec<String>,
    /// Additional provider-specific parameters of the authorization request.
    pub(super) extra: &'static [(&'static str, &'static str)],
}

/// The endpoints and capabilities of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub(super) authorize: Url,
    pub(super) token: Endpoint,
    pub(super) userinfo: Option<Endpoint>,
    pub(super) jwks: Option<Endpoint>,
    /// Whether every callback has the parameter `iss` (RFC 9207 §3).
    pub(super) sends_iss: bool,
    /// Whether the client sends its secret in the `Authorization` header instead of the body (RFC 6749 §2.3.1).
    pub(super) basic_auth: bool,
}

/// The tokens from the token endpoint.
pub(super) struct GrantedTokens {
    pub(super) tokens: SocialTokens,
    pub(super) id_token: Option<SecretText>,
}

/// The additional member of a token response (OpenID Connect Core 1.0 §3.1.3.3).
#[derive(Debug, Serialize, Deserialize)]
struct IdTokenField {
    id_token: Option<SecretText>,
}

impl ExtraTokenFields for IdTokenField {}

type ProviderTokenResponse = StandardTokenResponse<IdTokenField, BasicTokenType>;
type Flow = oauth2::Client<
    BasicErrorResponse,
    ProviderTokenResponse,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

impl Client {
    fn flow(&self, at: &Endpoints) -> Flow {
        let auth = if at.basic_auth { AuthType::BasicAuth } else { AuthType::RequestBody };
        let flow = oauth2::Client::new(ClientId::new(self.id.clone()))
            .set_auth_uri(AuthUrl::from_url(at.authorize.clone()))
            .set_token_uri(TokenUrl::from_url(at.token.url().clone()))
            .set_redirect_uri(self.redirect_uri.clone())
            .set_auth_type(auth);
        match &self.secret {
            Some(secret) => flow.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
            None => flow,
        }
    }

    /// Returns the URL to which the browser is redirected. If `nonce` is true, the URL contains the attempt's nonce,
    /// which the provider copies into the ID token.
    pub(super) fn authorize_url(
        &self,
        step: ProviderStep<'_>,
        at: &Endpoints,
        attempt: &SignInAttempt,
        nonce: bool,
    ) -> Result<String, ProviderError> {
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier(step, attempt)?);
        let flow = self.flow(at);
        let mut request = flow
            .authorize_url(|| CsrfToken::new(attempt.state.expose().to_owned()))
            .add_scopes(self.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(challenge);
        if nonce {
            request = request.add_extra_param("nonce", attempt.nonce.expose());
        }
        let request = self.extra.iter().fold(request, |request, (name, value)| request.add_extra_param(*name, *value));
        Ok(request.url().0.into())
    }

    /// Exchanges an authorization code for tokens.
    pub(super) async fn exchange(
        &self,
        step: ProviderStep<'_>,
        web: &ProviderClient,
        at: &Endpoints,
        code: &SecretText,
        attempt: &SignInAttempt,
        now: Timestamp,
    ) -> Result<GrantedTokens, ProviderError> {
        let flow = self.flow(at);
        let request = flow
            .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
            .set_pkce_verifier(verifier(step, attempt)?);
        // Only OpenID Connect providers have keys, and only they issue ID tokens.
        let endpoint = TokenEndpoint { step, web, reach: at.token.reach(), uses_id_token: at.jwks.is_some() };
        let response = request.request_async(&endpoint).await;
        read(step, response, now)
    }

    /// Gets a new access token for a refresh token.
    pub(super) async fn refresh(
        &self,
        step: ProviderStep<'_>,
        web: &ProviderClient,
        at: &Endpoints,
        token: &SecretText,
        now: Timestamp,
    ) -> Result<GrantedTokens, ProviderError> {
        let flow = self.flow(at);
        let token = RefreshToken::new(token.expose().to_owned());
        let request = flow.exchange_refresh_token(&token);
        let endpoint = TokenEndpoint { step, web, reach: at.token.reach(), uses_id_token: false };
        let response = request.request_async(&endpoint).await;
        read(step, response, now)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({} at {})", self.id, self.redirect_uri.as_str())
    }
}

/// Returns the PKCE verifier of an attempt. Its length is checked here because the verifier comes from a cookie, and
/// the `oauth2` crate panics on an invalid length.
fn verifier(step: ProviderStep<'_>, attempt: &SignInAttempt) -> Result<PkceCodeVerifier, ProviderError> {
    let verifier = attempt.verifier.expose();
    if !VERIFIER_LENGTH.contains(&verifier.len()) {
        return Err(step.untrusted("the attempt has no valid PKCE verifier"));
    }
    Ok(PkceCodeVerifier::new(verifier.to_owned()))
}

/// The HTTP client that the `oauth2` crate uses for the token endpoint. It is a type and not a closure because the
/// compiler cannot prove that the future of a closure is `Send`.
struct TokenEndpoint<'a> {
    step: ProviderStep<'a>,
    web: &'a ProviderClient,
    reach: Reach,
    /// Whether the caller reads an ID token from the response.
    uses_id_token: bool,
}

impl<'c> AsyncHttpClient<'c> for TokenEndpoint<'_> {
    type Error = ProviderError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, ProviderError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(token_request(self, request))
    }
}

/// Sends one request to the token endpoint and detects refusals. The `oauth2` crate cannot: GitHub refuses with status
/// 200, and Facebook with an error object of its own format.
async fn token_request(endpoint: &TokenEndpoint<'_>, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
    let step = endpoint.step;
    let (head, body) = endpoint.web.request(step, request, endpoint.reach).await?.into_parts();
    let status = head.status;
    let Ok(object) = strict_json::parse_object(&body) else {
        return Err(if status.is_success() {
            step.invalid_response("the token endpoint did not return a JSON object")
        } else {
            step.refused(&format!("http_{}", status.as_u16()))
        });
    };
    if let Some(code) = error_code(&object) {
        return Err(step.refused(&code));
    }
    if !status.is_success() {
        return Err(step.refused(&format!("http_{}", status.as_u16())));
    }
    match object.get("access_token") {
        None | Some(Value::Null) => Err(ProviderError::NoToken),
        Some(Value::String(token)) if token.is_empty() => Err(ProviderError::NoToken),
        Some(access_token) => {
            let used = used_members(&object, access_token, endpoint.uses_id_token);
            serde_json::to_vec(&used).map(HttpResponse::new).map_err(|error| step.invalid_response(error))
        }
    }
}

/// Returns the members of a token response that this server uses. The `oauth2` crate would reject a response because of
/// any other member, and providers disagree about their types. A refresh token or a lifetime that cannot be used counts as
/// missing. An access or ID token of a wrong type is kept, so that it is reported.
fn used_members(object: &Map<String, Value>, access_token: &Value, uses_id_token: bool) -> Map<String, Value> {
    // RFC 6749 §5.1 requires a token type, but some providers send none or an invalid one.
    let mut used = Map::from_iter([
        ("access_token".to_owned(), access_token.clone()),
        ("token_type".to_owned(), Value::from("bearer")),
    ]);
    let text = |name: &str| object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = text("refresh_token").filter(|token| token.len() <= TOKEN_MAX) {
        used.insert("refresh_token".to_owned(), token.into());
    }
    if let Some(seconds) = object.get("expires_in").and_then(lifetime) {
        used.insert("expires_in".to_owned(), seconds.into());
    }
    if let Some(token) = strict_json::present(object, "id_token").filter(|_| uses_id_token) {
        used.insert("id_token".to_owned(), token.clone());
    }
    used
}

/// Reads a lifetime in seconds: a positive number, which some providers send as a text. A fraction is dropped.
fn lifetime(value: &Value) -> Option<u64> {
    let seconds = match value {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates, and the check below rejects a saturated value"
        )]
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().map(|seconds| seconds as u64))?,
        Value::String(digits) => digits.trim().parse().ok()?,
        _ => return None,
    };
    (1..=LIFETIME_MAX).contains(&seconds).then_some(seconds)
}

type ProviderTokenError = RequestTokenError<ProviderError, BasicErrorResponse>;

fn read(
    step: ProviderStep<'_>,
    response: Result<ProviderTokenResponse, ProviderTokenError>,
    now: Timestamp,
) -> Result<GrantedTokens, ProviderError> {
    let response = response.map_err(|error| match error {
        RequestTokenError::Request(error) => error,
        // The error names only the path of the invalid member, because its value and the response may contain tokens.
        RequestTokenError::Parse(error, _) => {
            step.invalid_response(format_args!("the token response is invalid at `{}`", error.path()))
        }
        RequestTokenError::ServerResponse(_) | RequestTokenError::Other(_) => {
            step.invalid_response("the token response cannot be parsed")
        }
    })?;
    let token = |text: &String| {
        if text.len() > TOKEN_MAX {
            return Err(step.invalid_response(format_args!("a token has more than {TOKEN_MAX} bytes")));
        }
        Ok(SecretText::new(text.clone()))
    };
    let refresh = response.refresh_token().map(RefreshToken::secret);
    let tokens = SocialTokens {
        access: token(response.access_token().secret())?,
        refresh: refresh.map(token).transpose()?,
        expires_at: response.expires_in().map(|span| now + span),
    };
    Ok(GrantedTokens { tokens, id_token: response.extra_fields().id_token.clone() })
}
