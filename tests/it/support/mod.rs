//! What the tests stand on: a server in this process with a clock in hand. Judges nothing of the product.
#![expect(clippy::unwrap_used, reason = "tests")]

pub mod answer;
pub mod mail;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use countersign::app;
use countersign::chance::Chance;
use countersign::clock::Clock;
use countersign::config::Config;
use countersign::crypto::key_dir::{KeyDir, KeyDirOptions};
use countersign::domain::algorithm::Algorithm;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use answer::Answer;

/// The password of every user the tests make.
pub const PASSWORD: &str = "correct horse battery";

/// A server in this process, on a free port, with a folder and a clock of its own. It ends with the value.
pub struct TestServer {
    /// The server's clock; it begins at the machine's time and moves only when told.
    pub clock: Clock,
    /// Where it listens.
    pub url: String,
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
        Self::open(folder, Clock::manual(Clock::system().now()), settings).await
    }

    async fn open(folder: TempDir, clock: Clock, settings: &str) -> Self {
        let path = folder.path().display();
        let config = Config::from_toml(&format!(
            "data_dir = '{path}/data'\nkeys_dir = '{path}/keys'\nserver.listen = '127.0.0.1:0'\n{QUICK_HASHES}\n{settings}"
        ))
        .unwrap();
        let listener = TcpListener::bind(config.server.listen).unwrap();
        let address = listener.local_addr().unwrap();
        let config = config.listening_on(address);
        // Seeded by the time: what follows a restart must not get the ids of what came before it.
        let chance = Chance::seeded(clock.now().unix().unsigned_abs());
        let issuer = app::build(&config, clock.clone(), chance).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let serving = Some(tokio::spawn(async move { app::serve(&config, issuer, listener, stopped).await }));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let folder = Some(folder);
        Self { clock, url: format!("http://{address}"), folder, client, stop, serving }
    }

    /// A file or folder of the server's.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.as_ref().unwrap().path().join(name)
    }

    /// A request, to be sent by [`Answer::to`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A GET's answer.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path)).await
    }

    /// A POST of JSON.
    pub fn posting(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, path).json(body)
    }

    /// The answer to a POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::to(self.posting(path, body)).await
    }

    /// The answer to a POST of JSON by a caller at that address.
    pub async fn post_from(&self, address: &str, path: &str, body: &Value) -> Answer {
        Answer::to(self.posting(path, body).header("x-forwarded-for", address)).await
    }

    /// The answer to a POST of JSON by whoever has the token.
    pub async fn post_as(&self, token: &str, path: &str, body: &Value) -> Answer {
        Answer::to(self.posting(path, body).bearer_auth(token)).await
    }

    /// Makes a user with [`PASSWORD`] and an address at `example.com`.
    pub async fn register(&self, name: &str) {
        let email = format!("{name}@example.com");
        let body = json!({"username": name, "password": PASSWORD, "email": email});
        self.post("/register", &body).await.is(200);
    }

    /// The mails that were sent so far, oldest first.
    pub fn mails(&self) -> Vec<mail::Mail> {
        mail::all(&self.path("data/mail"))
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
        KeyDir::new(options, Clock::system(), Chance::System).start().unwrap();
        folder
    });
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for file in fs::read_dir(ring.path().join("keys")).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
