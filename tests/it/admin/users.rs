//! Users in the admin zone.

use std::time::Duration;

use countersign::issuer::users::{UserChange, find};
use serde_json::json;

use super::{AdminBrowser, PASSWORD, ServerResponse, TestServer, assert_redirect, signed_in_root};

/// A server with the signed-in superuser `root` and a user `anna`, and the path of anna's page.
pub(super) async fn with_anna() -> (TestServer, AdminBrowser, String) {
    let (server, browser) = signed_in_root().await;
    server.register("anna").await;
    let page = page_of(&server, "anna").await;
    (server, browser, page)
}

pub(super) async fn page_of(server: &TestServer, name: &str) -> String {
    let user = find(&server.issuer, name).await.unwrap().unwrap();
    format!("/admin/users/{}", user.id)
}

/// The action and the actor of the newest audit line.
pub(super) async fn last_audit_line(server: &TestServer) -> (String, Option<String>) {
    let lines: Result<_, countersign::store::StoreError> = server.issuer.store.read(|tx| tx.audit_lines(None, 1)).await;
    let line = lines.unwrap().remove(0);
    (line.action, line.actor)
}

pub(super) fn audited_by_root(action: &str) -> (String, Option<String>) {
    (action.to_owned(), Some("root".to_owned()))
}

#[tokio::test]
async fn unauthenticated_requests_see_and_change_nothing() {
    let (server, mut browser, page) = with_anna().await;
    let mut anonymous = AdminBrowser::new(&server);
    let actions =
        ["disable", "end-sessions", "password", "rights", "unlink", "delete"].map(|action| format!("{page}/{action}"));
    let pages = ["/admin/users", "/admin/users/new", "/admin/sessions", &page];
    for path in pages.into_iter().chain(actions.iter().map(String::as_str)) {
        let response = anonymous.open(path).await;
        assert!(response.is(303).header("location").starts_with("/admin/login?next="), "{path}: {response:#?}");
    }
    // The server rejects every form without its CSRF token, even from a signed-in superuser.
    let forms = ["claims", "reset", "enable"].map(|form| format!("{page}/{form}"));
    let other_forms = ["/admin/users/new", "/admin/sessions/end", &page];
    let before = server.audit().await;
    for path in actions.iter().chain(&forms).map(String::as_str).chain(other_forms) {
        anonymous.submit(path, &[("name", "anna")]).await.is(303);
        let forged = browser.form(path, &[("csrf", "AAAA"), ("name", "anna"), ("username", "eve")]);
        ServerResponse::send(forged.header("origin", &server.url)).await.is(403);
        let foreign = browser.form(path, &[("csrf", &browser.csrf), ("name", "anna"), ("username", "eve")]);
        ServerResponse::send(foreign.header("origin", "https://evil.example")).await.is(403);
    }
    assert_eq!(server.audit().await, before);
    browser.open(&page).await.is(200);
}

#[tokio::test]
async fn an_unknown_user_has_no_page() {
    let (_server, mut browser, page) = with_anna().await;
    for id in ["999", "0", "-1", "anna", "1e3", "99999999999999999999", "%ff", "7%2f.."] {
        for rest in ["", "/disable", "/delete"] {
            browser.open(&format!("/admin/users/{id}{rest}")).await.is(404);
        }
    }
    browser.open(&format!("{page}/promote")).await.is(404);
    for rest in ["disable", "end-sessions", "password", "rights", "delete", "enable", "claims"] {
        browser.submit(&format!("/admin/users/999/{rest}"), &[("name", "anna")]).await.is(404);
    }
    browser.submit("/admin/users/999", &[("username", "x")]).await.is(404);
}

/// The target of the page's link with this `rel`.
pub(super) fn link(page: &ServerResponse, rel: &str) -> Option<String> {
    let href = page.text.split_once(&format!("rel=\"{rel}\" href=\""))?.1.split('"').next()?;
    Some(href.replace("&amp;", "&").replace("&#x2f;", "/"))
}

