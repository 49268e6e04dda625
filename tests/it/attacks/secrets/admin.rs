//! The admin zone and the metrics: the superuser's password, cookies, CSRF tokens and the metrics token.

use reqwest::Method;

use super::SecretWatch;
use crate::social::browser::Browser;
use crate::support::ServerResponse;
use crate::support::binary::Binary;

/// The password of `[admin]`.
pub const PASSWORD: &str = "password of the first superuser";
/// The value of `metrics.token`.
pub const METRICS: &str = "token-of-the-metrics-scraper";

/// The CSRF token of a page.
fn csrf(page: &ServerResponse) -> String {
    let value = page.text.split("name=\"csrf\" value=\"").nth(1).unwrap_or_else(|| panic!("no form in {page:#?}"));
    value.split('"').next().unwrap().to_owned()
}

/// Submits a form as a page of the admin zone does.
async fn submit(server: &Binary, browser: &Browser, path: &str, fields: &[(&str, &str)]) -> ServerResponse {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = browser.request(Method::POST, &format!("{}{path}", server.url)).header("origin", &server.url);
    browser.send(request.header("content-type", "application/x-www-form-urlencoded").body(form)).await
}

fn watch_cookies(server: &Binary, browser: &Browser, watch: &mut SecretWatch) {
    for (name, value) in browser.cookies(&server.url) {
        watch.add(&format!("the admin cookie {name}"), &value);
    }
}

/// Signs in after failed attempts, requests the main pages, changes a setting and signs out.
pub async fn use_admin_pages(server: &Binary, watch: &mut SecretWatch) {
    let browser = Browser::new();
    let page = async |path: &str| browser.get(&format!("{}{path}", server.url)).await;
    let sign_in_page = page("/admin/login").await;
    let token = watch.add("the sign-in page's CSRF token", &csrf(&sign_in_page));
    watch_cookies(server, &browser, watch);
    watch.add("the superuser's password", PASSWORD);
    let wrong = watch.add("a superuser's wrong password", "wrong password of the superuser");
    for (login, password) in [("root", wrong.as_str()), (PASSWORD, wrong.as_str())] {
        let fields = [("login", login), ("password", password), ("csrf", &token)];
        // The response is the form again, with its token and the typed name, so it is not searched as an error
        // response.
        let response = submit(server, &browser, "/admin/login", &fields).await;
        assert!(!response.is(403).text.contains(&wrong), "{response:#?}");
    }
    let valid = [("login", "root"), ("password", PASSWORD), ("csrf", &token)];
    submit(server, &browser, "/admin/login", &valid).await.is(303);
    watch_cookies(server, &browser, watch);
    for path in ["/admin/", "/admin/users", "/admin/sessions", "/admin/keys", "/admin/mails", "/admin/audit"] {
        page(path).await.is(200);
    }
    let token = watch.add("the session's CSRF token", &csrf(page("/admin/settings").await.is(200)));
    let set = ["name", "value", "do"].into_iter().zip(["profiles.jwt_issuer.access_lifetime", "300", "set"]);
    let set: Vec<_> = set.collect();
    let forged = format!("{}AAAA", &token[..token.len() - 4]);
    for wrong in ["", &forged] {
        let fields = [&set[..], &[("csrf", wrong)]].concat();
        watch.add_refusal(&submit(server, &browser, "/admin/settings", &fields).await);
    }
    submit(server, &browser, "/admin/settings", &[&set[..], &[("csrf", &token)]].concat()).await.is(303);
    watch.add_refusal(&page(&format!("/admin/nowhere?csrf={token}")).await);
    submit(server, &browser, "/admin/logout", &[("csrf", &token)]).await.is(303);
}

/// Requests the metrics with the valid token and with invalid ones.
pub async fn scrape(server: &Binary, watch: &mut SecretWatch) {
    let valid = watch.add("the metrics' token", METRICS);
    let wrong = watch.add("a wrong token for metrics", "token-of-no-metrics-scraper");
    let browser = Browser::new();
    let metrics = async |token: &str| {
        browser.send(browser.request(Method::GET, &format!("{}/metrics", server.url)).bearer_auth(token)).await
    };
    let response = metrics(&valid).await;
    assert_eq!(watch.find_secrets("the metrics", response.is(200).text.as_bytes()), [""; 0]);
    watch.add_refusal(&metrics(&wrong).await);
    watch.add_refusal(&metrics(&format!("{valid}x")).await);
}
