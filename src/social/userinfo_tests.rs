//! Tests of the userinfo endpoint: when it is used, and what it may add to an ID token.

use std::time::Duration;

use serde_json::{Value, json};

use super::testing::{ACCESS_TOKEN, TestOpenId, attempt, callback, changed, identify, known, options, untrusted};
use super::*;
use crate::crypto::testing::{NOW, foreign_token};
use crate::fetch::testing::{TestReply, TestServer, http_response};

#[tokio::test]
async fn userinfo_must_be_of_the_same_subject() {
    let op = TestOpenId::start().await;
    let mut claims = op.claims();
    claims.as_object_mut().unwrap().remove("email");
    op.issue_id_token(&op.header(), &claims);
    let bare = identify(&op).await.unwrap();
    assert_eq!((bare.email, bare.email_verified), (None, false), "without an address, nothing is verified");
    op.clock.advance(Duration::from_hours(1));
    op.set_discovery_document(&[("userinfo_endpoint", json!(format!("{}/userinfo", op.server.url)))]);
    let bob = json!({"sub": "bob-1", "email": "bob@example.com", "email_verified": true});
    op.server.reply_with_json("/userinfo", bob);
    assert!(untrusted(identify(&op).await, "another subject").contains("different sub claims"));
    op.server
        .reply_with_json("/userinfo", json!({"sub": "ann-1", "email": "a@example.com", "preferred_username": "ann"}));
    let ann = identify(&op).await.unwrap();
    assert_eq!((ann.email.unwrap().as_str(), ann.email_verified), ("a@example.com", false));
    assert_eq!((ann.username.as_deref(), ann.first_name.as_str()), (Some("ann"), "Ann"));
    op.server.reply_with_json("/userinfo", json!({"email": "a@example.com"}));
    assert!(matches!(identify(&op).await, Err(ProviderError::InvalidResponse(message)) if message.contains("(sub)")));
}

#[tokio::test]
async fn userinfo_states_whether_an_address_is_verified_if_the_id_token_does_not() {
    let op = TestOpenId::start().await;
    op.set_discovery_document(&[("userinfo_endpoint", json!(format!("{}/userinfo", op.server.url)))]);
    let reply = |reply: TestReply| op.server.reply_with("/userinfo", reply);
    for absent in [None, Some(Value::Null)] {
        let mut claims = op.claims();
        claims.as_object_mut().unwrap().remove("email_verified");
        if let Some(value) = absent {
            claims["email_verified"] = value;
        }
        op.issue_id_token(&op.header(), &claims);
        for (userinfo, address, verified) in [
            (json!({"email": "ann@example.com", "email_verified": true}), "ann@example.com", true),
            (json!({"email_verified": "true"}), "ann@example.com", true),
            (json!({"email_verified": false}), "ann@example.com", false),
            (json!({"email": "other@example.com", "email_verified": true}), "other@example.com", true),
            (json!({"email": "other@example.com"}), "ann@example.com", false),
            (json!({"email": 7, "email_verified": true}), "ann@example.com", false),
            (json!({}), "ann@example.com", false),
        ] {
            reply(TestReply::Json(200, changed(&userinfo, "sub", &json!("ann-1"))));
            let ann = identify(&op).await.unwrap();
            assert_eq!((ann.email.unwrap().as_str(), ann.email_verified), (address, verified), "{userinfo}");
        }
        for unusable in [TestReply::Json(403, json!({})), TestReply::Raw(http_response(200, "", b"eyJ.a.jwt"))] {
            reply(unusable);
            let ann = identify(&op).await.unwrap();
            assert_eq!((ann.email.unwrap().as_str(), ann.email_verified), ("ann@example.com", false));
        }
        reply(TestReply::Json(200, json!({"sub": "bob-1", "email_verified": true})));
        assert!(untrusted(identify(&op).await, "another subject").contains("different sub claims"));
        reply(TestReply::Json(503, json!({})));
        assert!(matches!(identify(&op).await, Err(ProviderError::Unreachable(_))));
    }
    let requests = op.server.requests("/userinfo").len();
    op.issue_id_token(&op.header(), &changed(&op.claims(), "email_verified", &json!(false)));
    assert!(!identify(&op).await.unwrap().email_verified);
    assert_eq!(op.server.requests("/userinfo").len(), requests, "the ID token is complete");
}

#[tokio::test]
async fn google_uses_userinfo_without_an_id_token_and_verifies_one_if_present() {
    let server = TestServer::start().await;
    let op = TestOpenId::start().await;
    let at = |path: &str| Some(format!("{}{path}", server.url));
    let mut options = options(&op.clock);
    options.google = Some(KnownProvider {
        token_url: at("/token"),
        userinfo_url: at("/userinfo"),
        jwks_url: Some(format!("{}/jwks", op.server.url)),
        ..known()
    });
    let providers = Providers::new(options).unwrap();
    let google = providers.find("google").unwrap();
    let response = json!({"access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 3599});
    server.reply_with_json("/token", response.clone());
    server.reply_with_json("/userinfo", json!({"sub": "1", "email": "ann@example.com", "email_verified": true}));
    let ann = google.identify(&callback(), &attempt("google"), NOW).await.unwrap();
    assert_eq!((ann.social_id.as_str(), ann.email_verified, ann.tokens.refresh), ("1", true, None));
    assert_eq!(server.requests("/userinfo").len(), 1);
    for (iss, valid) in [("https://accounts.google.com", true), ("accounts.google.com", true), (&*op.server.url, false)]
    {
        let claims = changed(&op.claims(), "iss", &json!(iss));
        server.reply_with_json(
            "/token",
            changed(&response, "id_token", &json!(foreign_token(&op.pair, &op.header(), &claims))),
        );
        assert_eq!(google.identify(&callback(), &attempt("google"), NOW).await.is_ok(), valid, "{iss}");
    }
}
