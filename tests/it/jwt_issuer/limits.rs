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
async fn a_name_has_ten_failed_sign_ins_and_then_one_a_minute() {
    let server = TestServer::with_anna().await;
    for number in 0..10_u8 {
        sign_in(&server, &format!("198.51.100.{number}"), "anna", "wrong").await.is(401);
    }
    for from in [ATTACKER, "198.51.100.67"] {
        assert_throttled(&sign_in(&server, from, "anna", "wrong").await, 60);
        assert_throttled(&sign_in(&server, from, "ANNA", PASSWORD).await, 60);
    }
    insta::assert_snapshot!(sign_in(&server, ATTACKER, "anna", "wrong").await.text, @r#"{"status":"ERROR","code":"too_many_tries","message":"too many attempts; retry after the time in Retry-After"}"#);
    server.clock.advance(Duration::from_mins(1));
    sign_in(&server, ATTACKER, "anna", "wrong").await.is(401);
    assert_throttled(&sign_in(&server, ATTACKER, "anna", "wrong").await, 60);
    server.clock.advance(Duration::from_mins(1));
    sign_in(&server, ATTACKER, "anna", PASSWORD).await.is(200);
}

/// The numbers are the same for the two names of one account, for names of two accounts and for names that no user has.
#[tokio::test]
async fn failed_sign_ins_do_not_reveal_which_names_belong_together() {
    for [first, second] in [
        ["anna", "anna@example.com"],
        ["anna@example.com", "anna"],
        ["anna", "ben@example.com"],
        ["nobody", "nobody@example.com"],
        ["nobody@example.com", "anna"],
    ] {
        let server = TestServer::with_anna().await;
        server.register("ben").await;
        let names = format!("{first} {second}");
        for number in 0..10_u8 {
            sign_in(&server, &format!("198.51.100.{number}"), first, "wrong").await.is(401);
        }
        assert_throttled(&sign_in(&server, ATTACKER, &first.to_uppercase(), "wrong").await, 60);
        for number in 10..20_u8 {
            let response = sign_in(&server, &format!("198.51.100.{number}"), second, "wrong").await;
            assert_eq!(response.status, 401, "{names}: {response:#?}");
        }
        assert_throttled(&sign_in(&server, ATTACKER, second, "wrong").await, 60);
        // Each name has one more attempt a minute, whether or not the other had one.
        server.clock.advance(Duration::from_mins(1));
        for name in [first, second] {
            assert_eq!(sign_in(&server, ATTACKER, name, "wrong").await.status, 401, "{names}: {name}");
            assert_throttled(&sign_in(&server, ATTACKER, name, "wrong").await, 60);
        }
    }
}

#[tokio::test]
async fn an_account_has_twenty_failed_sign_ins_by_all_its_names() {
    let server = TestServer::with("throttle.sign_in_per_name = '15/5m'").await;
    server.register("anna").await;
    for name in ["anna", "anna@example.com"] {
        for _ in 0..10 {
            sign_in(&server, ATTACKER, name, "wrong").await.is(401);
        }
    }
    for name in ["anna", "anna@example.com"] {
        assert_throttled(&sign_in(&server, ATTACKER, name, PASSWORD).await, 60);
    }
}

#[tokio::test]
async fn changes_of_names_and_addresses_are_limited_and_refused_ones_count() {
    let server = TestServer::with_anna().await;
    server.register("ben").await;
    let login = server.post("/api/login/", &json!({"email": "anna", "password": PASSWORD})).await.is(200).json();
    let access = login["access_token"].as_str().unwrap().to_owned();
    let jwt = server.token("anna").await;
    let me = async |method: &str, body: &serde_json::Value| {
        let request = server.request(method.parse().unwrap(), "/api/me/").bearer_auth(&access).json(body);
        ServerResponse::send(request).await
    };
    for number in 0..3 {
        let taken = json!({"username": format!("candidate{number}"), "email": "ben@example.com"});
        me("PATCH", &taken).await.is(400);
        me("PUT", &json!({"username": "ben"})).await.is(400);
        server.post_as(&jwt, "/update_profile", &json!({"email": "ben@example.com"})).await.is(409);
    }
    me("PATCH", &json!({"username": "anna other"})).await.is(200);
    for (method, body) in [
        ("PATCH", json!({"username": "ben"})),
        ("PUT", json!({"email": "ben@example.com"})),
        ("PATCH", json!({"username": "anna third"})),
    ] {
        assert_eq!(me(method, &body).await.is(429).header("retry-after"), "300");
    }
    assert_throttled(&server.post_as(&jwt, "/update_profile", &json!({"email": "ben@example.com"})).await, 300);
    // The limit is the account's: another user is not affected, and neither is a change of the password.
    let ben = server.token("ben").await;
    server.post_as(&ben, "/update_profile", &json!({"email": "anna@example.com"})).await.is(409);
    server.post_as(&jwt, "/update_profile", &json!({"password": "another valid password"})).await.is(200);
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
