//! Somebody's browser: cookies for each server apart, forms that are filled in, redirects that are seen before they are
//! followed.

use std::collections::BTreeMap;
use std::sync::Mutex;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use url::Url;

use crate::support::ServerResponse;

/// Cookies by name.
type CookieJar = BTreeMap<String, String>;

/// A browser, with what servers have left in it.
pub struct Browser {
    client: reqwest::Client,
    jars: Mutex<BTreeMap<String, CookieJar>>,
}

/// Which server a URL is of.
fn server_of(url: &str) -> String {
    Url::parse(url).unwrap()[url::Position::BeforeScheme..url::Position::BeforePath].to_owned()
}

impl Browser {
    pub fn new() -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { client, jars: Mutex::default() }
    }

    /// A request to be sent by [`Browser::send`].
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        let jars = self.jars.lock().unwrap();
        let cookies = jars.get(&server_of(url)).into_iter().flatten().map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        let request = self.client.request(method, url);
        if cookies.is_empty() { request } else { request.header(COOKIE, cookies) }
    }

    /// The answer to one request, whose cookies are kept and whose redirect is not followed.
    pub async fn send(&self, request: RequestBuilder) -> ServerResponse {
        let server = server_of(request.try_clone().unwrap().build().unwrap().url().as_str());
        let answer = ServerResponse::send(request).await;
        let mut jars = self.jars.lock().unwrap();
        let jar = jars.entry(server).or_default();
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            let lower = cookie.to_lowercase();
            if lower.contains("max-age=0") || lower.contains("01 jan 1970") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// A GET's answer.
    pub async fn get(&self, url: &str) -> ServerResponse {
        self.send(self.request(Method::GET, url)).await
    }

    /// The answer to a form.
    pub async fn submit(&self, url: &str, fields: &[(&str, &str)]) -> ServerResponse {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.request(Method::POST, url).header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(form)).await
    }

    /// The cookies a server has left.
    pub fn cookies(&self, server: &str) -> CookieJar {
        self.jars.lock().unwrap().get(&server_of(server)).cloned().unwrap_or_default()
    }

    /// Puts a server's cookies in place of those there are.
    pub fn keep(&self, server: &str, cookies: CookieJar) {
        self.jars.lock().unwrap().insert(server_of(server), cookies);
    }

    /// Signs in at the provider that a server has sent the browser to, and stops where that sends it back to the server.
    pub async fn sign_in_at_provider(&self, start: &ServerResponse, server: &str, login: &str) -> String {
        let mut next = location(start);
        let mut answer = self.get(&next).await;
        for _ in 0..20 {
            if answer.headers.contains_key(LOCATION) {
                next = Url::parse(&next).unwrap().join(answer.header("location")).unwrap().to_string();
                if next.starts_with(server) {
                    return next;
                }
                answer = self.get(&next).await;
                continue;
            }
            answer.is(200);
            let action = attribute(&answer, "action");
            let prompt = attribute(&answer, "name=\"prompt\" value");
            next = Url::parse(&next).unwrap().join(&action.unwrap()).unwrap().to_string();
            let prompt = prompt.unwrap_or_default();
            answer = self.submit(&next, &[("prompt", &prompt), ("login", login), ("password", "any")]).await;
        }
        panic!("the provider never sends the browser back: {answer:#?}");
    }

    /// Says no at the provider, and stops where that sends the browser back to the server.
    pub async fn decline_at_provider(&self, start: &ServerResponse, server: &str) -> String {
        let first = location(start);
        let page = location(&self.get(&first).await);
        let page = Url::parse(&first).unwrap().join(&page).unwrap().to_string();
        let cancel = attribute(self.get(&page).await.is(200), "<a href").unwrap();
        let resume = location(&self.get(&cancel).await);
        let back = location(&self.get(&resume).await);
        assert!(back.starts_with(server), "{back}");
        back
    }
}

/// Where a browser is sent.
#[track_caller]
pub fn location(answer: &ServerResponse) -> String {
    assert!(matches!(answer.status, 302 | 303), "{answer:#?}");
    answer.header("location").to_owned()
}

/// An attribute's first value in a page.
fn attribute(page: &ServerResponse, name: &str) -> Option<String> {
    let value = page.text.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
    Some(value.replace("&#38;", "&").replace("&amp;", "&").replace("&#x2f;", "/"))
}
