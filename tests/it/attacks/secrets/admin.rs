//! The admin zone and the metrics: the superuser's password, cookies, the forms' tokens, the scraper's token.

use reqwest::Method;

use super::SecretWatch;
use crate::social::browser::Browser;
use crate::support::ServerResponse;
use crate::support::binary::Binary;

/// The password of `[admin]`.
pub const PASSWORD: &str = "password of the first superuser";
/// `metrics.token`.
pub const METRICS: &str = "token-of-whoever-scrapes-metrics";

/// The token of a page's forms.
fn csrf(page: &ServerResponse) -> String {
    let value = page.text.split("name=\"csrf\" value=\"").nth(1).unwrap_or_else(|| panic!("no form in {page:#?}"));
    value.split('"').next().unwrap().to_owned()
}

/// A form, as a page of the zone sends it.
async fn submit(server: &Binary, browser: &Browser, path: &str, fields: &[(&str, &str)]) -> ServerResponse {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = browser.request(Method::POST, &format!("{}{path}", server.url)).header("origin", &server.url);
    browser.send(request.header("content-type", "application/x-www-form-urlencoded").body(form)).await
}

fn watch_cookies(server: &Binary, browser: &Browser, watch: &mut SecretWatch) {
    for (name, value) in browser.cookies(&server.url) {
        watch.add(&format!("the zone's cookie {name}"), &value);
    }
}

/// Tries wrong passwords, comes in, looks at everything, changes something, and goes.
pub async fn use_admin_pages(server: &Binary, watch: &mut SecretWatch) {
    let browser = Browser::new();
    let page = async |path: &str| browser.get(&format!("{}{path}", server.url)).await;
    let door = page("/admin/login").await;
    let token = watch.add("the door's token", &csrf(&door));
    watch_cookies(server, &browser, watch);
    watch.add("the superuser's password", PASSWORD);
    let wrong = watch.add("a superuser's wrong password", "wrong password of the superuser");
    for (login, password) in [("root", wrong.as_str()), (PASSWORD, wrong.as_str())] {
        let tried = [("login", login), ("password", password), ("csrf", &token)];
        // It is the form again: its token and what was typed as a name are in it, for whoever typed it.
        let answer = submit(server, &browser, "/admin/login", &tried).await;
        assert!(!answer.is(403).text.contains(&wrong), "{answer:#?}");
    }
    let right = [("login", "root"), ("password", PASSWORD), ("csrf", &token)];
    submit(server, &browser, "/admin/login", &right).await.is(303);
    watch_cookies(server, &browser, watch);
    for path in ["/admin/", "/admin/users", "/admin/sessions", "/admin/keys", "/admin/mails", "/admin/audit"] {
        page(path).await.is(200);
    }
    let token = watch.add("the session's token", &csrf(page("/admin/settings").await.is(200)));
    let set = ["name", "value", "do"].into_iter().zip(["profiles.jwt_issuer.access_lifetime", "300", "set"]);
    let set: Vec<_> = set.collect();
    let forged = format!("{}AAAA", &token[..token.len() - 4]);
    for wrong in ["", &forged] {
        let fields = [&set[..], &[("csrf", wrong)]].concat();
        watch.refused(&submit(server, &browser, "/admin/settings", &fields).await);
    }
    submit(server, &browser, "/admin/settings", &[&set[..], &[("csrf", &token)]].concat()).await.is(303);
    watch.refused(&page(&format!("/admin/nowhere?csrf={token}")).await);
    submit(server, &browser, "/admin/logout", &[("csrf", &token)]).await.is(303);
}

/// Reads the metrics, with the right token and with wrong ones.
pub async fn scrape(server: &Binary, watch: &mut SecretWatch) {
    let right = watch.add("the metrics' token", METRICS);
    let wrong = watch.add("a wrong token for metrics", "token-of-whoever-scrapes-nothing");
    let browser = Browser::new();
    let metrics = async |token: &str| {
        browser.send(browser.request(Method::GET, &format!("{}/metrics", server.url)).bearer_auth(token)).await
    };
    let told = metrics(&right).await;
    assert_eq!(watch.found("the metrics", told.is(200).text.as_bytes()), [""; 0]);
    watch.refused(&metrics(&wrong).await);
    watch.refused(&metrics(&format!("{right}x")).await);
}
