//! Sign-in with providers (`[social]`): three well-known providers, and any number of named OpenID Connect providers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::problem::ConfigProblem;
use super::reader::Reader;
use super::server::{path, web_url};
use super::value::quote;
use crate::domain::social::provider_options::{KnownProvider, OidcProvider};

/// `[social]`
#[derive(Clone, Debug)]
pub struct SocialConfig {
    /// The redirect target after sign-in with a provider: a path on this host, or a full URL.
    pub authed_url: String,
    /// The redirect target after sign-out.
    pub logout_url: String,
    /// A PEM file of CA certificates that are trusted at providers, in addition to those of the system.
    pub ca_file: Option<PathBuf>,
    /// `[social.google]`; `None`: not configured.
    pub google: Option<KnownProvider>,
    /// `[social.github]`; `None`: not configured.
    pub github: Option<KnownProvider>,
    /// `[social.facebook]`; `None`: not configured.
    pub facebook: Option<KnownProvider>,
    /// `[social.oidc.NAME]`, by name. The name is also the first path segment of the provider's routes.
    pub oidc: BTreeMap<String, OidcProvider>,
}

/// First path segments of routes that Countersign has or plans. They cannot be the name of a provider.
const RESERVED: &[&str] = &[
    "account",
    "accounts",
    "admin",
    "api",
    "api-doc",
    "assets",
    "auth",
    "authorize",
    "confirm-email",
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
        let ca_file = r.optional("social.ca_file", path);
        let [google, github, facebook] = ["google", "github", "facebook"].map(|name| known_provider(r, name));
        let mut oidc = BTreeMap::new();
        for name in r.names("social.oidc") {
            if let Err(message) = provider_name(&name) {
                r.record(ConfigProblem::new(format_args!("[social.oidc.{name}]"), message));
            }
            if let Some(provider) = oidc_provider(r, &name) {
                oidc.insert(name, provider);
            }
        }
        Self { authed_url, logout_url, ca_file, google, github, facebook, oidc }
    }
}

fn known_provider(r: &mut Reader, name: &str) -> Option<KnownProvider> {
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
        "a provider needs both client_id and client_secret; set both or neither",
    );
    let (client_id, client_secret) = client_id.zip(client_secret)?;
    Some(KnownProvider {
        client_id,
        client_secret,
        authorize_url,
        token_url,
        userinfo_url,
        emails_url,
        issuer,
        jwks_url,
    })
}

fn oidc_provider(r: &mut Reader, name: &str) -> Option<OidcProvider> {
    let key = |last: &str| format!("social.oidc.{name}.{last}");
    let issuer = r.optional(&key("issuer"), issuer_url);
    let client_id = r.optional(&key("client_id"), client_id);
    let client_secret = r.secret(&key("client_secret"));
    let scopes = r.list(&key("scopes"), &["openid", "email", "profile"], scope);
    r.require(
        &[&key("issuer"), &key("client_id"), &key("client_secret")],
        issuer.is_some() == client_id.is_some() && (issuer.is_some() || client_secret.is_none()),
        "a provider needs both issuer and client_id; set both, or remove the section",
    );
    let (issuer, client_id) = issuer.zip(client_id)?;
    Some(OidcProvider { issuer, client_id, client_secret, scopes })
}

fn provider_name(name: &str) -> Result<(), &'static str> {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !plain || name.is_empty() || name.len() > 32 {
        return Err("not a provider name; use 1 to 32 characters of a-z, 0-9 and -");
    }
    let reserved = "this name is reserved for a route of the server; choose another name";
    if RESERVED.contains(&name) { Err(reserved) } else { Ok(()) }
}

/// Parses a redirect target: a path on this host or a full URL. `//host` is rejected, because browsers read it as
/// another host.
fn destination(text: &str) -> Result<String, &'static str> {
    let is_forbidden = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    let is_path = text.starts_with('/') && !text.starts_with("//") && !text.contains(is_forbidden);
    let is_url = || web_url(text.split_once('#').map_or(text, |(page, _)| page)).is_ok();
    let shape = "not a redirect target; use a path such as \"/welcome\", or a full URL";
    if is_path || is_url() { Ok(text.to_owned()) } else { Err(shape) }
}

/// Parses an issuer URL, which has no query (OpenID Connect Discovery 1.0 §3). The URL of the provider's metadata is
/// derived from it.
fn issuer_url(text: &str) -> Result<String, String> {
    let url = web_url(text)?;
    if url.contains('?') {
        return Err("an issuer URL has no query; remove the \"?\" and everything after it".to_owned());
    }
    let issuer = without_well_known(&url);
    if issuer == url {
        return Ok(url);
    }
    Err(format!("not an issuer URL, but close to one; keep only {}", quote(&issuer)))
}

