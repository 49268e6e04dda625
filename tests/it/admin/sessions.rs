//! Sessions in the admin zone: list, filter and end.

use std::time::Duration;

use super::users::{audited_by_root, last_audit_line, link, page_of, with_anna};
use super::{AdminBrowser, ServerResponse, assert_redirect, signed_in_root};

#[tokio::test]
async fn sessions_are_listed_filtered_and_ended() {
    let (server, mut browser, page) = with_anna().await;
    server.register("ben").await;
    let mut tokens = Vec::new();
    for name in ["anna", "anna", "ben"] {
        tokens.push(server.token(name).await);
    }
    let count = |page: &ServerResponse| page.text.matches("name=\"session\"").count();
    let id = page.rsplit('/').next().unwrap();
    let by_id = format!("user={id}");
    for (query, found) in [
        ("", 3),
        ("user=anna", 2),
        (&by_id, 2),
        ("user=ANNA%40example.com", 2),
        ("user=nobody", 0),
        ("user=anna&dialect=simplejwt", 0),
        ("dialect=jwt_issuer", 3),
        ("dialect=nonsense", 3),
        ("after=nonsense", 3),
    ] {
        let response = browser.open(&format!("/admin/sessions?{query}")).await;
        assert_eq!(count(response.is(200)), found, "{query}: {response:#?}");
    }
    for session in ["", "nonsense", "00000000-0000-0000-0000-000000000000"] {
        browser.submit("/admin/sessions/end", &[("session", session)]).await.is(404);
    }
    let sid = crate::support::token::claims(&tokens[2])["sid"].as_str().unwrap().to_owned();
    let end = [("session", sid.as_str()), ("next", "https://evil.example/admin/")];
    assert_redirect(&browser.submit("/admin/sessions/end", &end).await, "/admin/sessions");
    assert!(!server.accepts(&tokens[2]).await && server.accepts(&tokens[1]).await);
    assert_eq!(last_audit_line(&server).await, audited_by_root("sessions_ended"));
    browser.submit("/admin/sessions/end", &end).await.is(404);
    assert_redirect(&browser.submit(&format!("{page}/end-sessions"), &[]).await, &page);
    assert!(!server.accepts(&tokens[0]).await && !server.accepts(&tokens[1]).await);
    assert_eq!(count(&browser.open("/admin/sessions").await), 0);
}

#[tokio::test]
async fn ending_a_superusers_sessions_ends_the_admin_sessions() {
    let (server, mut browser) = signed_in_root().await;
    super::superuser(&server, "other").await;
    let mut elsewhere = AdminBrowser::new(&server);
    elsewhere.sign_in("other").await;
    elsewhere.open("/admin/").await.is(200);
    let page = page_of(&server, "other").await;
    assert_redirect(&browser.submit(&format!("{page}/end-sessions"), &[]).await, &page);
    elsewhere.open("/admin/").await.is(303);
    browser.open("/admin/").await.is(200);
}

#[tokio::test]
async fn older_sessions_are_on_the_next_page() {
    let (server, mut browser, _) = with_anna().await;
    for _ in 0..27 {
        server.clock.advance(Duration::from_secs(20));
        server.token("anna").await;
    }
    let first = browser.open("/admin/sessions?user=anna").await;
    let older = browser.open(&link(&first, "next").unwrap()).await;
    assert_eq!(first.text.matches("name=\"session\"").count(), 25);
    assert_eq!(older.is(200).text.matches("name=\"session\"").count(), 2);
    assert!(older.text.contains("← Newest"), "{older:#?}");
}
