//! Access tokens: their claims and their renewal.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::json;

use super::{PASSWORD, TestServer, claims, sign_in, with_anna};
use crate::support::ServerResponse;

async fn refresh(server: &TestServer, path: &str, authorization: &str) -> ServerResponse {
    ServerResponse::send(server.request(Method::POST, path).header(AUTHORIZATION, authorization)).await
}

#[tokio::test]
async fn a_token_carries_the_role_and_a_text_id() {
    for (settings, role) in [("rest_jwt.role = 'app_user'", "app_user"), ("", "")] {
        let server = with_anna(settings).await;
        let payload = claims(&sign_in(&server, "anna", PASSWORD).await);
        assert_eq!((&payload["role"], &payload["userid"]), (&json!(role), &json!("1")), "{payload}");
        assert_eq!(payload["exp"].as_i64().unwrap() - payload["iat"].as_i64().unwrap(), 24 * 3600);
        assert!(payload.get("user_id").is_none() && payload.get("username").is_none(), "{payload}");
    }
}

#[tokio::test]
async fn a_token_is_renewed_with_or_without_the_bearer_scheme() {
    let server = with_anna("rest_jwt.role = 'app_user'").await;
    let mut token = sign_in(&server, "anna", PASSWORD).await;
    for (path, scheme) in [("/refresh", "Bearer "), ("/refresh/", "bearer "), ("/refresh", ""), ("/refresh/", " ")] {
        server.clock.advance(Duration::from_hours(1));
        let response = refresh(&server, path, &format!("{scheme}{token}")).await;
        assert_eq!(response.is(200).json()["status"], 200);
        let fresh = response.json()["token"].as_str().unwrap().to_owned();
        let old = claims(&token);
        let new = claims(&fresh);
        for same in ["sub", "sid", "role", "userid"] {
            assert_eq!(old[same], new[same], "{same}");
        }
        assert_eq!(new["exp"].as_i64().unwrap() - old["exp"].as_i64().unwrap(), 3600);
        token = fresh;
    }
}

#[tokio::test]
async fn an_invalid_token_is_not_renewed() {
    let server = with_anna("").await;
    let token = sign_in(&server, "anna", PASSWORD).await;
    for wrong in ["", "Bearer", "Bearer ", "x", "Basic eDp5", &format!("Token {token}"), &format!("{token}x")] {
        let response = refresh(&server, "/refresh", wrong).await;
        assert_eq!(response.is(401).json()["status"], 401, "{wrong}");
    }
    // Only the header is accepted, because a browser sends a cookie with the form of any page.
    let by_cookie = server.request(Method::POST, "/refresh").header("cookie", format!("jwt_token={token}"));
    ServerResponse::send(by_cookie).await.is(401);
    server.clock.advance(Duration::from_hours(24) + Duration::from_secs(5));
    refresh(&server, "/refresh", &token).await.is(401);
    server.post("/validation", &json!({"token": token})).await.is(401);
}

#[tokio::test]
async fn a_token_of_an_ended_session_is_rejected() {
    let server = with_anna("").await;
    let token = sign_in(&server, "anna", PASSWORD).await;
    let other = sign_in(&server, "anna", PASSWORD).await;
    let body = json!({"password": "another battery horse"});
    let changed = server.post_as(&other, "/update_profile", &body).await.is(200).json();
    let opened = changed["jwt"].as_str().unwrap();
    refresh(&server, "/refresh", &token).await.is(401);
    server.post("/validation", &json!({"token": token})).await.is(401);
    server.post("/get_user_by_jwt", &json!({"token": token})).await.is(401);
    server.post("/validation", &json!({"token": other})).await.is(401);
    server.post("/validation", &json!({"token": opened})).await.is(200);
}
