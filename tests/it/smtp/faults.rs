//! A sick mail server before a whole server of ours: nobody waits for it, and every mail that was promised arrives, once,
//! when it is well again.

use std::path::Path;
use std::time::Duration;

use countersign::clock::Clock;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::server::MailServer;
use crate::support::binary::TestFolder;
use crate::support::mail::Mail;
use crate::support::{PASSWORD, ServerResponse, TestServer, settle};

/// What a mail server may suffer from; none: it is not there.
const FAULTS: [Option<&[&str]>; 6] = [
    None,
    Some(&["--slow", "3600"]),
    Some(&["--refuse-first", "1000"]),
    Some(&["--reject"]),
    Some(&["--nonsense"]),
    Some(&["--drop"]),
];

/// Whoever waited for the mail server would wait for half a minute; this is much longer than any answer takes.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A mail server with a fault, and its port; None where none can be started here.
fn faulty_server(fault: Option<&[&str]>) -> Option<(u16, Option<MailServer>)> {
    let server = MailServer::start(fault.unwrap_or_default())?;
    let port = server.port;
    Some((port, fault.is_some().then_some(server)))
}

fn settings(port: u16) -> String {
    format!("email = {{ host = '127.0.0.1', port = {port}, security = 'none' }}")
}

/// A new user registers, signs in, and asks for a link and for a code, which replaces it. Each is answered as if the mail server were well.
async fn round(name: &str, ask: impl AsyncFn(&str, Value) -> ServerResponse) {
    let email = format!("{name}@example.com");
    for (path, body) in [
        ("/register", json!({"username": name, "password": PASSWORD, "email": email})),
        ("/auth", json!({"username": name, "password": PASSWORD})),
        ("/restore", json!({"restoring_email": email})),
        ("/request_password_reset", json!({"email": email})),
        ("/api/token/", json!({"username": name, "password": PASSWORD})),
    ] {
        let answer = tokio::time::timeout(AT_ONCE, ask(path, body)).await;
        answer.unwrap_or_else(|_| panic!("{path} waits for the mail server")).is(200);
    }
}

/// How many mails have `property`, in SQL.
fn count(database: &Path, property: &str) -> i64 {
    let connection = Connection::open(database).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM outbox WHERE {property}"), [], |row| row.get(0)).unwrap()
}

/// What the mail server accepted, which must be one code and one link for each name. The codes, in the names' order.
async fn accepted_mails(server: MailServer, database: &Path, names: &[&str]) -> Vec<String> {
    let mut expected = Vec::new();
    let mut codes = Vec::new();
    let mut got = Vec::new();
    for _ in 0..2 * names.len() {
        let message = server.next();
        let source = message["data"].as_str().unwrap().replace("\r\n", "\n");
        let kind = if source.contains("/restore?restoring=") { "link" } else { "code" };
        let to = message["to"][0].as_str().unwrap().to_owned();
        if kind == "code" {
            codes.push((to.clone(), Mail { source }.code().to_owned()));
        }
        got.push((to, kind));
    }
    settle("the note that they are sent", async || count(database, "sent_at IS NULL") == 0).await;
    assert_eq!(server.stop(), [Value::Null; 0], "a mail went out twice");
    for name in names {
        expected.extend(["code", "link"].map(|kind| (format!("{name}@example.com"), kind)));
    }
    got.sort();
    expected.sort();
    assert_eq!(got, expected);
    codes.sort();
    codes.into_iter().map(|(_, code)| code).collect()
}

async fn assert_binary_survives(fault: Option<&[&str]>) {
    let Some((port, mut server)) = faulty_server(fault) else { return };
    let folder = TestFolder::new();
    folder.configure(&settings(port));
    let binary = folder.serve().await;
    let ask = async |path: &str, body: Value| binary.post(path, None, &body).await;
    let database = folder.path("data/countersign.db");
    round("anna", ask).await;
    // From then on the server has to do with it.
    settle("a mail to be taken up", async || count(&database, "due_at > created_at") > 0).await;
    round("bert", ask).await;
    server.take();
    settle("every mail to have been tried", async || count(&database, "attempts = 0") == 0).await;
    round("cleo", ask).await;
    let server = MailServer::start(&["--port", &port.to_string()]).unwrap();
    settle("every mail to be sent", async || {
        // What would come within the next minute comes now. A mail on its way is another's for two.
        let hastened = "UPDATE outbox SET due_at = ?1 WHERE due_at > ?1 AND due_at <= ?1 + 60";
        let connection = Connection::open(&database).unwrap();
        connection.busy_timeout(AT_ONCE).unwrap();
        connection.execute(hastened, [Clock::system().now().unix()]).unwrap();
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
    let ours = TestServer::with(&settings(port)).await;
    let ask = async |path: &str, body: Value| ours.post(path, &body).await;
    let database = ours.path("data/countersign.db");
    round("anna", ask).await;
    settle("a mail to be taken up", async || count(&database, "due_at > created_at") > 0).await;
    round("bert", ask).await;
    server.take();
    settle("every mail to have been tried", async || count(&database, "attempts = 0") == 0).await;
    let server = MailServer::start(&["--port", &port.to_string()]).unwrap();
    ours.clock.advance(Duration::from_secs(30));
    accepted_mails(server, &database, &["anna", "bert"]).await;
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
