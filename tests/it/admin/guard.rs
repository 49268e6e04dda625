//! What stands before every page and form.

use std::time::Duration;

use countersign::issuer::users::Change;
use reqwest::Method;

use super::{Answer, Browser, PASSWORD, TestServer, inside, leads_to, superuser};

const OTHERS: &str = "/admin/others";

/// A form's token, its request's headers, and the answer's status.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], u16);

#[tokio::test]
async fn a_form_needs_its_token_and_our_origin_row_by_row() {
    let (server, mut browser) = inside().await;
    let mut stranger = Browser::new(&server);
    superuser(&server, "other").await;
    stranger.sign_in("other").await;
    let (own, of_another) = (browser.csrf.clone(), stranger.csrf.clone());
    assert_ne!(own, of_another);
    let ours = server.url.as_str();
    let rows: &[Row<'_>] = &[
        ("", &[("origin", ours)], 403),
        ("AAAA", &[("origin", ours)], 403),
        (&of_another, &[("origin", ours)], 403),
        (&own.to_lowercase(), &[("origin", ours)], 403),
        (&own, &[("origin", "https://evil.example")], 403),
        (&own, &[("origin", "null")], 403),
        (&own, &[("origin", ours), ("sec-fetch-site", "cross-site")], 403),
        (&own, &[("origin", ours), ("sec-fetch-site", "same-site")], 403),
        (&own, &[("origin", ours), ("sec-fetch-site", "same-origin")], 303),
        (&own, &[], 303),
    ];
    for (token, headers, status) in rows {
        let mut request = browser.form(OTHERS, &[("csrf", token)]);
        for (name, value) in *headers {
            request = request.header(*name, *value);
        }
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, *status, "{token} {headers:?}: {answer:#?}");
        is_page(&answer);
    }
    let twice = browser.form(OTHERS, &[("csrf", &own), ("csrf", &own)]);
    Answer::to(twice).await.is(400);
    let json = browser.request(Method::POST, OTHERS).json(&serde_json::json!({"csrf": own}));
    Answer::to(json).await.is(415);
    let compressed = browser.form(OTHERS, &[("csrf", &own)]).header("content-encoding", "gzip");
    Answer::to(compressed).await.is(415);
    assert_eq!(server.audit().await.iter().filter(|(action, _)| action == "signed_out").count(), 2);
    browser.open("/admin/").await.is(200);
}

#[tokio::test]
async fn a_form_at_the_door_is_bound_to_the_browser_that_saw_it() {
    let server = TestServer::start().await;
    superuser(&server, "root").await;
    let (mut one, mut other) = (Browser::new(&server), Browser::new(&server));
    one.open("/admin/login").await.is(200);
    other.open("/admin/login").await.is(200);
    let fields = [("login", "root"), ("password", PASSWORD)];
    for (mut browser, what) in [
        (Browser { csrf: other.csrf.clone(), ..one.clone() }, "another's token"),
        (Browser { cookies: [].into(), ..one.clone() }, "no cookie"),
        (Browser { csrf: String::new(), ..one.clone() }, "no token"),
    ] {
        let answer = browser.submit("/admin/login", &fields).await;
        assert_eq!((answer.status, browser.cookies.get("admin_session")), (403, None), "{what}: {answer:#?}");
    }
    server.clock.advance(Duration::from_mins(31));
    one.submit("/admin/login", &fields).await.is(403);
    one.sign_in("root").await;
}

/// That an answer can do nothing but be read and sent back here.
#[track_caller]
fn is_page(answer: &Answer) {
    assert_eq!(
        answer.header("content-security-policy"),
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; \
         base-uri 'none'"
    );
    let rest = ["cache-control", "x-content-type-options", "referrer-policy", "x-frame-options"];
    assert_eq!(rest.map(|name| answer.header(name)), ["no-store", "nosniff", "same-origin", "DENY"]);
    assert!(answer.header("permissions-policy").contains("camera=()"));
    assert!(!answer.text.contains("<script") && !answer.text.contains("<style"), "{answer:#?}");
}

#[tokio::test]
async fn every_page_is_sent_with_headers_that_let_it_do_nothing() {
    let (server, mut browser) = inside().await;
    for (path, status) in [("/admin/", 200), ("/admin/prove", 200), ("/admin/nothing", 404), ("/admin/logout", 405)] {
        let answer = browser.open(path).await;
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        is_page(answer.is(status));
    }
    assert_eq!(browser.open("/admin/logout").await.header("allow"), "POST");
    is_page(Browser::new(&server).open("/admin/login").await.is(200));
    leads_to(&browser.open("/admin").await, "/admin/");
    let style = browser.open("/admin/style.css").await;
    assert_eq!(style.is(200).header("content-type"), "text/css; charset=utf-8");
    let again = browser.request(Method::GET, "/admin/style.css").header("if-none-match", style.header("etag"));
    assert_eq!(Answer::to(again).await.is(304).text, "");
}

