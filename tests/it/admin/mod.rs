//! The admin zone, tested through its HTML pages.
#![expect(clippy::unwrap_used, reason = "tests")]

mod audit;
mod dashboard;
mod guard;
mod keys;
mod outbox;
mod sessions;
mod settings;
mod sign_in;
mod users;
mod welcome;

use std::collections::BTreeMap;

use countersign::domain::password::Password;
use countersign::domain::user::{Email, Username};
use countersign::issuer::register::Register;
use reqwest::{Client, Method, RequestBuilder, redirect};

pub use super::support::{PASSWORD, ServerResponse, TestServer};

/// A browser that stores cookies, follows no redirect by itself, and knows the CSRF token of the current page.
#[derive(Clone)]
pub struct AdminBrowser {
    client: Client,
    url: String,
    /// Cookies by name.
    pub cookies: BTreeMap<String, String>,
    /// The CSRF token of the last page with a form.
    pub csrf: String,
}

impl AdminBrowser {
    /// A browser without cookies.
    pub fn new(server: &TestServer) -> Self {
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
        Self { client, url: server.url.clone(), cookies: BTreeMap::new(), csrf: String::new() }
    }

    /// A request with the browser's cookies.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.client.request(method, format!("{}{path}", self.url)).header("cookie", cookies.join("; "))
    }

    /// A POST of a form as a page sends it, but without the CSRF token.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded").body(form)
    }

    /// Sends a request, and stores the cookies and the CSRF token of the response.
    pub async fn send(&mut self, request: RequestBuilder) -> ServerResponse {
        let response = ServerResponse::send(request).await;
        for line in response.headers.get_all("set-cookie") {
            let cookie = cookie::Cookie::parse(line.to_str().unwrap().to_owned()).unwrap();
            if cookie.max_age().is_some_and(cookie::time::Duration::is_zero) {
                self.cookies.remove(cookie.name());
            } else {
                self.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
        if let Some((_, rest)) = response.text.split_once("name=\"csrf\" value=\"") {
            rest.split('"').next().unwrap().clone_into(&mut self.csrf);
        }
        response
    }

    /// Requests a page.
    pub async fn open(&mut self, path: &str) -> ServerResponse {
        let request = self.request(Method::GET, path);
        self.send(request).await
    }

    /// Submits a form of the current page, with its CSRF token.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> ServerResponse {
        let csrf = self.csrf.clone();
        let request = self.form(path, &[fields, &[("csrf", &csrf)]].concat());
        let origin = self.url.clone();
        let referer = format!("{}/admin/", self.url);
        self.send(request.header("origin", origin).header("referer", referer)).await
    }

    /// Opens the sign-in page and submits a name and a password.
    pub async fn try_sign_in(&mut self, name: &str, password: &str) -> ServerResponse {
        self.open("/admin/login").await.is(200);
        self.submit("/admin/login", &[("login", name), ("password", password)]).await
    }

    /// Signs in with [`PASSWORD`] and opens the dashboard.
    pub async fn sign_in(&mut self, name: &str) -> &mut Self {
        self.try_sign_in(name, PASSWORD).await.is(303);
        self.open("/admin/").await.is(200);
        self
    }
}

/// Creates a superuser with [`PASSWORD`].
pub async fn superuser(server: &TestServer, name: &str) {
    let register = Register {
        username: Username::parse(name).unwrap(),
        password: Password::new(PASSWORD.to_owned()),
        email: Some(Email::parse(&format!("{name}@example.com")).unwrap()),
        from: None,
        is_superuser: true,
    };
    register.run(&server.issuer).await.unwrap();
}

/// A server with a superuser `root`, and a browser in which `root` is signed in.
pub async fn signed_in_root() -> (TestServer, AdminBrowser) {
    signed_in_root_at(TestServer::start().await).await
}

/// The server with a superuser `root`, and a browser in which `root` is signed in.
pub async fn signed_in_root_at(server: TestServer) -> (TestServer, AdminBrowser) {
    superuser(&server, "root").await;
    let mut browser = AdminBrowser::new(&server);
    browser.sign_in("root").await;
    (server, browser)
}

/// Asserts that the response is a redirect (303) to this location.
#[track_caller]
pub fn assert_redirect(response: &ServerResponse, expected: &str) {
    response.is(303);
    assert_eq!(response.header("location"), expected, "{response:#?}");
}
