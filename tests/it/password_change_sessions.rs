//! A new password ends the sessions of the user in every dialect, and opens a new one for the caller.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use countersign::domain::id::SessionId;
use countersign::domain::session::Session;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, ServerResponse, TestServer, token};

const NEW: &str = "another valid password";

/// The tokens of one session in each dialect: sign-in route, login field, the members to keep.
const SIGN_INS: [(&str, &str, &[&str]); 5] = [
    ("/auth", "username", &["jwt"]),
    ("/signin", "username", &["token"]),
    ("/api/login/", "email", &["access_token", "refresh_token"]),
    ("/api/token/", "username", &["access", "refresh"]),
    ("/api/token/sliding/", "username", &["token"]),
];

async fn sign_in(server: &TestServer, (path, field, _): (&str, &str, &[&str]), password: &str) -> Value {
    server.post(path, &json!({field: "anna", "password": password})).await.is(200).json()
}

/// The statuses of every way to use the tokens of the sessions at the server.
async fn uses(server: &TestServer, sessions: &[Value]) -> Vec<u16> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let [jwt, rest, drf, simple, sliding] = sessions else { panic!("five sessions") };
    let bearer = async |method: Method, path: &str, token: &Value, body: Value| {
        ServerResponse::send(server.request(method, path).bearer_auth(text(token)).json(&body)).await.status
    };
    let mut statuses = Vec::new();
    for token in [&jwt["jwt"], &rest["token"]] {
        for path in ["/renew_token", "/refresh"] {
            statuses.push(bearer(Method::POST, path, token, json!({})).await);
        }
        statuses.push(bearer(Method::POST, "/update_profile", token, json!({"email": "anna@example.com"})).await);
        statuses.push(bearer(Method::GET, "/social/accounts/", token, json!({})).await);
    }
    for path in ["/validation", "/get_user_by_jwt"] {
        statuses.push(server.post(path, &json!({"token": rest["token"]})).await.status);
    }
    statuses.push(bearer(Method::GET, "/api/me/", &drf["access_token"], json!({})).await);
    statuses.push(bearer(Method::PATCH, "/api/me/", &drf["access_token"], json!({})).await);
    for (path, body) in [
        ("/api/refresh/", json!({"refresh_token": drf["refresh_token"]})),
        ("/api/token/refresh/", json!({"refresh": simple["refresh"]})),
        ("/api/token/verify/", json!({"token": simple["refresh"]})),
        ("/api/token/sliding/refresh/", json!({"token": sliding["token"]})),
    ] {
        statuses.push(server.post(path, &body).await.status);
    }
    statuses
}

async fn sessions(server: &TestServer) -> Vec<Value> {
    let mut opened = Vec::new();
    for each in SIGN_INS {
        opened.push(sign_in(server, each, PASSWORD).await);
    }
    opened
}

async fn stored_session(server: &TestServer, access: &str) -> Session {
    let sid = SessionId(token::claims(access)["sid"].as_str().unwrap().parse().unwrap());
    let read: Result<_, countersign::store::StoreError> = server.issuer.store.read(move |tx| tx.session(sid)).await;
    read.unwrap().unwrap().0
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_of_every_dialect() {
    let server = TestServer::with_anna().await;
    assert!(uses(&server, &sessions(&server).await).await.iter().all(|status| *status == 200));
    let opened = sessions(&server).await;
    let current = server.token("anna").await;
    let changed = server.post_as(&current, "/update_profile", &json!({"password": NEW})).await.is(200).json();
    let statuses = uses(&server, &opened).await;
    assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
    assert!(!server.accepts(&current).await);
    assert!(server.accepts(changed["jwt"].as_str().unwrap()).await);
}

#[tokio::test]
async fn the_new_session_has_the_dialect_of_the_old_one() {
    let server = TestServer::with_anna().await;
    for (path, member) in [("/auth", "jwt"), ("/signin", "token")] {
        let old = sign_in(&server, (path, "username", &[]), PASSWORD).await;
        let old = old[member].as_str().unwrap();
        let response = server.post_as(old, "/update_profile", &json!({"password": PASSWORD})).await;
        let body = response.is(200).json();
        assert_eq!(body["status"], "OK");
        let new = body["jwt"].as_str().unwrap();
        assert!(response.header("set-cookie").starts_with(&format!("jwt_token={new};")), "{response:#?}");
        assert_eq!(response.header("cache-control"), "no-store");
        let [old, new] = [old, new].map(token::claims);
        assert_ne!(old["sid"], new["sid"], "{path}");
        for claim in ["sub", "role", "userid", "user_id", "username"] {
            assert_eq!(old.get(claim), new.get(claim), "{path} {claim}");
        }
    }
    let email = json!({"email": "anna@example.org"});
    let response = server.post_as(&server.token("anna").await, "/update_profile", &email).await;
    assert_eq!(response.is(200).json(), json!({"status": "OK"}), "only a new password opens a session");
    assert_eq!(response.header("set-cookie"), "");
}

#[tokio::test]
async fn the_new_session_is_recent_only_if_the_password_was_sent() {
    let server = TestServer::with("accounts.bare_changes = true").await;
    server.register("anna").await;
    let first = server.token("anna").await;
    let signed_in_at = server.clock.now();
    server.clock.advance(Duration::from_mins(6));
    let bare = server.post_as(&first, "/update_profile", &json!({"password": PASSWORD})).await.is(200).json();
    let bare = bare["jwt"].as_str().unwrap();
    let session = stored_session(&server, bare).await;
    assert_eq!((session.auth_time, session.opened_at), (signed_in_at, server.clock.now()));
    let body = json!({"password": PASSWORD, "current_password": PASSWORD});
    let proven = server.post_as(bare, "/update_profile", &body).await.is(200).json();
    assert_eq!(stored_session(&server, proven["jwt"].as_str().unwrap()).await.auth_time, server.clock.now());
}
