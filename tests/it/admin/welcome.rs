//! The creation of the first superuser.

use std::time::Duration;

use countersign::issuer::first_superuser::link_token;
use serde_json::json;

use super::{AdminBrowser, PASSWORD, TestServer, assert_redirect, superuser};
use crate::support::binary::TestFolder;

async fn fields(server: &TestServer) -> (String, [(&'static str, &'static str); 3]) {
    let token = link_token(&server.issuer).await.unwrap().unwrap();
    (token, [("username", "root"), ("email", "root@example.com"), ("password", PASSWORD)])
}

#[tokio::test]
async fn the_link_creates_exactly_one_superuser() {
    let server = TestServer::with_anna().await;
    let page = server.get("/admin/").await;
    assert!(page.is(403).text.contains("countersign users create NAME"), "{page:#?}");
    let (token, account) = fields(&server).await;
    let mut browser = AdminBrowser::new(&server);
    browser.open(&format!("/admin/welcome?token={token}")).await.is(200);
    let mut second = browser.clone();
    for (wrong, message) in [
        ([("username", "anna"), account[1], account[2]], "The user name is taken."),
        ([account[0], ("email", "root"), account[2]], "The e-mail address must be a valid e-mail address."),
        ([account[0], account[1], ("password", "short")], "The password must have at least 8 bytes."),
    ] {
        let refused = browser.submit("/admin/welcome", &[&wrong[..], &[("token", &token)]].concat()).await;
        assert!(refused.is(400).text.contains(message) && !refused.text.contains("short"), "{refused:#?}");
    }
    let fields = [&account[..], &[("token", &token)]].concat();
    assert_redirect(&browser.submit("/admin/welcome", &fields).await, "/admin/");
    assert!(browser.open("/admin/").await.is(200).text.contains("You are the first superuser."));

    let other =
        [&[("username", "eve"), ("email", "eve@example.com"), account[2]], &[("token", token.as_str())][..]].concat();
    let late = second.submit("/admin/welcome", &other).await;
    assert!(late.is(403).text.contains("A superuser already exists"), "{late:#?}");
    second.open(&format!("/admin/welcome?token={token}")).await.is(403);
    assert!(link_token(&server.issuer).await.unwrap().is_none());
    server.post("/auth", &json!({"username": "eve", "password": PASSWORD})).await.is(401);
}

#[tokio::test]
async fn an_expired_changed_or_unneeded_link_is_rejected() {
    let server = TestServer::start().await;
    let (token, account) = fields(&server).await;
    let changed = format!("{}{}", &token[..token.len() - 2], if token.ends_with('A') { "BB" } else { "AA" });
    let mut browser = AdminBrowser::new(&server);
    for wrong in ["", "A", &changed] {
        let response = browser.open(&format!("/admin/welcome?token={wrong}")).await;
        assert!(response.is(403).text.contains("The link is incomplete or was changed."), "{response:#?}");
    }
    server.clock.advance(Duration::from_hours(24) - Duration::from_secs(1));
    browser.open(&format!("/admin/welcome?token={token}")).await.is(200);
    server.clock.advance(Duration::from_secs(1));
    let expired = browser.submit("/admin/welcome", &[&account[..], &[("token", &token)]].concat()).await;
    assert!(expired.is(403).text.contains("has expired"), "{expired:#?}");
    let (fresh, _) = fields(&server).await;
    browser.open(&format!("/admin/welcome?token={fresh}")).await.is(200);
    superuser(&server, "root").await;
    browser.open(&format!("/admin/welcome?token={fresh}")).await.is(403);
}

#[tokio::test]
async fn a_link_is_valid_for_one_use_and_one_start() {
    let server = TestServer::start().await;
    let (first, account) = fields(&server).await;
    let server = server.restart(Duration::from_secs(1)).await;
    let mut browser = AdminBrowser::new(&server);
    let refused = browser.open(&format!("/admin/welcome?token={first}")).await;
    assert!(refused.is(403).text.contains("an earlier start of the server printed it"), "{refused:#?}");
    let (second, _) = fields(&server).await;
    browser.open(&format!("/admin/welcome?token={second}")).await.is(200);
    let form = |token| [&account[..], &[("token", token)]].concat();
    browser.submit("/admin/welcome", &form(&first)).await.is(403);
    assert_redirect(&browser.submit("/admin/welcome", &form(&second)).await, "/admin/");
    // The last superuser is deleted, by the same server and then by another start of it.
    let delete = || rusqlite::Connection::open(server.path("data/countersign.db")).unwrap();
    delete().execute("UPDATE users SET is_superuser = 0", ()).unwrap();
    let mut later = AdminBrowser::new(&server);
    later.open(&format!("/admin/welcome?token={second}")).await.is(403);
    let server = server.restart(Duration::from_secs(1)).await;
    let mut later = AdminBrowser::new(&server);
    for token in [&first, &second] {
        later.open(&format!("/admin/welcome?token={token}")).await.is(403);
    }
}

#[tokio::test]
async fn serve_prints_the_link_or_creates_the_configured_superuser() {
    let folder = TestFolder::new();
    let server = folder.serve().await;
    let log = server.log.lock().unwrap().clone();
    assert!(log.contains(&format!("  {}/admin/welcome?token=", server.url)), "{log}");
    drop(server);

    folder.configure("admin = { username = 'root', email = 'root@example.com', password = 'correct horse battery' }");
    let server = folder.serve().await;
    let log = server.log.lock().unwrap().clone();
    assert!(log.contains("superuser of [admin] created") && !log.contains(PASSWORD), "{log}");
    assert!(!log.contains("/admin/welcome"), "{log}");
    drop(server);
    let root = folder.run(&["users", "show", "root", "--json"]).json();
    assert_eq!((&root["is_superuser"], &root["email"]), (&true.into(), &"root@example.com".into()));

    let server = folder.serve().await;
    let log = server.log.lock().unwrap().clone();
    assert!(log.contains("a superuser exists; ignoring [admin]"), "{log}");
}
