//! Reads the discovery document of an OpenID Connect provider (OpenID Connect Discovery 1.0 §3). It does not fetch it.

use serde_json::{Map, Value};
use url::Url;

use super::error::ProviderError;
use super::flow::Endpoints;
use super::urls;
use crate::domain::excerpt::excerpt;
use crate::domain::strict_json::present;
use crate::fetch::endpoint::Endpoint;

/// Returns the URL of an issuer's discovery document (Discovery 1.0 §4.1).
pub(super) fn discovery_url_of(name: &str, issuer: &str) -> Result<Url, ProviderError> {
    let well_known = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    urls::parse(name, "issuer", &well_known)
}

/// Checks that the document is of exactly this issuer (Discovery 1.0 §4.3).
///
/// # Errors
/// Both issuers: often one has a slash that the other has not, and the setting must have the issuer of the document.
pub(super) fn check_issuer(object: &Map<String, Value>, issuer: &str) -> Result<(), String> {
    match present(object, "issuer") {
        Some(Value::String(named)) if named == issuer => Ok(()),
        Some(Value::String(named)) => {
            Err(format!("the document is of the issuer {:?}, the setting is {issuer:?}", excerpt(named)))
        }
        Some(_) | None => Err(format!("the document names no issuer, the setting is {issuer:?}")),
    }
}

/// Reads the endpoints from the document at `source` (Discovery 1.0 §3, RFC 9207 §3). A member that is null counts as
/// missing, and so does the URL of an optional endpoint that is empty.
pub(super) fn parse_discovery_document(object: &Map<String, Value>, source: &Url) -> Result<Endpoints, String> {
    let url = |name: &str| match present(object, name) {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => {
            Endpoint::published(text, source).map(Some).map_err(|what| format!("{name} {what}"))
        }
        Some(_) => Err(format!("{name} is not a string")),
    };
    let required = |name: &str| url(name)?.ok_or_else(|| format!("{name} is missing"));
    Ok(Endpoints {
        authorize: required("authorization_endpoint")?.url().clone(),
        token: required("token_endpoint")?,
        userinfo: url("userinfo_endpoint")?,
        jwks: Some(required("jwks_uri")?),
        sends_iss: object.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
        basic_auth: supports_basic_auth(present(object, "token_endpoint_auth_methods_supported"))?,
    })
}

/// Whether a client with a secret sends it in the `Authorization` header. This is the default if the document has no
/// list of methods (Discovery 1.0 §3). A public client sends no secret in either case.
///
/// # Errors
/// The list has none of `client_secret_basic`, `client_secret_post` and `none`.
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
    use crate::fetch::endpoint::Reach;

    fn read(source: &str, changes: &[(&str, Value)]) -> Result<Endpoints, String> {
        let mut object = json!({"authorization_endpoint": "https://op.example/a", "token_endpoint": "https://op.example/t",
            "jwks_uri": "https://op.example/k"});
        for (name, value) in changes {
            object[*name] = value.clone();
        }
        parse_discovery_document(object.as_object().unwrap(), &Url::parse(source).unwrap())
    }

    fn discovered(changes: &[(&str, Value)]) -> Result<Endpoints, String> {
        read("https://op.example/.well-known/openid-configuration", changes)
    }

    #[test]
    fn a_discovery_document_is_parsed() {
        let bare = discovered(&[]).unwrap();
        assert_eq!((bare.userinfo, bare.sends_iss, bare.basic_auth), (None, false, true));
        let more = discovered(&[
            ("userinfo_endpoint", json!("https://op.example/u")),
            ("authorization_response_iss_parameter_supported", json!(true)),
            ("token_endpoint_auth_methods_supported", json!(["private_key_jwt", "client_secret_post"])),
        ]);
        let more = more.unwrap();
        assert_eq!(more.userinfo.unwrap().url().as_str(), "https://op.example/u");
        assert_eq!((more.sends_iss, more.basic_auth), (true, false));
    }

    #[test]
    fn an_invalid_discovery_document_is_rejected() {
        for (name, value, expected) in [
            ("token_endpoint", json!("http://op.example/t"), "token_endpoint must begin with https"),
            ("token_endpoint", json!("file:///etc/passwd"), "token_endpoint must begin with https"),
            ("jwks_uri", json!("//op.example"), "jwks_uri is not a URL"),
            ("jwks_uri", json!(7), "jwks_uri is not a string"),
            ("jwks_uri", json!(""), "jwks_uri is missing"),
            ("userinfo_endpoint", json!("https://me@op.example/"), "userinfo_endpoint must contain neither"),
            ("authorization_endpoint", json!("javascript:alert(1)"), "authorization_endpoint must begin"),
            ("token_endpoint_auth_methods_supported", json!(["private_key_jwt"]), "neither client_secret_basic nor"),
        ] {
            let error = discovered(&[(name, value)]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let source = Url::parse("https://op.example/").unwrap();
        assert_eq!(parse_discovery_document(&Map::new(), &source), Err("authorization_endpoint is missing".to_owned()));
    }

    #[test]
    fn a_member_that_is_null_counts_as_missing() {
        let optional = [
            "userinfo_endpoint",
            "end_session_endpoint",
            "authorization_response_iss_parameter_supported",
            "token_endpoint_auth_methods_supported",
            "scopes_supported",
        ];
        let all = optional.map(|name| (name, Value::Null));
        for changes in all.iter().map(std::slice::from_ref).chain([all.as_slice()]) {
            assert_eq!(discovered(changes).unwrap(), discovered(&[]).unwrap(), "{changes:?}");
        }
        assert_eq!(discovered(&[("userinfo_endpoint", json!(""))]).unwrap().userinfo, None);
        for name in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
            assert_eq!(discovered(&[(name, Value::Null)]), Err(format!("{name} is missing")));
        }
    }

    #[test]
    fn no_url_of_a_document_may_lead_into_the_private_network() {
        for name in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"] {
            for url in ["http://127.0.0.1:9000/", "https://localhost/", "https://10.0.0.1/", "https://[fd00::1]/"] {
                let error = discovered(&[(name, json!(url))]).unwrap_err();
                assert!(error.starts_with(&format!("{name} must ")), "{url}: {error}");
            }
            // A loopback issuer is for tests on one machine.
            let loopback = "http://127.0.0.1:8000/.well-known/openid-configuration";
            assert!(read(loopback, &[(name, json!("http://localhost:9000/"))]).is_ok(), "{name}");
            assert!(read(loopback, &[(name, json!("https://10.0.0.1/"))]).is_err(), "{name}");
        }
        let found = discovered(&[("jwks_uri", json!("https://keys.example/"))]).unwrap();
        assert_eq!((found.token.reach(), found.jwks.unwrap().reach()), (Reach::Any, Reach::Public));
    }
}
