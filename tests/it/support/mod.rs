//! Test fixtures: a server in this process with a manual clock ([`TestServer`]), the binary as an operator runs it
//! ([`binary`]), and third-party verifiers ([`verifier`]). This module contains no tests.
#![expect(clippy::unwrap_used, reason = "tests")]

pub mod binary;
pub mod client;
pub mod mail;
pub mod response;
#[path = "../../skip.rs"]
pub mod skip;
pub mod stored_keys;
pub mod token;
pub mod verifier;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use countersign::app;
use countersign::clock::Clock;
use countersign::config::Config;
use countersign::domain::algorithm::Algorithm;
use countersign::issuer::Issuer;
use countersign::keys::folder::{KeyFolder, KeyFolderOptions};
use countersign::keys::new_key::NewKeyOptions;
use countersign::random::Random;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use response::ServerResponse;

/// The password of the users that the fixtures create.
pub const PASSWORD: &str = "correct horse battery";

/// A server in this process, on a free port, with its own folder and clock. Dropping the value stops the server.
pub struct TestServer {
    /// The server's clock. It starts at the system time and moves only when the test advances it.
    pub clock: Clock,
    /// The issuer of the server, for checks that are not possible through HTTP.
    pub issuer: Arc<Issuer>,
    /// The base URL of the server.
    pub url: String,
    settings: String,
    folder: Option<TempDir>,
    client: reqwest::Client,
    stop: watch::Sender<bool>,
    serving: Option<JoinHandle<anyhow::Result<()>>>,
}

impl TestServer {
    /// A server with default settings, except for cheap password hashes.
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// A server with additional settings, as TOML. It trusts `X-Forwarded-For` from 127.0.0.1, so from every caller in
    /// a test.
    pub async fn with(settings: &str) -> Self {
        Self::exactly(&format!("server.trusted_proxies = ['127.0.0.1']\n{settings}")).await
    }

    /// A server with exactly these settings, as TOML, and cheap password hashes. It has no trusted proxies by default,
    /// so it ignores `X-Forwarded-For`.
    pub async fn exactly(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_keys(&folder.path().join("keys"));
        Self::open(folder, Clock::manual(Clock::system().now()), settings.to_owned()).await
    }

    async fn open(folder: TempDir, clock: Clock, settings: String) -> Self {
        let path = folder.path().display();
        let config = Config::from_toml(&format!(
            "data_dir = '{path}/data'\nkeys_dir = '{path}/keys'\nserver.listen = '127.0.0.1:0'\n{QUICK_HASHES}\n{settings}"
        ))
        .unwrap();
        let listener = TcpListener::bind(config.server.listen).unwrap();
        let address = listener.local_addr().unwrap();
        let config = config.listening_on(address);
        // Seeded by the time, so that a restarted server does not generate the same ids again.
        let random = Random::seeded(clock.now().unix().unsigned_abs());
        let issuer = app::build(&config, clock.clone(), random).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let served = Arc::clone(&issuer);
        let serving = Some(tokio::spawn(async move { app::serve(&config, served, listener, stopped).await }));
        let client = client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let folder = Some(folder);
        Self { clock, issuer, url: format!("http://{address}"), settings, folder, client, stop, serving }
    }

    /// Shuts the server down as SIGTERM does, advances the clock by `down`, and starts the server again in the same
    /// folder.
    pub async fn restart(mut self, down: Duration) -> Self {
        self.stop.send_replace(true);
        self.serving.take().unwrap().await.unwrap().unwrap();
        self.clock.advance(down);
        let folder = self.folder.take().unwrap();
        Self::open(folder, self.clock.clone(), self.settings.clone()).await
    }

    /// A server with one user, `anna`, whose address is `anna@example.com`.
    pub async fn with_anna() -> Self {
        let server = Self::start().await;
        server.register("anna").await;
        server
    }

