//! Providers of OpenID Connect: their description (Discovery 1.0), their keys, their ID tokens, and userinfo where an ID
//! token is not enough. Google is one whose addresses are known.

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

/// How long a description that could not be had is not asked for again: anybody may begin a sign-in, and each would be a
/// request to a provider that is in trouble already. By the same clock as [`Cache`].
const LEFT_ALONE: Duration = Duration::from_secs(5);

const GOOGLE: &str = "https://accounts.google.com";
/// How Google's older tokens spell it.
const GOOGLE_BARE: &str = "accounts.google.com";

/// What is particular to one provider of OpenID Connect.
#[derive(Debug)]
pub(super) struct OpenId {
    /// The spellings of its one issuer; the first is the URL.
    issuers: Vec<String>,
    /// Where it describes itself; None: it isn't asked.
    description: Option<Url>,
    /// What is set, whatever the description says. Without one, this must be all.
    set: EndpointOverrides,
    /// Whether userinfo alone is not enough.
    needs_id_token: bool,
    described: Cache<Endpoints>,
    /// Held by whoever asks for the description: the others wait for the answer. What went wrong last, and when.
    describing: AsyncMutex<Option<(Duration, SocialError)>>,
    keys: Cache<ForeignKeys>,
}

/// Addresses somebody chose.
#[derive(Debug, Default)]
struct EndpointOverrides {
    authorize: Option<Url>,
    token: Option<Url>,
    userinfo: Option<Url>,
    jwks: Option<Url>,
}

impl OpenId {
    /// Google, by the addresses it has had for years; or whoever is set in its place, by its own description.
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
            description: described.map(|issuer| description_of("google", issuer)).transpose()?,
            set: EndpointOverrides {
                authorize: known(authorize)?,
                token: known(token)?,
                userinfo: known(userinfo)?,
                jwks: known(jwks)?,
            },
            // Google gives one with every code. Who is set in its place, in part or whole, may not.
            needs_id_token: options.token_url.is_none(),
            described: Cache::default(),
            describing: AsyncMutex::default(),
            keys: Cache::default(),
        })
    }

    /// Any provider, by its description.
    pub(super) fn described(name: &str, options: &OidcProvider) -> Result<Self, SocialError> {
        Ok(Self {
            issuers: vec![options.issuer.clone()],
            description: Some(description_of(name, &options.issuer)?),
            set: EndpointOverrides::default(),
            needs_id_token: true,
            described: Cache::default(),
            describing: AsyncMutex::default(),
            keys: Cache::default(),
        })
    }

    pub(super) fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().map(String::as_str)
    }

    /// Where it is asked: as set, else as it describes itself.
    pub(super) async fn endpoints(&self, common: &ProviderCommon) -> Result<Endpoints, SocialError> {
        let set = &self.set;
        let Some(url) = &self.description else {
            let (authorize, token) = set.authorize.clone().zip(set.token.clone()).ok_or_else(|| {
                common.step("reading its settings").invalid_response("authorize_url and token_url are needed")
            })?;
            let userinfo = set.userinfo.clone();
            let jwks = set.jwks.clone();
            return Ok(Endpoints { authorize, token, userinfo, jwks, names_itself: false, basic_auth: false });
        };
        let described = self.describe(common, url).await?;
        let or = |set: &Option<Url>, described: &Url| set.as_ref().unwrap_or(described).clone();
        Ok(Endpoints {
            authorize: or(&set.authorize, &described.authorize),
            token: or(&set.token, &described.token),
            userinfo: set.userinfo.clone().or_else(|| described.userinfo.clone()),
            jwks: set.jwks.clone().or_else(|| described.jwks.clone()),
            ..(*described).clone()
        })
    }

    async fn describe(&self, common: &ProviderCommon, url: &Url) -> Result<Arc<Endpoints>, SocialError> {
        let kept = || self.described.get(url, common.clock.monotonic());
        if let Some(described) = kept() {
            return Ok(described);
        }
        let mut failed = self.describing.lock().await;
        if let Some(described) = kept() {
            return Ok(described);
        }
        if let Some((at, error)) = &*failed
            && common.clock.monotonic().saturating_sub(*at) < LEFT_ALONE
        {
            return Err(error.clone());
        }
        let found = self.fetch_description(common, url).await;
        let now = common.clock.monotonic();
        *failed = found.as_ref().err().map(|error| (now, error.clone()));
        Ok(self.described.put(url, now, found?))
    }

    async fn fetch_description(&self, common: &ProviderCommon, url: &Url) -> Result<Endpoints, SocialError> {
        let step = common.step("reading its description");
        let object = common.web.fetch_object(step, url, None, &[]).await?;
        let issuer = self.issuers.first().map_or("", String::as_str);
        if object.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err(step.untrusted(format_args!("it is not that of the issuer {issuer}, to the letter")));
        }
        read_description(&object).map_err(|what| step.invalid_response(what))
    }

    /// Who came back, by the ID token; by userinfo where that must do, or to learn the address.
    pub(super) async fn person(
        &self,
        common: &ProviderCommon,
        at: &Endpoints,
        answer: &GrantedTokens,
        attempt: &SignInAttempt,
        now: Timestamp,
    ) -> Result<Person, SocialError> {
        let step = common.step("reading its ID token");
        let nobody = || step.invalid_response("it names nobody (sub)");
        let Some(id_token) = &answer.id_token else {
            return match &at.userinfo {
                Some(url) if !self.needs_id_token => userinfo(common, url, &answer.tokens.access).await,
                _ => Err(step.invalid_response("there is none")),
            };
        };
        let claims = self.verify(common, at, id_token, attempt, now).await?;
        let person = Person::from_claims(&claims).ok_or_else(nobody)?;
        let Some(url) = at.userinfo.as_ref().filter(|_| person.email.is_none()) else { return Ok(person) };
        let more = userinfo(common, url, &answer.tokens.access).await?;
        if more.social_id != person.social_id {
            return Err(common.step(WHO).untrusted("userinfo speaks of another person than the ID token (sub)"));
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

    /// The claims of an ID token that this provider signed, for us, in this attempt.
    async fn verify(
        &self,
        common: &ProviderCommon,
        at: &Endpoints,
        id_token: &SecretText,
        attempt: &SignInAttempt,
        now: Timestamp,
    ) -> Result<Map<String, Value>, SocialError> {
        let step = common.step("reading its ID token");
        let refused = |fault: TokenFault| step.untrusted(format_args!("it is refused: {fault}"));
        let token = UnverifiedToken::parse_foreign(id_token.expose()).map_err(refused)?;
        let issuers: Vec<&str> = self.issuers().collect();
        let expected = ExpectedIdToken {
            issuers: &issuers,
            client_id: &common.client.id,
            nonce: attempt.nonce.expose(),
            now,
            leeway: common.leeway,
        };
        check(&token, &expected).map_err(|what| step.untrusted(format_args!("it {what}")))?;
        let jwks =
            at.jwks.as_ref().ok_or_else(|| step.invalid_response("nobody says where its keys are (jwks_uri)"))?;
        self.check_signature(common, jwks, &token).await?.map_err(refused)?;
        Ok(token.claims)
    }

    /// Asks the keys at hand, and fresh ones where those don't know the token's.
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
        let step = common.step("fetching its keys");
        let body = common.web.fetch(step, jwks, None, &[]).await?;
        let keys = ForeignKeys::parse(&body).map_err(|error| step.invalid_response(error))?;
        Ok(self.keys.put(jwks, common.clock.monotonic(), keys).verify(token))
    }
}

