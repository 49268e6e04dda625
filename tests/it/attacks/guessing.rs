//! Guessing: values that differ slightly from valid secrets, concurrent attempts, and spoofed client addresses.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{PASSWORD, ServerResponse, TestServer, wait_until};

/// Starts a server without rate limits, because they would reject the guesses before the values are compared.
async fn unlimited() -> TestServer {
    let server = TestServer::with("throttle.enabled = false").await;
    server.register("anna").await;
    server
}

async fn uuid(server: &TestServer) -> String {
    let response = server.post("/api/login/", &json!({"email": "anna@example.com", "password": PASSWORD})).await;
    response.is(200).json()["refresh_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_modified_refresh_token_is_rejected() {
    let server = unlimited().await;
    let valid = uuid(&server).await;
    let bits = Uuid::try_parse(&valid).unwrap().as_u128();
    for bit in 0..128 {
        let token = Uuid::from_u128(bits ^ (1 << bit)).to_string();
        for path in ["/api/refresh/", "/api/logout/"] {
            server.post(path, &json!({"refresh_token": token})).await.is(401);
        }
    }
    server.post("/api/refresh/", &json!({"refresh_token": valid})).await.is(200);
}

#[tokio::test]
async fn a_long_spent_refresh_token_ends_only_its_session() {
    let server = unlimited().await;
    let stolen = uuid(&server).await;
    let other = uuid(&server).await;
    let refresh = async |token: &str| server.post("/api/refresh/", &json!({"refresh_token": token})).await;
    let second = refresh(&stolen).await.is(200).json()["refresh_token"].as_str().unwrap().to_owned();
    let third = refresh(&second).await.is(200).json()["refresh_token"].as_str().unwrap().to_owned();
    server.clock.advance(Duration::from_mins(1));
    refresh(&stolen).await.is(401);
    refresh(&third).await.is(401);
    refresh(&other).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_refreshes_get_the_same_successor() {
    let server = unlimited().await;
    let valid = uuid(&server).await;
    let requests: Vec<_> = (0..3)
        .map(|_| tokio::spawn(ServerResponse::send(server.posting("/api/refresh/", &json!({"refresh_token": valid})))))
        .collect();
    let mut successors = Vec::new();
    for response in requests {
        successors.push(response.await.unwrap().is(200).json()["refresh_token"].clone());
    }
    successors.dedup();
    assert_eq!(successors.len(), 1, "{successors:?}");
}

#[tokio::test]
async fn a_modified_reset_code_is_rejected() {
    let server = unlimited().await;
    server.post("/request_password_reset", &json!({"email": "anna@example.com"})).await.is(200);
    wait_until("an e-mail is sent", async || server.emails().len() == 1).await;
    let code = server.emails()[0].code().to_owned();
    for at in (0..code.len()).filter(|at| code.as_bytes()[*at] != b'-') {
        for other in ["0", "7", "Z"].into_iter().filter(|other| &code[at..=at] != *other) {
            let guess = format!("{}{other}{}", &code[..at], &code[at + 1..]);
            server.post("/reset_password", &json!({"reset_code": guess})).await.is(400);
        }
    }
    for invalid in
        [json!(""), json!(7), json!([code]), json!(null), json!(format!("{code}0")), json!(code[1..]), json!("%")]
    {
        server.post("/reset_password", &json!({"reset_code": invalid})).await.is(400);
    }
    server.post("/reset_password", &json!({"reset_code": code})).await.is(200);
    server.post("/reset_password", &json!({"reset_code": code})).await.is(400);
}

#[tokio::test]
async fn a_modified_reset_link_is_rejected() {
    let server = unlimited().await;
    server.post("/restore", &json!({"restoring_email": "anna@example.com"})).await.is(200);
    wait_until("an e-mail is sent", async || server.emails().len() == 1).await;
    let source = server.emails()[0].source.replace("=\n", "").replace("=3D", "=");
    let token = source.split("restoring=").nth(1).unwrap();
    let token: String = token.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    let redeem = async |token: Value| {
        server.post("/restore", &json!({"restoring_token": token, "restoring_password": "another password"})).await
    };
    for at in 0..token.len() {
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        redeem(json!(format!("{}{other}{}", &token[..at], &token[at + 1..]))).await.is(400);
    }
    for invalid in
        [json!(""), json!(7), json!([token]), json!(format!("{token}=")), json!(format!("{token}A")), json!(token[1..])]
    {
        redeem(invalid).await.is(400);
    }
    redeem(json!(token)).await.is(200);
    redeem(json!(token)).await.is(400);
}

#[tokio::test]
async fn untrusted_forwarded_headers_are_ignored() {
    let server = TestServer::exactly("throttle.sign_in_per_caller = '3/5m'").await;
    let names = [
        "x-forwarded-for",
        "forwarded",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "x-original-forwarded-for",
        "via",
    ];
    let attempt = async |number: usize| {
        let body = json!({"username": format!("name{number}"), "password": "wrong"});
        let mut request = server.posting("/auth", &body);
        for name in names {
            let value =
                if name == "forwarded" { format!("for=203.0.113.{number}") } else { format!("203.0.113.{number}") };
            request = request.header(name, &value).header(name, format!("127.0.0.1, {value}"));
        }
        ServerResponse::send(request).await.status
    };
    let mut statuses = Vec::new();
    for number in 0..6 {
        statuses.push(attempt(number).await);
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429, 429]);
}
