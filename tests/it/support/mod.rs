//! What the tests stand on: a server in this process with a clock in hand ([`TestServer`]), the binary as an operator
//! runs it ([`binary`]), and other people's verifiers ([`verifier`]). Judges nothing of the product.
#![expect(clippy::unwrap_used, reason = "tests")]

pub mod binary;
pub mod mail;
pub mod response;
#[path = "../../skip.rs"]
pub mod skip;
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
use countersign::crypto::key_dir::{KeyDir, KeyDirOptions};
use countersign::domain::algorithm::Algorithm;
use countersign::issuer::Issuer;
use countersign::random::Random;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use response::ServerResponse;

/// The password of every user the tests make.
pub const PASSWORD: &str = "correct horse battery";

/// A server in this process, on a free port, with a folder and a clock of its own. It ends with the value.
pub struct TestServer {
    /// The server's clock; it begins at the machine's time and moves only when told.
    pub clock: Clock,
    /// The parts of the server, for what no request can ask.
    pub issuer: Arc<Issuer>,
    /// Where it listens.
    pub url: String,
    settings: String,
    folder: Option<TempDir>,
    client: reqwest::Client,
    stop: watch::Sender<bool>,
    serving: Option<JoinHandle<anyhow::Result<()>>>,
}

impl TestServer {
    /// A server with nothing set but what makes tests quick.
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// A server with further settings, as TOML. Whoever says `X-Forwarded-For` is believed.
    pub async fn with(settings: &str) -> Self {
        Self::exactly(&format!("server.trusted_proxies = ['127.0.0.1']\n{settings}")).await
    }

    /// A server that believes no `X-Forwarded-For`.
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
        // Seeded by the time: what follows a restart must not get the ids of what came before it.
        let random = Random::seeded(clock.now().unix().unsigned_abs());
        let issuer = app::build(&config, clock.clone(), random).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let served = Arc::clone(&issuer);
        let serving = Some(tokio::spawn(async move { app::serve(&config, served, listener, stopped).await }));
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let folder = Some(folder);
        Self { clock, issuer, url: format!("http://{address}"), settings, folder, client, stop, serving }
    }

    /// Ends the server as SIGTERM would, and starts it again in the same folder once some time has passed.
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

    /// A file or folder of the server's.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.as_ref().unwrap().path().join(name)
    }

    /// A request, to be sent by [`ServerResponse::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A GET's answer.
    pub async fn get(&self, path: &str) -> ServerResponse {
        ServerResponse::send(self.request(Method::GET, path)).await
    }

    /// A POST of JSON.
    pub fn posting(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, path).json(body)
    }

    /// The answer to a POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> ServerResponse {
        ServerResponse::send(self.posting(path, body)).await
    }

    /// The answer to a POST of JSON by a caller at that address.
    pub async fn post_from(&self, address: &str, path: &str, body: &Value) -> ServerResponse {
        ServerResponse::send(self.posting(path, body).header("x-forwarded-for", address)).await
    }

    /// The answer to a POST of JSON by whoever has the token.
    pub async fn post_as(&self, token: &str, path: &str, body: &Value) -> ServerResponse {
        ServerResponse::send(self.posting(path, body).bearer_auth(token)).await
    }

    /// Makes a user with [`PASSWORD`] and an address at `example.com`.
    pub async fn register(&self, name: &str) {
        let email = format!("{name}@example.com");
        let body = json!({"username": name, "password": PASSWORD, "email": email});
        self.post("/register", &body).await.is(200);
    }

    /// A token for a user, by a sign-in of its own.
    pub async fn token(&self, name: &str) -> String {
        self.token_by(name, PASSWORD).await
    }

    /// As [`TestServer::token`], with another password.
    pub async fn token_by(&self, name: &str, password: &str) -> String {
        let answer = self.post("/auth", &json!({"username": name, "password": password})).await;
        answer.is(200).json()["jwt"].as_str().unwrap().to_owned()
    }

    /// Whether a token still opens anything.
    pub async fn opens(&self, token: &str) -> bool {
        match self.post_as(token, "/renew_token", &json!({})).await.status {
            200 => true,
            401 => false,
            other => panic!("neither yes nor no: {other}"),
        }
    }

    /// The mails that were sent so far, oldest first.
    pub fn mails(&self) -> Vec<mail::Mail> {
        mail::all(&self.path("data/mail"))
    }

    /// The audit log's actions, newest first.
    pub async fn audit(&self) -> Vec<(String, String)> {
        let lines: Result<_, countersign::store::StoreError> =
            self.issuer.store.read(|tx| tx.audit_lines(None, 1000)).await;
        lines.unwrap().into_iter().map(|line| (line.action, line.detail)).collect()
    }

    /// Sets a runtime setting, as an operator would.
    pub async fn set(&self, name: &str, value: &str) {
        let set = countersign::issuer::settings::SetSetting {
            name: name.to_owned(),
            value: value.to_owned(),
            by: countersign::domain::audit::Operator::CommandLine,
        };
        set.run(&self.issuer.store, self.issuer.clock.now()).await.unwrap();
        let fresh = countersign::issuer::settings::load(&self.issuer.store).await.unwrap();
        self.issuer.runtime.store(fresh.into());
    }

    /// Does to a user what an operator can do.
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

/// Argon2 as cheap as the settings allow.
pub const QUICK_HASHES: &str = "passwords = { memory_kib = 8192, iterations = 1, parallelism = 1 }";

/// How long [`settle`] waits: much longer than anything it waits for takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until something the server does by itself is done.
///
/// # Panics
/// If it never is.
pub async fn settle(what: &str, mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
        if done().await {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("never came: {what}");
}

/// Puts a ring with one active key of each algorithm into `to`. Made once, for making RSA keys is slow.
pub fn copy_keys(to: &Path) {
    static RING: OnceLock<TempDir> = OnceLock::new();
    let ring = RING.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let options = KeyDirOptions {
            path: folder.path().join("keys"),
            passphrase: None,
            rsa_bits: 2048,
            certificate_name: "127.0.0.1".to_owned(),
            default_algorithm: Algorithm::Es256,
        };
        KeyDir::new(options, Clock::system(), Random::System).start().unwrap();
        folder
    });
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for file in fs::read_dir(ring.path().join("keys")).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
