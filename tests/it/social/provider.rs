//! A real identity provider in a process of its own (`tests/provider/server.mjs`), which can be made to lie.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::ServerResponse;
use crate::support::skip::skip;

/// Every name a provider has in these tests, which is also the route it comes back to.
const NAMES: &[&str] = &["google", "github", "facebook", "corp", "public", "post"];

/// The provider. It ends with the value.
pub struct IdentityProvider {
    child: Child,
    /// Where it is: also its issuer.
    pub url: String,
    /// The secret of every client that has one.
    pub secret: String,
    client: reqwest::Client,
}

impl IdentityProvider {
    /// Starts one; None and a loud word where it can't run.
    pub fn start() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        if !root.join(".test-tools/node/node_modules/oidc-provider").exists() {
            skip(".test-tools/node has no packages; run scripts/test-tools");
            return None;
        }
        let version = Command::new("node").arg("--version").output().map(|said| said.stdout).unwrap_or_default();
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
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Some(Self { child, url: text("url"), secret: text("secret"), client })
    }

    /// Makes it wrong in one way from now on (see `tests/provider/faults.mjs`), or right again by `""`.
    pub async fn fault(&self, fault: &str) {
        self.put("fault", fault.to_owned()).await;
    }

    /// Changes what it says of a person.
    pub async fn person(&self, login: &str, claims: &Value) {
        self.put(&format!("people/{login}"), claims.to_string()).await;
    }

    async fn put(&self, what: &str, body: String) {
        ServerResponse::send(self.client.put(format!("{}/-/{what}", self.url)).body(body)).await.is(200);
    }

    async fn seen(&self) -> Value {
        ServerResponse::send(self.client.get(format!("{}/-/seen", self.url))).await.json()
    }

    /// How often one of its routes was asked.
    pub async fn request_count(&self, place: &str) -> u64 {
        self.seen().await["asked"][place].as_u64().unwrap_or(0)
    }

    /// How often somebody went where it redirected them from a route that is not for browsers.
    pub async fn followed_redirects(&self) -> u64 {
        self.seen().await["followed"].as_u64().unwrap()
    }

    /// Every code and token it has given out.
    pub async fn issued_secrets(&self) -> Vec<String> {
        let seen = self.seen().await;
        seen["given"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    }

    /// Ends it, as a provider that is down is.
    pub fn end(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The settings of a server that offers it under every name.
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
