//! The keys that an attacker may use, and the server under attack, with a revoked, a retired and two active keys. Some
//! forgeries are signed with the server's own key, so that a rejection is caused by the content and not by the
//! signature.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::domain::algorithm::Algorithm as KeyAlgorithm;
use countersign::issuer::keys;
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestServer, token};

/// The kinds of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForgedKind {
    /// An access token without a refresh token. The access token itself is exchanged for a new one.
    Long,
    /// An access token of a pair with a refresh token.
    Short,
    /// A sliding token of `simplejwt`.
    Sliding,
    /// A signed refresh token.
    Refresh,
    /// A refresh token that is a UUID.
    Uuid,
}

impl ForgedKind {
    pub const ALL: [Self; 5] = [Self::Long, Self::Short, Self::Sliding, Self::Refresh, Self::Uuid];
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A current or former key of the server.
#[derive(Clone)]
pub struct ServerKey {
    pub kid: String,
    pem: Vec<u8>,
}

impl ServerKey {
    fn active(server: &TestServer, alg: &str) -> Self {
        let ring = server.issuer.ring();
        let kid = ring.schedule().active(alg.parse().unwrap(), server.clock.now()).unwrap().kid.to_string();
        let pem = fs::read(server.path(&format!("keys/{kid}.pem"))).unwrap();
        Self { kid, pem }
    }

    /// Signs any text with ES256.
    pub fn sign_text(&self, input: &str) -> String {
        let signature = sign(input.as_bytes(), &EncodingKey::from_ec_pem(&self.pem).unwrap(), Algorithm::ES256);
        format!("{input}.{}", signature.unwrap())
    }

    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&token::signing_input(header, claims))
    }

    /// Signs with RS256.
    pub fn sign_rsa(&self, header: &Value, claims: &Value) -> String {
        let input = token::signing_input(header, claims);
        let key = EncodingKey::from_rsa_pem(&self.pem).unwrap();
        format!("{input}.{}", sign(input.as_bytes(), &key, Algorithm::RS256).unwrap())
    }
}

/// A key that the server does not know, and a JWKS endpoint of the attacker that counts requests.
pub struct AttackerKeys {
    pair: EcdsaKeyPair,
    pub jwk: Value,
    pub url: String,
    pub visits: Arc<AtomicUsize>,
}

impl AttackerKeys {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let jwk = json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "evil",
            "x": encode(&point[1..33]), "y": encode(&point[33..65])});
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let visits = Arc::new(AtomicUsize::new(0));
        let body = json!({"keys": [jwk]}).to_string();
        let counted = Arc::clone(&visits);
        thread::spawn(move || {
            for stream in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.map(|mut stream| stream.write_all(format!("{head}{body}").as_bytes()));
            }
        });
        Self { pair, jwk, url, visits }
    }

    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let input = token::signing_input(header, claims);
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", encode(signature))
    }

    pub fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

/// Without rate limits: an account has more sign-ins than they allow.
const SETTINGS: &str = "throttle.enabled = false
    social.github = { client_id = 'id', client_secret = 'secret' }";

/// A server with former keys, its keys, and the keys of the attacker.
pub struct ForgeryTarget {
    pub server: TestServer,
    pub revoked: ServerKey,
    pub retired: ServerKey,
    pub active: ServerKey,
    pub rsa: ServerKey,
    pub attacker: AttackerKeys,
}

impl ForgeryTarget {
    pub async fn new() -> Self {
        let server = TestServer::with(SETTINGS).await;
        server.register("anna").await;
        let revoked = ServerKey::active(&server, "ES256");
        rotate(&server).await;
        crate::support::stored_keys::revoke(&server.issuer, &revoked.kid).await;
        let retired = ServerKey::active(&server, "ES256");
        rotate(&server).await;
        let ring = server.issuer.ring();
        let retired_key = ring.schedule().keys().iter().find(|key| key.kid.to_string() == retired.kid).unwrap();
        let published_until = retired_key.published_until.unwrap();
        server.clock.advance(published_until.since(server.clock.now()) + Duration::from_secs(1));
        keys::maintain(&server.issuer).await.unwrap();
        let active = ServerKey::active(&server, "ES256");
        let rsa = ServerKey::active(&server, "RS256");
        assert_ne!(active.kid, retired.kid);
        Self { server, revoked, retired, active, rsa, attacker: AttackerKeys::new() }
    }

    /// A valid token of a new session.
    pub async fn valid_token(&self, kind: ForgedKind) -> String {
        let (path, login, member) = match kind {
            ForgedKind::Long => ("/auth", "username", "jwt"),
            ForgedKind::Short => ("/api/login/", "email", "access_token"),
            ForgedKind::Sliding => ("/api/token/sliding/", "username", "token"),
            ForgedKind::Refresh => ("/api/token/", "username", "refresh"),
            ForgedKind::Uuid => ("/api/login/", "email", "refresh_token"),
        };
        let name = if login == "email" { "anna@example.com" } else { "anna" };
        let response = self.server.post(path, &json!({login: name, "password": PASSWORD})).await;
        response.is(200).json()[member].as_str().unwrap().to_owned()
    }
}

async fn rotate(server: &TestServer) {
    crate::support::stored_keys::rotate(&server.issuer, Some(KeyAlgorithm::Es256), true).await;
    keys::maintain(&server.issuer).await.unwrap();
    server.clock.advance(Duration::from_secs(1));
}
