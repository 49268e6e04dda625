//! The dialect `simplejwt`, compared with the documentation and the responses of `djangorestframework-simplejwt`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use countersign::issuer::keys;
use serde_json::{Value, json};

use super::dialects_support::{ApiResponse, ApiServer, PASSWORD, claims, header, text};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const ROTATE: &str = "profiles.simplejwt.rotate_refresh_tokens";
const BLACKLIST: &str = "profiles.simplejwt.blacklist_after_rotation";
const DAY: Duration = Duration::from_hours(24);

async fn server() -> ApiServer {
    let server = ApiServer::start().await;
    server.register("anna").await;
    server
}

async fn obtain(server: &ApiServer) -> Value {
    server.post("/api/token/", &json!({"username": "anna", "password": PASSWORD})).await.is(200)
}

async fn refresh(server: &ApiServer, token: &str) -> ApiResponse {
    server.post("/api/token/refresh/", &json!({"refresh": token})).await
}

/// Refreshes with a rotating profile and returns the new refresh token.
async fn rotate(server: &ApiServer, token: &str) -> String {
    text(&refresh(server, token).await.is(200), "refresh")
}

async fn verify(server: &ApiServer, token: &str) -> u16 {
    let response = server.post("/api/token/verify/", &json!({"token": token})).await;
    assert_eq!(response.is(response.status), if response.status == 200 { json!({}) } else { invalid() });
    response.status
}

fn invalid() -> Value {
    json!({"detail": "Token is invalid", "code": "token_not_valid"})
}

#[tokio::test]
async fn a_pair_is_obtained() {
    let server = server().await;
    let pair = obtain(&server).await;
    assert_eq!(pair.as_object().unwrap().keys().collect::<Vec<_>>(), ["refresh", "access"]);
    let access = text(&pair, "access");
    let refresh = text(&pair, "refresh");
    assert_eq!((&header(&access)["typ"], &header(&refresh)["typ"]), (&json!("JWT"), &json!("refresh+jwt")));
    let access = claims(&access);
    let refresh = claims(&refresh);
    let lifetime = |claims: &Value| claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!((lifetime(&access), lifetime(&refresh)), (300, 86_400));
    assert_eq!((&access["token_type"], &refresh["token_type"]), (&json!("access"), &json!("refresh")));
    assert_eq!((&access["user_id"], &refresh["user_id"]), (&json!(1), &json!(1)));
    assert_eq!(refresh["aud"], format!("{}/refresh", text(&refresh, "iss")));
    assert_eq!((&access["sub"], &access["sid"]), (&refresh["sub"], &refresh["sid"]));
    let mut names: Vec<&String> = refresh.as_object().unwrap().keys().collect();
    names.sort();
    let all = ["aud", "exp", "generation", "iat", "iss", "jti", "nbf", "sid", "sub", "token_type", "user_id"];
    assert_eq!(names, all);

    server.set("profiles.simplejwt.user_id_claim", "uid").await;
    server.set("profiles.simplejwt.algorithm", "RS256").await;
    server.set("profiles.simplejwt.audience", "api").await;
    server.set("profiles.simplejwt.typ", "at+jwt").await;
    let form =
        server.send("POST", "/api/token", FORM, None, "username=ANNA%40example.com&password=correct+horse+battery");
    let pair = form.await.is(200);
    for (name, typ, audience) in
        [("access", "at+jwt", json!("api")), ("refresh", "refresh+jwt", refresh["aud"].clone())]
    {
        let token = text(&pair, name);
        assert_eq!((&header(&token)["alg"], &header(&token)["typ"]), (&json!("RS256"), &json!(typ)));
        let claims = claims(&token);
        assert_eq!((&claims["uid"], &claims["user_id"], &claims["aud"]), (&json!(1), &Value::Null, &audience));
        assert_eq!(verify(&server, &token).await, 200, "{name}");
    }
}

