//! Sign-in and sign-out of the admin zone.

use super::{AdminBrowser, PASSWORD, TestServer, assert_redirect, signed_in_root, superuser};

#[tokio::test]
async fn a_superuser_signs_in_and_out() {
    let (server, mut browser) = signed_in_root().await;
    let page = browser.open("/admin/").await;
    assert!(page.is(200).text.contains("<h1>Dashboard</h1>") && page.text.contains("root"), "{page:#?}");
    let before = browser.clone();
    assert_redirect(&browser.submit("/admin/logout", &[]).await, "/admin/login");
    assert_eq!(browser.cookies.get("admin_session"), None);
    // After the sign-out the server rejects the token, even from a client that stored it.
    assert_redirect(&before.clone().open("/admin/").await, "/admin/login?next=%2Fadmin%2F");
    let actions: Vec<_> = server.audit().await.into_iter().take(2).collect();
    let admin_line = |action: &str| (action.to_owned(), "admin zone".to_owned());
    assert_eq!(actions, [admin_line("signed_out"), admin_line("signed_in")]);
}

#[tokio::test]
async fn a_sign_in_issues_a_new_session_token() {
    let (_server, mut browser) = signed_in_root().await;
    let first = browser.clone();
    browser.cookies.remove("admin_visit");
    // The sign-in page redirects a browser that is already signed in.
    assert_redirect(&browser.open("/admin/login?next=/admin/x").await, "/admin/x");
    let mut fixated = AdminBrowser { cookies: [("admin_session".to_owned(), "A".repeat(43))].into(), ..first.clone() };
    fixated.sign_in("root").await;
    assert_ne!(fixated.cookies["admin_session"], "A".repeat(43));
    assert_ne!(fixated.cookies["admin_session"], first.cookies["admin_session"]);
    first.clone().open("/admin/").await.is(200);
}

#[tokio::test]
async fn wrong_passwords_and_ordinary_users_get_the_same_response() {
    let server = TestServer::with_anna().await;
    superuser(&server, "root").await;
    let mut responses = Vec::new();
    for (name, password) in
        [("root", "wrong"), ("anna", PASSWORD), ("anna", "wrong"), ("nobody", PASSWORD), ("root", "")]
    {
        let mut browser = AdminBrowser::new(&server);
        let response = browser.try_sign_in(name, password).await;
        assert_eq!(browser.cookies.get("admin_session"), None);
        responses.push((response.status, response.text.replace(name, "NAME").replace(&browser.csrf, "TOKEN")));
    }
    assert_eq!(responses[0].0, 403);
    assert!(responses.iter().all(|response| *response == responses[0]), "{responses:#?}");
}
