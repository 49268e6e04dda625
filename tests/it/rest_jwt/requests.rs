//! The table, line by line: what is sent and what comes back, as a snapshot.

use std::fmt::Write as _;

use reqwest::Method;
use serde_json::{Value, json};

use super::{PASSWORD, TestServer, sign_in, with_anna};
use crate::support::ServerResponse;

/// What was sent and what came back, with what differs from run to run named instead of shown.
async fn responses(server: &TestServer, rows: &[(&str, Value)]) -> String {
    let now = server.clock.now();
    let tomorrow = now + std::time::Duration::from_hours(24);
    let mut told = String::new();
    for (path, body) in rows {
        let answer = server.post(path, body).await;
        assert_eq!(answer.header("content-type"), "application/json", "{answer:#?}");
        assert_eq!(answer.header("cache-control"), "no-store", "{answer:#?}");
        assert_eq!(answer.header("set-cookie"), "", "{answer:#?}");
        assert_eq!(answer.json()["status"], answer.status, "{answer:#?}");
        assert_eq!(answer.header("www-authenticate") == "Bearer", answer.status == 401, "{answer:#?}");
        writeln!(told, "{path} {body}\n  {} {}", answer.status, answer.text).unwrap();
    }
    let told = told.replace(&now.to_string(), "<now>").replace(&tomorrow.to_string(), "<now + 24 h>");
    let without_tokens = |part: &str| if part.starts_with("eyJ") { "<token>".to_owned() } else { part.to_owned() };
    told.split('"').map(without_tokens).collect::<Vec<_>>().join("\"")
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
            let mut answers = vec![(405, wrong_method)];
            if !path.starts_with("/refresh") {
                let post = |kind: &str, body: &str| {
                    let request = server.request(Method::POST, &path).header("content-type", kind);
                    ServerResponse::send(request.body(body.to_owned()))
                };
                answers.push((400, post("application/json", "{").await));
                answers.push((400, post("application/json", "[]").await));
                answers.push((400, post("application/json; charset=utf-8", "{\"token\":1,\"token\":2}").await));
                answers.push((415, post("text/plain", "{}").await));
                answers.push((413, post("application/json", &" ".repeat(65_537)).await));
            }
            for (status, answer) in answers {
                let body = answer.is(status).json();
                assert_eq!(body["status"], status, "{answer:#?}");
                assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer:#?}");
            }
        }
    }
}
