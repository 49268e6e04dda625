//! The dialect `rest_jwt`: the documented requests and responses.
#![expect(clippy::unwrap_used, reason = "tests")]

mod page;
mod requests;
mod restore;
mod tokens;

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{PASSWORD, TestServer, wait_until};

/// The default lifetime of a reset link.
const TIMEOUT: Duration = Duration::from_mins(15);
const NEW_PASSWORD: &str = "staple battery horse";

/// A server with the user `anna@example.com`.
async fn with_anna(settings: &str) -> TestServer {
    let server = TestServer::with(settings).await;
    let body = json!({"username": "anna", "password": PASSWORD, "email": "anna@example.com"});
    server.post("/signup", &body).await.is(200);
    server
}

/// Signs in and returns an access token of this dialect.
async fn sign_in(server: &TestServer, name: &str, password: &str) -> String {
    let response = server.post("/signin", &json!({"username": name, "password": password})).await;
    response.is(200).json()["token"].as_str().unwrap().to_owned()
}

/// Requests a reset link for an address and returns the link from the e-mail.
async fn link_for(server: &TestServer, email: &str) -> String {
    let before = server.emails().len();
    server.post("/restore", &json!({"restoring_email": email})).await.is(200);
    wait_until("the e-mail is sent", async || server.emails().len() > before).await;
    let emails = server.emails();
    let source = &emails.last().unwrap().source;
    assert!(source.contains(&format!("\nTo: {email}\n")), "{source}");
    // Quoted-printable (RFC 2045 §6.7): a `=` at the end of a line is a soft line break, and `=3D` is a `=`.
    let text = source.replace("=\n", "").replace("=3D", "=");
    let mut links = text.lines().filter(|line| line.starts_with("http") && line.contains("restoring="));
    links.next().unwrap_or_else(|| panic!("no line with a link in\n{text}")).to_owned()
}

/// The token in a link.
fn token_of(link: &str) -> String {
    link.split_once("restoring=").unwrap().1.to_owned()
}

/// The payload of a token, without verification.
fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