#[tokio::test]
async fn the_cookie_is_for_the_zone_alone_and_secure_by_https() {
    let server = TestServer::with("server.public_url = 'https://id.example.com/sign'").await;
    superuser(&server, "root").await;
    let mut browser = Browser::new(&server);
    browser.open("/admin/login").await.is(200);
    let csrf = browser.csrf.clone();
    let request = browser.form("/admin/login", &[("login", "root"), ("password", PASSWORD), ("csrf", &csrf)]);
    let answer = browser.send(request.header("origin", "https://id.example.com")).await;
    leads_to(&answer, "/sign/admin/");
    let cookie = answer.header("set-cookie");
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
    let mut browser = Browser::new(&server);
    browser.sign_in("root").await;
    let asked = browser.request(Method::GET, "/admin/").header("origin", "https://app.example.com");
    assert_eq!(Answer::to(asked).await.is(200).header("access-control-allow-origin"), "");
    let act = browser.form(OTHERS, &[("csrf", &browser.csrf)]).header("origin", "https://app.example.com");
    Answer::to(act).await.is(403);
}

#[tokio::test]
async fn next_leads_nowhere_else() {
    let (server, _) = inside().await;
    for (next, place) in [
        ("/admin/keys?x=1", "/admin/keys?x=1"),
        ("//evil.example", "/admin/"),
        ("https://evil.example/admin/", "/admin/"),
        ("/admin/../auth", "/admin/"),
        ("/admin/\\evil.example", "/admin/"),
    ] {
        let mut browser = Browser::new(&server);
        browser.open("/admin/login").await.is(200);
        let fields = [("login", "root"), ("password", PASSWORD), ("next", next)];
        leads_to(&browser.submit("/admin/login", &fields).await, place);
    }
}

#[tokio::test]
async fn idleness_and_age_end_a_session() {
    let (server, mut browser) = inside().await;
    server.clock.advance(Duration::from_mins(29));
    browser.open("/admin/").await.is(200);
    server.clock.advance(Duration::from_mins(30));
    leads_to(
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
async fn the_right_that_is_lost_ends_a_session() {
    let (server, mut browser) = inside().await;
    for change in
        [Change::Disable, Change::SetPassword(countersign::domain::password::Password::new(PASSWORD.to_owned()))]
    {
        browser.open("/admin/").await.is(200);
        server.change("root", change).await;
        browser.open("/admin/").await.is(303);
        server.change("root", Change::Enable).await;
        browser.open("/admin/").await.is(303);
        browser.sign_in("root").await;
    }
    // Demotion, by whoever writes to the database.
    let database = rusqlite::Connection::open(server.path("data/countersign.db")).unwrap();
    database.execute_batch("UPDATE users SET is_superuser = 0; UPDATE users SET is_superuser = 1;").unwrap();
    browser.open("/admin/").await.is(303);
}

#[tokio::test]
async fn what_cannot_be_undone_asks_for_the_password_again() {
    let (server, mut browser) = inside().await;
    let mut elsewhere = Browser::new(&server);
    elsewhere.sign_in("root").await;
    server.clock.advance(Duration::from_mins(6));
    leads_to(&browser.submit(OTHERS, &[]).await, "/admin/prove?next=%2Fadmin%2F");
    elsewhere.open("/admin/").await.is(200);
    browser.open("/admin/prove?next=%2Fadmin%2F").await.is(200);
    let wrong = browser.submit("/admin/prove", &[("password", "wrong"), ("next", "/admin/")]).await;
    assert!(wrong.is(403).text.contains("The password is wrong."), "{wrong:#?}");
    leads_to(&browser.submit("/admin/prove", &[("password", PASSWORD), ("next", "/admin/")]).await, "/admin/");
    let back = browser.open("/admin/").await;
    assert!(back.is(200).text.contains("Now do it once more"), "{back:#?}");
    assert!(!browser.open("/admin/").await.text.contains("Now do it once more"), "a word is said once");
    leads_to(&browser.submit(OTHERS, &[]).await, "/admin/");
    assert!(browser.open("/admin/").await.text.contains("One other session of yours is ended."));
    elsewhere.open("/admin/").await.is(303);
}

#[tokio::test]
async fn tries_at_the_door_are_limited_with_all_others() {
    let (server, _) = inside().await;
    for _ in 0..10 {
        let body = serde_json::json!({"username": "root", "password": "wrong"});
        server.post_from("192.0.2.77", "/auth", &body).await.is(401);
    }
    let mut browser = Browser::new(&server);
    browser.open("/admin/login").await.is(200);
    let form = [("login", "root"), ("password", PASSWORD), ("csrf", browser.csrf.as_str())];
    let limited = Answer::to(browser.form("/admin/login", &form).header("x-forwarded-for", "192.0.2.78")).await;
    assert_eq!(limited.is(429).header("retry-after"), "60");
    assert!(limited.text.contains("Too many tries"), "{limited:#?}");
    // Its owner comes in from where they did before.
    browser.sign_in("root").await;
}

#[tokio::test]
async fn a_fault_is_told_by_its_request_alone() {
    let (server, mut browser) = inside().await;
    let database = rusqlite::Connection::open(server.path("data/countersign.db")).unwrap();
    database.execute_batch("ALTER TABLE outbox RENAME TO gone").unwrap();
    let broken = browser.open("/admin/").await;
    is_page(broken.is(500));
    assert!(broken.text.contains(broken.header("x-request-id")) && !broken.text.contains("outbox"), "{broken:#?}");
}
