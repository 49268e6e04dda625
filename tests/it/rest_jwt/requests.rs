//! Snapshots of requests and their responses.

use std::fmt::Write as _;

use reqwest::Method;
use serde_json::{Value, json};

use super::{PASSWORD, TestServer, sign_in, with_anna};
use crate::support::ServerResponse;

/// Sends the requests. Returns requests and responses as text, with placeholders for values that differ between runs.
async fn responses(server: &TestServer, rows: &[(&str, Value)]) -> String {
    let now = server.clock.now();
    let tomorrow = now + std::time::Duration::from_hours(24);
    let mut output = String::new();
    for (path, body) in rows {
        let response = server.post(path, body).await;
        assert_eq!(response.header("content-type"), "application/json", "{response:#?}");
        assert_eq!(response.header("cache-control"), "no-store", "{response:#?}");
        assert_eq!(response.header("set-cookie"), "", "{response:#?}");
        assert_eq!(response.json()["status"], response.status, "{response:#?}");
        assert_eq!(response.header("www-authenticate") == "Bearer", response.status == 401, "{response:#?}");
        writeln!(output, "{path} {body}\n  {} {}", response.status, response.text).unwrap();
    }
    let output = output.replace(&now.to_string(), "<now>").replace(&tomorrow.to_string(), "<now + 24 h>");
    let without_tokens = |part: &str| if part.starts_with("eyJ") { "<token>".to_owned() } else { part.to_owned() };
    output.split('"').map(without_tokens).collect::<Vec<_>>().join("\"")
}

#[tokio::test]
async fn sign_up_requests_get_the_documented_responses() {
    let server = TestServer::start().await;
    let rows = [
        ("/signup", json!({"username": "anna", "password": PASSWORD, "email": "anna@example.com"})),
        ("/signup", json!({"email_as_name": true, "password": PASSWORD, "email": "ben@example.com"})),
        ("/signup", json!({"username": "", "email_as_name": true, "password": PASSWORD, "email": "cleo@example.com"})),
        (
            "/signup",
            json!({"username": "dan", "email_as_name": true, "password": PASSWORD, "email": "dan@example.com", "more": 1}),
        ),
        ("/signup", json!({"username": "ANNA", "password": PASSWORD, "email": "else@example.com"})),
        ("/signup", json!({"username": "else", "password": PASSWORD, "email": "Anna@example.com"})),
        ("/signup", json!({"email_as_name": true, "password": PASSWORD, "email": "ben@example.com"})),
        ("/signup", json!({"password": PASSWORD, "email": "else@example.com"})),
        ("/signup", json!({"email_as_name": false, "password": PASSWORD, "email": "else@example.com"})),
        ("/signup", json!({"email_as_name": "yes", "password": PASSWORD, "email": "else@example.com"})),
        ("/signup", json!({"username": "else", "password": PASSWORD})),
        ("/signup", json!({"username": "else", "password": PASSWORD, "email": "else"})),
        ("/signup", json!({"username": "else", "email": "else@example.com"})),
        ("/signup", json!({"username": "else", "password": "short", "email": "else@example.com"})),
        ("/signup", json!({"username": 5, "password": PASSWORD, "email": "else@example.com"})),
        ("/signup", json!({})),
    ];
    insta::assert_snapshot!(responses(&server, &rows).await);
}

#[tokio::test]
async fn requests_of_other_routes_get_the_documented_responses() {
    let server = with_anna("").await;
    let token = sign_in(&server, "anna", PASSWORD).await;
    let link = "A".repeat(43);
    let rows = [
        ("/signin", json!({"username": "anna", "password": PASSWORD})),
        ("/signin", json!({"username": "Anna@Example.com", "password": PASSWORD})),
        ("/signin", json!({"username": "anna", "password": "wrong"})),
        ("/signin", json!({"username": "anna", "password": ""})),
        ("/signin", json!({"username": "nobody", "password": PASSWORD})),
        ("/signin", json!({"username": "anna"})),
        ("/signin", json!({"password": PASSWORD})),
        ("/signin", json!({"username": "anna", "password": 5})),
        ("/validation", json!({"token": token})),
        ("/validation", json!({"token": format!("{token}x")})),
        ("/validation", json!({"token": "x"})),
        ("/validation", json!({"token": 5})),
        ("/validation", json!({})),
        ("/get_user_by_jwt", json!({"token": token})),
        ("/get_user_by_jwt", json!({"token": "x"})),
        ("/get_user_by_jwt", json!({})),
        ("/refresh", json!({})),
        ("/restore", json!({"restoring_email": "anna@example.com"})),
        ("/restore", json!({"restoring_email": "nobody@example.com"})),
        ("/restore", json!({"email": "nobody@example.com"})),
        ("/restore", json!({"restoring_email": "nobody"})),
        ("/restore", json!({"restoring_email": 5})),
        ("/restore", json!({"restoring_token": link, "restoring_password": PASSWORD})),
        ("/restore", json!({"token": "x", "new_password": PASSWORD})),
        ("/restore", json!({"restoring_token": link})),
        ("/restore", json!({"restoring_password": PASSWORD})),
        (
            "/restore",
            json!({"restoring_email": "anna@example.com", "restoring_token": link, "restoring_password": PASSWORD}),
        ),
        ("/restore", json!({})),
    ];
    insta::assert_snapshot!(responses(&server, &rows).await);
}

#[tokio::test]
async fn http_errors_use_the_error_body_of_the_dialect() {
    let server = TestServer::start().await;
    for path in ["/signup", "/signin", "/refresh", "/restore", "/validation", "/get_user_by_jwt"] {
        for path in [path.to_owned(), format!("{path}/")] {
            let wrong_method = ServerResponse::send(server.request(Method::DELETE, &path)).await;
            assert!(wrong_method.header("allow").contains("POST"), "{wrong_method:#?}");
            let mut responses = vec![(405, wrong_method)];
            if !path.starts_with("/refresh") {
                let post = |kind: &str, body: &str| {
                    let request = server.request(Method::POST, &path).header("content-type", kind);
                    ServerResponse::send(request.body(body.to_owned()))
                };
                responses.push((400, post("application/json", "{").await));
                responses.push((400, post("application/json", "[]").await));
                responses.push((400, post("application/json; charset=utf-8", "{\"token\":1,\"token\":2}").await));
                responses.push((415, post("text/plain", "{}").await));
                responses.push((413, post("application/json", &" ".repeat(65_537)).await));
            }
            for (status, response) in responses {
                let body = response.is(status).json();
                assert_eq!(body["status"], status, "{response:#?}");
                assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{response:#?}");
            }
        }
    }
}
