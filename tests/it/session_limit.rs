//! A user has at most 100 live sessions and a limited number of successful sign-ins, in all dialects together.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use countersign::domain::audit::Operator;
use countersign::domain::dialect::Dialect;
use countersign::domain::password::Password;
use countersign::domain::session::SESSIONS_MAX;
use countersign::issuer::mint::MintTokens;
use countersign::issuer::users::{UserChange, find};
use countersign::store::StoreError;
use serde_json::{Value, json};

use crate::admin::{AdminBrowser, superuser};
use crate::support::{PASSWORD, ServerResponse, TestServer};

/// The routes that open a session with a password.
const SIGN_INS: [&str; 5] = ["/auth", "/signin", "/api/login/", "/api/token/", "/api/token/sliding/"];

async fn sign_in(server: &TestServer, route: &str, password: &str) -> ServerResponse {
    server.post(route, &json!({"username": "anna", "email": "anna@example.com", "password": password})).await
}

/// Opens sessions of all dialects, without passwords.
async fn mint(server: &TestServer, count: usize) {
    for dialect in Dialect::ALL.into_iter().cycle().take(count) {
        let user = find(&server.issuer, "anna").await.unwrap().unwrap();
        MintTokens { user, dialect }.run(&server.issuer).await.unwrap();
    }
}

async fn live_sessions(server: &TestServer) -> usize {
    let id = find(&server.issuer, "anna").await.unwrap().unwrap().id;
    let now = server.clock.now();
    let live: Result<_, StoreError> = server.issuer.store.read(move |tx| tx.sessions_of(id, now)).await;
    live.unwrap().len()
}

#[tokio::test]
async fn the_least_recently_used_session_ends_when_a_hundred_and_first_is_opened() {
    let server = TestServer::with_anna().await;
    let refresh = sign_in(&server, "/api/login/", PASSWORD).await.is(200).json()["refresh_token"].clone();
    let renewed = server.token("anna").await;
    server.clock.advance(Duration::from_secs(1));
    let unused: Vec<ServerResponse> = vec![sign_in(&server, "/auth", PASSWORD).await];
    let unused = unused[0].is(200).json()["jwt"].as_str().unwrap().to_owned();
    server.clock.advance(Duration::from_secs(1));
    // The two oldest sessions are used again.
    let refresh = server.post("/api/refresh/", &json!({"refresh_token": refresh})).await.is(200).json();
    assert!(server.accepts(&renewed).await);
    server.clock.advance(Duration::from_secs(1));
    mint(&server, 97).await;
    assert_eq!(live_sessions(&server).await, 100);
    for (number, route) in SIGN_INS.into_iter().enumerate() {
        server.clock.advance(Duration::from_secs(1));
        sign_in(&server, route, PASSWORD).await.is(200);
        assert_eq!(live_sessions(&server).await, 100, "{route}");
        if number == 0 {
            assert!(!server.accepts(&unused).await, "the session that was not used for the longest time has ended");
            assert!(server.accepts(&renewed).await);
            server.post("/api/refresh/", &json!({"refresh_token": refresh["refresh_token"]})).await.is(200);
        }
    }
    assert_eq!(SESSIONS_MAX, 100);
}

#[tokio::test]
async fn minted_tokens_count_towards_the_session_limit() {
    let server = TestServer::with_anna().await;
    mint(&server, 130).await;
    assert_eq!(live_sessions(&server).await, 100);
    server.change("anna", UserChange::EndSessions).await;
    assert_eq!(live_sessions(&server).await, 0);
}

#[tokio::test]
async fn successful_sign_ins_of_all_dialects_have_one_limit() {
    let server = TestServer::with("throttle.sign_in_success_per_account = '5/5m'").await;
    server.register("anna").await;
    server.register("ben").await;
    for route in SIGN_INS {
        sign_in(&server, route, PASSWORD).await.is(200);
    }
    for route in SIGN_INS {
        let limited = sign_in(&server, route, PASSWORD).await.is(429).header("retry-after").to_owned();
        assert_eq!(limited, "300", "{route}");
        // Without the password, the response does not reveal that the limit is reached.
        sign_in(&server, route, "wrong").await.is(401);
    }
    server.token("ben").await;
    server.clock.advance(Duration::from_mins(5));
    sign_in(&server, "/auth", PASSWORD).await.is(200);
}

#[tokio::test]
async fn sign_ins_to_the_admin_zone_count_as_well() {
    let server = TestServer::with("throttle.sign_in_success_per_account = '2/5m'").await;
    superuser(&server, "root").await;
    let mut browser = AdminBrowser::new(&server);
    browser.sign_in("root").await;
    server.token("root").await;
    AdminBrowser::new(&server).try_sign_in("root", PASSWORD).await.is(429);
    server.post("/auth", &json!({"username": "root", "password": PASSWORD})).await.is(429);
    browser.open("/admin/").await.is(200);
}

/// A database of before the limit may have more sessions than one write ends.
#[tokio::test]
async fn a_password_change_ends_a_great_number_of_sessions_at_once() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    let database = rusqlite::Connection::open(server.path("data/countersign.db")).unwrap();
    let columns: String = {
        let mut names = database.prepare("SELECT name FROM pragma_table_info('sessions') WHERE name <> 'id'").unwrap();
        let names = names.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
        names.collect::<Vec<_>>().join(", ")
    };
    database
        .execute_batch(&format!(
            "INSERT INTO sessions (id, {columns}) WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 3000)
             SELECT randomblob(16), {columns} FROM sessions, n"
        ))
        .unwrap();
    drop(database);
    let user = find(&server.issuer, "anna").await.unwrap().unwrap().id;
    UserChange::SetPassword(Password::new("another password".to_owned()))
        .run_as(&Operator::CommandLine, user, &server.issuer)
        .await
        .unwrap();
    assert_eq!(live_sessions(&server).await, 0);
    assert!(!server.accepts(&token).await);
    let again: Value =
        server.post("/auth", &json!({"username": "anna", "password": "another password"})).await.is(200).json();
    assert!(server.accepts(again["jwt"].as_str().unwrap()).await);
}