#[tokio::test]
async fn users_are_searched_and_paged_both_ways() {
    let (server, mut browser) = signed_in_root().await;
    for number in 0..30 {
        server.register(&format!("user{number:02}")).await;
    }
    server.change("user07", UserChange::Disable).await;
    let names = |page: &ServerResponse| {
        let parts = page.text.split("<bdi>user").skip(1).map(|part| part[..2].to_owned());
        parts.filter(|number| number.parse::<u8>().is_ok()).collect::<Vec<_>>()
    };
    let first = browser.open("/admin/users?q=USER").await;
    // Each of the 25 users on the page counts twice, because both the user name and the address begin with `user`.
    assert_eq!(names(first.is(200)).len(), 50, "{first:#?}");
    assert_eq!(link(&first, "prev"), None);
    let second = browser.open(&link(&first, "next").unwrap()).await;
    assert_eq!(names(second.is(200)).first().map(String::as_str), Some("25"));
    assert_eq!((names(&second).len(), link(&second, "next")), (10, None));
    let again = browser.open(&link(&second, "prev").unwrap()).await;
    assert_eq!(names(&again), names(&first));
    for (query, found) in [
        ("q=user1", 20),
        ("q=user07%40example", 2),
        ("kind=disabled", 2),
        ("q=user&kind=disabled", 2),
        ("kind=superusers", 0),
        ("q=user07&kind=active", 0),
        ("q=%00", 0),
        ("kind=nonsense&q=user29", 2),
    ] {
        let page = browser.open(&format!("/admin/users?{query}")).await;
        assert_eq!(names(page.is(200)).len(), found, "{query}: {page:#?}");
    }
    let user = find(&server.issuer, "user03").await.unwrap().unwrap();
    for text in [user.id.to_string(), user.sub.to_string()] {
        let page = browser.open(&format!("/admin/users?q={text}")).await;
        assert_eq!(names(&page)[..2], ["03", "03"], "the exact match is the first: {page:#?}");
    }
    let no_match = browser.open("/admin/users?q=%3Cb%3Enobody").await;
    assert!(no_match.text.contains("No users match") && !no_match.text.contains("<b>"), "{no_match:#?}");
}

#[tokio::test]
async fn markup_in_names_is_escaped() {
    let (server, mut browser) = signed_in_root().await;
    let name = "<script>alert(1)</script>\"'&";
    server.post("/register", &json!({"username": name, "password": PASSWORD, "email": "x@example.com"})).await.is(200);
    server.post("/auth", &json!({"username": name, "password": PASSWORD})).await.is(200);
    let page = page_of(&server, name).await;
    let paths = [page.clone(), format!("{page}/delete"), format!("{page}/rights")];
    for path in ["/admin/users", "/admin/sessions"].into_iter().chain(paths.iter().map(String::as_str)) {
        let shown = browser.open(path).await;
        assert!(!shown.is(200).text.contains("<script") && shown.text.contains("&lt;script&gt;"), "{path}: {shown:#?}");
    }
    assert_redirect(&browser.submit(&paths[1], &[("name", name)]).await, "/admin/users");
    let list = browser.open("/admin/users").await;
    assert!(!list.text.contains("<script") && list.text.contains("was deleted"), "{list:#?}");
}

#[tokio::test]
async fn a_user_is_edited_and_each_invalid_field_is_reported() {
    let (server, mut browser, page) = with_anna().await;
    let valid = [("username", "anna"), ("email", "anna@example.com"), ("first_name", "Anna"), ("last_name", "李")];
    for (field, value, message) in [
        ("username", "", "The user name must not be empty."),
        ("username", "an\u{3164}na", "The user name must not contain control characters"),
        ("username", "ROOT", "The user name is taken."),
        ("username", "ben@example.com", "The user name may be an e-mail address only"),
        ("email", "anna", "The e-mail address must be a valid e-mail address."),
        ("email", "root@example.com", "The e-mail address is taken."),
        ("first_name", "a\u{202e}b", "The first name must not contain control characters"),
        ("last_name", &"x".repeat(151), "The last name must have at most 150 characters."),
    ] {
        let fields = valid.map(|(name, before)| if name == field { (name, value) } else { (name, before) });
        let response = browser.submit(&page, &fields).await;
        let id = format!("id=\"{field}-error\">{message}");
        assert!(
            response.is(400).text.contains(&id) && (response.text.contains("value=\"李\"") || field == "last_name"),
            "{id}: {response:#?}"
        );
    }
    let before = find(&server.issuer, "anna").await.unwrap().unwrap();
    assert_eq!((before.first_name.as_str(), before.last_name.as_str()), ("", ""));
    assert_redirect(&browser.submit(&page, &valid).await, &page);
    assert!(browser.open(&page).await.text.contains("The user was saved."));
    let after = find(&server.issuer, "anna").await.unwrap().unwrap();
    assert_eq!(
        (after.first_name.as_str(), after.last_name.as_str(), after.email_verified),
        ("Anna", "李", before.email_verified)
    );
    assert_eq!(last_audit_line(&server).await, audited_by_root("names_changed"));
    // No reset can be sent to a user without an e-mail address.
    assert_redirect(&browser.submit(&page, &[("username", "anna")]).await, &page);
    let refused = browser.submit(&format!("{page}/reset"), &[("delivery", "link")]).await;
    assert!(refused.is(409).text.contains("The user has no e-mail address"), "{refused:#?}");
}

