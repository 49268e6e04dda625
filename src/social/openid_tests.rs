//! Tests of OpenID Connect providers, from the redirect to the identity. Every rejected response is a row.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use url::Url;

use super::testing::{
    ACCESS_TOKEN, CLIENT_SECRET, TestOpenId, attempt, callback, changed, identify, name, options, secret, untrusted,
};
use super::*;
use crate::crypto::key_pair::KeyPair;
use crate::crypto::testing::{NOW, foreign_token};
use crate::domain::algorithm::Algorithm;
use crate::domain::social::provider_options::OidcProvider;
use crate::fetch::testing::TestReply;

#[tokio::test]
async fn the_browser_is_redirected_to_the_discovered_endpoint() {
    let op = TestOpenId::start().await;
    let url = Url::parse(&op.provider().authorize_url(&attempt("corp")).await.unwrap()).unwrap();
    assert_eq!(url.as_str().split('?').next(), Some(format!("{}/authorize", op.server.url).as_str()));
    let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    pairs.sort();
    let expected = [
        ("client_id", "us"),
        // RFC 7636 appendix B.
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
        ("nonce", "n-1"),
        ("redirect_uri", "https://id.example.com/auth/corp/callback/"),
        ("response_type", "code"),
        ("scope", "openid email"),
        ("state", "st-1"),
    ];
    assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn a_callback_returns_the_identity() {
    let op = TestOpenId::start().await;
    let ann = identify(&op).await.unwrap();
    assert_eq!((ann.provider.as_str(), ann.social_id.as_str()), ("corp", "ann-1"));
    assert_eq!((ann.email.as_ref().unwrap().as_str(), ann.email_verified), ("ann@example.com", true));
    assert_eq!((ann.first_name.as_str(), ann.last_name.as_str()), ("Ann", "Other"));
    assert_eq!(
        (ann.tokens.access.expose(), ann.tokens.expires_at),
        (ACCESS_TOKEN, Some(NOW + Duration::from_hours(1)))
    );
    assert_eq!(ann.tokens.refresh.as_ref().map(SecretText::expose), Some("rt-1"));
    let requests = &op.server.requests("/token")[0];
    let basic = format!("authorization: basic {}", STANDARD.encode(format!("us:{CLIENT_SECRET}")).to_lowercase());
    assert!(requests.head.to_lowercase().contains(&basic), "{}", requests.head);
    for part in
        ["grant_type=authorization_code", "code=code-1", "code_verifier=dBjftJeZ4CVP", "%2Fauth%2Fcorp%2Fcallback%2F"]
    {
        assert!(requests.body.contains(part), "{part}: {}", requests.body);
    }
    assert!(!requests.body.contains(CLIENT_SECRET));
}

#[tokio::test]
async fn each_invalid_id_token_claim_is_rejected() {
    let op = TestOpenId::start().await;
    for (name, value, expected) in [
        ("iss", json!("https://evil.example"), "(iss)"),
        ("aud", json!("them"), "(aud)"),
        ("aud", json!(["us", "them"]), "(azp)"),
        ("azp", json!("them"), "(azp)"),
        ("exp", json!(NOW.unix() - 5), "(exp)"),
        ("iat", json!(NOW.unix() + 6), "(iat, nbf)"),
        ("nonce", json!("n-2"), "(nonce)"),
        ("nonce", Value::Null, "(nonce)"),
    ] {
        op.issue_id_token(&op.header(), &changed(&op.claims(), name, &value));
        let message = untrusted(identify(&op).await, name);
        assert!(
            message.starts_with("corp: verifying the ID token: rejected: ") && message.contains(expected),
            "{name}: {message}"
        );
    }
    for sub in [json!(""), json!("a".repeat(256)), json!(null), json!(["ann-1"])] {
        op.issue_id_token(&op.header(), &changed(&op.claims(), "sub", &sub));
        assert!(
            matches!(identify(&op).await, Err(ProviderError::InvalidResponse(message)) if message.contains("(sub)")),
            "{sub}"
        );
    }
    op.issue_id_token(&op.header(), &op.claims());
    assert!(identify(&op).await.is_ok());
}

#[tokio::test]
async fn malformed_and_wrongly_signed_id_tokens_are_rejected() {
    let op = TestOpenId::start().await;
    let header = op.header();
    let claims = op.claims();
    for (name, value, expected) in [
        ("alg", json!("none"), "unsupported algorithm"),
        ("alg", json!("HS256"), "unsupported algorithm"),
        ("alg", json!("RS256"), "unknown key (kid)"),
        ("crit", json!(["b64"]), "forbidden header member"),
        ("kid", json!("unknown"), "unknown key (kid)"),
        ("kid", json!(7), "no key id"),
        ("typ", json!("at+jwt"), "another kind of token (typ)"),
    ] {
        op.issue_id_token(&changed(&header, name, &value), &claims);
        let message = untrusted(identify(&op).await, name);
        assert!(message.contains(expected), "{name}: {message}");
    }
    let valid_token = foreign_token(&op.pair, &header, &claims);
    let (signed, signature) = valid_token.rsplit_once('.').unwrap();
    let other = KeyPair::generate(Algorithm::Es256, 0).unwrap();
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let twice = format!("{}.{}.{signature}", encode(&header.to_string()), encode(r#"{"sub":"ann-1","sub":"eve"}"#));
    for (what, token, expected) in [
        ("a signature of another key", foreign_token(&other, &header, &claims), "invalid signature"),
        ("no signature", format!("{signed}."), "invalid signature"),
        ("padded base64url", format!("{valid_token}=="), "not a compact JWS"),
        ("a duplicate member", twice, "not a compact JWS"),
        ("no token", "hunter2".to_owned(), "not a compact JWS"),
        ("a token that is too long", "a".repeat(16 * 1024 + 1), "longer than 16384 bytes"),
        ("an encrypted token", "a.b.c.d.e".to_owned(), "not a compact JWS"),
    ] {
        op.issue_id_token_text(&token);
        let message = untrusted(identify(&op).await, what);
        assert!(message.contains(expected), "{what}: {message}");
    }
    op.issue_id_token_text(&valid_token);
    assert!(identify(&op).await.is_ok());
}

#[tokio::test]
async fn a_subject_is_kept_with_its_spaces() {
    let op = TestOpenId::start().await;
    op.set_discovery_document(&[("userinfo_endpoint", json!(format!("{}/userinfo", op.server.url)))]);
    for sub in ["CN=Ann Other,OU=x", " a  b ", " "] {
        let mut claims = changed(&op.claims(), "sub", &json!(sub));
        op.issue_id_token(&op.header(), &claims);
        assert_eq!(identify(&op).await.unwrap().social_id, sub);
        claims.as_object_mut().unwrap().remove("email");
        op.issue_id_token(&op.header(), &claims);
        op.server.reply_with_json("/userinfo", json!({"sub": sub}));
        assert_eq!(identify(&op).await.unwrap().social_id, sub, "userinfo has the same subject");
        op.server.reply_with_json("/userinfo", json!({"sub": format!("{sub} ")}));
        assert!(untrusted(identify(&op).await, "one space more").contains("different sub claims"));
    }
}

#[tokio::test]
async fn header_members_that_contain_or_name_a_key_are_ignored() {
    let op = TestOpenId::start().await;
    let other = KeyPair::generate(Algorithm::Es256, 0).unwrap();
    let attacker_keys = json!({"keys": [other.public().jwk()]});
    op.server.reply_with_json("/attacker", attacker_keys);
    let jwk = serde_json::to_value(other.public().jwk()).unwrap();
    for (name, value) in [
        ("jku", json!(format!("{}/attacker", op.server.url))),
        ("x5u", json!(format!("{}/attacker", op.server.url))),
        ("jwk", jwk),
        ("x5c", json!(["AAAA"])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
    ] {
        let header = changed(&op.header(), name, &value);
        op.issue_id_token(&header, &op.claims());
        assert_eq!(identify(&op).await.unwrap().social_id, "ann-1", "{name}");
        for kid in [op.pair.public().kid(), other.public().kid()] {
            let header = changed(&header, "kid", &json!(kid.as_str()));
            op.issue_id_token_text(&foreign_token(&other, &header, &op.claims()));
            untrusted(identify(&op).await, name);
        }
    }
    assert!(op.server.requests("/attacker").is_empty(), "no URL in a token is followed");
}

#[tokio::test]
async fn rs256_and_a_single_key_without_kid_are_accepted() {
    let op = TestOpenId::start().await;
    let rsa = KeyPair::generate(Algorithm::Rs256, 2048).unwrap();
    let mut jwk = serde_json::to_value(rsa.public().jwk()).unwrap();
    jwk.as_object_mut().unwrap().remove("kid");
    op.server.reply_with_json("/jwks", json!({ "keys": [jwk] }));
    op.issue_id_token_text(&foreign_token(&rsa, &json!({"alg": "RS256"}), &op.claims()));
    assert_eq!(identify(&op).await.unwrap().social_id, "ann-1");
}

#[tokio::test]
async fn provider_keys_are_cached_and_refetched_at_a_limited_rate() {
    let op = TestOpenId::start().await;
    let requests = || op.server.requests("/jwks").len();
    identify(&op).await.unwrap();
    identify(&op).await.unwrap();
    assert_eq!(requests(), 1, "cached");
    let next = KeyPair::generate(Algorithm::Es256, 0).unwrap();
    let by_next =
        foreign_token(&next, &changed(&op.header(), "kid", &json!(next.public().kid().as_str())), &op.claims());
    op.issue_id_token_text(&by_next);
    for _ in 0..3 {
        untrusted(identify(&op).await, "unknown key (kid)");
    }
    assert_eq!(requests(), 1, "fetched less than 30 s ago");
    op.clock.advance(Duration::from_secs(30));
    for _ in 0..3 {
        untrusted(identify(&op).await, "unknown key (kid)");
    }
    assert_eq!(requests(), 2, "fetched once more");
    op.clock.advance(Duration::from_secs(30));
    op.publish_keys(&[&op.pair, &next]);
    identify(&op).await.unwrap();
    assert_eq!(requests(), 3, "the new key is fetched");
    op.clock.advance(Duration::from_hours(1));
    op.publish_keys(&[&op.pair]);
    untrusted(identify(&op).await, "a key that was removed an hour ago");
    assert_eq!(requests(), 4, "the cached JWKS has expired");
    assert_eq!(op.server.requests("/.well-known/openid-configuration").len(), 2, "the discovery document, too");
}

#[tokio::test]
async fn a_failed_fetch_does_not_extend_the_cache() {
    let op = TestOpenId::start().await;
    identify(&op).await.unwrap();
    op.server.reply_with("/jwks", TestReply::Json(500, json!({})));
    op.clock.advance(Duration::from_mins(59));
    op.issue_id_token(&changed(&op.header(), "kid", &json!("unknown")), &op.claims());
    assert!(
        matches!(identify(&op).await, Err(ProviderError::Unreachable(message)) if message.contains("fetching the JWKS"))
    );
    op.issue_id_token(&op.header(), &op.claims());
    identify(&op).await.unwrap();
    op.clock.advance(Duration::from_mins(1));
    assert!(
        matches!(identify(&op).await, Err(ProviderError::Unreachable(_))),
        "an hour after the last successful fetch"
    );
}

#[tokio::test]
async fn a_callback_of_another_issuer_is_rejected_before_its_code_is_used() {
    let op = TestOpenId::start().await;
    let back = |iss: Option<&str>| Callback { iss: iss.map(str::to_owned), ..callback() };
    let provider = op.provider();
    let evil = provider.identify(&back(Some("https://evil.example")), &attempt("corp"), NOW).await;
    assert!(untrusted(evil, "another issuer").contains("(iss)"));
    let foreign = provider.identify(&back(None), &attempt("other"), NOW).await;
    assert!(untrusted(foreign, "an attempt of another provider").contains("belongs to the provider other"));
    assert!(provider.authorize_url(&attempt("other")).await.is_err());
    op.clock.advance(Duration::from_hours(1));
    op.set_discovery_document(&[("authorization_response_iss_parameter_supported", json!(true))]);
    let without_iss = provider.identify(&back(None), &attempt("corp"), NOW).await;
    assert!(untrusted(without_iss, "no iss").contains("has no issuer (iss)"));
    assert!(op.server.requests("/token").is_empty());
    assert!(provider.identify(&back(Some(&op.server.url)), &attempt("corp"), NOW).await.is_ok());
}

#[tokio::test]
async fn a_provider_error_is_reported_by_its_code() {
    let op = TestOpenId::start().await;
    let provider = op.provider();
    let back = |code: &str, iss: Option<&str>| Callback { code: Err(code.to_owned()), iss: iss.map(str::to_owned) };
    for (code, code_shown) in [("access_denied", "access_denied"), ("<script>", "unspecified"), ("", "unspecified")] {
        let error = provider.identify(&back(code, None), &attempt("corp"), NOW).await.unwrap_err();
        assert_eq!(error, ProviderError::CallbackError(code_shown.to_owned()));
    }
    let evil = provider.identify(&back("access_denied", Some("https://evil.example")), &attempt("corp"), NOW).await;
    assert!(untrusted(evil, "another issuer").contains("(iss)"));
    op.clock.advance(Duration::from_hours(1));
    op.set_discovery_document(&[("authorization_response_iss_parameter_supported", json!(true))]);
    let without_iss = provider.identify(&back("access_denied", None), &attempt("corp"), NOW).await;
    assert!(untrusted(without_iss, "no iss").contains("has no issuer (iss)"));
    assert!(op.server.requests("/token").is_empty());
}

#[tokio::test]
async fn a_token_response_without_tokens_is_rejected() {
    let op = TestOpenId::start().await;
    let response = |value: Value| op.server.reply_with_json("/token", value);
    for without_token in [json!({}), json!({"access_token": "", "token_type": "bearer"}), json!({"access_token": null})]
    {
        response(without_token.clone());
        assert_eq!(identify(&op).await.unwrap_err(), ProviderError::NoToken, "{without_token}");
    }
    for (invalid, expected) in [
        (json!({"access_token": 7, "token_type": "bearer"}), "invalid at `access_token`"),
        (json!({"access_token": "at-1-hunter2", "id_token": 7}), "the token response is invalid"),
        (json!({"access_token": "at-1-hunter2", "id_token": null}), "the response has no ID token"),
        (json!({"access_token": "at-1-hunter2"}), "the response has no ID token"),
        (json!({"access_token": "a".repeat(20_000), "token_type": "bearer"}), "more than 16384 bytes"),
        (
            json!({"access_token": "at-1-hunter2", "token_type": "bearer"}),
            "verifying the ID token: the response has no ID token",
        ),
        (json!(["at-1-hunter2"]), "not return a JSON object"),
    ] {
        response(invalid.clone());
        let error = identify(&op).await.unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidResponse(message) if message.contains(expected)),
            "{expected}: {error:?}"
        );
    }
    op.server
        .reply_with("/token", TestReply::Json(400, json!({"error": "invalid_grant", "error_description": "code-1"})));
    let message = "corp: exchanging the code: the provider refused the request: invalid_grant";
    assert_eq!(identify(&op).await.unwrap_err(), ProviderError::Refused(message.to_owned()));
}

#[tokio::test]
async fn client_authentication_follows_the_discovery_document() {
    let op = TestOpenId::start().await;
    op.set_discovery_document(&[("token_endpoint_auth_methods_supported", json!(["client_secret_post"]))]);
    identify(&op).await.unwrap();
    let requests = &op.server.requests("/token")[0];
    assert!(requests.body.contains(&format!("client_secret={CLIENT_SECRET}")) && !requests.head.contains("asic "));

    let server = &op.server;
    let mut options = options(&op.clock);
    let issuer = server.url.clone();
    let scopes = vec!["openid".to_owned()];
    options.oidc.push((name("open"), OidcProvider { issuer, client_id: "us".to_owned(), client_secret: None, scopes }));
    let providers = Providers::new(options).unwrap();
    let open = providers.find("open").unwrap();
    open.identify(&callback(), &attempt("open"), NOW).await.unwrap();
    let requests = &server.requests("/token")[1];
    assert!(
        requests.body.contains("client_id=us")
            && !requests.body.contains("client_secret")
            && !requests.head.contains("asic ")
    );
}

#[tokio::test]
async fn an_access_token_is_refreshed() {
    let op = TestOpenId::start().await;
    let renewed = json!({"access_token": "at-2", "token_type": "bearer"});
    op.server.reply_with_json("/token", renewed);
    let tokens = op.provider().refresh(&secret("rt-1"), NOW).await.unwrap();
    assert_eq!((tokens.access.expose(), tokens.refresh, tokens.expires_at), ("at-2", None, None));
    let requests = &op.server.requests("/token")[0];
    assert!(requests.body.contains("grant_type=refresh_token") && requests.body.contains("refresh_token=rt-1"));
    op.server.reply_with("/token", TestReply::Json(400, json!({"error": "invalid_grant"})));
    let error = op.provider().refresh(&secret("rt-1"), NOW).await.unwrap_err();
    let message = "corp: refreshing the access token: the provider refused the request: invalid_grant";
    assert_eq!(error, ProviderError::Refused(message.to_owned()));
}
