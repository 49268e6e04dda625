//! Helpers of the provider tests: a simulated provider on a free loopback port. It returns the responses that a test
//! sets and records the requests.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Callback, KnownProvider, OidcProvider, Provider, Providers, SocialOptions, WebLimits};
use crate::clock::Clock;
use crate::crypto::key_pair::KeyPair;
use crate::crypto::testing::{NOW, foreign_token};
use crate::domain::algorithm::Algorithm;
use crate::domain::secret::SecretText;
use crate::domain::social::{AttemptPurpose, ProviderName, SignInAttempt};

/// An access token, which must not appear in any error.
pub(super) const ACCESS_TOKEN: &str = "at-1-hunter2";
/// A client secret, which must not appear in any error.
pub(super) const CLIENT_SECRET: &str = "cs-hunter2";

/// The response of the simulated provider at one path.
#[derive(Clone)]
pub(super) enum TestReply {
    /// A status and a JSON document.
    Json(u16, Value),
    /// These bytes, after which the connection is closed.
    Raw(Vec<u8>),
    /// These bytes, after which the connection stays open without further data.
    Stall(Vec<u8>),
}

/// One received request.
#[derive(Clone, Debug)]
pub(super) struct RecordedRequest {
    /// The request line and the headers.
    pub(super) head: String,
    pub(super) body: String,
}

type Replies = Arc<Mutex<HashMap<String, TestReply>>>;
type RecordedRequests = Arc<Mutex<Vec<RecordedRequest>>>;

/// A simulated HTTP server.
pub(super) struct TestServer {
    pub(super) url: String,
    replies: Replies,
    requests: RecordedRequests,
    task: JoinHandle<()>,
}

