//! Tokens of one dialect sent to the routes of another: each token permits only what its own dialect allows.
#![expect(clippy::unwrap_used, reason = "tests")]

use countersign::domain::id::SessionId;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::response::ServerResponse;
use crate::support::{PASSWORD, TestServer, token as jwt};

/// Dialect, sign-in route, login field, and the response member with the access token.
const SIGN_INS: [(&str, &str, &str, &str); 4] = [
    ("jwt_issuer", "/auth", "username", "jwt"),
    ("rest_jwt", "/signin", "username", "token"),
    ("drf_pyjwt", "/api/login/", "email", "access_token"),
    ("simplejwt", "/api/token/", "username", "access"),
];

async fn token(server: &TestServer, (_, path, field, member): (&str, &str, &str, &str)) -> String {
    let login = if field == "email" { "anna@example.com" } else { "anna" };
    let response = server.post(path, &json!({field: login, "password": PASSWORD})).await;
    response.is(200).json()[member].as_str().unwrap_or_default().to_owned()
}

async fn status(server: &TestServer, method: Method, path: &str, token: &str, body: &Value) -> u16 {
    ServerResponse::send(server.request(method, path).bearer_auth(token).json(body)).await.status
}

#[tokio::test]
async fn a_short_lived_token_changes_no_password_and_is_not_renewed() {
    let server = TestServer::with_anna().await;
    for sign_in in SIGN_INS {
        let token = token(&server, sign_in).await;
        let renews = matches!(sign_in.0, "jwt_issuer" | "rest_jwt");
        let expected = if renews { 200 } else { 401 };
        for (path, body) in [
            ("/renew_token", json!({})),
            ("/refresh", json!({})),
            ("/update_profile", json!({"email": "anna@example.com"})),
        ] {
            let actual = status(&server, Method::POST, path, &token, &body).await;
            assert_eq!(actual, expected, "{} at {path}", sign_in.0);
        }
        let actual = status(&server, Method::PATCH, "/api/me/", &token, &json!({"email": "anna@example.com"})).await;
        assert_eq!(actual, if sign_in.0 == "drf_pyjwt" { 200 } else { 401 }, "{} at /api/me/", sign_in.0);
    }
    // The password is unchanged.
    token(&server, SIGN_INS[0]).await;
}

/// Every access token shows the id of its session. An attacker who has `keys/secret` can make the UUID that names it.
#[tokio::test]
async fn a_refresh_uuid_for_a_session_of_another_dialect_is_rejected() {
    let server = TestServer::with_anna().await;
    for sign_in in SIGN_INS.into_iter().filter(|sign_in| sign_in.0 != "drf_pyjwt") {
        let access = token(&server, sign_in).await;
        let session = jwt::claims(&access)["sid"].as_str().and_then(|sid| sid.parse().ok()).map(SessionId);
        let forged = server.issuer.refresh_tokens.refresh_uuid(session.expect("a session id"), None, 0);
        let body = json!({"refresh_token": forged.to_string()});
        for path in ["/api/refresh/", "/api/logout/"] {
            server.post(path, &body).await.is(401);
        }
        assert!(server.accepts(&access).await || sign_in.0 != "jwt_issuer", "{} still has its session", sign_in.0);
    }
}

#[tokio::test]
async fn a_token_is_rejected_where_another_kind_is_expected() {
    let server = TestServer::with_anna().await;
    let pair = server.post("/api/token/", &json!({"username": "anna", "password": PASSWORD})).await;
    let pair = pair.is(200).json();
    let [access, refresh] = ["access", "refresh"].map(|kind| pair[kind].as_str().unwrap_or_default().to_owned());
    let sliding = server.post("/api/token/sliding/", &json!({"username": "anna", "password": PASSWORD})).await;
    let sliding = sliding.is(200).json()["token"].as_str().unwrap_or_default().to_owned();
    let jwt = token(&server, SIGN_INS[0]).await;
    for (path, member, other_tokens) in [
        ("/api/token/refresh/", "refresh", [&access, &sliding, &jwt]),
        ("/api/token/blacklist/", "refresh", [&access, &sliding, &jwt]),
        ("/api/token/sliding/refresh/", "token", [&access, &refresh, &jwt]),
        ("/api/refresh/", "refresh_token", [&access, &refresh, &jwt]),
    ] {
        for token in other_tokens {
            assert_eq!(server.post(path, &json!({member: token})).await.status, 401, "{path} {token}");
        }
    }
    for token in [&refresh, &sliding] {
        for path in ["/renew_token", "/refresh", "/update_profile"] {
            let actual = status(&server, Method::POST, path, token, &json!({"email": "anna@example.com"})).await;
            assert_eq!(actual, 401, "{path} {token}");
        }
        assert_eq!(status(&server, Method::GET, "/api/me/", token, &json!({})).await, 401, "{token}");
    }
}

