//! A real identity provider in its own process (`tests/provider/server.mjs`), with faults that a test can switch on.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::ServerResponse;
use crate::support::client;
use crate::support::skip::skip;

/// The names of the provider in these tests. Each is also the path segment of its callback route.
const NAMES: &[&str] = &["google", "github", "facebook", "corp", "public", "post"];

/// A running provider. Dropping the value stops it.
pub struct IdentityProvider {
    child: Child,
    /// The base URL, which is also the issuer.
    pub url: String,
    /// The secret of all confidential clients.
    pub secret: String,
    client: reqwest::Client,
}

impl IdentityProvider {
    /// Starts a provider. Reports the test as skipped and returns `None` if the provider cannot run.
    pub fn start() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        if !root.join(".test-tools/node/node_modules/oidc-provider").exists() {
            skip(".test-tools/node has no packages; run scripts/test-tools");
            return None;
        }
        let version = Command::new("node").arg("--version").output().map(|startup| startup.stdout).unwrap_or_default();
        let version = String::from_utf8(version).unwrap();
        let major = version.trim_start_matches('v').split('.').next().unwrap_or_default();
        if major.parse::<u32>().unwrap_or_default() < 20 {
            skip(&format!("Node.js 20 is needed, this is {version:?}"));
            return None;
        }
        let mut command = Command::new("node");
        command.arg(root.join("tests/provider/server.mjs"));
        command.args(NAMES.iter().map(|name| format!("http://127.0.0.1/{name}/callback/")));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let startup: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        let text = |name: &str| startup[name].as_str().unwrap().to_owned();
        let client = client::builder().build().unwrap();
        Some(Self { child, url: text("url"), secret: text("secret"), client })
    }

    /// Switches one fault on (see `tests/provider/faults.mjs`), or all faults off with `""`.
    pub async fn set_fault(&self, fault: &str) {
        self.put("fault", fault.to_owned()).await;
    }

    /// Changes the claims of a user at the provider.
    pub async fn set_user(&self, login: &str, claims: &Value) {
        self.put(&format!("users/{login}"), claims.to_string()).await;
    }

    async fn put(&self, path: &str, body: String) {
        ServerResponse::send(self.client.put(format!("{}/-/{path}", self.url)).body(body)).await.is(200);
    }

    async fn stats(&self) -> Value {
        ServerResponse::send(self.client.get(format!("{}/-/stats", self.url))).await.json()
    }

    /// The number of requests to one of the provider's routes.
    pub async fn request_count(&self, route: &str) -> u64 {
        self.stats().await["requests"][route].as_u64().unwrap_or(0)
    }

    /// How often a client followed a redirect of a route that is not for browsers.
    pub async fn followed_redirects(&self) -> u64 {
        self.stats().await["followedRedirects"].as_u64().unwrap()
    }

    /// All codes and tokens that the provider has issued.
    pub async fn issued_secrets(&self) -> Vec<String> {
        let stats = self.stats().await;
        stats["issued"].as_array().unwrap().iter().map(|secret| secret.as_str().unwrap().to_owned()).collect()
    }

    /// Kills the provider, as in an outage.
    pub fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The settings of a server that offers the provider under every name.
    pub fn settings(&self) -> String {
        let url = &self.url;
        let id = "client_id = 'countersign'";
        let secret = format!("client_secret = '{}'", self.secret);
        format!(
            "[social]\nauthed_url = '/welcome?from=here'\nlogout_url = '/bye'\n\
             [social.google]\nclient_id = 'countersign-post'\n{secret}\nauthorize_url = '{url}/auth'\ntoken_url = '{url}/token'\n\
             userinfo_url = '{url}/me'\nissuer = '{url}'\njwks_url = '{url}/jwks'\n\
             [social.github]\n{id}\n{secret}\nauthorize_url = '{url}/github/login/oauth/authorize'\n\
             token_url = '{url}/github/login/oauth/access_token'\nuserinfo_url = '{url}/github/user'\n\
             emails_url = '{url}/github/user/emails'\n\
             [social.facebook]\n{id}\n{secret}\nauthorize_url = '{url}/facebook/dialog/oauth'\n\
             token_url = '{url}/facebook/oauth/access_token'\nuserinfo_url = '{url}/facebook/me'\n\
             [social.oidc.corp]\nissuer = '{url}'\nclient_id = 'countersign-es256'\n{secret}\n\
             [social.oidc.public]\nissuer = '{url}'\nclient_id = 'countersign-public'\n\
             [social.oidc.post]\nissuer = '{url}'\nclient_id = 'countersign-post'\n{secret}\n"
        )
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
