//! Sign-in at providers: a real provider in a process of its own, and browsers that go there and come back.
#![expect(clippy::unwrap_used, reason = "tests")]

mod accounts;
mod attempts;
pub mod browser;
mod concurrency;
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

/// Where whoever is signed in is sent.
const WELCOME: &str = "/welcome?from=here";

/// A provider, and a server that offers it.
struct SocialFixture {
    provider: IdentityProvider,
    server: TestServer,
}

impl SocialFixture {
    /// None where the provider can't run.
    async fn set() -> Option<Self> {
        Self::with("").await
    }

    /// As [`SocialFixture::set`], with further settings of the top level.
    async fn with(settings: &str) -> Option<Self> {
        let provider = IdentityProvider::start()?;
        let server = TestServer::with(&format!("{settings}\n{}", provider.settings())).await;
        Some(Self { provider, server })
    }

    /// As [`SocialFixture::set`], with a user `anna` of a password, whose address is `anna@example.com`.
    async fn with_anna() -> Option<Self> {
        let stage = Self::set().await?;
        stage.server.register("anna").await;
        Some(stage)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url)
    }

    /// Sets the server's clock by the provider's, which is the machine's, unless it was moved ahead.
    fn tick(&self) {
        let clock = &self.server.clock;
        let behind = Clock::system().now().unix() - clock.now().unix();
        clock.advance(Duration::from_secs(behind.try_into().unwrap_or(0)));
    }

    /// What somebody who isn't signed in at the provider does there.
    async fn sign_in_at_provider(&self, browser: &Browser, start: &ServerResponse, login: &str) -> String {
        browser.keep(&self.provider.url, BTreeMap::new());
        let callback = browser.sign_in_at_provider(start, &self.server.url, login).await;
        self.tick();
        callback
    }

    /// Goes to a provider, signs in there and is sent back: the URL that it is sent back to.
    async fn callback(&self, browser: &Browser, provider: &str, login: &str) -> String {
        let start = browser.get(&self.url(&format!("/{provider}/"))).await;
        self.sign_in_at_provider(browser, &start, login).await
    }

    /// As [`SocialFixture::callback`], and what the server says to it.
    async fn finish_callback(&self, browser: &Browser, provider: &str, login: &str) -> ServerResponse {
        let callback = self.callback(browser, provider, login).await;
        browser.get(&callback).await
    }

    /// As [`SocialFixture::finish_callback`], where it works. The token in the cookie.
    async fn sign_in(&self, browser: &Browser, provider: &str, login: &str) -> String {
        let answer = self.finish_callback(browser, provider, login).await;
        assert_eq!(location(&answer), WELCOME, "{answer:#?}");
        self.token(browser).unwrap()
    }

    /// The token in the cookie.
    fn token(&self, browser: &Browser) -> Option<String> {
        browser.cookies(&self.server.url).remove("jwt_token")
    }

    /// The name of the user whom a token is for.
    fn name(&self, token: &str) -> String {
        let claims = claims(token);
        self.query(&format!("SELECT username FROM users WHERE id = {}", claims["userid"].as_str().unwrap()))
    }

    /// A GET's answer.
    async fn get(&self, browser: &Browser, path: &str) -> ServerResponse {
        browser.get(&self.url(path)).await
    }

    /// The answer to a POST by somebody who is signed in by the cookie, from a page of the server's own.
    async fn post(&self, browser: &Browser, path: &str, body: &Value) -> ServerResponse {
        let request = browser.request(Method::POST, &self.url(path)).header("origin", &self.server.url).json(body);
        browser.send(request).await
    }

    /// The page that people get as the answer to a request, with every `/` of it as it is.
    async fn page(&self, browser: &Browser, request: reqwest::RequestBuilder) -> ServerResponse {
        let mut page = browser.send(request.header("accept", "text/html,*/*;q=0.8")).await;
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{page:#?}");
        page.text = page.text.replace("&#x2f;", "/");
        page
    }

    /// Begins linking as somebody who is signed in, goes to the provider and comes back.
    async fn link(&self, browser: &Browser, provider: &str, login: &str) -> ServerResponse {
        let start = self.post(browser, &format!("/{provider}/"), &Value::Null).await;
        let callback = self.sign_in_at_provider(browser, &start, login).await;
        browser.get(&callback).await
    }

    /// Signs in to a browser with a password, as `/auth` does by its cookie.
    async fn sign_in_with_password(&self, browser: &Browser, name: &str) {
        let body = serde_json::json!({"username": name, "password": crate::support::PASSWORD});
        let request = browser.request(Method::POST, &self.url("/auth")).json(&body);
        browser.send(request).await.is(200);
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.server.path("data/countersign.db")).unwrap()
    }

    /// How many users, accounts at providers and sessions there are.
    fn count(&self) -> [i64; 3] {
        ["users", "social_accounts", "sessions"].map(|table| self.query(&format!("SELECT count(*) FROM {table}")))
    }

    /// The one value a query answers.
    fn query<T: rusqlite::types::FromSql>(&self, query: &str) -> T {
        self.database().query_row(query, [], |row| row.get(0)).unwrap()
    }
}

/// That the answer says no in these words, as JSON, and leaves nothing but what it takes away.
#[track_caller]
fn assert_refused(answer: &ServerResponse, words: &str, what: &str) {
    assert_eq!(answer.status, 400, "{what}: {answer:#?}");
    let status = answer.json()["status"].as_str().unwrap_or_default().to_owned();
    assert!(status.contains(words), "{what}: {answer:#?}");
    assert_eq!(answer.header("cache-control"), "no-store", "{what}: {answer:#?}");
    assert!(!answer.header("set-cookie").contains("jwt_token"), "{what}: {answer:#?}");
}
