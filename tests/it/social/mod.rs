//! Sign-in with providers: a real provider in its own process, and browsers that visit it and return.
#![expect(clippy::unwrap_used, reason = "tests")]

mod account_changes;
mod accounts;
mod attempts;
pub mod browser;
mod concurrency;
mod environment;
mod imported;
mod issuer;
pub mod provider;
mod refusals;
mod sign_in;

use std::collections::BTreeMap;
use std::time::Duration;

use countersign::clock::Clock;
use reqwest::Method;
use serde_json::Value;

use crate::support::token::claims;
use crate::support::{ServerResponse, TestServer};
use browser::{Browser, location};
use provider::IdentityProvider;

/// The configured redirect target after a sign-in.
const WELCOME: &str = "/welcome?from=here";

/// A provider and a server that offers it.
struct SocialFixture {
    provider: IdentityProvider,
    server: TestServer,
}

impl SocialFixture {
    /// Starts both. Returns `None` if the provider cannot run.
    async fn start() -> Option<Self> {
        Self::with("").await
    }

    /// As [`SocialFixture::start`], with additional top-level settings.
    async fn with(settings: &str) -> Option<Self> {
        let provider = IdentityProvider::start()?;
        let server = TestServer::with(&format!("{settings}\n{}", provider.settings())).await;
        Some(Self { provider, server })
    }

    /// As [`SocialFixture::start`], with a user `anna` who has a password and the address `anna@example.com`.
    async fn with_anna() -> Option<Self> {
        let fixture = Self::start().await?;
        fixture.server.register("anna").await;
        Some(fixture)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url)
    }

    /// Advances the server's clock to the system time, which the provider uses, unless it is already ahead.
    fn sync_clock(&self) {
        let clock = &self.server.clock;
        let behind = Clock::system().now().unix() - clock.now().unix();
        clock.advance(Duration::from_secs(behind.try_into().unwrap_or(0)));
    }

    /// Signs in at the provider in a browser without a provider session. Returns the callback URL.
    async fn sign_in_at_provider(&self, browser: &Browser, start: &ServerResponse, login: &str) -> String {
        browser.set_cookies(&self.provider.url, BTreeMap::new());
        let callback = browser.sign_in_at_provider(start, &self.server.url, login).await;
        self.sync_clock();
        callback
    }

    /// Starts a sign-in, signs in at the provider, and returns the callback URL.
    async fn callback(&self, browser: &Browser, provider: &str, login: &str) -> String {
        let start = browser.get(&self.url(&format!("/{provider}/"))).await;
        self.sign_in_at_provider(browser, &start, login).await
    }

    /// As [`SocialFixture::callback`]; also requests the callback URL and returns the response.
    async fn finish_callback(&self, browser: &Browser, provider: &str, login: &str) -> ServerResponse {
        let callback = self.callback(browser, provider, login).await;
        browser.get(&callback).await
    }

    /// As [`SocialFixture::finish_callback`], but asserts success and returns the token from the cookie.
    async fn sign_in(&self, browser: &Browser, provider: &str, login: &str) -> String {
        let response = self.finish_callback(browser, provider, login).await;
        assert_eq!(location(&response), WELCOME, "{response:#?}");
        self.token(browser).unwrap()
    }

    /// The token in the cookie.
    fn token(&self, browser: &Browser) -> Option<String> {
        browser.cookies(&self.server.url).remove("jwt_token")
    }

    /// The name of the user to whom a token belongs.
    fn name(&self, token: &str) -> String {
        let claims = claims(token);
        self.query(&format!("SELECT username FROM users WHERE id = {}", claims["userid"].as_str().unwrap()))
    }

    /// Sends a GET request.
    async fn get(&self, browser: &Browser, path: &str) -> ServerResponse {
        browser.get(&self.url(path)).await
    }

    /// Sends a same-origin POST request with the browser's cookies.
    async fn post(&self, browser: &Browser, path: &str, body: &Value) -> ServerResponse {
        let request = browser.request(Method::POST, &self.url(path)).header("origin", &self.server.url).json(body);
        browser.send(request).await
    }

    /// Sends a request as a browser does and returns the HTML page, with every `/` unescaped.
    async fn page(&self, browser: &Browser, request: reqwest::RequestBuilder) -> ServerResponse {
        let mut page = browser.send(request.header("accept", "text/html,*/*;q=0.8")).await;
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{page:#?}");
        page.text = page.text.replace("&#x2f;", "/");
        page
    }

    /// Links a provider account to the signed-in user and returns the response to the callback.
    async fn link(&self, browser: &Browser, provider: &str, login: &str) -> ServerResponse {
        let start = self.post(browser, &format!("/{provider}/"), &Value::Null).await;
        let callback = self.sign_in_at_provider(browser, &start, login).await;
        browser.get(&callback).await
    }

    /// Signs in with a password in a browser, by the cookie of `/auth`.
    async fn sign_in_with_password(&self, browser: &Browser, name: &str) {
        let body = serde_json::json!({"username": name, "password": crate::support::PASSWORD});
        let request = browser.request(Method::POST, &self.url("/auth")).json(&body);
        browser.send(request).await.is(200);
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.server.path("data/countersign.db")).unwrap()
    }

    /// The numbers of users, provider accounts and sessions.
    fn count(&self) -> [i64; 3] {
        ["users", "social_accounts", "sessions"].map(|table| self.query(&format!("SELECT count(*) FROM {table}")))
    }

    /// The single value of an SQL query.
    fn query<T: rusqlite::types::FromSql>(&self, query: &str) -> T {
        self.database().query_row(query, [], |row| row.get(0)).unwrap()
    }
}

/// Asserts a 400 response whose JSON `status` contains `expected`, and which sets no token cookie.
#[track_caller]
fn assert_refused(response: &ServerResponse, expected: &str, what: &str) {
    assert_eq!(response.status, 400, "{what}: {response:#?}");
    let status = response.json()["status"].as_str().unwrap_or_default().to_owned();
    assert!(status.contains(expected), "{what}: {response:#?}");
    assert_eq!(response.header("cache-control"), "no-store", "{what}: {response:#?}");
    assert!(!response.header("set-cookie").contains("jwt_token"), "{what}: {response:#?}");
}