    /// The path of a file or folder of the server.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.as_ref().unwrap().path().join(name)
    }

    /// A request for [`ServerResponse::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Sends a GET request.
    pub async fn get(&self, path: &str) -> ServerResponse {
        ServerResponse::send(self.request(Method::GET, path)).await
    }

    /// A POST request with a JSON body.
    pub fn posting(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, path).json(body)
    }

    /// Sends a POST request with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> ServerResponse {
        ServerResponse::send(self.posting(path, body)).await
    }

    /// Sends a POST request with a JSON body from this client address.
    pub async fn post_from(&self, address: &str, path: &str, body: &Value) -> ServerResponse {
        ServerResponse::send(self.posting(path, body).header("x-forwarded-for", address)).await
    }

    /// Sends a POST request with a JSON body and this bearer token.
    pub async fn post_as(&self, token: &str, path: &str, body: &Value) -> ServerResponse {
        ServerResponse::send(self.posting(path, body).bearer_auth(token)).await
    }

    /// Registers a user with [`PASSWORD`] and the address `<name>@example.com`.
    pub async fn register(&self, name: &str) {
        let email = format!("{name}@example.com");
        let body = json!({"username": name, "password": PASSWORD, "email": email});
        self.post("/register", &body).await.is(200);
    }

    /// Signs a user in with [`PASSWORD`] and returns the access token.
    pub async fn token(&self, name: &str) -> String {
        self.token_by(name, PASSWORD).await
    }

    /// Like [`TestServer::token`], but with another password.
    pub async fn token_by(&self, name: &str, password: &str) -> String {
        let response = self.post("/auth", &json!({"username": name, "password": password})).await;
        response.is(200).json()["jwt"].as_str().unwrap().to_owned()
    }

    /// Whether the server renews a token. Panics if the status is neither 200 nor 401.
    pub async fn accepts(&self, token: &str) -> bool {
        match self.post_as(token, "/renew_token", &json!({})).await.status {
            200 => true,
            401 => false,
            other => panic!("unexpected status {other}"),
        }
    }

    /// The notices about changes of accounts sent so far, in the order in which they were queued.
    pub fn notices(&self) -> Vec<mail::Mail> {
        mail::notices(&self.path("data/mail"))
    }

    /// The other e-mails sent so far, in the order in which they were queued.
    pub fn emails(&self) -> Vec<mail::Mail> {
        mail::all(&self.path("data/mail"))
    }

    /// Action and detail of the newest 1000 audit lines, newest first.
    pub async fn audit(&self) -> Vec<(String, String)> {
        let lines: Result<_, countersign::store::StoreError> =
            self.issuer.store.read(|tx| tx.audit_lines(None, 1000)).await;
        lines.unwrap().into_iter().map(|line| (line.action, line.detail)).collect()
    }

    /// Sets a runtime setting as the command line does.
    pub async fn set(&self, name: &str, value: &str) {
        let set = countersign::issuer::settings::SetSetting {
            name: name.to_owned(),
            value: value.to_owned(),
            by: countersign::domain::audit::Operator::CommandLine,
        };
        set.run(&self.issuer).await.unwrap();
    }

    /// Applies an operator's change to a user.
    pub async fn change(&self, name: &str, change: countersign::issuer::users::UserChange) {
        let user = countersign::issuer::users::find(&self.issuer, name).await.unwrap().unwrap();
        change.run(&user, &self.issuer).await.unwrap();
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}

/// The lowest Argon2 cost that the settings allow.
pub const QUICK_HASHES: &str = "passwords = { memory_kib = 8192, iterations = 1, parallelism = 1 }";

/// The timeout of [`wait_until`]: much longer than any awaited event takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Polls every 20 ms until `done` returns true. `what` describes the awaited event.
///
/// # Panics
/// Panics if `done` has not returned true after 1500 polls, which take at least 30 s.
pub async fn wait_until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..TIMEOUT.as_millis() / POLL_INTERVAL.as_millis() {
        if done().await {
            return;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    panic!("timed out after {} s: {what}", TIMEOUT.as_secs());
}

/// Writes a key ring with one active key of each algorithm to `to`. The ring is generated once, because RSA keys are
/// slow to generate.
pub fn copy_keys(to: &Path) {
    static RING: OnceLock<TempDir> = OnceLock::new();
    let ring = RING.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let options = KeyFolderOptions {
            path: folder.path().join("keys"),
            passphrase: None,
            new_keys: NewKeyOptions {
                algorithms: Algorithm::ALL.to_vec(),
                rsa_bits: 2048,
                certificate_name: "127.0.0.1".to_owned(),
            },
            check_modes: true,
            default_algorithm: Algorithm::Es256,
        };
        KeyFolder::new(options, Clock::system(), Random::System).create().unwrap();
        folder
    });
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for file in fs::read_dir(ring.path().join("keys")).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
