//! Password reset with a link: the e-mail, the link in it, and the effects of the link.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::{NEW_PASSWORD, PASSWORD, TIMEOUT, TestServer, link_for, sign_in, token_of, with_anna};

fn redeem_body(token: &str) -> serde_json::Value {
    json!({"restoring_token": token, "restoring_password": NEW_PASSWORD})
}

#[tokio::test]
async fn a_link_sets_the_password_once_and_ends_every_session() {
    let server = with_anna("").await;
    let before = sign_in(&server, "anna", PASSWORD).await;
    let link = link_for(&server, "anna@example.com").await;
    assert!(link.starts_with(&format!("{}/restore?restoring=", server.url)), "{link}");
    let path = link.strip_prefix(&server.url).unwrap();
    // An e-mail scanner requests the link before the user does.
    server.get(path).await.is(200);
    server.get(path).await.is(200);

    let done = server.post("/restore", &redeem_body(&token_of(&link))).await;
    assert_eq!(done.is(200).json(), json!({"message": "the new password is set", "status": 200}));
    server.post("/validation", &json!({"token": before})).await.is(401);
    server.post("/signin", &json!({"username": "anna", "password": PASSWORD})).await.is(401);
    sign_in(&server, "anna", NEW_PASSWORD).await;

    let again = server.post("/restore", &redeem_body(&token_of(&link))).await;
    let message = again.is(400).json()["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(message, "the link is invalid, already used or expired; request a new one");
}

#[tokio::test]
async fn the_original_field_names_and_a_trailing_slash_are_accepted() {
    let server = with_anna("").await;
    let link = link_for(&server, "anna@example.com").await;
    let body = json!({"token": token_of(&link), "new_password": NEW_PASSWORD});
    server.post("/restore/", &body).await.is(200);
    sign_in(&server, "anna", NEW_PASSWORD).await;
}

#[tokio::test]
async fn a_rejected_password_leaves_the_link_valid() {
    let server = with_anna("").await;
    let token = token_of(&link_for(&server, "anna@example.com").await);
    let short = json!({"restoring_token": token, "restoring_password": "short"});
    let body = server.post("/restore", &short).await.is(400).json();
    assert_eq!(body["error"]["message"], "restoring_password must have at least 8 bytes");
    server.post("/restore", &redeem_body(&token)).await.is(200);
}

#[tokio::test]
async fn a_link_expires_after_the_configured_time() {
    for (elapsed, status) in [(TIMEOUT.saturating_sub(Duration::from_secs(1)), 200), (TIMEOUT, 400)] {
        let server = with_anna("").await;
        let link = link_for(&server, "anna@example.com").await;
        server.clock.advance(elapsed);
        server.post("/restore", &redeem_body(&token_of(&link))).await.is(status);
    }
}

#[tokio::test]
async fn a_newer_link_or_code_replaces_a_link() {
    let server = with_anna("").await;
    let old = token_of(&link_for(&server, "anna@example.com").await);
    let new = token_of(&link_for(&server, "anna@example.com").await);
    assert_ne!(old, new);
    server.post("/restore", &redeem_body(&old)).await.is(400);
    server.post("/request_password_reset", &json!({"email": "anna@example.com"})).await.is(200);
    server.post("/restore", &redeem_body(&new)).await.is(400);
}

#[tokio::test]
async fn links_and_codes_are_not_interchangeable() {
    let server = with_anna("").await;
    let token = token_of(&link_for(&server, "anna@example.com").await);
    server.post("/reset_password", &json!({"reset_code": token})).await.is(400);
    server.post("/restore", &redeem_body(&token)).await.is(200);

    server.post("/request_password_reset", &json!({"email": "anna@example.com"})).await.is(200);
    super::wait_until("the e-mail with a code is sent", async || server.emails().len() == 2).await;
    let code = server.emails()[1].code().to_owned();
    server.post("/restore", &redeem_body(&code)).await.is(400);
    server.post("/reset_password", &json!({"reset_code": code})).await.is(200);
}

#[tokio::test]
async fn the_response_does_not_reveal_whether_an_address_is_known() {
    let server = with_anna("").await;
    let request_link = async |email: &str| server.post("/restore", &json!({"restoring_email": email})).await;
    let unknown = request_link("nobody@example.com").await;
    let known = request_link("Anna@Example.com").await;
    assert_eq!(unknown.is(200).bytes(), known.bytes());
    super::wait_until("the e-mail is sent", async || !server.emails().is_empty()).await;
    // The e-mail goes to the stored address, not to the spelling in the request.
    assert_eq!((server.emails().len(), server.emails()[0].header("To")), (1, "anna@example.com"));
    // After three e-mails within an hour, the response is the same, but no e-mail is sent.
    for _ in 0..5 {
        assert_eq!(request_link("anna@example.com").await.bytes(), known.bytes());
    }
    super::wait_until("the third e-mail is sent", async || server.emails().len() == 3).await;
    assert_link_sent_later(&server).await;
}

/// Asserts that one hour later exactly one more e-mail with a link is sent.
async fn assert_link_sent_later(server: &TestServer) {
    server.clock.advance(Duration::from_hours(1));
    link_for(server, "anna@example.com").await;
    assert_eq!(server.emails().len(), 4);
}

#[tokio::test]
async fn links_lead_to_the_configured_page() {
    for (page, start) in [
        ("https://app.example.com/new-password", "https://app.example.com/new-password?restoring="),
        ("https://app.example.com/?page=new", "https://app.example.com/?page=new&restoring="),
    ] {
        let server = with_anna(&format!("rest_jwt.restore_url = '{page}'")).await;
        let link = link_for(&server, "anna@example.com").await;
        assert!(link.starts_with(start), "{link}");
        server.post("/restore", &redeem_body(&token_of(&link))).await.is(200);
    }
}

#[tokio::test]
async fn a_caller_has_ten_wrong_reset_links() {
    let server = with_anna("").await;
    let valid = redeem_body(&token_of(&link_for(&server, "anna@example.com").await));
    let guess = async |body: &serde_json::Value| server.post_from("192.0.2.1", "/restore", body).await;
    for number in 0..10 {
        let wrong = if number % 2 == 0 { "B".repeat(42) + "A" } else { "x".to_owned() };
        guess(&redeem_body(&wrong)).await.is(400);
    }
    let refused = guess(&valid).await;
    assert_eq!(refused.is(429).header("retry-after"), "300");
    assert_eq!(refused.json(), json!({"status": 429, "error": {"message": "too many attempts; retry in 300 s"}}));
    server.post_from("192.0.2.2", "/restore", &valid).await.is(200);
}

/// A log writer that a test can read.
#[derive(Clone, Default)]
struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_contains_no_reset_link() {
    let log = LogBuffer::default();
    let level = tracing_subscriber::filter::LevelFilter::TRACE;
    let written = log.clone();
    // With only one subscriber, `tracing` caches whether a callsite is enabled. If the thread of another test reached
    // the callsite first, it would stay disabled for this test.
    let _another = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let subscriber =
        tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(move || written.clone()).finish();
    // The server runs on this test's only thread.
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = with_anna("").await;
    let link = link_for(&server, "anna@example.com").await;
    let token = token_of(&link);
    server.get(link.strip_prefix(&server.url).unwrap()).await.is(200);
    server.get(&format!("/restore?restoring={token}x")).await.is(400);
    server.get(&format!("/nowhere?restoring={token}")).await.is(404);
    server.post(&format!("/restore?restoring={token}"), &redeem_body("x")).await.is(400);
    server.post("/restore", &redeem_body(&token)).await.is(200);
    let log_text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for path in ["path=\"/restore\"", "path=\"/nowhere\""] {
        assert!(log_text.contains(path), "{path} is missing in {log_text}");
    }
    for secret in [token.as_str(), NEW_PASSWORD, PASSWORD] {
        assert!(!log_text.contains(secret), "{log_text}");
    }
}
