//! Sign-in and sign-out of the admin zone, and its cookies among those of other applications.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderValue;

use super::{AdminBrowser, PASSWORD, ServerResponse, TestServer, assert_redirect, signed_in_root, superuser};

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

/// Requests a page with exactly this `Cookie` header.
async fn page_with(server: &TestServer, path: &str, cookie: &[u8]) -> ServerResponse {
    let request = server.request(Method::GET, path).header("cookie", HeaderValue::from_bytes(cookie).unwrap());
    ServerResponse::send(request).await
}

/// Signs `root` in with exactly this `Cookie` header.
async fn sign_in_form(server: &TestServer, cookie: &str, csrf: &str) -> ServerResponse {
    let fields = [("login", "root"), ("password", PASSWORD), ("csrf", csrf)];
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = server.request(Method::POST, "/admin/login").header("cookie", cookie).body(form);
    let request = request.header("content-type", "application/x-www-form-urlencoded").header("origin", &server.url);
    ServerResponse::send(request).await
}

#[tokio::test]
async fn the_session_cookie_is_found_among_cookies_of_other_applications_and_invalid_ones() {
    let (server, browser) = signed_in_root().await;
    let mut old = AdminBrowser::new(&server);
    old.sign_in("root").await;
    let ended = old.cookies["admin_session"].clone();
    old.submit("/admin/logout", &[]).await.is(303);
    let own = format!("admin_session={}", browser.cookies["admin_session"]);
    let unknown = format!("admin_session={}", "A".repeat(43));
    let ended = format!("admin_session={ended}");
    let others = ["name=Jürgen".as_bytes(), b"name=J\xfcrgen", b"\xff", b"admin_session=x", b"admin_session=\xe9"];
    for other in others.into_iter().chain([unknown.as_bytes(), ended.as_bytes()]) {
        for cookie in [[other, b"; ", own.as_bytes()].concat(), [own.as_bytes(), b"; ", other].concat()] {
            let page = page_with(&server, "/admin/", &cookie).await;
            assert_eq!(page.status, 200, "{}", String::from_utf8_lossy(&cookie));
        }
    }
}

#[tokio::test]
async fn sessions_of_two_superusers_in_one_browser_need_a_new_sign_in() {
    let (server, root) = signed_in_root().await;
    superuser(&server, "other").await;
    let mut other = AdminBrowser::new(&server);
    other.sign_in("other").await;
    let sessions = [&root, &other].map(|browser| format!("admin_session={}", browser.cookies["admin_session"]));
    let both = sessions.join("; ");
    let page = page_with(&server, "/admin/users", both.as_bytes()).await;
    assert_redirect(&page, "/admin/login?next=%2Fadmin%2Fusers");
    // The sign-in ends both sessions, so that only the new one is valid.
    let mut browser = AdminBrowser::new(&server);
    browser.open("/admin/login").await.is(200);
    let cookie = format!("{both}; admin_visit={}", browser.cookies["admin_visit"]);
    sign_in_form(&server, &cookie, &browser.csrf).await.is(303);
    for ended in sessions {
        page_with(&server, "/admin/", ended.as_bytes()).await.is(303);
    }
}

/// The cookie of an earlier visit may have another path, so that the browser sends both.
#[tokio::test]
async fn a_sign_in_form_works_beside_the_cookie_of_an_earlier_visit() {
    let server = TestServer::start().await;
    superuser(&server, "root").await;
    for earlier_first in [true, false] {
        let mut browser = AdminBrowser::new(&server);
        browser.open("/admin/login").await.is(200);
        let earlier = format!("admin_visit={}", browser.cookies["admin_visit"]);
        server.clock.advance(Duration::from_mins(20));
        let page = page_with(&server, "/admin/login", earlier.as_bytes()).await;
        let current = page.header("set-cookie").split(';').next().unwrap().to_owned();
        assert_ne!(current, earlier);
        let csrf = page.text.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let cookie = if earlier_first { format!("{earlier}; {current}") } else { format!("{current}; {earlier}") };
        sign_in_form(&server, &cookie, csrf).await.is(303);
    }
}
