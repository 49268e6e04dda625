//! OpenID Connect providers: their discovery document (OpenID Connect Discovery 1.0), their keys, their ID tokens, and
//! userinfo if an ID token is missing or has no address. Google is such a provider with known endpoints.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::Mutex as AsyncMutex;
use url::Url;

use super::cache::Cache;
use super::error::SocialError;
use super::flow::{Endpoints, GrantedTokens};
use super::id_token::{ExpectedIdToken, check};
use super::options::{KnownProvider, OidcProvider};
use super::person::Person;
use super::web::endpoint;
use super::{ProviderCommon, urls};
use crate::crypto::foreign_keys::ForeignKeys;
use crate::crypto::token::{TokenFault, UnverifiedToken};
use crate::domain::secret::SecretText;
use crate::domain::social::SignInAttempt;
use crate::domain::time::Timestamp;

/// How long a discovery document is not fetched again after a failure. Anyone may begin a sign-in, and each attempt
/// would be a request to a provider that already fails. Measured by the same clock as [`Cache`].
const RETRY_AFTER: Duration = Duration::from_secs(5);

const GOOGLE: &str = "https://accounts.google.com";
/// The spelling of the issuer in Google's older tokens.
const GOOGLE_BARE: &str = "accounts.google.com";

/// One OpenID Connect provider.
#[derive(Debug)]
pub(super) struct OpenId {
    /// The accepted spellings of the issuer. The first is the URL.
    issuers: Vec<String>,
    /// The URL of the discovery document. `None` if it is not used.
    discovery_url: Option<Url>,
    /// The endpoints from the settings, which override the discovery document. Without a discovery document, all needed
    /// endpoints must be here.
    set: EndpointOverrides,
    /// Whether an ID token is required, so that userinfo alone does not suffice.
    needs_id_token: bool,
    discovered: Cache<Endpoints>,
    /// Locked while the discovery document is fetched, so that other callers wait for the result. Contains the time and
    /// the error of the last failure.
    discovery_failure: AsyncMutex<Option<(Duration, SocialError)>>,
    keys: Cache<ForeignKeys>,
}

/// The endpoints from the settings.
#[derive(Debug, Default)]
struct EndpointOverrides {
    authorize: Option<Url>,
    token: Option<Url>,
    userinfo: Option<Url>,
    jwks: Option<Url>,
}

impl OpenId {
    /// Google with its known endpoints. If another issuer is configured, the provider with that issuer's discovery
    /// document.
    pub(super) fn google(options: &KnownProvider) -> Result<Self, SocialError> {
        let [authorize, token, userinfo, jwks] = [
            ("authorize_url", &options.authorize_url, "https://accounts.google.com/o/oauth2/v2/auth"),
            ("token_url", &options.token_url, "https://oauth2.googleapis.com/token"),
            ("userinfo_url", &options.userinfo_url, "https://openidconnect.googleapis.com/v1/userinfo"),
            ("jwks_url", &options.jwks_url, "https://www.googleapis.com/oauth2/v3/certs"),
        ];
        let described = options.issuer.as_deref().filter(|_| options.jwks_url.is_none());
        let known = |(name, url, usual): (&str, &Option<String>, &str)| {
            let usual = described.is_none().then_some(usual);
            url.as_deref().or(usual).map(|text| urls::set("google", name, text)).transpose()
        };
        Ok(Self {
            issuers: match &options.issuer {
                Some(issuer) => vec![issuer.clone()],
                None => vec![GOOGLE.to_owned(), GOOGLE_BARE.to_owned()],
            },
            discovery_url: described.map(|issuer| discovery_url_of("google", issuer)).transpose()?,
            set: EndpointOverrides {
                authorize: known(authorize)?,
                token: known(token)?,
                userinfo: known(userinfo)?,
                jwks: known(jwks)?,
            },
            // Google returns an ID token with every code. A provider configured instead of Google may not.
            needs_id_token: options.token_url.is_none(),
            discovered: Cache::default(),
            discovery_failure: AsyncMutex::default(),
            keys: Cache::default(),
        })
    }

    /// Any provider, with its discovery document.
    pub(super) fn described(name: &str, options: &OidcProvider) -> Result<Self, SocialError> {
        Ok(Self {
            issuers: vec![options.issuer.clone()],
            discovery_url: Some(discovery_url_of(name, &options.issuer)?),
            set: EndpointOverrides::default(),
            needs_id_token: true,
            discovered: Cache::default(),
            discovery_failure: AsyncMutex::default(),
            keys: Cache::default(),
        })
    }

