//! The page that a reset link opens.

use reqwest::Method;
use serde_json::json;

use super::{NEW_PASSWORD, PASSWORD, TestServer, link_for, sign_in, token_of, with_anna};
use crate::support::ServerResponse;

/// Submits a form as a browser does.
async fn submit(server: &TestServer, fields: &[(&str, &str)]) -> ServerResponse {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let kind = "application/x-www-form-urlencoded";
    // A browser sends this origin with a form on a page with `Referrer-Policy: no-referrer`.
    let request = server.request(Method::POST, "/restore").header("content-type", kind).header("origin", "null");
    ServerResponse::send(request.body(form)).await
}

/// Asserts that the response is a page that runs no script and submits to the same origin only. Returns its nonce.
#[track_caller]
fn assert_restricted_page(response: &ServerResponse, status: u16) -> String {
    response.is(status);
    assert_eq!(response.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(response.header("cache-control"), "no-store");
    assert_eq!(response.header("referrer-policy"), "no-referrer");
    assert_eq!(response.header("x-content-type-options"), "nosniff");
    let policy = response.header("content-security-policy");
    let nonce = policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap_or_default();
    let expected = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    assert_eq!(policy, expected);
    assert!(nonce.len() == 32 && response.text.contains(&format!("<style nonce=\"{nonce}\">")), "{response:#?}");
    assert!(response.text.starts_with("<!doctype html>\n<html lang=\"en\">"), "{response:#?}");
    assert!(!response.text.contains("<script"), "{response:#?}");
    nonce.to_owned()
}

/// A path as the templates escape it in an attribute.
fn escaped(path: &str) -> String {
    path.replace('/', "&#x2f;")
}

fn has_form(response: &ServerResponse, token: &str) -> bool {
    response.text.contains(&format!("<form method=\"post\" action=\"{}\">", escaped("/restore")))
        && response.text.contains(&format!("name=\"restoring_token\" value=\"{token}\""))
}

#[tokio::test]
async fn the_form_sets_the_password() {
    let server = with_anna("").await;
    let link = link_for(&server, "anna@example.com").await;
    let token = token_of(&link);
    let path = link.strip_prefix(&server.url).unwrap();
    let first = server.get(path).await;
    let second = server.get(path).await;
    assert_ne!(assert_restricted_page(&first, 200), assert_restricted_page(&second, 200), "a nonce is used once");
    assert!(has_form(&first, &token) && !first.text.contains("role=\"alert\""), "{first:#?}");

    let fields = |password, again| {
        [("restoring_token", token.as_str()), ("restoring_password", password), ("restoring_password_again", again)]
    };
    for (password, again, problem) in [
        (NEW_PASSWORD, PASSWORD, "The passwords do not match."),
        ("short", "short", "The new password must have at least 8 bytes."),
        ("", "", "The new password must not be empty."),
    ] {
        let refused = submit(&server, &fields(password, again)).await;
        assert_restricted_page(&refused, 400);
        assert!(refused.text.contains(problem) && has_form(&refused, &token), "{refused:#?}");
        assert!(password.is_empty() || !refused.text.contains(password), "{refused:#?}");
    }

    let done = submit(&server, &fields(NEW_PASSWORD, NEW_PASSWORD)).await;
    assert_restricted_page(&done, 200);
    assert!(done.text.contains("The new password is set") && !done.text.contains(&token), "{done:#?}");
    sign_in(&server, "anna", NEW_PASSWORD).await;

    let again = submit(&server, &fields(PASSWORD, PASSWORD)).await;
    assert_restricted_page(&again, 400);
    assert!(again.text.contains("already used or expired") && !again.text.contains("<form"), "{again:#?}");
    sign_in(&server, "anna", NEW_PASSWORD).await;
}

#[tokio::test]
async fn a_custom_page_needs_no_confirmation_field_and_can_request_a_link() {
    let server = with_anna("").await;
    let response = submit(&server, &[("restoring_email", "nobody@example.com")]).await;
    assert_restricted_page(&response, 200);
    let token = token_of(&link_for(&server, "anna@example.com").await);
    let password = "plus+and & äöü €";
    assert_restricted_page(
        &submit(&server, &[("restoring_token", &token), ("restoring_password", password)]).await,
        200,
    );
    sign_in(&server, "anna", password).await;
}

#[tokio::test]
async fn the_page_does_not_reveal_whether_a_link_is_valid() {
    let server = with_anna("").await;
    let valid = token_of(&link_for(&server, "anna@example.com").await);
    let wrong = "B".repeat(42) + "A";
    let [valid, wrong] = [valid, wrong].map(async |token| {
        let response = server.get(&format!("/restore/?restoring={token}")).await;
        let nonce = assert_restricted_page(&response, 200);
        response.text.replace(&token, "<token>").replace(&nonce, "<nonce>")
    });
    assert_eq!(valid.await, wrong.await);
    for broken in ["", "?", "?restoring=", "?restoring=AAAA", "?restoring=%22%3E%3Cb%3E", "?other=1", "?restoring=%ff"]
    {
        let response = server.get(&format!("/restore{broken}")).await;
        assert_restricted_page(&response, 400);
        assert!(response.text.contains("This link is incomplete") && !response.text.contains("<form"), "{response:#?}");
        assert!(!response.text.contains("<b>"), "{response:#?}");
    }
}

#[tokio::test]
async fn an_invalid_form_is_rejected() {
    let server = with_anna("").await;
    let twice =
        submit(&server, &[("restoring_token", "x"), ("restoring_token", "y"), ("restoring_password", "z")]).await;
    assert!(twice.is(400).json()["error"]["message"].as_str().unwrap().contains("twice"), "{twice:#?}");
    assert_restricted_page(&submit(&server, &[("restoring_token", "x")]).await, 400);
    assert_restricted_page(&submit(&server, &[]).await, 400);
}

#[tokio::test]
async fn limits_and_faults_are_shown_on_the_page() {
    let server = with_anna("").await;
    let token = token_of(&link_for(&server, "anna@example.com").await);
    let fields = [("restoring_token", token.as_str()), ("restoring_password", NEW_PASSWORD)];
    let database = rusqlite::Connection::open(server.path("data/countersign.db")).unwrap();
    database.execute_batch("ALTER TABLE sessions RENAME TO gone").unwrap();
    let broken = submit(&server, &fields).await;
    assert_restricted_page(&broken, 500);
    let message = format!("Internal error (request {}).", broken.header("x-request-id"));
    assert!(broken.text.contains(&message) && has_form(&broken, &token), "{broken:#?}");
    database.execute_batch("ALTER TABLE gone RENAME TO sessions").unwrap();

    for _ in 0..10 {
        server.post("/restore", &json!({"restoring_token": "x", "restoring_password": NEW_PASSWORD})).await.is(400);
    }
    let limited = submit(&server, &fields).await;
    assert_restricted_page(&limited, 429);
    assert_eq!(limited.header("retry-after"), "300");
    assert!(limited.text.contains("Too many attempts; retry in 300 s.") && has_form(&limited, &token), "{limited:#?}");
}

#[tokio::test]
async fn the_form_action_includes_the_base_path() {
    let server = TestServer::with("server.public_url = 'https://example.com/sign'").await;
    let page = server.get(&format!("/restore?restoring={}", "A".repeat(43))).await;
    assert_restricted_page(&page, 200);
    assert!(page.text.contains(&format!("action=\"{}\"", escaped("/sign/restore"))), "{page:#?}");
}
