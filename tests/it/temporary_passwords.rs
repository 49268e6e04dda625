//! Temporary passwords expire, and end the sessions that were opened with them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use countersign::domain::audit::Operator;
use countersign::issuer::users::{SetTemporaryPassword, find};
use serde_json::json;

use crate::admin::{AdminBrowser, superuser};
use crate::support::{ServerResponse, TestServer, wait_until};

const LIFETIME: Duration = Duration::from_hours(24);
/// The routes that sign in with a password.
const SIGN_INS: [&str; 5] = ["/auth", "/signin", "/api/login/", "/api/token/", "/api/token/sliding/"];

async fn sign_in(server: &TestServer, route: &str, password: &str) -> ServerResponse {
    server.post(route, &json!({"username": "anna", "email": "anna@example.com", "password": password})).await
}

/// Resets the password by e-mail and returns the temporary one.
async fn reset(server: &TestServer) -> String {
    let before = server.emails().len();
    server.post("/request_password_reset", &json!({"email": "anna@example.com"})).await.is(200);
    wait_until("an e-mail is sent", async || server.emails().len() > before).await;
    let code = server.emails().last().unwrap().code().to_owned();
    let reset = server.post("/reset_password", &json!({"reset_code": code})).await.is(200).json();
    reset["temporary_password"].as_str().unwrap().to_owned()
}

/// Sets a temporary password as the admin zone does.
async fn set_by_operator(server: &TestServer, name: &str) -> String {
    let user = find(&server.issuer, name).await.unwrap().unwrap().id;
    let set = SetTemporaryPassword { user, by: Operator::CommandLine };
    String::from_utf8(set.run(&server.issuer).await.unwrap().expose().to_vec()).unwrap()
}

#[tokio::test]
async fn a_temporary_password_is_a_wrong_password_after_its_lifetime_in_every_dialect() {
    for is_reset in [true, false] {
        let server = TestServer::with_anna().await;
        let password = if is_reset { reset(&server).await } else { set_by_operator(&server, "anna").await };
        server.clock.advance(LIFETIME.saturating_sub(Duration::from_secs(1)));
        for route in SIGN_INS {
            sign_in(&server, route, &password).await.is(200);
        }
        server.clock.advance(Duration::from_secs(1));
        for route in SIGN_INS {
            let expired = sign_in(&server, route, &password).await;
            assert_eq!(expired.is(401).bytes(), sign_in(&server, route, "wrong").await.bytes(), "{route}");
            server.clock.advance(Duration::from_mins(5));
        }
        // A new reset works.
        let password = reset(&server).await;
        sign_in(&server, "/auth", &password).await.is(200);
    }
}

#[tokio::test]
async fn the_lifetime_of_temporary_passwords_is_a_setting_that_applies_at_once() {
    let server = TestServer::with_anna().await;
    let password = reset(&server).await;
    server.clock.advance(Duration::from_secs(2));
    sign_in(&server, "/auth", &password).await.is(200);
    server.set("passwords.temporary_lifetime", "1").await;
    sign_in(&server, "/auth", &password).await.is(401);
    server.set("passwords.temporary_lifetime", "7d").await;
    server.clock.advance(Duration::from_hours(7 * 24) - Duration::from_secs(3));
    sign_in(&server, "/auth", &password).await.is(200);
}

#[tokio::test]
async fn a_session_opened_with_a_temporary_password_ends_with_it() {
    let server = TestServer::with_anna().await;
    let password = reset(&server).await;
    server.clock.advance(Duration::from_hours(12));
    let jwt = sign_in(&server, "/auth", &password).await.is(200).json()["jwt"].as_str().unwrap().to_owned();
    let pair = sign_in(&server, "/api/login/", &password).await.is(200).json();
    server.clock.advance(Duration::from_hours(12) - Duration::from_secs(1));
    assert!(server.accepts(&jwt).await);
    let refreshed = server.post("/api/refresh/", &json!({"refresh_token": pair["refresh_token"]})).await.is(200).json();
    server.clock.advance(Duration::from_secs(1));
    assert!(!server.accepts(&jwt).await);
    server.post("/api/refresh/", &json!({"refresh_token": refreshed["refresh_token"]})).await.is(401);
}

#[tokio::test]
async fn an_expired_temporary_password_does_not_open_the_admin_zone() {
    let server = TestServer::start().await;
    superuser(&server, "root").await;
    let password = set_by_operator(&server, "root").await;
    AdminBrowser::new(&server).try_sign_in("root", &password).await.is(303);
    server.clock.advance(LIFETIME);
    AdminBrowser::new(&server).try_sign_in("root", &password).await.is(403);
}