    pub(super) fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().map(String::as_str)
    }

    /// The endpoints: those from the settings, else those from the discovery document.
    pub(super) async fn endpoints(&self, common: &ProviderCommon) -> Result<Endpoints, SocialError> {
        let set = &self.set;
        let Some(url) = &self.discovery_url else {
            let (authorize, token) = set.authorize.clone().zip(set.token.clone()).ok_or_else(|| {
                common.step("reading the settings").invalid_response("authorize_url and token_url must be set")
            })?;
            let userinfo = set.userinfo.clone();
            let jwks = set.jwks.clone();
            return Ok(Endpoints { authorize, token, userinfo, jwks, names_itself: false, basic_auth: false });
        };
        let described = self.discover(common, url).await?;
        let or = |set: &Option<Url>, described: &Url| set.as_ref().unwrap_or(described).clone();
        Ok(Endpoints {
            authorize: or(&set.authorize, &described.authorize),
            token: or(&set.token, &described.token),
            userinfo: set.userinfo.clone().or_else(|| described.userinfo.clone()),
            jwks: set.jwks.clone().or_else(|| described.jwks.clone()),
            ..(*described).clone()
        })
    }

    async fn discover(&self, common: &ProviderCommon, url: &Url) -> Result<Arc<Endpoints>, SocialError> {
        let cached = || self.discovered.get(url, common.clock.monotonic());
        if let Some(described) = cached() {
            return Ok(described);
        }
        let mut failed = self.discovery_failure.lock().await;
        if let Some(described) = cached() {
            return Ok(described);
        }
        if let Some((at, error)) = &*failed
            && common.clock.monotonic().saturating_sub(*at) < RETRY_AFTER
        {
            return Err(error.clone());
        }
        let found = self.fetch_discovery_document(common, url).await;
        let now = common.clock.monotonic();
        *failed = found.as_ref().err().map(|error| (now, error.clone()));
        Ok(self.discovered.put(url, now, found?))
    }

    async fn fetch_discovery_document(&self, common: &ProviderCommon, url: &Url) -> Result<Endpoints, SocialError> {
        let step = common.step("fetching the discovery document");
        let object = common.web.fetch_object(step, url, None, &[]).await?;
        let issuer = self.issuers.first().map_or("", String::as_str);
        if object.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err(step.untrusted(format_args!("the document's issuer is not exactly {issuer}")));
        }
        parse_discovery_document(&object).map_err(|what| step.invalid_response(what))
    }

    /// The user of the granted tokens: from the ID token, or from userinfo if an ID token is not required. Userinfo is
    /// also fetched if the ID token has no address.
    pub(super) async fn person(
        &self,
        common: &ProviderCommon,
        at: &Endpoints,
        granted: &GrantedTokens,
        attempt: &SignInAttempt,
        now: Timestamp,
    ) -> Result<Person, SocialError> {
        let step = common.step(VERIFY_ID_TOKEN);
        let no_subject = || step.invalid_response("the token has no valid subject (sub)");
        let Some(id_token) = &granted.id_token else {
            return match &at.userinfo {
                Some(url) if !self.needs_id_token => userinfo(common, url, &granted.tokens.access).await,
                _ => Err(step.invalid_response("the response has no ID token")),
            };
        };
        let claims = self.verify(common, at, id_token, attempt, now).await?;
        let person = Person::from_claims(&claims).ok_or_else(no_subject)?;
        let Some(url) = at.userinfo.as_ref().filter(|_| person.email.is_none()) else { return Ok(person) };
        let more = userinfo(common, url, &granted.tokens.access).await?;
        if more.social_id != person.social_id {
            return Err(common.step(FETCH_USER).untrusted("userinfo has another subject than the ID token (sub)"));
        }
        Ok(Person {
            username: person.username.or(more.username),
            email: more.email,
            email_verified: more.email_verified,
            first_name: Some(person.first_name).filter(|name| !name.is_empty()).unwrap_or(more.first_name),
            last_name: Some(person.last_name).filter(|name| !name.is_empty()).unwrap_or(more.last_name),
            social_id: person.social_id,
        })
    }

    /// Verifies that this provider signed the ID token for this client in this attempt. Returns its claims.
    async fn verify(
        &self,
        common: &ProviderCommon,
        at: &Endpoints,
        id_token: &SecretText,
        attempt: &SignInAttempt,
        now: Timestamp,
    ) -> Result<Map<String, Value>, SocialError> {
        let step = common.step(VERIFY_ID_TOKEN);
        let rejected = |fault: TokenFault| step.untrusted(format_args!("rejected: {fault}"));
        let token = UnverifiedToken::parse_foreign(id_token.expose()).map_err(rejected)?;
        let issuers: Vec<&str> = self.issuers().collect();
        let expected = ExpectedIdToken {
            issuers: &issuers,
            client_id: &common.client.id,
            nonce: attempt.nonce.expose(),
            now,
            leeway: common.leeway,
        };
        check(&token, &expected).map_err(|what| step.untrusted(format_args!("rejected: {what}")))?;
        let jwks =
            at.jwks.as_ref().ok_or_else(|| step.invalid_response("the URL of the JWKS is unknown (jwks_uri)"))?;
        self.check_signature(common, jwks, &token).await?.map_err(rejected)?;
        Ok(token.claims)
    }

    /// Verifies the signature with the cached keys. Fetches the keys again if the cached ones do not include the
    /// token's key.
    async fn check_signature(
        &self,
        common: &ProviderCommon,
        jwks: &Url,
        token: &UnverifiedToken<'_>,
    ) -> Result<Result<(), TokenFault>, SocialError> {
        if let Some(keys) = self.keys.get(jwks, common.clock.monotonic()) {
            let known = keys.verify(token);
            if known != Err(TokenFault::UnknownKey) || !self.keys.may_refetch(common.clock.monotonic()) {
                return Ok(known);
            }
        }
        let step = common.step("fetching the JWKS");
        let body = common.web.fetch(step, jwks, None, &[]).await?;
        let keys = ForeignKeys::parse(&body).map_err(|error| step.invalid_response(error))?;
        Ok(self.keys.put(jwks, common.clock.monotonic(), keys).verify(token))
    }
}

