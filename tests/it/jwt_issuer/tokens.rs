//! `POST /renew_token`: what is renewed, and every token that is not.

use std::time::Duration;

use countersign::issuer::users::Change;
use serde_json::{Value, json};

use crate::support::{Answer, TestServer, token};

const DAY: u64 = 86_400;

async fn renew(server: &TestServer, token: &str) -> Answer {
    server.post_as(token, "/renew_token", &json!({})).await
}

#[tokio::test]
async fn a_token_is_renewed_by_itself_while_its_session_lives() {
    let server = TestServer::with_anna().await;
    let first = server.token("anna").await;
    server.clock.advance(Duration::from_secs(100));
    let answer = renew(&server, &first).await;
    let body = answer.is(200).json();
    let second = body["token"].as_str().unwrap();
    assert_eq!(body, json!({"status": "OK", "token": second}));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.header("set-cookie").contains("Max-Age=86400"), "{answer:#?}");
    let (old, new) = (token::claims(&first), token::claims(second));
    assert_eq!(old["sid"], new["sid"]);
    assert_ne!(old["jti"], new["jti"]);
    assert_eq!(new["exp"].as_i64(), old["exp"].as_i64().map(|exp| exp + 100));
    assert!(server.opens(&first).await, "the earlier one is good to its own end");
}

#[tokio::test]
async fn without_a_body_or_with_any_it_is_the_same() {
    let server = TestServer::with_anna().await;
    let mine = server.token("anna").await;
    for body in ["", "{}", "not json", "[1,2"] {
        let request = server.request(reqwest::Method::POST, "/renew_token").bearer_auth(&mine).body(body);
        Answer::to(request).await.is(200);
    }
}

#[tokio::test]
async fn an_expired_token_renews_nothing_and_the_leeway_is_five_seconds() {
    let server = TestServer::with_anna().await;
    let mine = server.token("anna").await;
    server.clock.advance(Duration::from_secs(DAY + 4));
    assert!(server.opens(&mine).await);
    server.clock.advance(Duration::from_secs(1));
    renew(&server, &mine).await.refuses(401, "not_signed_in");
}

#[tokio::test]
async fn a_session_slides_with_each_renewal_and_ends_without() {
    let server = TestServer::with_anna().await;
    server.set("profiles.jwt_issuer.access_lifetime", "40d").await;
    let (kept, left) = (server.token("anna").await, server.token("anna").await);
    server.clock.advance(Duration::from_secs(29 * DAY));
    assert!(server.opens(&kept).await);
    server.clock.advance(Duration::from_secs(DAY));
    assert!(!server.opens(&left).await, "30 days without a renewal");
    assert!(server.opens(&kept).await);
}

#[tokio::test]
async fn a_sessions_greatest_age_holds_against_renewals() {
    let server = TestServer::with_anna().await;
    server.set("sessions.max_age", "3h").await;
    let mut mine = server.token("anna").await;
    for hour in 0..3 {
        let answer = renew(&server, &mine).await;
        mine = answer.is(200).json()["token"].as_str().unwrap_or_else(|| panic!("after {hour} h")).to_owned();
        server.clock.advance(Duration::from_hours(1));
    }
    assert!(!server.opens(&mine).await);
}

#[tokio::test]
async fn what_an_operator_does_ends_sessions() {
    let server = TestServer::with_anna().await;
    let mine = server.token("anna").await;
    let password = countersign::domain::password::Password::new("set by an operator".to_owned());
    server.change("anna", Change::SetPassword(password)).await;
    assert!(!server.opens(&mine).await);
    let mine = server.token_by("anna", "set by an operator").await;
    server.change("anna", Change::Delete).await;
    renew(&server, &mine).await.refuses(401, "not_signed_in");
}

#[tokio::test]
async fn another_issuers_token_opens_nothing_here() {
    let (here, there) = (TestServer::with_anna().await, TestServer::with_anna().await);
    let theirs = there.token("anna").await;
    // Same keys, same user and session ids by the same seed: the issuer alone differs.
    renew(&here, &theirs).await.refuses(401, "not_signed_in");
    assert!(there.opens(&theirs).await);
}

#[tokio::test]
async fn other_dialects_tokens_are_not_renewed_this_way() {
    let server = TestServer::with_anna().await;
    let user = countersign::issuer::users::find(&server.issuer, "anna").await.unwrap().unwrap();
    let mint = countersign::issuer::mint::Mint { user, dialect: "drf_pyjwt".parse().unwrap() };
    let short = mint.run(&server.issuer).await.unwrap();
    renew(&server, short.access.text.expose()).await.refuses(401, "not_signed_in");
}

/// A token of the server's, changed by `change` and signed again with its own key.
async fn reforged(server: &TestServer, change: impl FnOnce(&mut Value, &mut Value)) -> String {
    let mine = server.token("anna").await;
    let (mut header, mut claims) = (token::header(&mine), token::claims(&mine));
    change(&mut header, &mut claims);
    token::forge(server, &header, &claims)
}

#[tokio::test]
async fn a_right_signature_makes_no_wrong_claim_good() {
    let server = TestServer::with_anna().await;
    assert!(server.opens(&reforged(&server, |_, _| ()).await).await, "the forger's hand is good");
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
        let forged = reforged(&server, |_, claims| {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(claim);
            } else {
                claims[claim] = value.clone();
            }
        });
        renew(&server, &forged.await).await.refuses(401, "not_signed_in");
    }
    let padded = async |bytes: usize| reforged(&server, |_, claims| claims["x"] = "y".repeat(bytes).into()).await;
    let (short, long) = (padded(5000).await, padded(6000).await);
    assert!(short.len() < 8192 && long.len() > 8192);
    assert!(server.opens(&short).await && !server.opens(&long).await, "tokens end at 8 KiB");
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
        let forged = reforged(&server, |header, _| header[member] = value.clone()).await;
        renew(&server, &forged).await.refuses(401, "not_signed_in");
    }
}

#[tokio::test]
async fn no_other_signature_is_good() {
    let server = TestServer::with_anna().await;
    let mine = server.token("anna").await;
    let (header, claims) = (token::header(&mine), token::claims(&mine));
    let with_alg = |alg: &str| {
        let mut header = header.clone();
        header["alg"] = alg.into();
        header
    };
    let parts: Vec<&str> = mine.split('.').collect();
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
        ("four parts", format!("{mine}.x")),
        ("padding", format!("{mine}==")),
        ("zeros", format!("{}.{}.{}", parts[0], parts[1], "A".repeat(86))),
        ("nonsense", "x".to_owned()),
    ];
    for (what, bad) in rows {
        let answer = renew(&server, &bad).await;
        assert_eq!(answer.status, 401, "{what}: {answer:#?}");
    }
    assert!(server.opens(&mine).await);
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_the_answer_is_the_same() {
    let server = TestServer::with_anna().await;
    let ended = server.token("anna").await;
    server.change("anna", Change::Disable).await;
    server.change("anna", Change::Enable).await;
    let unknown = reforged(&server, |_, claims| claims["sid"] = "00000000-0000-4000-8000-000000000000".into()).await;
    let expired = reforged(&server, |_, claims| claims["exp"] = 1.into()).await;
    let answers = [renew(&server, &ended).await, renew(&server, &unknown).await, renew(&server, &expired).await];
    let none = server.post("/renew_token", &json!({})).await.bytes();
    for answer in answers {
        assert_eq!(answer.bytes(), none);
    }
    insta::assert_snapshot!(none.2, @r#"{"status":"ERROR","code":"not_signed_in","message":"send a token that has not expired, of a session that has not ended"}"#);
}
