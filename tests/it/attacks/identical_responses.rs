//! No status, header or body of a sign-in or a reset reveals whether a user exists. `scripts/bench/enumeration`
//! measures the response times. A registration has to report a name that is in use; it is rate-limited per caller.

use countersign::issuer::users::UserChange;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, ServerResponse, TestServer};

/// Sign-in routes and the name of their login field.
const SIGN_INS: [(&str, &str); 5] = [
    ("/auth", "username"),
    ("/signin", "username"),
    ("/api/login/", "email"),
    ("/api/token/", "username"),
    ("/api/token/sliding/", "username"),
];
/// Reset routes and the name of their address field.
const RESETS: [(&str, &str); 3] =
    [("/request_password_reset", "email"), ("/restore", "restoring_email"), ("/restore", "email")];

async fn server() -> TestServer {
    let server =
        TestServer::with("throttle.sign_in_per_account = '1000/5m'\nthrottle.sign_in_per_name = '1000/5m'").await;
    for name in ["anna", "ben"] {
        server.register(name).await;
    }
    server.change("ben", UserChange::Disable).await;
    server
}

#[tokio::test]
async fn sign_in_responses_do_not_reveal_users() {
    let server = server().await;
    for (path, field) in SIGN_INS {
        let login = |name: &str| if field == "email" { format!("{name}@example.com") } else { name.to_owned() };
        let sent = async |name: &str, password: &str| {
            server.post(path, &json!({field: login(name), "password": password})).await
        };
        let unknown = sent("nobody", "wrong password").await;
        unknown.is(401);
        let overlong = "x".repeat(2000);
        for (name, password) in [
            ("nobody", PASSWORD),
            ("nobody", ""),
            ("nobody", &overlong),
            ("anna", "wrong password"),
            ("anna", ""),
            ("anna", &overlong),
            ("anna", "correct horse battery "),
            ("ANNA", "wrong password"),
            ("ben", "wrong password"),
            ("ben", PASSWORD),
        ] {
            assert_eq!(sent(name, password).await.bytes(), unknown.bytes(), "{name} at {path}");
        }
        sent("anna", PASSWORD).await.is(200);
    }
}

#[tokio::test]
async fn reset_responses_do_not_reveal_users() {
    let server = server().await;
    for (path, field) in RESETS {
        let body = |name: &str| json!({field: format!("{name}@example.com")});
        let sent = async |body: &Value| server.post(path, body).await;
        let unknown = sent(&body("nobody")).await;
        unknown.is(200);
        for name in ["anna", "ben", "ANNA"] {
            assert_eq!(sent(&body(name)).await.bytes(), unknown.bytes(), "{name} at {path}");
        }
    }
    let page = async |name: &str| {
        let form = format!("restoring_email={name}%40example.com");
        let kind = "application/x-www-form-urlencoded";
        let request = server.request(Method::POST, "/restore").header("content-type", kind).body(form);
        let (status, headers, text) = ServerResponse::send(request).await.bytes();
        // The nonce in the page's policy differs in each response.
        let headers: Vec<_> = headers.into_iter().filter(|(name, _)| name != "content-security-policy").collect();
        (status, headers, without_nonces(&text))
    };
    assert_eq!(page("anna").await, page("nobody").await);
}

fn without_nonces(page: &str) -> String {
    let mut parts = page.split("nonce=\"");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once('"').map_or(part, |(_, rest)| rest))
}
