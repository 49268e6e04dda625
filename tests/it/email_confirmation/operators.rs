//! Operators see the confirmation of a user's address, send another e-mail, and confirm the address themselves: in the
//! admin zone and on the command line.

use std::time::Duration;

use serde_json::{Value, json};

use super::{address, confirm, link, links, request};
use crate::admin::{AdminBrowser, PASSWORD, assert_redirect, signed_in_root};
use crate::support::TestServer;
use crate::support::binary::TestFolder;

const NEW: &str = "anna@example.org";

/// A server with the superuser `root`, a browser in which `root` is signed in, a user `anna` who requested another
/// address, and the path of anna's page.
async fn with_request() -> (TestServer, AdminBrowser, String) {
    let (server, browser) = signed_in_root().await;
    server.register("anna").await;
    request(&server, "anna", NEW).await.is(200);
    link(&server, NEW, 1).await;
    let id = super::user(&server, "anna").await.id;
    (server, browser, format!("/admin/users/{id}"))
}

#[tokio::test]
async fn the_admin_zone_shows_and_resends_a_requested_address() {
    let (server, mut browser, page) = with_request().await;
    let shown = browser.open(&page).await;
    assert!(shown.text.contains("Requested address <bdi>anna@example.org</bdi>, to be confirmed until"), "{shown:#?}");
    assert_redirect(&browser.submit(&format!("{page}/send-confirmation"), &[]).await, &page);
    let newest = link(&server, NEW, 2).await;
    let [first, _] = links(&server, NEW).try_into().unwrap();
    confirm(&server, &first).await.is(400);
    confirm(&server, &newest).await.is(200);
    let shown = browser.open(&page).await;
    assert!(!shown.text.contains("Requested address") && shown.text.contains("<dd>verified</dd>"), "{shown:#?}");
    let refused = browser.submit(&format!("{page}/send-confirmation"), &[]).await;
    assert!(refused.is(409).text.contains("already verified"), "{refused:#?}");
}

#[tokio::test]
async fn the_admin_zone_confirms_an_address_after_a_step_up() {
    let (server, mut browser, page) = with_request().await;
    server.clock.advance(Duration::from_mins(6));
    let path = format!("{page}/confirm-email");
    browser.open(&page).await.is(200);
    assert_redirect(&browser.submit(&path, &[]).await, &format!("/admin/prove?next={}", page.replace('/', "%2F")));
    assert_eq!(address(&server, "anna").await.0, "anna@example.com");
    browser.submit("/admin/prove", &[("password", PASSWORD)]).await.is(303);
    assert_redirect(&browser.submit(&path, &[]).await, &page);
    assert_eq!(address(&server, "anna").await, (NEW.to_owned(), true));
    let by_root = super::audit_actors(&server).await;
    assert!(by_root.contains(&("email_changed".to_owned(), Some("root".to_owned()))), "{by_root:?}");
    browser.submit(&path, &[]).await.is(409);
}

#[tokio::test]
async fn a_change_in_the_admin_zone_takes_effect_at_once_and_withdraws_a_request() {
    for verified in [false, true] {
        let (server, mut browser, page) = with_request().await;
        let requested = links(&server, NEW).pop().unwrap();
        let mut fields = vec![("username", "anna"), ("email", "set@example.net")];
        fields.extend(verified.then_some(("email_verified", "on")));
        browser.open(&page).await.is(200);
        assert_redirect(&browser.submit(&page, &fields).await, &page);
        assert_eq!(address(&server, "anna").await, ("set@example.net".to_owned(), verified));
        confirm(&server, &requested).await.is(400);
    }
}

#[tokio::test]
async fn an_operator_unblocks_a_user_who_must_confirm() {
    let (server, mut browser) = signed_in_root().await;
    server.set("registration.verify_email", "require").await;
    server.register("anna").await;
    server.post("/auth", &json!({"username": "anna", "password": PASSWORD})).await.is(403);
    let page = format!("/admin/users/{}", super::user(&server, "anna").await.id);
    let shown = browser.open(&page).await;
    assert!(shown.text.contains("Confirmation sent to <bdi>anna@example.com</bdi>"), "{shown:#?}");
    assert_redirect(&browser.submit(&format!("{page}/confirm-email"), &[]).await, &page);
    server.token("anna").await;
    assert!(address(&server, "anna").await.1);
}

#[tokio::test]
async fn the_command_line_shows_resends_and_confirms() {
    let folder = TestFolder::new();
    folder.create("anna");
    let server = folder.serve().await;
    let token = server.token("anna").await;
    server.post("/update_profile", Some(&token), &json!({"email": NEW})).await.is(200);
    let show = || folder.run(&["users", "show", "anna", "--json"]).json();
    let shown = show();
    assert_eq!((&shown["email"], &shown["pending_email"]), (&json!("anna@example.com"), &json!(NEW)));
    assert!(shown["pending_email_until"].is_string(), "{shown}");
    let sent = folder.run(&["users", "send-confirmation", "anna"]);
    assert_eq!((sent.is(0), sent.stderr.contains("to anna@example.org")), ("", true), "{sent:?}");
    folder.run(&["users", "confirm-email", "anna"]).is(0);
    let shown = show();
    assert_eq!((&shown["email"], &shown["email_verified"]), (&json!(NEW), &json!(true)));
    assert_eq!((&shown["pending_email"], &shown["pending_email_until"]), (&Value::Null, &Value::Null));
    for command in ["send-confirmation", "confirm-email"] {
        folder.run(&["users", command, "anna"]).fails(1, &["already verified"]);
        folder.run(&["users", command, "nobody"]).fails(1, &["there is no user `nobody`"]);
    }
}
