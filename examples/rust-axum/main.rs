//! A resource server in Rust: axum and jsonwebtoken. It verifies tokens offline and fetches only the JWKS.
//!
//!     ISSUER=http://127.0.0.1:8080 PORT=9000 cargo run --example rust-axum
#![expect(clippy::disallowed_methods, reason = "a separate program, which uses the system's time and environment")]

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{StatusCode, request::Parts};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::get};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

/// The `max-age` of the issuer's `Cache-Control`. The issuer publishes a key before it signs, so this is often enough.
const MAX_AGE: Duration = Duration::from_mins(5);
/// An unknown `kid` causes one refetch. The cooldown stops attackers who invent kids from causing one per request.
const COOLDOWN: Duration = Duration::from_secs(30);
/// The tolerated difference between the clocks, in seconds.
const LEEWAY: u64 = 5;

/// The token's claims. They are all that this server knows about the user.
#[derive(Deserialize, Serialize)]
struct Claims {
    sub: String,
    username: Option<String>,
    sid: Option<String>,
    #[serde(skip_serializing)]
    token_type: String,
}

/// Why a request is rejected.
enum Rejection {
    /// The token is missing or invalid.
    Token,
    /// The JWKS is unavailable: the caller may retry.
    Keys(Box<dyn Error + Send + Sync>),
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        match self {
            Self::Token => {
                (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")]).into_response()
            }
            Self::Keys(error) => {
                eprintln!("cannot fetch the JWKS: {error}");
                StatusCode::SERVICE_UNAVAILABLE.into_response()
            }
        }
    }
}

/// The issuer's keys by `kid`, each with its one algorithm, and when they were fetched.
#[derive(Default)]
struct KeySet {
    keys: HashMap<String, (Algorithm, DecodingKey)>,
    fetched: Option<Instant>,
}

struct Verifier {
    issuer: String,
    http: reqwest::Client,
    set: Mutex<KeySet>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Verifier {
    async fn verify(&self, token: &str) -> Result<Claims, Rejection> {
        let kid = decode_header(token).ok().and_then(|header| header.kid).ok_or(Rejection::Token)?;
        let (algorithm, key) = self.key(&kid).await?;
        // The key determines the algorithm, and the token's header does not. This rules out `none` and HMAC with a
        // public key.
        let mut rules = Validation::new(algorithm);
        rules.set_issuer(&[&self.issuer]);
        rules.set_audience(&[&self.issuer]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.validate_nbf = true;
        rules.leeway = LEEWAY;
        let claims = decode::<Claims>(token, &key, &rules).map_err(|_| Rejection::Token)?.claims;
        // Reject refresh tokens, which may be signed by the same keys.
        if claims.token_type == "access" { Ok(claims) } else { Err(Rejection::Token) }
    }

    async fn key(&self, kid: &str) -> Result<(Algorithm, DecodingKey), Rejection> {
        // The lock is held during a fetch, so that concurrent requests cause only one.
        let mut set = self.set.lock().await;
        let older_than = |age: Duration| set.fetched.is_none_or(|fetched| fetched.elapsed() > age);
        if older_than(MAX_AGE) || (!set.keys.contains_key(kid) && older_than(COOLDOWN)) {
            let keys = self.fetch().await.map_err(Rejection::Keys)?;
            *set = KeySet { keys, fetched: Some(Instant::now()) };
        }
        set.keys.get(kid).cloned().ok_or(Rejection::Token)
    }

    async fn fetch(&self) -> Result<HashMap<String, (Algorithm, DecodingKey)>, Box<dyn Error + Send + Sync>> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer);
        let metadata: Discovery = self.http.get(url).send().await?.error_for_status()?.json().await?;
        // OpenID Connect Discovery §4.3: do not trust a document about another issuer.
        if metadata.issuer != self.issuer {
            return Err("ISSUER must be exactly the issuer's public URL".into());
        }
        let set: JwkSet = self.http.get(metadata.jwks_uri).send().await?.error_for_status()?.json().await?;
        let usable = set.keys.iter().filter_map(|jwk| {
            let algorithm = Algorithm::try_from(jwk.common.key_algorithm?).ok()?;
            let pinned = matches!(algorithm, Algorithm::ES256 | Algorithm::RS256);
            pinned.then_some((jwk.common.key_id.clone()?, (algorithm, DecodingKey::from_jwk(jwk).ok()?)))
        });
        Ok(usable.collect())
    }
}

/// A handler that takes `Claims` runs only for requests with a valid access token.
impl FromRequestParts<Arc<Verifier>> for Claims {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, verifier: &Arc<Verifier>) -> Result<Self, Rejection> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(Rejection::Token)?;
        verifier.verify(token).await
    }
}

async fn me(claims: Claims) -> Json<Claims> {
    Json(claims)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let issuer = env::var("ISSUER").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let port = env::var("PORT").unwrap_or_else(|_| "9000".to_owned());
    let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
    let verifier = Arc::new(Verifier { issuer, http, set: Mutex::default() });
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    axum::serve(listener, Router::new().route("/me", get(me)).with_state(verifier)).await?;
    Ok(())
}