const WHO: &str = "asking who signed in";

async fn userinfo(common: &ProviderCommon, url: &Url, token: &SecretText) -> Result<Person, SocialError> {
    let step = common.step(WHO);
    let object = common.web.fetch_object(step, url, Some(token), &[]).await?;
    Person::from_claims(&object).ok_or_else(|| step.invalid_response("userinfo names nobody (sub)"))
}

/// Where an issuer describes itself (Discovery 1.0 §4.1).
fn description_of(name: &str, issuer: &str) -> Result<Url, SocialError> {
    let well_known = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    urls::set(name, "issuer", &well_known)
}

/// Discovery 1.0 §3, with RFC 9207 §3.
fn read_description(object: &Map<String, Value>) -> Result<Endpoints, String> {
    let url = |name: &str| match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => endpoint(text).map(Some).map_err(|what| format!("{name} {what}")),
        Some(_) => Err(format!("{name} is no text")),
    };
    let needed = |name: &str| url(name)?.ok_or_else(|| format!("it has no {name}"));
    Ok(Endpoints {
        authorize: needed("authorization_endpoint")?,
        token: needed("token_endpoint")?,
        userinfo: url("userinfo_endpoint")?,
        jwks: Some(needed("jwks_uri")?),
        names_itself: object.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
        basic_auth: takes_basic_auth(object.get("token_endpoint_auth_methods_supported"))?,
    })
}

/// How a client with a secret shows it: in the header, which is the default. A public client has nothing to show, whatever is said here.
fn takes_basic_auth(methods: Option<&Value>) -> Result<bool, String> {
    let Some(methods) = methods else { return Ok(true) };
    let takes = |method: &str| methods.as_array().is_some_and(|all| all.iter().any(|one| one == method));
    match (takes("client_secret_basic"), takes("client_secret_post"), takes("none")) {
        (true, _, _) => Ok(true),
        (false, true, _) | (false, false, true) => Ok(false),
        (false, false, false) => Err("it takes neither client_secret_basic nor client_secret_post".to_owned()),
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
        read_description(object.as_object().unwrap())
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
            ("jwks_uri", json!("//op.example"), "jwks_uri is no URL"),
            ("jwks_uri", Value::Null, "jwks_uri is no text"),
            ("userinfo_endpoint", json!("https://me@op.example/"), "userinfo_endpoint must hold neither"),
            ("authorization_endpoint", json!("javascript:alert(1)"), "authorization_endpoint must begin"),
            ("token_endpoint_auth_methods_supported", json!(["private_key_jwt"]), "neither client_secret_basic nor"),
        ] {
            let error = described(&[(name, value)]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(read_description(&Map::new()), Err("it has no authorization_endpoint".to_owned()));
    }
}