impl TestServer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let replies = Replies::default();
        let requests = RecordedRequests::default();
        let shared_replies = Arc::clone(&replies);
        let recorded = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared_replies), Arc::clone(&recorded)));
            }
        });
        Self { url, replies, requests, task }
    }

    /// Sets the response at a path from now on.
    pub(super) fn reply_with(&self, path: &str, reply: TestReply) {
        self.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    /// Sets a JSON response with status 200 at a path.
    pub(super) fn reply_with_json(&self, path: &str, value: Value) {
        self.reply_with(path, TestReply::Json(200, value));
    }

    /// The recorded requests to a path.
    pub(super) fn requests(&self, path: &str) -> Vec<RecordedRequest> {
        let at = |requests: &&RecordedRequest| path_of(&requests.head) == path;
        self.requests.lock().unwrap().iter().filter(at).cloned().collect()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn path_of(head: &str) -> &str {
    let target = head.split(' ').nth(1).unwrap_or_default();
    target.split('?').next().unwrap_or_default()
}

async fn serve(mut stream: TcpStream, replies: Replies, recorded: RecordedRequests) {
    let mut read = Vec::new();
    let request = loop {
        let mut more = [0; 4096];
        match stream.read(&mut more).await {
            Ok(0) | Err(_) => return,
            Ok(length) => read.extend_from_slice(&more[..length]),
        }
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break RecordedRequest { head: head.to_owned(), body: body.to_owned() };
        }
    };
    let reply = replies.lock().unwrap().get(path_of(&request.head)).cloned();
    recorded.lock().unwrap().push(request);
    let (bytes, stay) = match reply.unwrap_or(TestReply::Json(404, json!({}))) {
        TestReply::Json(status, value) => (http_response(status, "", value.to_string().as_bytes()), false),
        TestReply::Raw(bytes) => (bytes, false),
        TestReply::Stall(bytes) => (bytes, true),
    };
    // The client may have closed the connection.
    let _ = stream.write_all(&bytes).await;
    if stay {
        std::future::pending::<()>().await;
    }
}

/// A response in wire format. Each of the `headers` must end with a line break.
pub(super) fn http_response(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} Reason\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

pub(super) fn secret(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

pub(super) fn name(text: &str) -> ProviderName {
    ProviderName::parse(text).unwrap()
}

/// Options without a provider.
pub(super) fn options(clock: &Clock) -> SocialOptions {
    SocialOptions {
        public_url: "https://id.example.com/auth".parse().unwrap(),
        leeway: Duration::from_secs(5),
        clock: clock.clone(),
        limits: WebLimits::default(),
        google: None,
        github: None,
        facebook: None,
        oidc: Vec::new(),
    }
}

/// A well-known provider at its default URLs.
pub(super) fn known() -> KnownProvider {
    KnownProvider {
        client_id: "us".to_owned(),
        client_secret: secret(CLIENT_SECRET),
        authorize_url: None,
        token_url: None,
        userinfo_url: None,
        emails_url: None,
        issuer: None,
        jwks_url: None,
    }
}

pub(super) fn attempt(provider: &str) -> SignInAttempt {
    SignInAttempt {
        provider: name(provider),
        state: secret("st-1"),
        nonce: secret("n-1"),
        // RFC 7636 appendix B.
        verifier: secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        started_at: NOW,
        purpose: AttemptPurpose::SignIn,
    }
}

pub(super) fn callback() -> Callback {
    Callback { code: Ok(secret("code-1")), iss: None }
}

/// A simulated OpenID Connect provider with a discovery document, and `Providers` that are configured for it. All its
/// responses are valid by default.
pub(super) struct TestOpenId {
    pub(super) server: TestServer,
    pub(super) clock: Clock,
    pub(super) pair: KeyPair,
    providers: Providers,
}

impl TestOpenId {
    pub(super) async fn start() -> Self {
        let server = TestServer::start().await;
        let clock = Clock::manual(NOW);
        let pair = KeyPair::generate(Algorithm::Es256, 0).unwrap();
        let mut options = options(&clock);
        options.oidc.push((
            name("corp"),
            OidcProvider {
                issuer: server.url.clone(),
                client_id: "us".to_owned(),
                client_secret: Some(secret(CLIENT_SECRET)),
                scopes: vec!["email".to_owned()],
            },
        ));
        let op = Self { providers: Providers::new(options).unwrap(), server, clock, pair };
        op.set_discovery_document(&[]);
        op.publish_keys(&[&op.pair]);
        op.issue_id_token(&op.header(), &op.claims());
        op
    }

    pub(super) fn provider(&self) -> &Provider {
        self.providers.find("corp").unwrap()
    }

    /// Sets the discovery document. `changes` replace members; a null removes a member.
    pub(super) fn set_discovery_document(&self, changes: &[(&str, Value)]) {
        let url = &self.server.url;
        let mut object = json!({"issuer": url, "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"), "jwks_uri": format!("{url}/jwks")});
        for (name, value) in changes {
            object[*name] = value.clone();
        }
        object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.server.reply_with_json("/.well-known/openid-configuration", object);
    }

    /// Sets the JWKS.
    pub(super) fn publish_keys(&self, pairs: &[&KeyPair]) {
        let keys: Vec<_> = pairs.iter().map(|pair| pair.public().jwk()).collect();
        self.server.reply_with_json("/jwks", json!({ "keys": keys }));
    }

    pub(super) fn header(&self) -> Value {
        json!({"alg": "ES256", "typ": "JWT", "kid": self.pair.public().kid().as_str()})
    }

    pub(super) fn claims(&self) -> Value {
        json!({"iss": self.server.url, "sub": "ann-1", "aud": "us", "exp": NOW.unix() + 300, "iat": NOW.unix(),
            "nonce": "n-1", "email": "ann@example.com", "email_verified": true, "name": "Ann Other"})
    }

    /// Sets the ID token of the following token responses.
    pub(super) fn issue_id_token(&self, header: &Value, claims: &Value) {
        self.issue_id_token_text(&foreign_token(&self.pair, header, claims));
    }

    pub(super) fn issue_id_token_text(&self, id_token: &str) {
        let response = json!({"access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 3600,
            "refresh_token": "rt-1", "id_token": id_token});
        self.server.reply_with_json("/token", response);
    }
}
