//! `POST /renew_token`: the tokens that are renewed and those that are rejected.

use std::time::Duration;

use countersign::issuer::users::UserChange;
use serde_json::{Value, json};

use crate::support::{ServerResponse, TestServer, token};

const DAY: u64 = 86_400;

async fn renew(server: &TestServer, token: &str) -> ServerResponse {
    server.post_as(token, "/renew_token", &json!({})).await
}

#[tokio::test]
async fn a_token_is_renewed_while_its_session_is_live() {
    let server = TestServer::with_anna().await;
    let first = server.token("anna").await;
    server.clock.advance(Duration::from_secs(100));
    let response = renew(&server, &first).await;
    let body = response.is(200).json();
    let second = body["token"].as_str().unwrap();
    assert_eq!(body, json!({"status": "OK", "token": second}));
    assert_eq!(response.header("cache-control"), "no-store");
    assert!(response.header("set-cookie").contains("Max-Age=86400"), "{response:#?}");
    let old = token::claims(&first);
    let new = token::claims(second);
    assert_eq!(old["sid"], new["sid"]);
    assert_ne!(old["jti"], new["jti"]);
    assert_eq!(new["exp"].as_i64(), old["exp"].as_i64().map(|exp| exp + 100));
    assert!(server.accepts(&first).await, "the earlier token stays valid until it expires");
}

#[tokio::test]
async fn a_renewal_ignores_the_body() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    for body in ["", "{}", "not json", "[1,2"] {
        let request = server.request(reqwest::Method::POST, "/renew_token").bearer_auth(&token).body(body);
        ServerResponse::send(request).await.is(200);
    }
}

#[tokio::test]
async fn an_expired_token_is_not_renewed_after_five_seconds_leeway() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    server.clock.advance(Duration::from_secs(DAY + 4));
    assert!(server.accepts(&token).await);
    server.clock.advance(Duration::from_secs(1));
    renew(&server, &token).await.refuses(401, "not_signed_in");
}

#[tokio::test]
async fn each_renewal_extends_the_session() {
    let server = TestServer::with_anna().await;
    server.set("profiles.jwt_issuer.access_lifetime", "40d").await;
    let renewed = server.token("anna").await;
    let idle = server.token("anna").await;
    server.clock.advance(Duration::from_secs(29 * DAY));
    assert!(server.accepts(&renewed).await);
    server.clock.advance(Duration::from_secs(DAY));
    assert!(!server.accepts(&idle).await, "30 days without a renewal");
    assert!(server.accepts(&renewed).await);
}

#[tokio::test]
async fn renewals_do_not_exceed_the_maximum_session_age() {
    let server = TestServer::with_anna().await;
    server.set("sessions.max_age", "3h").await;
    let mut token = server.token("anna").await;
    for hour in 0..3 {
        let response = renew(&server, &token).await;
        token = response.is(200).json()["token"].as_str().unwrap_or_else(|| panic!("after {hour} h")).to_owned();
        server.clock.advance(Duration::from_hours(1));
    }
    assert!(!server.accepts(&token).await);
}

#[tokio::test]
async fn operator_actions_end_sessions() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    let password = countersign::domain::password::Password::new("set by an operator".to_owned());
    server.change("anna", UserChange::SetPassword(password)).await;
    assert!(!server.accepts(&token).await);
    let token = server.token_by("anna", "set by an operator").await;
    server.change("anna", UserChange::Delete).await;
    renew(&server, &token).await.refuses(401, "not_signed_in");
}

#[tokio::test]
async fn a_token_of_another_issuer_is_rejected() {
    let server = TestServer::with_anna().await;
    let other_server = TestServer::with_anna().await;
    let other_token = other_server.token("anna").await;
    // Both servers have the same keys. If they started within the same second, they also have the same random seed, and
    // so the same user and session ids. Then only the issuer differs.
    renew(&server, &other_token).await.refuses(401, "not_signed_in");
    assert!(other_server.accepts(&other_token).await);
}

/// Claims that earlier rules accepted.
#[tokio::test]
async fn stored_claims_with_reserved_names_are_left_out_of_tokens() {
    let server = TestServer::with_anna().await;
    let user = countersign::issuer::users::find(&server.issuer, "anna").await.unwrap().unwrap();
    let stored = r#"{"Sub":"other","EXP":9999999999,"\u017fid":"x","User_ID":7,"scope":"all","Roles":["a"],"team":1}"#;
    let stored = countersign::domain::claims::Claims::from_stored(stored).unwrap();
    let set: Result<(), countersign::store::StoreError> =
        server.issuer.store.write(move |tx| tx.set_claims(user.id, &stored)).await;
    set.unwrap();
    let claims = token::claims(&server.token("anna").await);
    let names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    let own = ["iss", "sub", "aud", "iat", "nbf", "exp", "jti", "sid", "token_type", "user_id", "username"];
    assert_eq!(names[..own.len()], own);
    assert_eq!(names[own.len()..], ["Roles", "team"]);
}

