//! Rate limits: 429 with `Retry-After`, without locking out the owner of an account.

use std::time::Duration;

use serde_json::json;

use crate::support::{PASSWORD, ServerResponse, TestServer, wait_until};

const ATTACKER: &str = "198.51.100.66";
const HOME: &str = "203.0.113.5";

async fn sign_in(server: &TestServer, from: &str, name: &str, password: &str) -> ServerResponse {
    server.post_from(from, "/auth", &json!({"username": name, "password": password})).await
}

#[track_caller]
fn assert_throttled(response: &ServerResponse, seconds: u64) {
    response.refuses(429, "too_many_tries");
    assert_eq!(response.header("retry-after"), seconds.to_string(), "{response:#?}");
}

#[tokio::test]
async fn an_account_has_ten_failed_sign_ins_and_then_one_a_minute() {
    let server = TestServer::with_anna().await;
    for number in 0..10_u8 {
        sign_in(&server, &format!("198.51.100.{number}"), "anna", "wrong").await.is(401);
    }
    for from in [ATTACKER, "198.51.100.67"] {
        assert_throttled(&sign_in(&server, from, "anna", "wrong").await, 60);
        assert_throttled(&sign_in(&server, from, "ANNA@example.com", PASSWORD).await, 60);
    }
    insta::assert_snapshot!(sign_in(&server, ATTACKER, "anna", "wrong").await.text, @r#"{"status":"ERROR","code":"too_many_tries","message":"too many attempts; retry after the time in Retry-After"}"#);
    server.clock.advance(Duration::from_mins(1));
    sign_in(&server, ATTACKER, "anna", "wrong").await.is(401);
    assert_throttled(&sign_in(&server, ATTACKER, "anna", "wrong").await, 60);
    server.clock.advance(Duration::from_mins(1));
    sign_in(&server, ATTACKER, "anna", PASSWORD).await.is(200);
}

#[tokio::test]
async fn an_unknown_name_has_the_same_limit() {
    let server = TestServer::with_anna().await;
    for _ in 0..10 {
        sign_in(&server, ATTACKER, "nobody", "wrong").await.is(401);
    }
    let unknown = sign_in(&server, ATTACKER, "NOBODY", "wrong").await;
    assert_throttled(&unknown, 60);
    for _ in 0..10 {
        sign_in(&server, ATTACKER, "anna", "wrong").await.is(401);
    }
    assert_eq!(sign_in(&server, ATTACKER, "anna", "wrong").await.bytes(), unknown.bytes());
}

#[tokio::test]
async fn failed_sign_ins_from_other_addresses_do_not_lock_the_owner_out() {
    let server = TestServer::with_anna().await;
    sign_in(&server, HOME, "anna", PASSWORD).await.is(200);
    for _ in 0..10 {
        sign_in(&server, ATTACKER, "anna", "wrong").await.is(401);
    }
    assert_throttled(&sign_in(&server, ATTACKER, "anna", PASSWORD).await, 60);
    sign_in(&server, HOME, "anna", PASSWORD).await.is(200);
    // A reset still works from any other address.
    server.post_from("192.0.2.1", "/request_password_reset", &json!({"email": "anna@example.com"})).await.is(200);
    wait_until("an e-mail is sent", async || server.emails().len() == 1).await;
    let code = server.emails()[0].code().to_owned();
    let reset = server.post_from("192.0.2.1", "/reset_password", &json!({"reset_code": code})).await.is(200).json();
    let temporary = reset["temporary_password"].as_str().unwrap();
    sign_in(&server, "192.0.2.1", "anna", temporary).await.is(200);
    assert_throttled(&sign_in(&server, "192.0.2.2", "anna", temporary).await, 60);
    // The owner's address is limited by its own failures.
    for _ in 0..10 {
        sign_in(&server, HOME, "anna", "wrong").await.is(401);
    }
    assert_throttled(&sign_in(&server, HOME, "anna", "wrong").await, 60);
}

#[tokio::test]
async fn successful_sign_ins_are_not_counted() {
    let server = TestServer::with("throttle.sign_in_per_account = '2/5m'\nthrottle.sign_in_per_caller = '3/5m'").await;
    server.register("anna").await;
    for _ in 0..6 {
        sign_in(&server, HOME, "anna", PASSWORD).await.is(200);
    }
    for _ in 0..2 {
        sign_in(&server, HOME, "anna", "wrong").await.is(401);
    }
    assert_throttled(&sign_in(&server, HOME, "anna", PASSWORD).await, 60);
}

#[tokio::test]
async fn a_caller_has_a_hundred_failed_sign_ins_across_accounts() {
    let server = TestServer::with("throttle.sign_in_per_caller = '7/5m'").await;
    for number in 0..7 {
        sign_in(&server, ATTACKER, &format!("name{number}"), "wrong").await.is(401);
    }
    assert_throttled(&sign_in(&server, ATTACKER, "another", "wrong").await, 60);
    sign_in(&server, HOME, "another", "wrong").await.is(401);
    assert_eq!(countersign::domain::limit::Limit::SignInCaller.default_rate().to_string(), "100/5m");
}

#[tokio::test]
async fn a_caller_cannot_choose_its_address() {
    let server = TestServer::with("throttle.sign_in_per_caller = '3/5m'").await;
    for number in 0..3 {
        // The entries that a client sends are to the left of the entry that the proxy appends.
        let chain = format!("203.0.113.{number}, {ATTACKER}");
        sign_in(&server, &chain, &format!("name{number}"), "wrong").await.is(401);
    }
    assert_throttled(&sign_in(&server, &format!("203.0.113.77, {ATTACKER}"), "x", "wrong").await, 60);

    let without_proxies = TestServer::exactly("throttle.sign_in_per_caller = '1/5m'").await;
    sign_in(&without_proxies, ATTACKER, "a", "wrong").await.is(401);
    assert_throttled(&sign_in(&without_proxies, HOME, "b", "wrong").await, 60);
}

#[tokio::test]
async fn a_caller_has_ten_wrong_reset_codes() {
    let server = TestServer::with_anna().await;
    server.post_from(HOME, "/request_password_reset", &json!({"email": "anna@example.com"})).await.is(200);
    wait_until("an e-mail is sent", async || server.emails().len() == 1).await;
    let valid = json!({"reset_code": server.emails()[0].code()});
    for _ in 0..10 {
        server.post_from(ATTACKER, "/reset_password", &json!({"reset_code": "1111-1111-1111"})).await.is(400);
    }
    let late = server.post_from(ATTACKER, "/reset_password", &valid).await;
    assert_throttled(&late, 300);
    server.post_from(HOME, "/reset_password", &valid).await.is(200);
    server.clock.advance(Duration::from_mins(5));
    server.post_from(ATTACKER, "/reset_password", &valid).await.is(400);
}

#[tokio::test]
async fn the_fourth_reset_email_in_an_hour_is_accepted_and_not_sent() {
    let server = TestServer::with_anna().await;
    server.register("ben").await;
    let request_reset = async |name: &str| {
        let body = json!({"email": format!("{name}@example.com")});
        server.post("/request_password_reset", &body).await.bytes()
    };
    let first = request_reset("anna").await;
    for _ in 0..5 {
        assert_eq!(request_reset("anna").await, first);
    }
    request_reset("ben").await;
    wait_until("the e-mail to ben is sent", async || {
        server.emails().iter().any(|mail| mail.header("To") == "ben@example.com")
    })
    .await;
    wait_until("the outbox is empty", async || {
        let waiting: Result<u64, countersign::store::StoreError> =
            server.issuer.store.read(|tx| tx.mails_waiting()).await;
        waiting.unwrap() == 0
    })
    .await;
    let to_anna = || server.emails().iter().filter(|mail| mail.header("To") == "anna@example.com").count();
    assert_eq!(to_anna(), 3);
    // The third code is still valid.
    let code = server.emails().iter().rfind(|mail| mail.header("To") == "anna@example.com").unwrap().code().to_owned();
    server.post("/reset_password", &json!({"reset_code": code})).await.is(200);
    server.clock.advance(Duration::from_hours(1));
    request_reset("anna").await;
    wait_until("a fourth e-mail is sent", async || to_anna() == 4).await;
}

#[tokio::test]
async fn reset_emails_and_registrations_are_limited_per_caller() {
    let server = TestServer::with_anna().await;
    let reset = json!({"email": "nobody@example.com"});
    for _ in 0..30 {
        server.post_from(ATTACKER, "/request_password_reset", &reset).await.is(200);
    }
    assert_throttled(&server.post_from(ATTACKER, "/request_password_reset", &reset).await, 3600);
    server.post_from(HOME, "/request_password_reset", &reset).await.is(200);

    let server = TestServer::with("throttle.register_per_caller = '2/1m'").await;
    let register = async |from: &str, name: &str| {
        let body = json!({"username": name, "password": PASSWORD, "email": format!("{name}@example.com")});
        server.post_from(from, "/register", &body).await
    };
    register(ATTACKER, "a").await.is(200);
    register(ATTACKER, "b").await.is(200);
    assert_throttled(&register(ATTACKER, "c").await, 60);
    register(HOME, "c").await.is(200);
    assert_eq!(countersign::domain::limit::Limit::RegisterCaller.default_rate().to_string(), "60/1m");
}

#[tokio::test]
async fn a_disabled_throttle_limits_no_caller() {
    let server = TestServer::with("throttle.enabled = false").await;
    server.register("anna").await;
    for _ in 0..15 {
        sign_in(&server, ATTACKER, "anna", "wrong").await.is(401);
    }
}
