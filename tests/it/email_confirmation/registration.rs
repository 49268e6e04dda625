//! `registration.verify_email`: the confirmation of the address of a registration, in every dialect.

use std::time::Duration;

use countersign::domain::user::{Email, Username};
use countersign::issuer::register::Register;
use reqwest::Method;
use serde_json::{Value, json};

use super::{address, confirm, link, links, me, request};
use crate::support::{PASSWORD, ServerResponse, TestServer};

/// The registrations: path, body for a name and its address, and status.
fn registrations(name: &str) -> [(&'static str, Value, u16); 4] {
    let email = format!("{name}@example.com");
    [
        ("/register", json!({"username": name, "password": PASSWORD, "email": email}), 200),
        ("/signup", json!({"username": name, "password": PASSWORD, "email": email}), 200),
        ("/signup", json!({"email_as_name": true, "password": PASSWORD, "email": email}), 200),
        ("/api/register/", json!({"password": PASSWORD, "email": email}), 201),
    ]
}

/// The sign-ins with a password: path, and the name of the field with the login.
const SIGN_INS: [(&str, &str); 5] = [
    ("/auth", "username"),
    ("/signin", "username"),
    ("/api/login/", "email"),
    ("/api/token/", "username"),
    ("/api/token/sliding/", "username"),
];

async fn sign_in(server: &TestServer, (path, field): (&str, &str), password: &str) -> ServerResponse {
    server.post(path, &json!({field: "anna@example.com", "password": password})).await
}

#[tokio::test]
async fn registrations_send_no_e_mail_by_default() {
    let server = TestServer::with_anna().await;
    server.set("registration.verify_email", "send").await;
    server.register("ben").await;
    link(&server, "ben@example.com", 1).await;
    assert_eq!(links(&server, "anna@example.com").len(), 0);
    // Accounts from before are not affected.
    server.set("registration.verify_email", "require").await;
    server.token("anna").await;
}

#[tokio::test]
async fn every_registration_sends_a_confirmation_and_sign_in_works_meanwhile() {
    for (path, body, status) in registrations("anna") {
        let server = TestServer::start().await;
        server.set("registration.verify_email", "send").await;
        server.post(path, &body).await.is(status);
        for sign_in_route in SIGN_INS {
            sign_in(&server, sign_in_route, PASSWORD).await.is(200);
        }
        let link = link(&server, "anna@example.com", 1).await;
        assert!(!address(&server, "anna@example.com").await.1);
        confirm(&server, &link).await.is(200);
        assert!(address(&server, "anna@example.com").await.1);
        confirm(&server, &link).await.is(400);
    }
}

#[tokio::test]
async fn every_sign_in_is_refused_until_the_confirmation_if_it_is_required() {
    for (path, body, status) in registrations("anna") {
        let server = TestServer::start().await;
        server.set("registration.verify_email", "require").await;
        server.post(path, &body).await.is(status);
        let unknown = server.post("/auth", &json!({"username": "nobody@example.com", "password": "wrong"})).await;
        for route in SIGN_INS {
            let refused = sign_in(&server, route, PASSWORD).await;
            assert!(refused.is(403).text.to_lowercase().contains("confirm your e"), "{refused:#?}");
            sign_in(&server, route, "wrong").await.is(401);
        }
        assert_eq!(sign_in(&server, SIGN_INS[0], "wrong").await.bytes(), unknown.bytes());
        confirm(&server, &link(&server, "anna@example.com", 1).await).await.is(200);
        for route in SIGN_INS {
            sign_in(&server, route, PASSWORD).await.is(200);
        }
    }
}

#[tokio::test]
async fn a_refused_sign_in_has_the_error_format_of_its_dialect() {
    let server = TestServer::start().await;
    server.set("registration.verify_email", "require").await;
    server.register("anna").await;
    let mut shown = Vec::new();
    for route in SIGN_INS {
        shown.push(format!("{} {}", route.0, sign_in(&server, route, PASSWORD).await.text));
    }
    insta::assert_snapshot!(shown.join("\n"), @r#"
    /auth {"status":"ERROR","code":"email_not_confirmed","message":"confirm your e-mail address first, with the link that was sent to it; for another link, sign in again in 5 minutes"}
    /signin {"status":403,"error":{"message":"confirm your e-mail address first, with the link that was sent to it; for another link, sign in again in 5 minutes"}}
    /api/login/ {"detail":"Confirm your email address first, with the link that was sent to it. For another link, sign in again in 5 minutes."}
    /api/token/ {"detail":"Confirm your email address first, with the link that was sent to it. For another link, sign in again in 5 minutes.","code":"email_not_confirmed"}
    /api/token/sliding/ {"detail":"Confirm your email address first, with the link that was sent to it. For another link, sign in again in 5 minutes.","code":"email_not_confirmed"}
    "#);
}

#[tokio::test]
async fn a_refused_sign_in_sends_another_e_mail_after_five_minutes() {
    let server = TestServer::start().await;
    server.set("registration.verify_email", "require").await;
    server.register("anna").await;
    let first = link(&server, "anna@example.com", 1).await;
    let attempt = async || sign_in(&server, SIGN_INS[0], PASSWORD).await.refuses(403, "email_not_confirmed").status;
    attempt().await;
    server.clock.advance(Duration::from_secs(299));
    attempt().await;
    server.clock.advance(Duration::from_secs(1));
    sign_in(&server, SIGN_INS[0], "wrong").await.is(401);
    attempt().await;
    attempt().await;
    let second = link(&server, "anna@example.com", 2).await;
    confirm(&server, &first).await.is(400);
    // A day later the link has expired, and the next sign-in sends another.
    server.clock.advance(Duration::from_hours(24));
    confirm(&server, &second).await.is(400);
    attempt().await;
    confirm(&server, &link(&server, "anna@example.com", 3).await).await.is(200);
    server.token("anna").await;
}

#[tokio::test]
async fn concurrent_refused_sign_ins_send_one_e_mail() {
    let server = TestServer::start().await;
    server.set("registration.verify_email", "require").await;
    server.register("anna").await;
    server.clock.advance(Duration::from_mins(5));
    let attempt = || sign_in(&server, SIGN_INS[0], PASSWORD);
    let (one, two, three) = tokio::join!(attempt(), attempt(), attempt());
    assert_eq!([one, two, three].map(|refused| refused.status), [403; 3]);
    link(&server, "anna@example.com", 2).await;
}

#[tokio::test]
async fn a_reset_by_e_mail_confirms_the_address() {
    let server = TestServer::start().await;
    server.set("registration.verify_email", "require").await;
    server.register("anna").await;
    let registration = link(&server, "anna@example.com", 1).await;
    server.post("/request_password_reset", &json!({"email": "anna@example.com"})).await.is(200);
    let code = || server.emails().iter().find(|mail| mail.source.contains("code")).map(|mail| mail.code().to_owned());
    crate::support::wait_until("the code is sent", async || code().is_some()).await;
    let body = json!({"reset_code": code().unwrap(), "new_password": "another battery horse"});
    server.post("/reset_password", &body).await.is(200);
    server.token_by("anna", "another battery horse").await;
    confirm(&server, &registration).await.is(400);
}

#[tokio::test]
async fn the_setting_applies_at_sign_in() {
    let server = TestServer::start().await;
    server.set("registration.verify_email", "send").await;
    server.register("anna").await;
    let token = server.token("anna").await;
    server.set("registration.verify_email", "require").await;
    sign_in(&server, SIGN_INS[0], PASSWORD).await.refuses(403, "email_not_confirmed");
    assert!(server.accepts(&token).await, "open sessions stay open");
    server.set("registration.verify_email", "off").await;
    server.token("anna").await;
}

/// A user who mistyped the address confirms another one.
#[tokio::test]
async fn another_address_confirms_the_account_too() {
    let server = TestServer::start().await;
    server.set("registration.verify_email", "send").await;
    server.register("anna").await;
    request(&server, "anna", "anna@example.org").await.is(200);
    link(&server, "anna@example.org", 1).await;
    server.set("registration.verify_email", "require").await;
    server.clock.advance(Duration::from_mins(5));
    sign_in(&server, SIGN_INS[0], PASSWORD).await.is(403);
    confirm(&server, &link(&server, "anna@example.org", 2).await).await.is(200);
    assert_eq!(address(&server, "anna").await, ("anna@example.org".to_owned(), true));
    server.token("anna").await;
}

#[tokio::test]
async fn a_request_for_the_unconfirmed_address_sends_another_e_mail() {
    let server = TestServer::start().await;
    server.set("registration.verify_email", "send").await;
    server.register("anna").await;
    server.clock.advance(Duration::from_mins(5));
    for _ in 0..5 {
        // A client sends the whole profile with every change.
        let body = json!({"username": "anna", "email": "anna@example.com"});
        me(&server, Method::PUT, "anna", &body).await.is(200);
    }
    confirm(&server, &link(&server, "anna@example.com", 2).await).await.is(200);
}

#[tokio::test]
async fn users_whom_operators_create_are_not_blocked() {
    let server = TestServer::start().await;
    server.set("registration.verify_email", "require").await;
    let request = Register {
        username: Username::parse("anna").unwrap(),
        password: countersign::domain::password::Password::new(PASSWORD.to_owned()),
        email: Some(Email::parse("anna@example.com").unwrap()),
        from: None,
        is_superuser: false,
    };
    request.run(&server.issuer).await.unwrap();
    server.token("anna").await;
    assert_eq!(links(&server, "anna@example.com").len(), 0);
}

#[tokio::test]
async fn registrations_count_towards_the_callers_limit_of_e_mails() {
    let server = TestServer::with("throttle.reset_mail_per_caller = '1/1h'").await;
    server.set("registration.verify_email", "require").await;
    server.register("anna").await;
    server.register("ben").await;
    link(&server, "anna@example.com", 1).await;
    assert_eq!(links(&server, "ben@example.com").len(), 0);
    server.post("/auth", &json!({"username": "ben", "password": PASSWORD})).await.is(403);
    server.clock.advance(Duration::from_hours(1));
    server.post("/auth", &json!({"username": "ben", "password": PASSWORD})).await.is(403);
    confirm(&server, &link(&server, "ben@example.com", 1).await).await.is(200);
    server.token("ben").await;
}