#[tokio::test]
async fn tokens_of_other_dialects_are_not_renewed() {
    let server = TestServer::with_anna().await;
    let user = countersign::issuer::users::find(&server.issuer, "anna").await.unwrap().unwrap();
    let mint = countersign::issuer::mint::MintTokens { user, dialect: "drf_pyjwt".parse().unwrap() };
    let short = mint.run(&server.issuer).await.unwrap();
    renew(&server, short.access.text.expose()).await.refuses(401, "not_signed_in");
}

/// A token of the server, modified by `change` and signed again with the server's key.
async fn modified(server: &TestServer, change: impl FnOnce(&mut Value, &mut Value)) -> String {
    let token = server.token("anna").await;
    let mut header = token::header(&token);
    let mut claims = token::claims(&token);
    change(&mut header, &mut claims);
    token::forge(server, &header, &claims)
}

#[tokio::test]
async fn a_correctly_signed_token_with_invalid_claims_is_rejected() {
    let server = TestServer::with_anna().await;
    assert!(server.accepts(&modified(&server, |_, _| ()).await).await, "an unmodified token is accepted");
    let rows: Vec<(&str, Value)> = vec![
        ("iss", json!("https://elsewhere.example")),
        ("iss", Value::Null),
        ("aud", json!("https://elsewhere.example")),
        ("aud", json!([])),
        ("exp", json!("9999999999")),
        ("exp", Value::Null),
        ("nbf", json!(9_999_999_999_u64)),
        ("token_type", json!("refresh")),
        ("token_type", Value::Null),
        ("sid", json!("00000000-0000-4000-8000-000000000000")),
        ("sid", json!("nonsense")),
        ("sid", json!(7)),
        ("sid", Value::Null),
    ];
    for (claim, value) in rows {
        let forged = modified(&server, |_, claims| {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(claim);
            } else {
                claims[claim] = value.clone();
            }
        });
        renew(&server, &forged.await).await.refuses(401, "not_signed_in");
    }
    let padded = async |bytes: usize| modified(&server, |_, claims| claims["x"] = "y".repeat(bytes).into()).await;
    let short = padded(5000).await;
    let long = padded(6000).await;
    assert!(short.len() < 8192 && long.len() > 8192);
    assert!(server.accepts(&short).await && !server.accepts(&long).await, "tokens above 8 KiB are rejected");
    for (member, value) in [
        ("typ", json!("refresh+jwt")),
        ("kid", json!(7)),
        ("kid", json!("unknown")),
        ("alg", json!("RS256")),
        ("crit", json!([])),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/x.pem")),
        ("jwk", json!({"kty": "EC"})),
    ] {
        let forged = modified(&server, |header, _| header[member] = value.clone()).await;
        renew(&server, &forged).await.refuses(401, "not_signed_in");
    }
}

#[tokio::test]
async fn any_other_signature_is_rejected() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    let header = token::header(&token);
    let claims = token::claims(&token);
    let with_alg = |alg: &str| {
        let mut header = header.clone();
        header["alg"] = alg.into();
        header
    };
    let parts: Vec<&str> = token.split('.').collect();
    let public = server.get("/get_public_cert?format=pem").await.is(200).text.clone();
    let mut admin = claims.clone();
    admin["user_id"] = 2.into();
    let none = token::signing_input(&with_alg("none"), &claims);
    let flipped = if parts[2].starts_with('A') { 'B' } else { 'A' };
    let rows = [
        ("none", format!("{none}.")),
        ("none with a signature", format!("{none}.{}", parts[2])),
        ("None", format!("{}.", token::signing_input(&with_alg("None"), &claims))),
        ("HS256 with the public key", token::hmac(public.as_bytes(), &with_alg("HS256"), &claims)),
        ("HS256 with the trimmed key", token::hmac(public.trim().as_bytes(), &with_alg("HS256"), &claims)),
        ("HS256 as ES256", token::hmac(public.as_bytes(), &header, &claims)),
        ("changed claims", format!("{}.{}", token::signing_input(&header, &admin), parts[2])),
        ("a changed signature", format!("{}.{}.{flipped}{}", parts[0], parts[1], &parts[2][1..])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{token}.x")),
        ("padding", format!("{token}==")),
        ("zeros", format!("{}.{}.{}", parts[0], parts[1], "A".repeat(86))),
        ("nonsense", "x".to_owned()),
    ];
    for (case, forged) in rows {
        let response = renew(&server, &forged).await;
        assert_eq!(response.status, 401, "{case}: {response:#?}");
    }
    assert!(server.accepts(&token).await);
}

#[tokio::test]
async fn every_invalid_token_gets_the_same_response() {
    let server = TestServer::with_anna().await;
    let ended = server.token("anna").await;
    server.change("anna", UserChange::Disable).await;
    server.change("anna", UserChange::Enable).await;
    let unknown = modified(&server, |_, claims| claims["sid"] = "00000000-0000-4000-8000-000000000000".into()).await;
    let expired = modified(&server, |_, claims| claims["exp"] = 1.into()).await;
    let responses = [renew(&server, &ended).await, renew(&server, &unknown).await, renew(&server, &expired).await];
    let none = server.post("/renew_token", &json!({})).await.bytes();
    for response in responses {
        assert_eq!(response.bytes(), none);
    }
    insta::assert_snapshot!(none.2, @r#"{"status":"ERROR","code":"not_signed_in","message":"missing, invalid or expired token; sign in again"}"#);
}
