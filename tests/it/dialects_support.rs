//! Test fixtures of `drf_pyjwt` and `simplejwt`: a server in this process, on a free port, with its own folder and
//! clock.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::app;
use countersign::clock::Clock;
use countersign::config::Config;
use countersign::issuer::Issuer;
use countersign::issuer::settings::SetSetting;
use countersign::issuer::users::{UserChange, find};
use countersign::random::Random;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::client;

pub const PASSWORD: &str = "correct horse battery";

/// A running server. Dropping the value stops it.
pub struct ApiServer {
    pub clock: Clock,
    pub issuer: Arc<Issuer>,
    url: String,
    folder: TempDir,
    client: reqwest::Client,
    _stop: watch::Sender<bool>,
    serving: JoinHandle<anyhow::Result<()>>,
}

/// A complete response.
#[derive(Debug)]
pub struct ApiResponse {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl ApiResponse {
    /// Asserts the status and returns the body as JSON.
    #[track_caller]
    pub fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:#?}");
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl ApiServer {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let config = Config::from_toml(&format!(
            "data_dir = '{path}/data'\nkeys_dir = '{path}/keys'\nserver.listen = '127.0.0.1:0'\n\
             passwords = {{ memory_kib = 8192, iterations = 1, parallelism = 1 }}"
        ))
        .unwrap();
        let listener = TcpListener::bind(config.server.listen).unwrap();
        let address = listener.local_addr().unwrap();
        let config = config.listening_on(address);
        let clock = Clock::manual(Clock::system().now());
        let issuer = app::build(&config, clock.clone(), Random::System).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let served = Arc::clone(&issuer);
        let serving = tokio::spawn(async move { app::serve(&config, served, listener, stopped).await });
        let client = client::builder().build().unwrap();
        Self { clock, issuer, url: format!("http://{address}"), folder, client, _stop: stop, serving }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        media_type: &str,
        token: Option<&str>,
        body: &str,
    ) -> ApiResponse {
        let method: Method = method.parse().unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.url)).body(body.to_owned());
        if !media_type.is_empty() {
            request = request.header("content-type", media_type);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        ApiResponse { status, headers, text: response.text().await.unwrap() }
    }

    pub async fn post(&self, path: &str, body: &Value) -> ApiResponse {
        self.send("POST", path, "application/json", None, &body.to_string()).await
    }

    /// Posts each body with its content type, and compares the status, the body and two headers of the response:
    /// `WWW-Authenticate` and `Cache-Control`.
    pub async fn assert_responses(&self, path: &str, rows: &[(&str, &str, u16, Value)]) {
        for (media_type, body, status, expected) in rows {
            let response = self.send("POST", path, media_type, None, body).await;
            assert_eq!((response.is(*status), path), (expected.clone(), path), "{media_type} {body}");
            let challenge = if *status == 401 { "Bearer realm=\"api\"" } else { "" };
            assert_eq!(response.header("www-authenticate"), challenge, "{media_type} {body}");
            assert_eq!(response.header("cache-control"), "no-store", "{media_type} {body}");
        }
    }

    /// Registers a user with [`PASSWORD`] and the address `<name>@example.com`.
    pub async fn register(&self, name: &str) {
        let email = format!("{name}@example.com");
        self.post("/register", &json!({"username": name, "password": PASSWORD, "email": email})).await.is(200);
    }

    pub async fn set(&self, name: &str, value: &str) {
        let set = SetSetting {
            name: name.to_owned(),
            value: value.to_owned(),
            by: countersign::domain::audit::Operator::CommandLine,
        };
        set.run(&self.issuer).await.unwrap();
    }

    pub async fn disable(&self, name: &str) {
        let user = find(&self.issuer, name).await.unwrap().unwrap();
        UserChange::Disable.run(&user, &self.issuer).await.unwrap();
    }

    /// The number of lines with an action among the newest 1000 audit lines.
    pub async fn audit_count(&self, action: &str) -> usize {
        let lines: Result<_, countersign::store::StoreError> =
            self.issuer.store.read(|tx| tx.audit_lines(None, 1000)).await;
        lines.unwrap().iter().filter(|line| line.action == action).count()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The header of a token.
pub fn header(token: &str) -> Value {
    part(token, 0)
}

/// The claims of a token.
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

fn part(token: &str, index: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()).unwrap()
}

/// The value of a string member.
#[track_caller]
pub fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_else(|| panic!("{name} is not a string in {body}")).to_owned()
}