/// Returns the issuer whose metadata is probably at this URL: without the well-known path, which is at the end
/// (OpenID Connect Discovery 1.0 §4.1) or between host and path (RFC 8414 §3.1), and without repeated slashes. Returns
/// any other URL unchanged.
fn without_well_known(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let (rest, slash) = rest.strip_suffix('/').map_or((rest, ""), |rest| (rest, "/"));
    let mut segments: Vec<&str> = rest.split('/').collect();
    let well_known = segments.iter().position(|segment| segment.eq_ignore_ascii_case(".well-known"));
    if let Some(at) = well_known {
        // The next segment is the name of the document.
        segments.drain(at..(at + 2).min(segments.len()));
    }
    segments.retain(|segment| !segment.is_empty());
    let slash = if well_known.is_some() { "" } else { slash };
    format!("{scheme}://{}{slash}", segments.join("/"))
}

fn client_id(text: &str) -> Result<String, &'static str> {
    if text.chars().any(char::is_whitespace) { Err("must not contain white space") } else { Ok(text.to_owned()) }
}

/// Parses a scope token (RFC 6749 §3.3).
fn scope(text: &str) -> Result<String, &'static str> {
    let visible = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'));
    let shape = "not a scope; use one word without spaces for each scope";
    if visible && !text.is_empty() { Ok(text.to_owned()) } else { Err(shape) }
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
        assert!(error.contains("set both or neither") && !error.contains("hunter2"), "{error}");
        assert!(social("social.google.client_id = 'id'").is_err());
        for toml in ["issuer = 'https://e.com'", "client_id = 'id'", "client_secret = 'hunter2'"] {
            let error = social(&format!("[social.oidc.corp]\n{toml}")).unwrap_err();
            assert!(error.contains("needs both issuer and client_id") && !error.contains("hunter2"), "{error}");
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
        let error = social("social.oidc.corp.isuer = 'x'").unwrap_err();
        assert!(error.contains("did you mean \"social.oidc.corp.issuer\"?"), "{error}");
    }

    #[test]
    fn invalid_provider_urls_and_scopes_are_rejected() {
        for valid in ["/", "/welcome?x=1", "https://app.example.com/#/home", "https://app.example.com/in?x=1"] {
            assert_eq!(destination(valid), Ok(valid.to_owned()));
        }
        for invalid in ["", "//evil.example.com", "/\\evil.example.com", "welcome", "javascript:alert(1)"] {
            assert!(destination(invalid).is_err(), "{invalid}");
        }
        assert!(social("social.google.token_url = 'google.com'").unwrap_err().contains("not a full URL"));
        for section in ["[social.google]\nclient_secret = 'pw'", "[social.oidc.corp]"] {
            let toml = format!("{section}\nclient_id = 'id'\nissuer = 'https://e.com/realm?x=1'");
            let error = social(&toml).unwrap_err();
            assert!(error.contains("an issuer URL has no query"), "{error}");
        }
        for (near, issuer) in [
            ("https://e.com/.well-known/openid-configuration", "https://e.com"),
            ("https://e.com/.well-known/openid-configuration/", "https://e.com"),
            ("https://e.com/realm/.well-known/openid-configuration", "https://e.com/realm"),
            ("https://e.com/realm//.well-known/openid-configuration", "https://e.com/realm"),
            ("https://e.com/.well-known/oauth-authorization-server/realm", "https://e.com/realm"),
            ("https://e.com/.well-known/oauth-authorization-server", "https://e.com"),
            ("https://e.com/realm/.Well-Known/jwks.json", "https://e.com/realm"),
            ("https://e.com/realm/.well-known", "https://e.com/realm"),
            ("https://e.com/realm//", "https://e.com/realm/"),
            ("https://e.com//realm", "https://e.com/realm"),
        ] {
            for section in ["[social.google]\nclient_secret = 'pw'", "[social.oidc.corp]"] {
                let error = social(&format!("{section}\nclient_id = 'id'\nissuer = '{near}'")).unwrap_err();
                assert!(error.contains(&format!("keep only {issuer:?}")), "{error}");
            }
        }
        for issuer in [
            "https://e.com",
            "https://e.com/",
            "https://e.com/realm",
            "https://e.com/realm/",
            "https://e.com:8443/well-known/x",
        ] {
            assert_eq!(issuer_url(issuer), Ok(issuer.to_owned()));
        }
        assert!(scope("openid email").is_err() && scope("").is_err() && scope("https://e.com/s").is_ok());
    }
}
