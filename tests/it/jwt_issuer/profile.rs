//! `POST /update_profile`: with the cookie and with a bearer token, from pages of allowed origins only, and the
//! sessions that a new password ends.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::{PASSWORD, ServerResponse, TestServer, token};

const NEW: &str = "another valid password";

fn by_cookie(server: &TestServer, path: &str, token: &str, body: &Value) -> RequestBuilder {
    server.posting(path, body).header("cookie", format!("theme=dark; jwt_token={token}; x=y"))
}

#[tokio::test]
async fn a_new_password_ends_every_session_of_the_user() {
    let server = TestServer::with_anna().await;
    server.register("ben").await;
    let current = server.token("anna").await;
    let other = server.token("anna").await;
    let ben = server.token("ben").await;
    let changed = server.post_as(&current, "/update_profile", &json!({"password": NEW})).await.is(200).json();
    assert!(!server.accepts(&current).await);
    assert!(server.accepts(changed["jwt"].as_str().unwrap()).await);
    assert!(server.accepts(&ben).await);
    assert!(!server.accepts(&other).await);
    let old = server.post("/auth", &json!({"username": "anna", "password": PASSWORD})).await;
    old.refuses(401, "wrong_credentials");
    server.token_by("anna", NEW).await;
    let log = server.audit().await;
    let is_change = |(action, detail): &(String, String)| {
        action == "password_changed" && detail.starts_with("sessions ended: 2; opened jwt_issuer ")
    };
    assert!(log.iter().any(is_change), "{log:?}");
}

#[tokio::test]
async fn a_requested_address_changes_nothing_until_it_is_confirmed() {
    let server = TestServer::with_anna().await;
    server.register("ben").await;
    let token = server.token("anna").await;
    let update = async |body: Value| server.post_as(&token, "/update_profile", &body).await;
    update(json!({"email": "anna@example.org"})).await.is(200);
    server.post("/auth", &json!({"username": "anna@example.org", "password": PASSWORD})).await.is(401);
    server.token_by("anna@example.com", PASSWORD).await;

    let conflict = update(json!({"email": "BEN@example.com", "password": NEW})).await;
    insta::assert_snapshot!(conflict.is(409).text, @r#"{"status":"ERROR","code":"taken","message":"email is taken"}"#);
    server.token_by("anna", PASSWORD).await;

    update(json!({"email": "anna@example.net", "password": NEW})).await.is(200);
    server.token_by("anna@example.com", NEW).await;
}

#[tokio::test]
async fn an_invalid_password_or_address_is_named() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    for (body, message) in [
        (json!({}), "password is required or email is required"),
        (json!({"username": "x"}), "password is required or email is required"),
        (json!({"password": null}), "password is required or email is required"),
        (json!({"password": ""}), "password must not be empty"),
        (json!({"password": "short"}), "password must have at least 8 bytes"),
        (json!({"password": "x".repeat(1025)}), "password must have at most 1024 bytes"),
        (json!({"password": ["x"]}), "password must be a string"),
        (json!({"email": ""}), "email must not be empty"),
        (json!({"email": "anna"}), "email must be a valid e-mail address"),
        (json!({"email": 1, "password": NEW}), "email must be a string"),
    ] {
        let response = server.post_as(&token, "/update_profile", &body).await;
        response.refuses(400, "invalid_field");
        assert_eq!(response.json()["message"], message, "{body}");
    }
    assert!(server.accepts(&token).await);
    server.token("anna").await;
}

#[tokio::test]
async fn the_cookie_is_accepted_like_the_header() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    let changed = by_cookie(&server, "/update_profile", &token, &json!({"password": NEW}));
    let changed = ServerResponse::send(changed).await;
    let token = changed.is(200).json()["jwt"].as_str().unwrap().to_owned();
    assert!(changed.header("set-cookie").starts_with(&format!("jwt_token={token};")), "{changed:#?}");
    let renewed = ServerResponse::send(by_cookie(&server, "/renew_token", &token, &json!({}))).await;
    let newer = renewed.is(200).json()["token"].as_str().unwrap().to_owned();
    assert!(renewed.header("set-cookie").starts_with(&format!("jwt_token={newer};")), "{renewed:#?}");

    // The header takes precedence over the cookie, whether the cookie is valid or not.
    let by_header = by_cookie(&server, "/renew_token", "old", &json!({})).bearer_auth(&token);
    ServerResponse::send(by_header).await.is(200);
    let wrong = by_cookie(&server, "/renew_token", &token, &json!({})).bearer_auth("wrong");
    ServerResponse::send(wrong).await.refuses(401, "not_signed_in");
}

#[tokio::test]
async fn every_header_spelling_is_accepted() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    for (value, status) in [
        (format!("Bearer {token}"), 200),
        (format!("bearer {token}"), 200),
        (format!("BEARER   {token}"), 200),
        (format!("Basic {token}"), 401),
        (token.clone(), 401),
        ("Bearer".to_owned(), 401),
        ("Bearer ".to_owned(), 401),
    ] {
        let request = server.posting("/renew_token", &json!({})).header("authorization", &value);
        assert_eq!(ServerResponse::send(request).await.status, status, "{value:.20}");
    }
}

#[tokio::test]
async fn the_cookie_is_rejected_from_another_origin() {
    let server = TestServer::with("cors.allowed_origins = ['https://app.example.com']").await;
    server.register("anna").await;
    let token = server.token("anna").await;
    let own_origin = server.url.clone();
    for route in ["/update_profile", "/renew_token"] {
        let body = json!({"email": "anna@example.org"});
        for origin in ["https://evil.example", "null", "", "https://app.example.com.evil.example", "http://127.0.0.1"] {
            let response =
                ServerResponse::send(by_cookie(&server, route, &token, &body).header("origin", origin)).await;
            response.refuses(403, "foreign_origin");
        }
        for origin in [own_origin.as_str(), "https://app.example.com"] {
            ServerResponse::send(by_cookie(&server, route, &token, &body).header("origin", origin)).await.is(200);
        }
        // A browser never adds a bearer token by itself, so the server does not check the origin.
        let bearer = server.posting(route, &body).bearer_auth(&token).header("origin", "https://evil.example");
        ServerResponse::send(bearer).await.is(200);
    }
}

#[tokio::test]
async fn a_disabled_user_changes_nothing() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    server.change("anna", countersign::issuer::users::UserChange::Disable).await;
    let response = server.post_as(&token, "/update_profile", &json!({"password": NEW})).await;
    response.refuses(401, "not_signed_in");
    assert_eq!(response.header("www-authenticate"), "Bearer");
    assert!(!server.accepts(&token).await);
    server.change("anna", countersign::issuer::users::UserChange::Enable).await;
    assert!(!server.accepts(&token).await, "an ended session stays ended");
    assert_eq!(token::claims(&server.token("anna").await)["username"], "anna");
}
