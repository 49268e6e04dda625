//! The dialect `rest_jwt`, from outside: each line of its table in the contract.
#![expect(clippy::unwrap_used, reason = "tests")]

mod page;
mod requests;
mod restore;
mod tokens;

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{PASSWORD, TestServer, settle};

/// How long a link is good for, unless the settings say otherwise.
const TIMEOUT: Duration = Duration::from_mins(15);
const NEW_PASSWORD: &str = "staple battery horse";

/// A server that has `anna@example.com`.
async fn with_anna(settings: &str) -> TestServer {
    let server = TestServer::with(settings).await;
    let body = json!({"username": "anna", "password": PASSWORD, "email": "anna@example.com"});
    server.post("/signup", &body).await.is(200);
    server
}

/// A token of this dialect.
async fn sign_in(server: &TestServer, name: &str, password: &str) -> String {
    let answer = server.post("/signin", &json!({"username": name, "password": password})).await;
    answer.is(200).json()["token"].as_str().unwrap().to_owned()
}

/// Asks for a link to an address and takes it from the mail.
async fn link_for(server: &TestServer, email: &str) -> String {
    let before = server.mails().len();
    server.post("/restore", &json!({"restoring_email": email})).await.is(200);
    settle("the mail", async || server.mails().len() > before).await;
    let mails = server.mails();
    let source = &mails.last().unwrap().source;
    assert!(source.contains(&format!("\nTo: {email}\n")), "{source}");
    // Quoted-printable (RFC 2045 §6.7): lines are broken by `=` at their end, and a `=` is `=3D`.
    let text = source.replace("=\n", "").replace("=3D", "=");
    let mut links = text.lines().filter(|line| line.starts_with("http") && line.contains("restoring="));
    links.next().unwrap_or_else(|| panic!("no link stands alone in\n{text}")).to_owned()
}

/// What a link carries.
fn token_of(link: &str) -> String {
    link.split_once("restoring=").unwrap().1.to_owned()
}

/// The payload of a token, unverified.
fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
