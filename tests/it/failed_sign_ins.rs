//! Failed sign-ins in the audit log: of every dialect and the admin zone, in bounded volume.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use countersign::domain::audit::AuditLine;
use countersign::issuer::users::UserChange;
use countersign::store::StoreError;
use serde_json::json;

use crate::admin::{AdminBrowser, superuser};
use crate::support::{TestServer, wait_until};

/// The routes that sign in with a password, each with its dialect.
const SIGN_INS: [(&str, &str); 5] = [
    ("/auth", "jwt_issuer"),
    ("/signin", "rest_jwt"),
    ("/api/login/", "drf_pyjwt"),
    ("/api/token/", "simplejwt"),
    ("/api/token/sliding/", "simplejwt"),
];

async fn fail(server: &TestServer, route: &str, name: &str, from: &str) {
    let body = json!({"username": name, "email": name, "password": "wrong"});
    server.post_from(from, route, &body).await.is(401);
}

/// The audit lines about failed sign-ins, oldest first.
async fn lines(server: &TestServer) -> Vec<AuditLine> {
    let lines: Result<Vec<AuditLine>, StoreError> = server.issuer.store.read(|tx| tx.audit_lines(None, 1000)).await;
    lines.unwrap().into_iter().rev().filter(|line| line.action == "sign_in_failed").collect()
}

/// Waits for a number of lines, and returns them.
async fn wait_for_lines(server: &TestServer, count: usize) -> Vec<AuditLine> {
    wait_until("the failed sign-ins are recorded", async || lines(server).await.len() >= count).await;
    let lines = lines(server).await;
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}

#[tokio::test]
async fn a_failed_sign_in_of_every_dialect_is_recorded_at_once() {
    for (route, dialect) in SIGN_INS {
        let server = TestServer::with_anna().await;
        for name in ["anna", "anna@example.com"] {
            fail(&server, route, name, "192.0.2.10").await;
            let lines = wait_for_lines(&server, 1).await;
            let [line] = lines.as_slice() else { panic!("{route}") };
            assert_eq!((line.username.as_deref(), line.actor_id), (Some("anna"), None), "{route}");
            assert_eq!(line.address, Some("192.0.2.10".parse().unwrap()), "{route}");
            assert_eq!(line.detail, dialect, "{route}");
        }
    }
}

#[tokio::test]
async fn a_failed_sign_in_to_the_admin_zone_is_recorded_at_once() {
    let server = TestServer::with_anna().await;
    superuser(&server, "root").await;
    AdminBrowser::new(&server).try_sign_in("root", "wrong").await.is(403);
    let lines = wait_for_lines(&server, 1).await;
    assert_eq!((lines[0].username.as_deref(), lines[0].detail.as_str()), (Some("root"), "admin zone"));
    // An ordinary user with the correct password.
    AdminBrowser::new(&server).try_sign_in("anna", crate::support::PASSWORD).await.is(403);
    let lines = wait_for_lines(&server, 2).await;
    assert_eq!((lines[1].username.as_deref(), lines[1].detail.as_str()), (Some("anna"), "admin zone"));
}

#[tokio::test]
async fn a_disabled_users_correct_password_is_recorded_as_failed() {
    let server = TestServer::with_anna().await;
    server.change("anna", UserChange::Disable).await;
    let body = json!({"username": "anna", "password": crate::support::PASSWORD});
    server.post("/auth", &body).await.is(401);
    assert_eq!(wait_for_lines(&server, 1).await[0].username.as_deref(), Some("anna"));
}

#[tokio::test]
async fn further_failures_are_recorded_once_a_minute_with_their_number() {
    let server = TestServer::with_anna().await;
    fail(&server, "/auth", "anna", "192.0.2.10").await;
    wait_for_lines(&server, 1).await;
    for (route, _) in SIGN_INS {
        fail(&server, route, "anna", "192.0.2.11").await;
    }
    fail(&server, "/auth", "anna", "198.51.100.66").await;
    let lines = wait_for_lines(&server, 2).await;
    assert_eq!(lines[1].address, Some("198.51.100.66".parse().unwrap()), "another network is recorded at once");
    server.clock.advance(Duration::from_mins(1));
    let lines = wait_for_lines(&server, 3).await;
    assert_eq!(lines[2].detail, "jwt_issuer, rest_jwt, drf_pyjwt, simplejwt; failures: 5");
}

#[tokio::test]
async fn unknown_names_share_one_line_per_minute_without_the_name() {
    let server = TestServer::with_anna().await;
    for (number, (route, _)) in SIGN_INS.into_iter().enumerate() {
        fail(&server, route, &format!("hunter{number}"), &format!("198.51.{number}.1")).await;
    }
    let lines = wait_for_lines(&server, 1).await;
    assert_eq!((lines[0].user_id, lines[0].detail.as_str()), (None, "jwt_issuer; unknown name"));
    server.clock.advance(Duration::from_mins(1));
    let lines = wait_for_lines(&server, 2).await;
    assert_eq!(lines[1].detail, "rest_jwt, drf_pyjwt, simplejwt; unknown name; failures: 4");
    assert!(!format!("{lines:?}").contains("hunter"));
}

#[tokio::test]
async fn pending_failures_are_recorded_at_shutdown() {
    let server = TestServer::with_anna().await;
    for _ in 0..3 {
        fail(&server, "/auth", "anna", "192.0.2.10").await;
    }
    let server = server.restart(Duration::ZERO).await;
    let details: Vec<String> = lines(&server).await.into_iter().map(|line| line.detail).collect();
    assert_eq!(details, ["jwt_issuer", "jwt_issuer; failures: 2"]);
}

#[tokio::test]
async fn a_wrong_current_password_is_recorded_like_a_failed_sign_in() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    let body = json!({"email": "ann@example.org", "current_password": "wrong"});
    server.post_as(&token, "/update_profile", &body).await.is(403);
    let lines = wait_for_lines(&server, 1).await;
    assert_eq!((lines[0].username.as_deref(), lines[0].detail.as_str()), (Some("anna"), "jwt_issuer"));
}