#[tokio::test]
async fn changing_address_and_claims_requires_step_up() {
    let (server, mut browser) = signed_in_root().await;
    super::superuser(&server, "other").await;
    server.register("anna").await;
    let page = page_of(&server, "other").await;
    server.clock.advance(Duration::from_mins(6));
    let new_address = [("username", "other"), ("email", "eve@example.com")];
    assert_redirect(
        &browser.submit(&page, &new_address).await,
        &format!("/admin/prove?next={}", page.replace('/', "%2F")),
    );
    assert!(find(&server.issuer, "eve@example.com").await.unwrap().is_none());
    let new_name = [("username", "other"), ("email", "other@example.com"), ("first_name", "O")];
    assert_redirect(&browser.submit(&page, &new_name).await, &page);
    let anna = page_of(&server, "anna").await;
    let step_up = format!("/admin/prove?next={}", anna.replace('/', "%2F"));
    for (form, fields) in
        [("", [("username", "anna"), ("email", "thief@example.com")]), ("/claims", [("role", "owner"), ("roles", "")])]
    {
        assert_redirect(&browser.submit(&format!("{anna}{form}"), &fields).await, &step_up);
    }
    let same = find(&server.issuer, "anna@example.com").await.unwrap().unwrap();
    assert!(same.claims.is_empty());
    browser.submit("/admin/prove", &[("password", PASSWORD)]).await.is(303);
    assert_redirect(&browser.submit(&page, &new_address).await, &page);
    assert!(find(&server.issuer, "eve@example.com").await.unwrap().is_some());
}

#[tokio::test]
async fn claims_and_roles_are_in_the_next_token() {
    let (server, mut browser, page) = with_anna().await;
    let path = format!("{page}/claims");
    for (field, value, message) in [
        ("role", "a b", "The role must not contain spaces"),
        ("rest", "[1]", "Claims must be a JSON object"),
        ("rest", "{", "This is not valid JSON"),
        ("rest", "{\"sub\":\"root\"}", "is reserved for the issuer"),
    ] {
        let response = browser.submit(&path, &[(field, value)]).await;
        assert!(response.is(400).text.contains(&format!("id=\"{field}-error\"")), "{response:#?}");
        assert!(response.text.contains(message), "{message}: {response:#?}");
    }
    let fields = [("role", "editor"), ("roles", "x, y"), ("rest", "{\"team\": \"<b>\"}")];
    assert_redirect(&browser.submit(&path, &fields).await, &page);
    assert_eq!(last_audit_line(&server).await, audited_by_root("claims_set"));
    let claims = crate::support::token::claims(&server.token("anna").await);
    assert_eq!(
        (&claims["role"], &claims["roles"], &claims["team"]),
        (&json!("editor"), &json!(["x", "y"]), &json!("<b>"))
    );
    let shown = browser.open(&page).await;
    assert!(shown.text.contains("value=\"x, y\"") && !shown.text.contains("<b>"), "{shown:#?}");
}

#[tokio::test]
async fn a_disabled_user_can_neither_refresh_nor_sign_in() {
    let (server, mut browser, page) = with_anna().await;
    let token = server.token("anna").await;
    let path = format!("{page}/disable");
    let shown = browser.open(&path).await;
    assert!(shown.is(200).text.contains("1 session ends now"), "{shown:#?}");
    server.clock.advance(Duration::from_mins(6));
    browser.open(&path).await.is(200);
    let request = browser.form(&path, &[("csrf", &browser.csrf)]).header("referer", format!("{}{path}", server.url));
    assert_redirect(&ServerResponse::send(request).await, &format!("/admin/prove?next={}", path.replace('/', "%2F")));
    assert!(server.accepts(&token).await, "nothing changes before the password is entered");
    browser.submit("/admin/prove", &[("password", PASSWORD), ("next", &path)]).await.is(303);
    assert_redirect(&browser.submit(&path, &[]).await, &page);
    assert!(!server.accepts(&token).await);
    assert_eq!(last_audit_line(&server).await, audited_by_root("disabled"));
    let body = json!({"username": "anna", "password": PASSWORD});
    server.post("/auth", &body).await.is(401);
    let refused = browser.submit(&format!("{page}/reset"), &[("delivery", "code")]).await;
    assert!(refused.is(409).text.contains("disabled"), "{refused:#?}");
    assert_redirect(&browser.submit(&format!("{page}/enable"), &[]).await, &page);
    server.post("/auth", &body).await.is(200);
}

