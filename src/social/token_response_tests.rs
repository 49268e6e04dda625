//! Tests of token responses and other responses that differ from the standards in members that a sign-in does not need.

use std::time::Duration;

use serde_json::{Value, json};

use super::testing::{ACCESS_TOKEN, TestOpenId, attempt, callback, known, options, secret};
use super::*;
use crate::clock::Clock;
use crate::crypto::testing::{NOW, foreign_token};
use crate::domain::social::provider_options::KnownProvider;
use crate::fetch::testing::{TestReply, TestServer, http_response};

/// Members of a token response that are not needed, with values that other servers send or that are wrong.
fn odd_members() -> Vec<(&'static str, Value)> {
    let mut members = Vec::new();
    for name in ["token_type", "expires_in", "refresh_token", "scope", "error", "state", "expires", "id_token_hint"] {
        for value in [json!(null), json!(""), json!([]), json!({}), json!(false), json!(0), json!(-1.5)] {
            members.push((name, value));
        }
    }
    members.extend([
        ("token_type", json!(["Bearer"])),
        ("token_type", json!("mac")),
        ("scope", json!(["openid", "email"])),
        ("scope", json!("openid,email")),
        ("expires_in", json!(u64::MAX)),
        ("expires_in", json!(1e300)),
        ("expires_in", json!("soon")),
        ("expires_in", json!("-1")),
        ("refresh_token", json!(7)),
        ("refresh_token", json!(["rt-1"])),
        ("refresh_token", json!("r".repeat(20_000))),
        ("error_description", json!(7)),
        ("error_uri", json!({})),
    ]);
    members
}

/// GitHub and Facebook, simulated by `server`.
fn providers_at(server: &TestServer) -> Providers {
    let mut options = options(&Clock::manual(NOW));
    let at = |path: &str| Some(format!("{}{path}", server.url));
    let simulated = KnownProvider {
        authorize_url: at("/authorize"),
        token_url: at("/token"),
        userinfo_url: at("/user"),
        emails_url: at("/emails"),
        ..known()
    };
    (options.github, options.facebook) = (Some(simulated.clone()), Some(simulated));
    server.reply_with_json("/user", json!({"id": 7, "email": "ann@example.com"}));
    server.reply_with_json("/emails", json!([]));
    Providers::new(options).unwrap()
}

#[tokio::test]
async fn members_that_a_sign_in_does_not_need_are_not_judged() {
    let op = TestOpenId::start().await;
    let server = TestServer::start().await;
    let simulated = providers_at(&server);
    for (name, value) in odd_members() {
        let mut response = json!({"access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 3600,
            "refresh_token": "rt-1", "id_token": foreign_token(&op.pair, &op.header(), &op.claims())});
        response[name] = value.clone();
        op.server.reply_with_json("/token", response.clone());
        let tokens = op.provider().identify(&callback(), &attempt("corp"), NOW).await.expect(name).tokens;
        let renewed = op.provider().refresh(&secret("rt-0"), NOW).await.expect(name);
        assert_eq!(tokens, renewed, "{name}: {value}");
        let is_default = |changed: &str| name != changed;
        assert_eq!(tokens.expires_at, is_default("expires_in").then(|| NOW + Duration::from_hours(1)), "{value}");
        assert_eq!(tokens.refresh, is_default("refresh_token").then(|| secret("rt-1")), "{value}");
        for id_token in [json!(null), json!(7), json!("no token")] {
            response["id_token"] = id_token;
            server.reply_with_json("/token", response.clone());
            op.server.reply_with_json("/token", response.clone());
            op.provider().refresh(&secret("rt-0"), NOW).await.expect(name);
            for known in ["github", "facebook"] {
                let provider = simulated.find(known).unwrap();
                let found = provider.identify(&callback(), &attempt(known), NOW).await;
                assert_eq!(found.expect(name).tokens, tokens, "{known}: {name}: {value}");
            }
        }
    }
}

#[tokio::test]
async fn a_lifetime_may_be_a_text() {
    let op = TestOpenId::start().await;
    for (value, seconds) in [
        (json!("3599"), Some(3599)),
        (json!(" 3599 "), Some(3599)),
        (json!(3599.9), Some(3599)),
        (json!(1), Some(1)),
        (json!(0), None),
        (json!(true), None),
    ] {
        let response = json!({"access_token": ACCESS_TOKEN, "expires_in": value});
        op.server.reply_with_json("/token", response);
        let tokens = op.provider().refresh(&secret("rt-0"), NOW).await.unwrap();
        assert_eq!(tokens.expires_at, seconds.map(|seconds| NOW + Duration::from_secs(seconds)), "{value}");
    }
}

#[tokio::test]
async fn a_byte_order_mark_is_ignored_in_every_response() {
    let marked = |value: &Value| {
        let body = [b"\xef\xbb\xbf", value.to_string().as_bytes()].concat();
        TestReply::Raw(http_response(200, "content-type: application/json; charset=utf-8\r\n", &body))
    };
    let op = TestOpenId::start().await;
    let url = &op.server.url;
    let discovery = json!({"issuer": url, "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"), "jwks_uri": format!("{url}/jwks"),
        "userinfo_endpoint": format!("{url}/userinfo")});
    op.server.reply_with("/.well-known/openid-configuration", marked(&discovery));
    op.server.reply_with("/jwks", marked(&json!({"keys": [op.pair.public().jwk()]})));
    let mut claims = op.claims();
    claims.as_object_mut().unwrap().remove("email");
    let id_token = foreign_token(&op.pair, &op.header(), &claims);
    op.server.reply_with("/token", marked(&json!({"access_token": ACCESS_TOKEN, "id_token": id_token})));
    op.server.reply_with("/userinfo", marked(&json!({"sub": "ann-1", "email": "ann@example.com"})));
    let ann = op.provider().identify(&callback(), &attempt("corp"), NOW).await.unwrap();
    assert_eq!(ann.email.unwrap().as_str(), "ann@example.com");

    let server = TestServer::start().await;
    let providers = providers_at(&server);
    server.reply_with("/token", marked(&json!({"access_token": ACCESS_TOKEN})));
    server.reply_with("/user", marked(&json!({"id": 7})));
    server.reply_with("/emails", marked(&json!([{"email": "a@example.com", "primary": true, "verified": true}])));
    for (name, verified) in [("github", true), ("facebook", false)] {
        let provider = providers.find(name).unwrap();
        let found = provider.identify(&callback(), &attempt(name), NOW).await.unwrap();
        assert_eq!((found.social_id.as_str(), found.email_verified), ("7", verified), "{name}");
    }
}
