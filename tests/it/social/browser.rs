//! A browser: cookies per server, forms, and redirects that a test inspects before it follows them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use url::Url;

use crate::support::ServerResponse;
use crate::support::client;

/// Cookies by name.
type CookieJar = BTreeMap<String, String>;

/// A browser with its cookies.
pub struct Browser {
    client: reqwest::Client,
    jars: Mutex<BTreeMap<String, CookieJar>>,
}

/// Scheme, host and port of a URL.
fn server_of(url: &str) -> String {
    Url::parse(url).unwrap()[url::Position::BeforeScheme..url::Position::BeforePath].to_owned()
}

impl Browser {
    pub fn new() -> Self {
        let client = client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { client, jars: Mutex::default() }
    }

    /// A request for [`Browser::send`].
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        let jars = self.jars.lock().unwrap();
        let cookies = jars.get(&server_of(url)).into_iter().flatten().map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        let request = self.client.request(method, url);
        if cookies.is_empty() { request } else { request.header(COOKIE, cookies) }
    }

    /// Sends one request and stores the cookies of the response. Does not follow a redirect.
    pub async fn send(&self, request: RequestBuilder) -> ServerResponse {
        let server = server_of(request.try_clone().unwrap().build().unwrap().url().as_str());
        let response = ServerResponse::send(request).await;
        let mut jars = self.jars.lock().unwrap();
        let jar = jars.entry(server).or_default();
        for cookie in response.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            let lower = cookie.to_lowercase();
            if lower.contains("max-age=0") || lower.contains("01 jan 1970") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }

    /// Sends a GET request.
    pub async fn get(&self, url: &str) -> ServerResponse {
        self.send(self.request(Method::GET, url)).await
    }

    /// Submits a form.
    pub async fn submit(&self, url: &str, fields: &[(&str, &str)]) -> ServerResponse {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.request(Method::POST, url).header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(form)).await
    }

    /// The cookies of a server.
    pub fn cookies(&self, server: &str) -> CookieJar {
        self.jars.lock().unwrap().get(&server_of(server)).cloned().unwrap_or_default()
    }

    /// Replaces the cookies of a server.
    pub fn set_cookies(&self, server: &str, cookies: CookieJar) {
        self.jars.lock().unwrap().insert(server_of(server), cookies);
    }

    /// Signs in at the provider to which `start` redirects. Returns the callback URL without requesting it.
    pub async fn sign_in_at_provider(&self, start: &ServerResponse, server: &str, login: &str) -> String {
        let mut next = location(start);
        let mut response = self.get(&next).await;
        for _ in 0..20 {
            if response.headers.contains_key(LOCATION) {
                next = Url::parse(&next).unwrap().join(response.header("location")).unwrap().to_string();
                if next.starts_with(server) {
                    return next;
                }
                response = self.get(&next).await;
                continue;
            }
            response.is(200);
            let action = attribute(&response, "action");
            let prompt = attribute(&response, "name=\"prompt\" value");
            next = Url::parse(&next).unwrap().join(&action.unwrap()).unwrap().to_string();
            let prompt = prompt.unwrap_or_default();
            response = self.submit(&next, &[("prompt", &prompt), ("login", login), ("password", "any")]).await;
        }
        panic!("the provider did not redirect to the server: {response:#?}");
    }

    /// Declines at the provider to which `start` redirects. Returns the callback URL without requesting it.
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

/// The location of a redirect.
#[track_caller]
pub fn location(response: &ServerResponse) -> String {
    assert!(matches!(response.status, 302 | 303), "{response:#?}");
    response.header("location").to_owned()
}

/// The value of the first attribute of that name in a page.
fn attribute(page: &ServerResponse, name: &str) -> Option<String> {
    let value = page.text.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
    Some(value.replace("&#38;", "&").replace("&amp;", "&").replace("&#x2f;", "/"))
}