#[tokio::test]
async fn the_last_superuser_cannot_be_demoted_and_a_second_can() {
    let (server, mut browser, anna) = with_anna().await;
    let root = page_of(&server, "root").await;
    for action in ["disable", "delete"] {
        let page = browser.open(&format!("{root}/{action}")).await;
        assert!(page.text.contains("the last active superuser") && !page.text.contains("class=\"danger\""));
    }
    let page = browser.open(&format!("{root}/rights")).await;
    assert!(page.text.contains("the last active superuser") && page.text.contains("class=\"danger\""));
    for (action, fields) in [("disable", vec![]), ("delete", vec![("name", "root")]), ("rights", vec![])] {
        let response = browser.submit(&format!("{root}/{action}"), &fields).await;
        assert!(response.is(409).text.contains("Cannot remove the last active superuser"), "{action}: {response:#?}");
    }
    let rights = format!("{anna}/rights");
    assert_redirect(&browser.submit(&rights, &[("is_superuser", "on")]).await, &anna);
    assert_eq!(last_audit_line(&server).await, audited_by_root("rights_changed"));
    let mut second = AdminBrowser::new(&server);
    second.sign_in("anna").await;
    assert_redirect(&browser.submit(&rights, &[("is_superuser", "yes")]).await, &anna);
    assert_redirect(&second.open("/admin/").await, "/admin/login?next=%2Fadmin%2F");
}

#[tokio::test]
async fn deleting_a_user_requires_the_name() {
    let (server, mut browser, page) = with_anna().await;
    let path = format!("{page}/delete");
    for name in ["", "Anna", "anna ", "root"] {
        let response = browser.submit(&path, &[("name", name)]).await;
        assert!(response.is(400).text.contains("Nothing was deleted."), "{name}: {response:#?}");
    }
    assert_redirect(&browser.submit(&path, &[("name", "anna")]).await, "/admin/users");
    assert!(browser.open("/admin/users").await.text.contains("The user anna was deleted."));
    assert!(find(&server.issuer, "anna").await.unwrap().is_none());
    assert_eq!(last_audit_line(&server).await, audited_by_root("deleted"));
    browser.open(&page).await.is(404);
}

/// The temporary password that the page shows.
fn shown_password(page: &ServerResponse) -> String {
    let (_, rest) = page.text.split_once("<p class=\"secret\"><code>").unwrap_or_else(|| panic!("{page:#?}"));
    rest.split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_temporary_password_is_shown_once() {
    let (server, mut browser, page) = with_anna().await;
    let token = server.token("anna").await;
    let response = browser.submit(&format!("{page}/password"), &[]).await;
    let password = shown_password(response.is(200));
    assert_eq!((password.len(), response.header("set-cookie"), response.header("cache-control")), (16, "", "no-store"));
    assert!(!server.accepts(&token).await);
    assert_eq!(last_audit_line(&server).await, audited_by_root("password_set"));
    let claims = crate::support::token::claims(&server.token_by("anna", &password).await);
    assert_eq!(claims["must_change_password"], true);
    assert!(!browser.open(&page).await.text.contains(&password));
}

#[tokio::test]
async fn a_new_user_gets_a_temporary_password() {
    let (server, mut browser) = signed_in_root().await;
    for (fields, field, message) in [
        ([("username", ""), ("email", "")], "username", "The user name must not be empty."),
        ([("username", "Root"), ("email", "")], "username", "The user name is taken."),
        ([("username", "ben"), ("email", "ROOT@example.com")], "email", "The e-mail address is taken."),
        ([("username", "<b>ben"), ("email", "ben")], "email", "The e-mail address must be a valid e-mail address."),
    ] {
        let response = browser.submit("/admin/users/new", &fields).await;
        assert!(response.is(400).text.contains(&format!("id=\"{field}-error\">{message}")), "{response:#?}");
        assert!(!response.text.contains("<b>"), "{response:#?}");
    }
    let form = [("username", "ben"), ("email", "ben@example.com"), ("is_superuser", "on")];
    let response = browser.submit("/admin/users/new", &form).await;
    let password = shown_password(response.is(200));
    assert_eq!(last_audit_line(&server).await, audited_by_root("registered"));
    let ben = find(&server.issuer, "ben").await.unwrap().unwrap();
    assert!(ben.must_change_password() && !ben.is_superuser, "{ben:#?}");
    server.token_by("ben", &password).await;
}

#[tokio::test]
async fn a_reset_email_is_sent() {
    let (server, mut browser, page) = with_anna().await;
    browser.submit(&format!("{page}/reset"), &[]).await.is(400);
    assert_redirect(&browser.submit(&format!("{page}/reset"), &[("delivery", "code")]).await, &page);
    assert_eq!(last_audit_line(&server).await, audited_by_root("reset_requested"));
    let waiting: Result<u64, countersign::store::StoreError> = server.issuer.store.read(|tx| tx.mails_waiting()).await;
    assert!(waiting.unwrap() + server.emails().len() as u64 > 0);
}
