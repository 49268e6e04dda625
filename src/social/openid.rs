//! OpenID Connect providers: the discovery document (OpenID Connect Discovery 1.0), the keys and the ID tokens. The
//! userinfo endpoint is used only if an ID token is missing or has no e-mail address. Google is an OpenID Connect
//! provider whose endpoints are built in unless the settings override them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::Mutex as AsyncMutex;
use url::Url;

use super::cache::Cache;
use super::common::ProviderCommon;
use super::discovery::{check_issuer, discovery_url_of, parse_discovery_document};
use super::error::ProviderError;
use super::flow::{Endpoints, GrantedTokens};
use super::id_token::{ExpectedIdToken, check};
use super::person::Person;
use super::urls;
use crate::crypto::foreign_keys::ForeignKeys;
use crate::crypto::token::{TokenFault, UnverifiedToken};
use crate::domain::secret::SecretText;
use crate::domain::social::SignInAttempt;
use crate::domain::social::provider_options::{KnownProvider, OidcProvider};
use crate::domain::time::Timestamp;
use crate::fetch::endpoint::Endpoint;

/// The wait after a failed fetch of a discovery document before it is fetched again. Anyone may begin a sign-in, and
/// without this wait each attempt would send a request to a failing provider. Measured with the monotonic clock.
const RETRY_AFTER: Duration = Duration::from_secs(5);

const GOOGLE: &str = "https://accounts.google.com";
/// The spelling of the issuer in Google's older tokens.
const GOOGLE_BARE: &str = "accounts.google.com";

/// One OpenID Connect provider.
#[derive(Debug)]
pub(super) struct OpenId {
    /// The accepted spellings of the issuer. The first is the URL.
    issuers: Vec<String>,
    /// The issuer to which user ids belong.
    id_issuer: String,
    /// The URL of the discovery document. `None` if it is not used.
    discovery_url: Option<Url>,
    /// The endpoints from the settings, which override the discovery document. If no discovery document is used, also
    /// the built-in endpoints of Google.
    set: EndpointOverrides,
    /// Whether an ID token is required. Otherwise userinfo alone is enough.
    needs_id_token: bool,
    discovered: Cache<Endpoints>,
    /// Locked while the discovery document is fetched, so that other callers wait for the result. Contains the time and
    /// the error of the last fetch if it failed.
    discovery_failure: AsyncMutex<Option<(Duration, ProviderError)>>,
    keys: Cache<ForeignKeys>,
}

/// The endpoints that take precedence over the discovery document. `None`: the discovery document has it.
#[derive(Debug, Default)]
struct EndpointOverrides {
    authorize: Option<Url>,
    token: Option<Endpoint>,
    userinfo: Option<Endpoint>,
    jwks: Option<Endpoint>,
}

impl OpenId {
    /// Builds Google with its built-in endpoints. If the settings have an issuer and no `jwks_url`, the endpoints come
    /// from the issuer's discovery document instead. URLs in the settings override both.
    pub(super) fn google(options: &KnownProvider) -> Result<Self, ProviderError> {
        let [authorize, token, userinfo, jwks] = [
            ("authorize_url", &options.authorize_url, "https://accounts.google.com/o/oauth2/v2/auth"),
            ("token_url", &options.token_url, "https://oauth2.googleapis.com/token"),
            ("userinfo_url", &options.userinfo_url, "https://openidconnect.googleapis.com/v1/userinfo"),
            ("jwks_url", &options.jwks_url, "https://www.googleapis.com/oauth2/v3/certs"),
        ];
        let discovered = options.issuer.as_deref().filter(|_| options.jwks_url.is_none());
        let parse = |(name, url, built_in): (&str, &Option<String>, &str)| {
            let built_in = discovered.is_none().then_some(built_in);
            url.as_deref().or(built_in).map(|text| urls::parse("google", name, text)).transpose()
        };
        let token = parse(token)?;
        Ok(Self {
            issuers: match &options.issuer {
                Some(issuer) => vec![issuer.clone()],
                None => vec![GOOGLE.to_owned(), GOOGLE_BARE.to_owned()],
            },
            // Without an issuer in the settings, the server at another token_url is not known to be Google.
            id_issuer: match (&options.issuer, &token) {
                (Some(issuer), _) => issuer.clone(),
                (None, Some(token)) if options.token_url.is_some() => urls::id_issuer(token),
                (None, _) => GOOGLE.to_owned(),
            },
            discovery_url: discovered.map(|issuer| discovery_url_of("google", issuer)).transpose()?,
            set: EndpointOverrides {
                authorize: parse(authorize)?,
                token: token.map(Endpoint::configured),
                userinfo: parse(userinfo)?.map(Endpoint::configured),
                jwks: parse(jwks)?.map(Endpoint::configured),
            },
            // Google issues an ID token for every code. The server at another token_url may issue none.
            needs_id_token: options.token_url.is_none(),
            discovered: Cache::default(),
            discovery_failure: AsyncMutex::default(),
            keys: Cache::default(),
        })
    }

