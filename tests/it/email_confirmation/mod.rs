//! The confirmation of e-mail addresses: of a new address that a user requests, and of the address of a registration.
#![expect(clippy::unwrap_used, reason = "tests")]

mod changes;
mod operators;
mod page;
mod registration;

use countersign::domain::user::{Email, User};
use countersign::issuer::users::find;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, ServerResponse, TestServer, wait_until};

/// The user with this name.
async fn user(server: &TestServer, name: &str) -> User {
    find(&server.issuer, name).await.unwrap().unwrap()
}

/// The address of a user, and whether it is verified.
async fn address(server: &TestServer, name: &str) -> (String, bool) {
    let user = user(server, name).await;
    (user.email.as_ref().map(Email::to_string).unwrap_or_default(), user.email_verified)
}

/// The confirmation links that were sent to an address, oldest first.
fn links(server: &TestServer, address: &str) -> Vec<String> {
    let emails = server.emails();
    let to_address = emails.iter().filter(|mail| mail.header("To") == address);
    to_address.filter_map(|mail| mail.link("confirming")).collect()
}

/// Waits until `count` confirmation links were sent to an address, and returns the newest.
async fn link(server: &TestServer, address: &str, count: usize) -> String {
    wait_until("the e-mail with the link is sent", async || links(server, address).len() >= count).await;
    let mut links = links(server, address);
    assert_eq!(links.len(), count, "{links:?}");
    links.pop().unwrap()
}

fn token_of(link: &str) -> &str {
    link.split_once("confirming=").unwrap().1
}

/// Action and actor of every audit line.
async fn audit_actors(server: &TestServer) -> Vec<(String, Option<String>)> {
    let lines: Result<_, countersign::store::StoreError> =
        server.issuer.store.read(|tx| tx.audit_lines(None, 1000)).await;
    lines.unwrap().into_iter().map(|line| (line.action, line.actor)).collect()
}

/// Sends the form of the page that a link opens, as a browser does.
async fn confirm(server: &TestServer, link: &str) -> ServerResponse {
    let kind = "application/x-www-form-urlencoded";
    let body = format!("confirming={}", token_of(link));
    ServerResponse::send(server.request(Method::POST, "/confirm-email").header("content-type", kind).body(body)).await
}

/// Requests another address in the dialect `jwt_issuer`, right after a sign-in.
async fn request(server: &TestServer, name: &str, address: &str) -> ServerResponse {
    let token = server.token(name).await;
    server.post_as(&token, "/update_profile", &json!({"email": address})).await
}

/// Signs in to `drf_pyjwt`, and sends a request to `/api/me/`.
async fn me(server: &TestServer, method: Method, login: &str, body: &Value) -> ServerResponse {
    let pair = server.post("/api/login/", &json!({"email": login, "password": PASSWORD})).await.is(200).json();
    let token = pair["access_token"].as_str().unwrap().to_owned();
    ServerResponse::send(server.request(method, "/api/me/").bearer_auth(token).json(body)).await
}
