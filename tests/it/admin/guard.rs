//! The checks that protect every page and form of the admin zone.

use std::time::Duration;

use countersign::issuer::users::UserChange;
use reqwest::Method;

use super::{AdminBrowser, PASSWORD, ServerResponse, TestServer, assert_redirect, signed_in_root, superuser};

const OTHERS: &str = "/admin/others";

/// The CSRF token and the headers of a request, and the expected status.
type FormRow<'a> = (&'a str, &'a [(&'a str, &'a str)], u16);

#[tokio::test]
async fn a_form_needs_its_csrf_token_and_own_origin() {
    let (server, mut browser) = signed_in_root().await;
    let mut other_browser = AdminBrowser::new(&server);
    superuser(&server, "other").await;
    other_browser.sign_in("other").await;
    let own = browser.csrf.clone();
    let foreign = other_browser.csrf.clone();
    assert_ne!(own, foreign);
    let own_origin = server.url.as_str();
    let rows: &[FormRow<'_>] = &[
        ("", &[("origin", own_origin)], 403),
        ("AAAA", &[("origin", own_origin)], 403),
        (&foreign, &[("origin", own_origin)], 403),
        (&own.to_lowercase(), &[("origin", own_origin)], 403),
        (&own, &[("origin", "https://evil.example")], 403),
        (&own, &[("origin", "null")], 403),
        (&own, &[("origin", own_origin), ("sec-fetch-site", "cross-site")], 403),
        (&own, &[("origin", own_origin), ("sec-fetch-site", "same-site")], 403),
        (&own, &[("origin", own_origin), ("sec-fetch-site", "same-origin")], 303),
        (&own, &[], 303),
    ];
    for (token, headers, status) in rows {
        let mut request = browser.form(OTHERS, &[("csrf", token)]);
        for (name, value) in *headers {
            request = request.header(*name, *value);
        }
        let response = ServerResponse::send(request).await;
        assert_eq!(response.status, *status, "{token} {headers:?}: {response:#?}");
        assert_restricted_page(&response);
    }
    let twice = browser.form(OTHERS, &[("csrf", &own), ("csrf", &own)]);
    ServerResponse::send(twice).await.is(400);
    let json = browser.request(Method::POST, OTHERS).json(&serde_json::json!({"csrf": own}));
    ServerResponse::send(json).await.is(415);
    let compressed = browser.form(OTHERS, &[("csrf", &own)]).header("content-encoding", "gzip");
    ServerResponse::send(compressed).await.is(415);
    assert_eq!(server.audit().await.iter().filter(|(action, _)| action == "signed_out").count(), 2);
    browser.open("/admin/").await.is(200);
}

#[tokio::test]
async fn a_sign_in_form_is_bound_to_its_browser() {
    let server = TestServer::start().await;
    superuser(&server, "root").await;
    let mut one = AdminBrowser::new(&server);
    let mut other = AdminBrowser::new(&server);
    one.open("/admin/login").await.is(200);
    other.open("/admin/login").await.is(200);
    let fields = [("login", "root"), ("password", PASSWORD)];
    for (mut browser, case) in [
        (AdminBrowser { csrf: other.csrf.clone(), ..one.clone() }, "the token of another browser"),
        (AdminBrowser { cookies: [].into(), ..one.clone() }, "no cookie"),
        (AdminBrowser { csrf: String::new(), ..one.clone() }, "no token"),
    ] {
        let response = browser.submit("/admin/login", &fields).await;
        assert_eq!((response.status, browser.cookies.get("admin_session")), (403, None), "{case}: {response:#?}");
    }
    server.clock.advance(Duration::from_mins(31));
    one.submit("/admin/login", &fields).await.is(403);
    one.sign_in("root").await;
}