/// A refresh token for a verifier that checks only `iss` and `aud` (RFC 8725 §3.12).
#[tokio::test]
async fn a_refresh_token_has_an_audience_of_its_own() {
    let server = TestServer::with_anna().await;
    let own = json!(format!("{}/refresh", server.url));
    let refreshed = async |refresh: &str| server.post("/api/token/refresh/", &json!({"refresh": refresh})).await;
    let pair = server.post("/api/token/", &json!({"username": "anna", "password": PASSWORD})).await;
    let obtained = pair.is(200).json()["refresh"].as_str().unwrap_or_default().to_owned();
    let mut access = vec![pair.json()["access"].as_str().unwrap_or_default().to_owned()];
    let user = countersign::issuer::users::find(&server.issuer, "anna").await.unwrap().unwrap();
    let mint = countersign::issuer::mint::MintTokens { user, dialect: "simplejwt".parse().unwrap() };
    let minted = mint.run(&server.issuer).await.unwrap();
    access.push(minted.access.text.expose().to_owned());
    server.set("profiles.simplejwt.rotate_refresh_tokens", "true").await;
    let rotated = refreshed(&obtained).await.is(200).json();
    let rotated = rotated["refresh"].as_str().unwrap_or_default().to_owned();
    for refresh in [&obtained, &rotated, minted.refresh.unwrap().expose()] {
        assert_eq!(jwt::claims(refresh)["aud"], own);
    }
    for access in access {
        assert_eq!(jwt::claims(&access)["aud"], json!(server.url));
    }
    // Builds from before 0.1.0 issued refresh tokens for the issuer itself.
    for (audience, status) in [(json!(server.url), 200), (json!(format!("{}/", server.url)), 401), (json!("x"), 401)] {
        let mut claims = jwt::claims(&rotated);
        claims["aud"] = audience;
        let old = jwt::forge(&server, &jwt::header(&rotated), &claims);
        refreshed(&old).await.is(status);
    }
}

#[tokio::test]
async fn an_address_that_normalisation_changes_is_rejected() {
    let server = TestServer::with_anna().await;
    let jwt = token(&server, SIGN_INS[0]).await;
    let drf = token(&server, SIGN_INS[2]).await;
    for local in ["ann\u{ff41}", "mi\u{212a}e", "\u{17f}am", "\u{212b}a"] {
        let email = format!("{local}@example.com");
        for (path, body) in [
            ("/register", json!({"username": "mike", "email": email, "password": PASSWORD})),
            ("/signup", json!({"username": "mike", "email": email, "password": PASSWORD})),
            ("/api/register/", json!({"email": email, "password": PASSWORD})),
        ] {
            server.post(path, &body).await.is(400);
        }
        assert_eq!(status(&server, Method::POST, "/update_profile", &jwt, &json!({"email": email})).await, 400);
        assert_eq!(status(&server, Method::PATCH, "/api/me/", &drf, &json!({"email": email})).await, 400);
        // A reset must stay possible for accounts that have such an address.
        server.post("/request_password_reset", &json!({"email": email})).await.is(200);
    }
}

/// RFC 9110 §15.5.2 requires a challenge in every 401.
#[tokio::test]
async fn every_401_has_a_challenge() {
    let server = TestServer::with_anna().await;
    let wrong = json!({"username": "anna", "email": "anna@example.com", "password": "wrong", "token": "x", "refresh": "x", "refresh_token": "x"});
    let groups = countersign::http::route_groups(&countersign::domain::dialect::Dialect::ALL.into());
    let mut seen = 0;
    for operation in groups.into_iter().flat_map(|group| group.operations) {
        if operation.responses.iter().any(|(status, _, _)| *status == 401) {
            let method: Method = operation.method.to_uppercase().parse().unwrap();
            let response = ServerResponse::send(server.request(method, operation.path).json(&wrong)).await;
            let challenge = response.is(401).header("www-authenticate");
            assert!(challenge.starts_with("Bearer"), "{} {}: {response:#?}", operation.method, operation.path);
            seen += 1;
        }
    }
    assert!(seen >= 20, "{seen}");
}
