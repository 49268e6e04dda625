//! A faulty mail server behind a complete Countersign server: no request waits for it, and each accepted e-mail arrives
//! exactly once after the mail server has recovered.

use std::path::Path;
use std::time::Duration;

use countersign::clock::Clock;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::server::MailServer;
use crate::support::binary::TestFolder;
use crate::support::mail::Mail;
use crate::support::{PASSWORD, ServerResponse, TestServer, wait_until};

/// The options of `tests/smtp/server.py` that cause a fault. `None`: no server listens on the port.
const FAULTS: [Option<&[&str]>; 6] = [
    None,
    Some(&["--slow", "3600"]),
    Some(&["--refuse-first", "1000"]),
    Some(&["--reject"]),
    Some(&["--nonsense"]),
    Some(&["--drop"]),
];

/// Much longer than any response takes, and shorter than the 30 s that a request would wait for the mail server.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A mail server with a fault, and its port. `None` if no mail server can run here.
fn faulty_server(fault: Option<&[&str]>) -> Option<(u16, Option<MailServer>)> {
    let server = MailServer::start(fault.unwrap_or_default())?;
    let port = server.port;
    Some((port, fault.is_some().then_some(server)))
}

fn settings(port: u16) -> String {
    format!("email = {{ host = '127.0.0.1', port = {port}, security = 'none' }}")
}

/// A new user registers, signs in, and requests a link and then a code, which replaces it. Each response is the same as
/// with a working mail server.
async fn send_requests(name: &str, request_json: impl AsyncFn(&str, Value) -> ServerResponse) {
    let email = format!("{name}@example.com");
    for (path, body) in [
        ("/register", json!({"username": name, "password": PASSWORD, "email": email})),
        ("/auth", json!({"username": name, "password": PASSWORD})),
        ("/restore", json!({"restoring_email": email})),
        ("/request_password_reset", json!({"email": email})),
        ("/api/token/", json!({"username": name, "password": PASSWORD})),
    ] {
        let response = tokio::time::timeout(AT_ONCE, request_json(path, body)).await;
        response.unwrap_or_else(|_| panic!("{path} waits for the mail server")).is(200);
    }
}

/// The number of e-mails in the outbox with this SQL condition.
fn count(database: &Path, property: &str) -> i64 {
    let connection = Connection::open(database).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM outbox WHERE {property}"), [], |row| row.get(0)).unwrap()
}

/// Asserts that the mail server accepted exactly one code and one link for each name. Returns the codes, sorted by
/// name.
async fn accepted_mails(server: MailServer, database: &Path, names: &[&str]) -> Vec<String> {
    let mut expected = Vec::new();
    let mut codes = Vec::new();
    let mut received = Vec::new();
    for _ in 0..2 * names.len() {
        let message = server.next();
        let source = message["data"].as_str().unwrap().replace("\r\n", "\n");
        let kind = if source.contains("/restore?restoring=") { "link" } else { "code" };
        let to = message["to"][0].as_str().unwrap().to_owned();
        if kind == "code" {
            codes.push((to.clone(), Mail { source }.code().to_owned()));
        }
        received.push((to, kind));
    }
    wait_until("all e-mails are marked as sent", async || count(database, "sent_at IS NULL") == 0).await;
    assert_eq!(server.stop(), [Value::Null; 0], "an e-mail was sent twice");
    for name in names {
        expected.extend(["code", "link"].map(|kind| (format!("{name}@example.com"), kind)));
    }
    received.sort();
    expected.sort();
    assert_eq!(received, expected);
    codes.sort();
    codes.into_iter().map(|(_, code)| code).collect()
}

async fn assert_binary_survives(fault: Option<&[&str]>) {
    let Some((port, mut server)) = faulty_server(fault) else { return };
    let folder = TestFolder::new();
    folder.configure(&settings(port));
    let binary = folder.serve().await;
    let request_json = async |path: &str, body: Value| binary.post(path, None, &body).await;
    let database = folder.path("data/countersign.db");
    send_requests("anna", request_json).await;
    // After this, the outbox job has claimed an e-mail.
    wait_until("an e-mail is claimed", async || count(&database, "due_at > created_at") > 0).await;
    send_requests("bert", request_json).await;
    server.take();
    wait_until("every e-mail has been attempted", async || count(&database, "attempts = 0") == 0).await;
    send_requests("cleo", request_json).await;
    let server = MailServer::start(&["--port", &port.to_string()]).unwrap();
    wait_until("every e-mail is sent", async || {
        // Makes e-mails due that are due within one minute. An e-mail that is being sent stays claimed for two minutes.
        let make_due = "UPDATE outbox SET due_at = ?1 WHERE due_at > ?1 AND due_at <= ?1 + 60";
        let connection = Connection::open(&database).unwrap();
        connection.busy_timeout(AT_ONCE).unwrap();
        connection.execute(make_due, [Clock::system().now().unix()]).unwrap();
        count(&database, "sent_at IS NULL") == 0
    })
    .await;
    let codes = accepted_mails(server, &database, &["anna", "bert", "cleo"]).await;
    for code in codes {
        binary.post("/reset_password", None, &json!({"reset_code": code})).await.is(200);
    }
}

async fn assert_schedule_survives(fault: Option<&[&str]>) {
    let Some((port, mut server)) = faulty_server(fault) else { return };
    let countersign = TestServer::with(&settings(port)).await;
    let request_json = async |path: &str, body: Value| countersign.post(path, &body).await;
    let database = countersign.path("data/countersign.db");
    send_requests("anna", request_json).await;
    wait_until("an e-mail is claimed", async || count(&database, "due_at > created_at") > 0).await;
    send_requests("bert", request_json).await;
    server.take();
    wait_until("every e-mail has been attempted", async || count(&database, "attempts = 0") == 0).await;
    let server = MailServer::start(&["--port", &port.to_string()]).unwrap();
    countersign.clock.advance(Duration::from_secs(30));
    accepted_mails(server, &database, &["anna", "bert"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_and_links_are_not_delivered_after_they_expired() {
    for (path, body) in [
        ("/request_password_reset", json!({"email": "anna@example.com"})),
        ("/restore", json!({"restoring_email": "anna@example.com"})),
    ] {
        let Some(server) = MailServer::start(&["--refuse-first", "1"]) else { return };
        let countersign = TestServer::with(&settings(server.port)).await;
        countersign.set("passwords.reset_timeout", "10").await;
        countersign.register("anna").await;
        countersign.post(path, &body).await.is(200);
        let database = countersign.path("data/countersign.db");
        wait_until("the first attempt failed", async || count(&database, "attempts = 1") == 1).await;
        countersign.clock.advance(Duration::from_secs(9));
        assert_eq!(count(&database, "due_at IS NOT NULL"), 1);
        countersign.clock.advance(Duration::from_secs(1));
        wait_until("the e-mail expired", async || count(&database, "expired = 1 AND sealed IS NULL") == 1).await;
        countersign.clock.advance(Duration::from_mins(3));
        assert_eq!(server.stop(), [Value::Null; 0], "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_server_failures_delay_no_request_and_lose_no_email_slow() {
    for fault in FAULTS {
        assert_binary_survives(fault).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_email_is_retried_on_schedule_slow() {
    for fault in FAULTS {
        assert_schedule_survives(fault).await;
    }
}