/// Asserts that the page runs no script, cannot be framed, and submits forms to the same origin only.
#[track_caller]
fn assert_restricted_page(response: &ServerResponse) {
    assert_eq!(
        response.header("content-security-policy"),
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; \
         base-uri 'none'"
    );
    let others = ["cache-control", "x-content-type-options", "referrer-policy", "x-frame-options"];
    assert_eq!(others.map(|name| response.header(name)), ["no-store", "nosniff", "same-origin", "DENY"]);
    assert!(response.header("permissions-policy").contains("camera=()"));
    assert!(!response.text.contains("<script") && !response.text.contains("<style"), "{response:#?}");
}

#[tokio::test]
async fn every_admin_page_has_restrictive_headers() {
    let (server, mut browser) = signed_in_root().await;
    for (path, status) in [("/admin/", 200), ("/admin/prove", 200), ("/admin/nothing", 404), ("/admin/logout", 405)] {
        let response = browser.open(path).await;
        assert_eq!(response.header("content-type"), "text/html; charset=utf-8");
        assert_restricted_page(response.is(status));
    }
    assert_eq!(browser.open("/admin/logout").await.header("allow"), "POST");
    assert_restricted_page(AdminBrowser::new(&server).open("/admin/login").await.is(200));
    assert_redirect(&browser.open("/admin").await, "/admin/");
    let style = browser.open("/admin/style.css").await;
    assert_eq!(style.is(200).header("content-type"), "text/css; charset=utf-8");
    let again = browser.request(Method::GET, "/admin/style.css").header("if-none-match", style.header("etag"));
    assert_eq!(ServerResponse::send(again).await.is(304).text, "");
}