#[tokio::test]
async fn wrong_credentials_get_the_response_of_the_package() {
    let server = server().await;
    server.register("off").await;
    server.disable("off").await;
    let required = "This field is required.";
    let wrong = json!({"detail": "No active account found with the given credentials", "code": "no_active_account"});
    let overlong = json!({"username": "anna", "password": "x".repeat(5000)}).to_string();
    let rows = [
        (JSON, r#"{"username":"anna","password":"wrong"}"#, 401, wrong.clone()),
        (JSON, r#"{"username":"anna","password":""}"#, 401, wrong.clone()),
        (JSON, overlong.as_str(), 401, wrong.clone()),
        (JSON, r#"{"username":"nobody","password":"correct horse battery"}"#, 401, wrong.clone()),
        (JSON, r#"{"username":"off","password":"correct horse battery"}"#, 401, wrong.clone()),
        (JSON, r#"{"username":5,"password":1.5}"#, 401, wrong),
        (JSON, "{}", 400, json!({"username": [required], "password": [required]})),
        (JSON, "", 400, json!({"username": [required], "password": [required]})),
        ("", "", 400, json!({"username": [required], "password": [required]})),
        (FORM, "username=", 400, json!({"username": ["This field may not be blank."], "password": [required]})),
        (
            JSON,
            r#"{"username":null,"password":null}"#,
            400,
            json!({"username": ["This field may not be null."], "password": ["This field may not be null."]}),
        ),
        (
            JSON,
            r#"{"username":["a"],"password":true}"#,
            400,
            json!({"username": ["Not a valid string."], "password": ["Not a valid string."]}),
        ),
        (
            JSON,
            r#"{"username":"a\u0000b","password":"x"}"#,
            400,
            json!({"username": ["Null characters are not allowed."]}),
        ),
        (JSON, "[]", 400, json!({"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]})),
        (JSON, "\"x\"", 400, json!({"non_field_errors": ["Invalid data. Expected a dictionary, but got str."]})),
        (JSON, "5", 400, json!({"non_field_errors": ["Invalid data. Expected a dictionary, but got int."]})),
        (JSON, "null", 400, json!({"non_field_errors": ["No data provided"]})),
        (JSON, r#"{"a":1,"#, 400, json!({"detail": "JSON parse error - EOF while parsing a value at line 1 column 7"})),
        (
            "text/plain; charset=utf-8",
            "hello",
            415,
            json!({"detail": "Unsupported media type \"text/plain; charset=utf-8\" in request."}),
        ),
        ("", "hello", 415, json!({"detail": "Unsupported media type \"\" in request."})),
    ];
    server.assert_responses("/api/token/", &rows).await;
    server.assert_responses("/api/token/sliding/", &rows[1..8]).await;
    for path in ["", "refresh/", "verify/", "blacklist/", "sliding/", "sliding/refresh"] {
        let response = server.send("GET", &format!("/api/token/{path}"), "", None, "").await;
        assert_eq!(response.is(405), json!({"detail": "Method \"GET\" not allowed."}), "{path}");
    }
}

#[tokio::test]
async fn an_invalid_token_is_rejected_on_every_route() {
    let server = server().await;
    let access = text(&obtain(&server).await, "access");
    let refresh = text(&obtain(&server).await, "refresh");
    let sliding = server.post("/api/token/sliding/", &json!({"username": "anna", "password": PASSWORD})).await.is(200);
    let sliding = text(&sliding, "token");
    let tampered = |token: &str| format!("{}AAAA", &token[..token.len() - 4]);
    let routes = [
        ("/api/token/refresh/", "refresh", vec![&access, &sliding]),
        ("/api/token/blacklist/", "refresh", vec![&access, &sliding]),
        ("/api/token/sliding/refresh/", "token", vec![&access, &refresh]),
        ("/api/token/verify/", "token", vec![]),
    ];
    for (path, name, others) in routes {
        let body = |value: Value| json!({name: value}).to_string();
        let error = |message: &str| json!({name: [message]});
        let mut rows = vec![
            ("{}".to_owned(), 400, error("This field is required.")),
            (body(Value::Null), 400, error("This field may not be null.")),
            (body(json!("")), 400, error("This field may not be blank.")),
            (body(json!(["x"])), 400, error("Not a valid string.")),
            (body(json!(true)), 400, error("Not a valid string.")),
            (body(json!(5)), 401, invalid()),
            (body(json!("x")), 401, invalid()),
            (body(json!("x".repeat(9000))), 401, invalid()),
        ];
        rows.extend([&access, &refresh, &sliding].map(|token| (body(json!(tampered(token))), 401, invalid())));
        rows.extend(others.into_iter().map(|token| (body(json!(token)), 401, invalid())));
        let rows: Vec<_> =
            rows.iter().map(|(body, status, error)| (JSON, body.as_str(), *status, error.clone())).collect();
        server.assert_responses(path, &rows).await;
    }
    for token in [&access, &refresh, &sliding] {
        assert_eq!(verify(&server, token).await, 200);
    }
}

#[tokio::test]
async fn without_rotation_one_refresh_token_is_valid_until_it_expires() {
    let server = server().await;
    let token = text(&obtain(&server).await, "refresh");
    for _ in 0..3 {
        server.clock.advance(DAY / 4);
        let response = refresh(&server, &token).await.is(200);
        assert_eq!(response.as_object().unwrap().keys().collect::<Vec<_>>(), ["access"]);
        assert_eq!(verify(&server, &text(&response, "access")).await, 200);
    }
    let form = server.send("POST", "/api/token/refresh", FORM, None, &format!("refresh={token}")).await;
    form.is(200);
    server.clock.advance(DAY / 4 + Duration::from_secs(5));
    assert_eq!(refresh(&server, &token).await.is(401), invalid(), "the token has expired");
    assert_eq!(verify(&server, &token).await, 401);
}

#[tokio::test]
async fn with_rotation_and_without_blacklist_earlier_tokens_stay_valid_until_they_expire() {
    let server = server().await;
    server.set(ROTATE, "true").await;
    let first = text(&obtain(&server).await, "refresh");
    server.clock.advance(Duration::from_hours(1));
    let second = rotate(&server, &first).await;
    let jti = |token: &str| text(&claims(token), "jti");
    assert_ne!(jti(&first), jti(&second));
    let difference = claims(&second)["exp"].as_i64().unwrap() - claims(&first)["exp"].as_i64().unwrap();
    assert_eq!(difference, 3600, "the new token has a full lifetime");
    server.clock.advance(Duration::from_hours(1));
    let third = rotate(&server, &first).await;
    assert!(![jti(&first), jti(&second)].contains(&jti(&third)));
    server.clock.advance(Duration::from_hours(1));
    for token in [&third, &second, &first] {
        assert_eq!(verify(&server, token).await, 200);
        server.clock.advance(Duration::from_secs(11));
        rotate(&server, token).await;
    }
    server.clock.advance(Duration::from_hours(21));
    assert_eq!(refresh(&server, &first).await.is(401), invalid(), "the token has expired");
    rotate(&server, &second).await;
    assert_eq!(server.audit_count("refresh_reused").await, 0);
}

#[tokio::test]
async fn with_rotation_and_blacklist_a_spent_token_ends_the_session() {
    let server = server().await;
    server.set(ROTATE, "true").await;
    server.set(BLACKLIST, "true").await;
    let first = text(&obtain(&server).await, "refresh");
    let other = text(&obtain(&server).await, "refresh");
    let second = rotate(&server, &first).await;
    server.clock.advance(Duration::from_secs(10));
    assert_eq!(claims(&rotate(&server, &first).await), claims(&second), "a retry gets the same response");
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(verify(&server, &first).await, 401);
    assert_eq!(verify(&server, &second).await, 200, "verification ends no session");
    assert_eq!(refresh(&server, &first).await.is(401), invalid());
    assert_eq!(refresh(&server, &second).await.is(401), invalid(), "the session has ended");
    assert_eq!(server.audit_count("refresh_reused").await, 1);
    rotate(&server, &other).await;
}

#[tokio::test]
async fn a_blacklisted_token_ends_its_session() {
    let server = server().await;
    server.set(ROTATE, "true").await;
    let pair = obtain(&server).await;
    let first = text(&pair, "refresh");
    let second = rotate(&server, &first).await;
    let body = json!({"refresh": second}).to_string();
    server.assert_responses("/api/token/blacklist/", &[(JSON, body.as_str(), 200, json!({}))]).await;
    server.assert_responses("/api/token/blacklist/", &[(JSON, body.as_str(), 401, invalid())]).await;
    for token in [&first, &second] {
        assert_eq!(refresh(&server, token).await.is(401), invalid());
        assert_eq!(verify(&server, token).await, 401);
    }
    assert_eq!(verify(&server, &text(&pair, "access")).await, 200, "an access token stays valid until it expires");
    assert_eq!(server.audit_count("signed_out").await, 1);
}

#[tokio::test]
async fn a_disabled_user_cannot_refresh_any_token() {
    let server = server().await;
    let token = text(&obtain(&server).await, "refresh");
    let sliding = server.post("/api/token/sliding/", &json!({"username": "anna", "password": PASSWORD})).await.is(200);
    server.disable("anna").await;
    assert_eq!(refresh(&server, &token).await.is(401), invalid());
    assert_eq!(server.post("/api/token/sliding/refresh/", &sliding).await.is(401), invalid());
    assert_eq!(verify(&server, &token).await, 401);
    assert_eq!(verify(&server, &text(&sliding, "token")).await, 401);
}

#[tokio::test]
async fn a_sliding_token_is_renewed_until_its_refresh_exp() {
    let server = server().await;
    let form = "username=anna&password=correct+horse+battery";
    let mut token = text(&server.send("POST", "/api/token/sliding/", FORM, None, form).await.is(200), "token");
    let first = claims(&token);
    assert_eq!(first["token_type"], "sliding");
    let span = |name: &str| first[name].as_i64().unwrap() - first["iat"].as_i64().unwrap();
    assert_eq!((span("exp"), span("refresh_exp")), (300, 86_400));
    let slide = async |token: &str| server.post("/api/token/sliding/refresh/", &json!({"token": token})).await;
    let mut renewals = 0;
    loop {
        assert_eq!(verify(&server, &token).await, 200);
        server.clock.advance(Duration::from_secs(290));
        let response = slide(&token).await;
        if response.status != 200 {
            break assert_eq!(response.is(401), invalid());
        }
        renewals += 1;
        token = text(&response.is(200), "token");
        let claims = claims(&token);
        assert_eq!(claims["refresh_exp"], first["refresh_exp"], "a refresh must not extend refresh_exp");
        let end = first["refresh_exp"].as_i64().unwrap();
        assert_eq!(claims["exp"].as_i64().unwrap(), end.min(first["exp"].as_i64().unwrap() + 290 * renewals));
    }
    assert_eq!(renewals, 86_400 / 290);
    let again = server.send("POST", "/api/token/sliding", FORM, None, form).await.is(200);
    server.clock.advance(Duration::from_secs(305));
    assert_eq!(slide(&text(&again, "token")).await.is(401), invalid(), "an expired sliding token cannot be refreshed");
}

#[tokio::test]
async fn a_retired_key_still_verifies_refresh_tokens_and_a_revoked_one_does_not() {
    let server = server().await;
    server.set("profiles.simplejwt.refresh_lifetime", "30d").await;
    let token = text(&obtain(&server).await, "refresh");
    let kid = text(&header(&token), "kid");
    crate::support::stored_keys::rotate(&server.issuer, None, true).await;
    keys::maintain(&server.issuer).await.unwrap();
    server.clock.advance(DAY * 3);
    keys::maintain(&server.issuer).await.unwrap();
    let jwks = server.send("GET", "/.well-known/jwks.json", "", None, "").await;
    assert!(!jwks.text.contains(&kid), "the key is still published: {jwks:?}");
    assert_eq!(verify(&server, &token).await, 200);
    refresh(&server, &token).await.is(200);
    crate::support::stored_keys::revoke(&server.issuer, &kid).await;
    keys::maintain(&server.issuer).await.unwrap();
    assert_eq!(refresh(&server, &token).await.is(401), invalid());
    assert_eq!(verify(&server, &token).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_refreshes_of_one_token_have_one_successor() {
    let server = Arc::new(server().await);
    server.set(ROTATE, "true").await;
    for (blacklist, requests) in [("false", 64), ("true", 3)] {
        server.set(BLACKLIST, blacklist).await;
        let token = text(&obtain(&server).await, "refresh");
        let attempts: Vec<_> = (0..requests)
            .map(|_| {
                let server = Arc::clone(&server);
                let token = token.clone();
                tokio::spawn(async move { claims(&rotate(&server, &token).await).to_string() })
            })
            .collect();
        let mut successors = BTreeSet::new();
        for attempt in attempts {
            successors.insert(attempt.await.unwrap());
        }
        assert_eq!(successors.len(), 1, "{blacklist}");
        assert!(!successors.contains(&claims(&token).to_string()));
    }
}

#[tokio::test]
async fn changed_policies_apply_from_the_next_token() {
    let server = server().await;
    server.set(ROTATE, "true").await;
    let first = text(&obtain(&server).await, "refresh");
    let second = rotate(&server, &first).await;
    // The new settings do not invalidate these tokens, because no rotation has happened under them yet.
    for (name, value) in [(ROTATE, "false"), (ROTATE, "true"), (BLACKLIST, "true")] {
        server.set(name, value).await;
        assert_eq!([verify(&server, &first).await, verify(&server, &second).await], [200, 200], "{name} = {value}");
    }
    // A rotation under the new setting invalidates all earlier tokens. They stay invalid when the setting is changed
    // back.
    server.clock.advance(Duration::from_mins(1));
    let third = rotate(&server, &first).await;
    server.clock.advance(Duration::from_mins(1));
    server.set(BLACKLIST, "false").await;
    assert_eq!(verify(&server, &second).await, 401);
    assert_eq!(verify(&server, &third).await, 200);
}