const VERIFY_ID_TOKEN: &str = "verifying the ID token";
const FETCH_USER: &str = "fetching the user";

async fn userinfo(common: &ProviderCommon, url: &Url, token: &SecretText) -> Result<Person, SocialError> {
    let step = common.step(FETCH_USER);
    let object = common.web.fetch_object(step, url, Some(token), &[]).await?;
    Person::from_claims(&object).ok_or_else(|| step.invalid_response("userinfo has no valid subject (sub)"))
}

/// The URL of an issuer's discovery document (Discovery 1.0 §4.1).
fn discovery_url_of(name: &str, issuer: &str) -> Result<Url, SocialError> {
    let well_known = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    urls::set(name, "issuer", &well_known)
}

/// Reads the endpoints from a discovery document (Discovery 1.0 §3, RFC 9207 §3).
fn parse_discovery_document(object: &Map<String, Value>) -> Result<Endpoints, String> {
    let url = |name: &str| match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => endpoint(text).map(Some).map_err(|what| format!("{name} {what}")),
        Some(_) => Err(format!("{name} is not a string")),
    };
    let needed = |name: &str| url(name)?.ok_or_else(|| format!("{name} is missing"));
    Ok(Endpoints {
        authorize: needed("authorization_endpoint")?,
        token: needed("token_endpoint")?,
        userinfo: url("userinfo_endpoint")?,
        jwks: Some(needed("jwks_uri")?),
        names_itself: object.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
        basic_auth: supports_basic_auth(object.get("token_endpoint_auth_methods_supported"))?,
    })
}

/// Whether a client with a secret sends it in the header, which is the default. For a public client the result has no
/// effect.
fn supports_basic_auth(methods: Option<&Value>) -> Result<bool, String> {
    let Some(methods) = methods else { return Ok(true) };
    let supports = |method: &str| methods.as_array().is_some_and(|all| all.iter().any(|one| one == method));
    match (supports("client_secret_basic"), supports("client_secret_post"), supports("none")) {
        (true, _, _) => Ok(true),
        (false, true, _) | (false, false, true) => Ok(false),
        (false, false, false) => {
            Err("the provider supports neither client_secret_basic nor client_secret_post".to_owned())
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn described(changes: &[(&str, Value)]) -> Result<Endpoints, String> {
        let mut object = json!({"authorization_endpoint": "https://op.example/a", "token_endpoint": "https://op.example/t",
            "jwks_uri": "https://op.example/k"});
        for (name, value) in changes {
            object[*name] = value.clone();
        }
        parse_discovery_document(object.as_object().unwrap())
    }

    #[test]
    fn a_discovery_document_is_parsed() {
        let bare = described(&[]).unwrap();
        assert_eq!((bare.userinfo, bare.names_itself, bare.basic_auth), (None, false, true));
        let more = described(&[
            ("userinfo_endpoint", json!("http://127.0.0.1:9/u")),
            ("authorization_response_iss_parameter_supported", json!(true)),
            ("token_endpoint_auth_methods_supported", json!(["private_key_jwt", "client_secret_post"])),
        ]);
        let more = more.unwrap();
        assert_eq!(more.userinfo.unwrap().as_str(), "http://127.0.0.1:9/u");
        assert_eq!((more.names_itself, more.basic_auth), (true, false));
    }

    #[test]
    fn an_invalid_discovery_document_is_rejected() {
        for (name, value, expected) in [
            ("token_endpoint", json!("http://op.example/t"), "token_endpoint must begin with https"),
            ("token_endpoint", json!("file:///etc/passwd"), "token_endpoint must begin with https"),
            ("jwks_uri", json!("//op.example"), "jwks_uri is not a URL"),
            ("jwks_uri", Value::Null, "jwks_uri is not a string"),
            ("userinfo_endpoint", json!("https://me@op.example/"), "userinfo_endpoint must contain neither"),
            ("authorization_endpoint", json!("javascript:alert(1)"), "authorization_endpoint must begin"),
            ("token_endpoint_auth_methods_supported", json!(["private_key_jwt"]), "neither client_secret_basic nor"),
        ] {
            let error = described(&[(name, value)]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(parse_discovery_document(&Map::new()), Err("authorization_endpoint is missing".to_owned()));
    }
}