#[tokio::test]
async fn the_admin_cookie_is_limited_to_its_path_and_secure_over_https() {
    let server = TestServer::with("server.public_url = 'https://id.example.com/sign'").await;
    superuser(&server, "root").await;
    let mut browser = AdminBrowser::new(&server);
    browser.open("/admin/login").await.is(200);
    let csrf = browser.csrf.clone();
    let request = browser.form("/admin/login", &[("login", "root"), ("password", PASSWORD), ("csrf", &csrf)]);
    let response = browser.send(request.header("origin", "https://id.example.com")).await;
    assert_redirect(&response, "/sign/admin/");
    let cookie = response.header("set-cookie");
    for word in
        ["admin_session=", "; HttpOnly", "; SameSite=Strict", "; Path=/sign/admin", "; Secure", "; Max-Age=43200"]
    {
        assert!(cookie.contains(word), "{word} in {cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
}

#[tokio::test]
async fn no_allowed_origin_may_read_a_page() {
    let server = TestServer::with("cors.allowed_origins = ['https://app.example.com']").await;
    superuser(&server, "root").await;
    let mut browser = AdminBrowser::new(&server);
    browser.sign_in("root").await;
    let request = browser.request(Method::GET, "/admin/").header("origin", "https://app.example.com");
    assert_eq!(ServerResponse::send(request).await.is(200).header("access-control-allow-origin"), "");
    let form_request = browser.form(OTHERS, &[("csrf", &browser.csrf)]).header("origin", "https://app.example.com");
    ServerResponse::send(form_request).await.is(403);
}

#[tokio::test]
async fn next_redirects_only_to_admin_pages() {
    let (server, _) = signed_in_root().await;
    for (next, expected) in [
        ("/admin/keys?x=1", "/admin/keys?x=1"),
        ("//evil.example", "/admin/"),
        ("https://evil.example/admin/", "/admin/"),
        ("/admin/../auth", "/admin/"),
        ("/admin/\\evil.example", "/admin/"),
    ] {
        let mut browser = AdminBrowser::new(&server);
        browser.open("/admin/login").await.is(200);
        let fields = [("login", "root"), ("password", PASSWORD), ("next", next)];
        assert_redirect(&browser.submit("/admin/login", &fields).await, expected);
    }
}

#[tokio::test]
async fn an_admin_session_ends_when_idle_and_after_its_lifetime() {
    let (server, mut browser) = signed_in_root().await;
    server.clock.advance(Duration::from_mins(29));
    browser.open("/admin/").await.is(200);
    server.clock.advance(Duration::from_mins(30));
    assert_redirect(
        &browser.open("/admin/prove?next=/admin/").await,
        "/admin/login?next=%2Fadmin%2Fprove%3Fnext%3D%2Fadmin%2F",
    );
    browser.sign_in("root").await;
    for _ in 0..35 {
        server.clock.advance(Duration::from_mins(20));
        browser.open("/admin/").await.is(200);
    }
    server.clock.advance(Duration::from_mins(20));
    browser.open("/admin/").await.is(303);
}

#[tokio::test]
async fn losing_superuser_rights_ends_the_admin_session() {
    let (server, mut browser) = signed_in_root().await;
    for change in [
        UserChange::Disable,
        UserChange::SetPassword(countersign::domain::password::Password::new(PASSWORD.to_owned())),
    ] {
        browser.open("/admin/").await.is(200);
        server.change("root", change).await;
        browser.open("/admin/").await.is(303);
        server.change("root", UserChange::Enable).await;
        browser.open("/admin/").await.is(303);
        browser.sign_in("root").await;
    }
    // A process that writes to the database removes the superuser rights and grants them again.
    let database = rusqlite::Connection::open(server.path("data/countersign.db")).unwrap();
    database.execute_batch("UPDATE users SET is_superuser = 0; UPDATE users SET is_superuser = 1;").unwrap();
    browser.open("/admin/").await.is(303);
}

#[tokio::test]
async fn irreversible_actions_require_the_password_again() {
    let (server, mut browser) = signed_in_root().await;
    let mut elsewhere = AdminBrowser::new(&server);
    elsewhere.sign_in("root").await;
    server.clock.advance(Duration::from_mins(6));
    assert_redirect(&browser.submit(OTHERS, &[]).await, "/admin/prove?next=%2Fadmin%2F");
    elsewhere.open("/admin/").await.is(200);
    browser.open("/admin/prove?next=%2Fadmin%2F").await.is(200);
    let wrong = browser.submit("/admin/prove", &[("password", "wrong"), ("next", "/admin/")]).await;
    assert!(wrong.is(403).text.contains("The password is wrong."), "{wrong:#?}");
    assert_redirect(&browser.submit("/admin/prove", &[("password", PASSWORD), ("next", "/admin/")]).await, "/admin/");
    let back = browser.open("/admin/").await;
    assert!(back.is(200).text.contains("Now repeat the action"), "{back:#?}");
    assert!(!browser.open("/admin/").await.text.contains("Now repeat the action"), "a flash message is shown once");
    assert_redirect(&browser.submit(OTHERS, &[]).await, "/admin/");
    assert!(browser.open("/admin/").await.text.contains("You ended 1 other session."));
    elsewhere.open("/admin/").await.is(303);
}

#[tokio::test]
async fn admin_sign_ins_share_the_sign_in_rate_limit() {
    let (server, _) = signed_in_root().await;
    for _ in 0..10 {
        let body = serde_json::json!({"username": "root", "password": "wrong"});
        server.post_from("192.0.2.77", "/auth", &body).await.is(401);
    }
    let mut browser = AdminBrowser::new(&server);
    browser.open("/admin/login").await.is(200);
    let form = [("login", "root"), ("password", PASSWORD), ("csrf", browser.csrf.as_str())];
    let limited =
        ServerResponse::send(browser.form("/admin/login", &form).header("x-forwarded-for", "192.0.2.78")).await;
    assert_eq!(limited.is(429).header("retry-after"), "60");
    assert!(limited.text.contains("Too many attempts"), "{limited:#?}");
    // The owner can still sign in from the address used before.
    browser.sign_in("root").await;
}

#[tokio::test]
async fn a_fault_shows_only_the_request_id() {
    let (server, mut browser) = signed_in_root().await;
    let database = rusqlite::Connection::open(server.path("data/countersign.db")).unwrap();
    database.execute_batch("ALTER TABLE outbox RENAME TO gone").unwrap();
    let broken = browser.open("/admin/").await;
    assert_restricted_page(broken.is(500));
    assert!(broken.text.contains(broken.header("x-request-id")) && !broken.text.contains("outbox"), "{broken:#?}");
}
