//! The page that a confirmation link opens.

use reqwest::Method;
use serde_json::json;

use super::{address, confirm, link, request, token_of};
use crate::support::{ServerResponse, TestServer};

const NEW: &str = "anna@example.org";

/// Asserts that the response is a page that runs no script, cannot be framed or cached, and sends no referrer.
#[track_caller]
fn assert_page(response: &ServerResponse, status: u16) {
    response.is(status);
    assert_eq!(response.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(response.header("cache-control"), "no-store");
    assert_eq!(response.header("referrer-policy"), "no-referrer");
    let policy = response.header("content-security-policy");
    assert!(policy.ends_with("; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"), "{policy}");
    assert!(!response.text.contains("<script"), "{response:#?}");
}

#[tokio::test]
async fn the_page_has_a_button_and_opening_it_changes_nothing() {
    let server = TestServer::with_anna().await;
    request(&server, "anna", NEW).await.is(200);
    let link = link(&server, NEW, 1).await;
    assert!(link.starts_with(&format!("{}/confirm-email?confirming=", server.url)), "{link}");
    let path = link.strip_prefix(&server.url).unwrap();
    for method in [Method::GET, Method::HEAD, Method::GET] {
        let opened = ServerResponse::send(server.request(method.clone(), path)).await;
        assert_page(&opened, 200);
        if method == Method::GET {
            assert!(opened.text.contains("<form method=\"post\" action=\"&#x2f;confirm-email\">"), "{opened:#?}");
            assert!(opened.text.contains(&format!("name=\"confirming\" value=\"{}\"", token_of(&link))), "{opened:#?}");
        }
    }
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        assert_page(&ServerResponse::send(server.request(method, path)).await, 405);
    }
    // The token in the query of a POST does not count, because a proxy logs it.
    assert_page(&ServerResponse::send(server.request(Method::POST, path)).await, 400);
    assert_eq!(address(&server, "anna").await.0, "anna@example.com");

    let done = confirm(&server, &link).await;
    assert_page(&done, 200);
    assert!(done.text.contains(NEW) && !done.text.contains(token_of(&link)), "{done:#?}");
    assert_eq!(address(&server, "anna").await, (NEW.to_owned(), true));
}

#[tokio::test]
async fn an_incomplete_or_wrong_link_is_explained() {
    let server = TestServer::with_anna().await;
    for path in
        ["/confirm-email", "/confirm-email/?confirming=", "/confirm-email?confirming=abc", "/confirm-email?token=x"]
    {
        let page = server.get(path).await;
        assert_page(&page, 400);
        assert!(page.text.contains("This link is incomplete") && !page.text.contains("<form"), "{page:#?}");
    }
    let wrong = "_".repeat(42) + "8";
    assert_page(&server.get(&format!("/confirm-email?confirming={wrong}")).await, 200);
    for attempt in 0..10 {
        let refused = confirm(&server, &format!("?confirming={wrong}")).await;
        assert_page(&refused, 400);
        assert!(refused.text.contains("The link is invalid"), "{attempt}: {refused:#?}");
    }
    let limited = confirm(&server, &format!("?confirming={wrong}")).await;
    assert_page(&limited, 429);
    assert!(!limited.header("retry-after").is_empty());
}

#[tokio::test]
async fn a_reset_link_confirms_no_address_and_the_other_way_round() {
    let server = TestServer::with_anna().await;
    request(&server, "anna", NEW).await.is(200);
    let confirmation = link(&server, NEW, 1).await;
    let body = json!({"restoring_token": token_of(&confirmation), "restoring_password": "another battery horse"});
    server.post("/restore", &body).await.is(400);
    server.post("/restore", &json!({"restoring_email": "anna@example.com"})).await.is(200);
    let reset = || server.emails().iter().find_map(|mail| mail.link("restoring"));
    crate::support::wait_until("the reset link is sent", async || reset().is_some()).await;
    let token = reset().unwrap().split_once("restoring=").unwrap().1.to_owned();
    confirm(&server, &format!("?confirming={token}")).await.is(400);
    assert_eq!(address(&server, "anna").await.0, "anna@example.com");
}

#[tokio::test]
async fn a_public_url_with_a_path_precedes_the_link_and_the_form() {
    let server = TestServer::with("server.public_url = 'https://example.org/id'").await;
    server.register("anna").await;
    request(&server, "anna", NEW).await.is(200);
    let link = link(&server, NEW, 1).await;
    let path = link.strip_prefix("https://example.org/id").unwrap();
    // The proxy removes the path.
    let page = server.get(path).await;
    assert!(page.is(200).text.contains("action=\"&#x2f;id&#x2f;confirm-email\""), "{page:#?}");
    confirm(&server, &link).await.is(200);
}
