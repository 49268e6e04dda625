//! Sign-in at providers: `[social]`, its three well-known ones, and any number of OpenID Connect ones by name.

use std::collections::BTreeMap;

use super::mistake::Mistake;
use super::reader::Reader;
use super::server::web_url;
use crate::domain::secret::SecretText;

/// `[social]`
#[derive(Clone, Debug)]
pub struct SocialConfig {
    /// Where a browser goes once it is signed in: a path here or a whole URL.
    pub authed_url: String,
    /// Where a browser goes once it is signed out.
    pub logout_url: String,
    /// `[social.google]`; none: not offered.
    pub google: Option<ProviderConfig>,
    /// `[social.github]`; none: not offered.
    pub github: Option<ProviderConfig>,
    /// `[social.facebook]`; none: not offered.
    pub facebook: Option<ProviderConfig>,
    /// `[social.oidc.NAME]`, by name: also the path it is offered under.
    pub oidc: BTreeMap<String, OidcConfig>,
}

/// A well-known provider. URLs that are not set are the provider's own.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// Who we are to it.
    pub client_id: String,
    /// How we prove it.
    pub client_secret: SecretText,
    /// Where browsers are sent (RFC 6749 §3.1).
    pub authorize_url: Option<String>,
    /// Where codes are changed for tokens (RFC 6749 §3.2).
    pub token_url: Option<String>,
    /// Where it says who signed in.
    pub userinfo_url: Option<String>,
    /// Where it lists e-mail addresses and whether they are verified.
    pub emails_url: Option<String>,
    /// The `iss` of its ID tokens.
    pub issuer: Option<String>,
    /// Where its keys are.
    pub jwks_url: Option<String>,
}

/// A provider that describes itself (OpenID Connect Discovery 1.0 §4).
#[derive(Clone, Debug)]
pub struct OidcConfig {
    /// Its issuer URL.
    pub issuer: String,
    /// Who we are to it.
    pub client_id: String,
    /// How we prove it; none for a public client (PKCE alone).
    pub client_secret: Option<SecretText>,
    /// What is asked for.
    pub scopes: Vec<String>,
}

/// First path segments that are routes of ours, now or soon, and so can't be a provider's name.
const RESERVED: &[&str] = &[
    "account",
    "accounts",
    "admin",
    "api",
    "api-doc",
    "assets",
    "auth",
    "authorize",
    "facebook",
    "github",
    "google",
    "healthz",
    "introspect",
    "liveliness",
    "login",
    "logout",
    "metrics",
    "oauth",
    "openapi",
    "ready",
    "refresh",
    "register",
    "restore",
    "revoke",
    "sessions",
    "settings",
    "signin",
    "signout",
    "signup",
    "social",
    "static",
    "token",
    "userinfo",
    "users",
    "validation",
];

impl SocialConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        let authed_url = r.text("social.authed_url", "/", destination);
        let logout_url = r.text("social.logout_url", "/", destination);
        let [google, github, facebook] = ["google", "github", "facebook"].map(|name| ProviderConfig::read(r, name));
        let mut oidc = BTreeMap::new();
        for name in r.names("social.oidc") {
            if let Err(what) = provider_name(&name) {
                r.refuse(Mistake::new(format_args!("[social.oidc.{name}]"), what));
            }
            if let Some(provider) = OidcConfig::read(r, &name) {
                oidc.insert(name, provider);
            }
        }
        Self { authed_url, logout_url, google, github, facebook, oidc }
    }
}

impl ProviderConfig {
    fn read(r: &mut Reader, name: &str) -> Option<Self> {
        let key = |last: &str| format!("social.{name}.{last}");
        let client_id = r.optional(&key("client_id"), client_id);
        let client_secret = r.secret(&key("client_secret"));
        let mut url = |last: &str| r.optional(&key(last), web_url);
        let [authorize_url, token_url, userinfo_url] = ["authorize_url", "token_url", "userinfo_url"].map(&mut url);
        let [emails_url, jwks_url] = ["emails_url", "jwks_url"].map(&mut url);
        let issuer = r.optional(&key("issuer"), issuer_url);
        r.require(
            &[&key("client_id"), &key("client_secret")],
            client_id.is_some() == client_secret.is_some(),
            "a provider needs client_id and client_secret: set both, or neither",
        );
        let (client_id, client_secret) = client_id.zip(client_secret)?;
        Some(Self { client_id, client_secret, authorize_url, token_url, userinfo_url, emails_url, issuer, jwks_url })
    }
}

impl OidcConfig {
    fn read(r: &mut Reader, name: &str) -> Option<Self> {
        let key = |last: &str| format!("social.oidc.{name}.{last}");
        let issuer = r.optional(&key("issuer"), issuer_url);
        let client_id = r.optional(&key("client_id"), client_id);
        let client_secret = r.secret(&key("client_secret"));
        let scopes = r.list(&key("scopes"), &["openid", "email", "profile"], scope);
        r.require(
            &[&key("issuer"), &key("client_id"), &key("client_secret")],
            issuer.is_some() == client_id.is_some() && (issuer.is_some() || client_secret.is_none()),
            "a provider needs issuer and client_id",
        );
        let (issuer, client_id) = issuer.zip(client_id)?;
        Some(Self { issuer, client_id, client_secret, scopes })
    }
}