    /// Builds a provider whose endpoints come from its discovery document.
    pub(super) fn discovered(name: &str, options: &OidcProvider) -> Result<Self, ProviderError> {
        Ok(Self {
            issuers: vec![options.issuer.clone()],
            id_issuer: options.issuer.clone(),
            discovery_url: Some(discovery_url_of(name, &options.issuer)?),
            set: EndpointOverrides::default(),
            needs_id_token: true,
            discovered: Cache::default(),
            discovery_failure: AsyncMutex::default(),
            keys: Cache::default(),
        })
    }

    pub(super) fn id_issuer(&self) -> &str {
        &self.id_issuer
    }

    pub(super) fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().map(String::as_str)
    }

    /// Returns the endpoints, if no discovery document is used or it is in the cache.
    pub(super) fn known_endpoints(&self, common: &ProviderCommon) -> Option<Endpoints> {
        match &self.discovery_url {
            None => self.configured_endpoints(common).ok(),
            Some(url) => self.discovered.get(url, common.clock.monotonic()).map(|found| self.with_overrides(&found)),
        }
    }

    /// Returns the endpoints. Each endpoint that is not in `set` comes from the discovery document, if one is used.
    pub(super) async fn endpoints(&self, common: &ProviderCommon) -> Result<Endpoints, ProviderError> {
        match &self.discovery_url {
            None => self.configured_endpoints(common),
            Some(url) => Ok(self.with_overrides(&*self.discover(common, url).await?)),
        }
    }

    fn configured_endpoints(&self, common: &ProviderCommon) -> Result<Endpoints, ProviderError> {
        let set = &self.set;
        let (authorize, token) = set.authorize.clone().zip(set.token.clone()).ok_or_else(|| {
            common.step("reading the settings").invalid_response("authorize_url and token_url must be set")
        })?;
        let userinfo = set.userinfo.clone();
        let jwks = set.jwks.clone();
        Ok(Endpoints { authorize, token, userinfo, jwks, sends_iss: false, basic_auth: false })
    }

    fn with_overrides(&self, discovered: &Endpoints) -> Endpoints {
        let set = &self.set;
        Endpoints {
            authorize: set.authorize.as_ref().unwrap_or(&discovered.authorize).clone(),
            token: set.token.as_ref().unwrap_or(&discovered.token).clone(),
            userinfo: set.userinfo.clone().or_else(|| discovered.userinfo.clone()),
            jwks: set.jwks.clone().or_else(|| discovered.jwks.clone()),
            ..*discovered
        }
    }

    async fn discover(&self, common: &ProviderCommon, url: &Url) -> Result<Arc<Endpoints>, ProviderError> {
        let cached = || self.discovered.get(url, common.clock.monotonic());
        if let Some(discovered) = cached() {
            return Ok(discovered);
        }
        let mut failed = self.discovery_failure.lock().await;
        if let Some(discovered) = cached() {
            return Ok(discovered);
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

    async fn fetch_discovery_document(&self, common: &ProviderCommon, url: &Url) -> Result<Endpoints, ProviderError> {
        let step = common.step("fetching the discovery document");
        let object = common.web.fetch_object(step, &Endpoint::configured(url.clone()), None, &[]).await?;
        let issuer = self.issuers.first().map_or("", String::as_str);
        check_issuer(&object, issuer).map_err(|what| step.untrusted(what))?;
        parse_discovery_document(&object, url).map_err(|what| step.invalid_response(what))
    }

    /// Returns the user: from the ID token, or from userinfo if there is no ID token and none is required. Also fetches
    /// userinfo if the ID token has no e-mail address, or does not state whether the address is verified.
    pub(super) async fn person(
        &self,
        common: &ProviderCommon,
        at: &Endpoints,
        granted: &GrantedTokens,
        attempt: &SignInAttempt,
        now: Timestamp,
    ) -> Result<Person, ProviderError> {
        let step = common.step(VERIFY_ID_TOKEN);
        let no_subject = || step.invalid_response("the ID token has no valid subject (sub)");
        let Some(id_token) = &granted.id_token else {
            return match &at.userinfo {
                Some(url) if !self.needs_id_token => userinfo(common, url, &granted.tokens.access).await,
                _ => Err(step.invalid_response("the response has no ID token")),
            };
        };
        let claims = self.verify(common, at, id_token, attempt, now).await?;
        let person = Person::from_claims(&claims).ok_or_else(no_subject)?;
        let is_complete = person.email.is_some() && person.email_verified.is_some();
        let Some(url) = at.userinfo.as_ref().filter(|_| !is_complete) else { return Ok(person) };
        let more = match userinfo(common, url, &granted.tokens.access).await {
            // Some providers return no usable userinfo. The address is then known, but not verified.
            Err(ProviderError::Refused(_) | ProviderError::InvalidResponse(_)) if person.email.is_some() => {
                return Ok(person);
            }
            more => more?,
        };
        if more.social_id != person.social_id {
            return Err(common.step(FETCH_USER).untrusted("userinfo and the ID token have different sub claims"));
        }
        // An address and the statement about it belong together, unless there is only one address.
        let email = match person.email {
            Some(email) if more.email.is_none() || more.email_verified.is_none() => Some(email),
            _ => more.email,
        };
        Ok(Person {
            username: person.username.or(more.username),
            email,
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
    ) -> Result<Map<String, Value>, ProviderError> {
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
        let jwks = at.jwks.as_ref().ok_or_else(|| step.invalid_response("the JWKS URL is unknown; set jwks_url"))?;
        self.check_signature(common, jwks, &token).await?.map_err(rejected)?;
        Ok(token.claims)
    }

    /// Verifies the signature. Fetches the keys if none are cached, or if the cached ones do not include the token's
    /// key and [`Cache::may_refetch`] allows it.
    async fn check_signature(
        &self,
        common: &ProviderCommon,
        jwks: &Endpoint,
        token: &UnverifiedToken<'_>,
    ) -> Result<Result<(), TokenFault>, ProviderError> {
        if let Some(keys) = self.keys.get(jwks.url(), common.clock.monotonic()) {
            let verified = keys.verify(token);
            if verified != Err(TokenFault::UnknownKey) || !self.keys.may_refetch(common.clock.monotonic()) {
                return Ok(verified);
            }
        }
        let step = common.step("fetching the JWKS");
        let body = common.web.fetch(step, jwks, None, &[]).await?;
        let keys = ForeignKeys::parse(&body).map_err(|error| step.invalid_response(error))?;
        Ok(self.keys.put(jwks.url(), common.clock.monotonic(), keys).verify(token))
    }
}

const VERIFY_ID_TOKEN: &str = "verifying the ID token";
const FETCH_USER: &str = "fetching the user";

async fn userinfo(common: &ProviderCommon, at: &Endpoint, token: &SecretText) -> Result<Person, ProviderError> {
    let step = common.step(FETCH_USER);
    let object = common.web.fetch_object(step, at, Some(token), &[]).await?;
    Person::from_claims(&object)
        .ok_or_else(|| step.invalid_response("the userinfo response has no valid subject (sub)"))
}