fn provider_name(name: &str) -> Result<(), &'static str> {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !plain || name.is_empty() || name.len() > 32 {
        return Err("a provider's name is 1 to 32 of a-z, 0-9 and -");
    }
    if RESERVED.contains(&name) { Err("is a route already: give the provider another name") } else { Ok(()) }
}

/// A path here, but not `//host`, which browsers take for another site; or a whole URL.
fn destination(text: &str) -> Result<String, &'static str> {
    let strange = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    let here = text.starts_with('/') && !text.starts_with("//") && !text.contains(strange);
    let elsewhere = || web_url(text.split_once('#').map_or(text, |(page, _)| page)).is_ok();
    if here || elsewhere() { Ok(text.to_owned()) } else { Err("use a path, as in \"/welcome\", or a whole URL") }
}

/// OpenID Connect Discovery 1.0 §3: with a query there is no place where its description could be.
fn issuer_url(text: &str) -> Result<String, &'static str> {
    let url = web_url(text)?;
    if url.contains('?') { Err("an issuer has no query (?)") } else { Ok(url) }
}

fn client_id(text: &str) -> Result<String, &'static str> {
    if text.chars().any(char::is_whitespace) { Err("must not hold blanks") } else { Ok(text.to_owned()) }
}

/// A scope token (RFC 6749 §3.3).
fn scope(text: &str) -> Result<String, &'static str> {
    let visible = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'));
    if visible && !text.is_empty() { Ok(text.to_owned()) } else { Err("is no scope: one word each, without blanks") }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    fn social(toml: &str) -> Result<SocialConfig, String> {
        Config::from_toml(toml).map(|config| config.social).map_err(|e| e.to_string())
    }

    #[test]
    fn configured_providers_are_enabled() {
        let none = social("").unwrap();
        assert!(none.google.is_none() && none.github.is_none() && none.facebook.is_none() && none.oidc.is_empty());
        let one = social("[social.github]\nclient_id = 'id'\nclient_secret = 'pw'\ntoken_url = 'http://127.0.0.1:9/t'")
            .unwrap();
        let github = one.github.unwrap();
        assert_eq!((github.client_id.as_str(), github.client_secret.expose()), ("id", "pw"));
        assert_eq!((github.token_url.as_deref(), github.authorize_url), (Some("http://127.0.0.1:9/t"), None));
    }

    #[test]
    fn an_incomplete_provider_is_rejected() {
        let error = social("social.google.client_secret = 'hunter2'").unwrap_err();
        assert!(error.contains("set both, or neither") && !error.contains("hunter2"), "{error}");
        assert!(social("social.google.client_id = 'id'").is_err());
        for toml in ["issuer = 'https://e.com'", "client_id = 'id'", "client_secret = 'hunter2'"] {
            let error = social(&format!("[social.oidc.corp]\n{toml}")).unwrap_err();
            assert!(error.contains("a provider needs issuer and client_id") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn each_openid_provider_has_its_own_name() {
        let corp = "issuer = 'https://e.com/realm'\nclient_id = 'id'";
        let found = social(&format!("[social.oidc.corp-2]\n{corp}")).unwrap();
        let provider = &found.oidc["corp-2"];
        assert_eq!(provider.issuer, "https://e.com/realm");
        assert_eq!(
            (provider.scopes.join(" ").as_str(), provider.client_secret.is_none()),
            ("openid email profile", true)
        );
        for name in ["Corp", "corp_2", "\"\"", "admin", "google"] {
            assert!(social(&format!("[social.oidc.{name}]\n{corp}")).is_err(), "{name}");
        }
        assert!(social("social.oidc.corp.isuer = 'x'").unwrap_err().contains("the nearest is social.oidc.corp.issuer"));
    }

    #[test]
    fn invalid_provider_urls_and_scopes_are_rejected() {
        for good in ["/", "/welcome?x=1", "https://app.example.com/#/home", "https://app.example.com/in?x=1"] {
            assert_eq!(destination(good), Ok(good.to_owned()));
        }
        for bad in ["", "//evil.example.com", "/\\evil.example.com", "welcome", "javascript:alert(1)"] {
            assert!(destination(bad).is_err(), "{bad}");
        }
        assert!(social("social.google.token_url = 'google.com'").unwrap_err().contains("use a whole URL"));
        for section in ["[social.google]\nclient_secret = 'pw'", "[social.oidc.corp]"] {
            let toml = format!("{section}\nclient_id = 'id'\nissuer = 'https://e.com/realm?x=1'");
            let error = social(&toml).unwrap_err();
            assert!(error.contains("an issuer has no query"), "{error}");
        }
        assert!(scope("openid email").is_err() && scope("").is_err() && scope("https://e.com/s").is_ok());
    }
}
