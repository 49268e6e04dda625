//! Runs one hot path a given number of times, so that `scripts/instructions` can count its instructions under valgrind.
//! The difference between two runs with different numbers gives the cost of one execution, without the startup.
//!
//! `instructions` lists the names, `instructions FOLDER` creates keys and a database in the folder, and
//! `instructions FOLDER NAME TIMES` runs a path with them.

use std::hint::black_box;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use countersign::app;
use countersign::clock::Clock;
use countersign::config::Config;
use countersign::crypto::sign::UnsignedToken;
use countersign::crypto::token::UnverifiedToken;
use countersign::domain::algorithm::Algorithm;
use countersign::domain::dialect::Dialect;
use countersign::domain::id::SessionId;
use countersign::domain::refresh_key::RefreshKey;
use countersign::domain::time::Timestamp;
use countersign::domain::token_kind::{TokenKind, Typ};
use countersign::domain::user::Login;
use countersign::http;
use countersign::http::context::Http;
use countersign::issuer::Issuer;
use countersign::issuer::mint::{MintTokens, MintedTokens};
use countersign::random::Random;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// The name of the user in the database.
const USER: &str = "annabella";

/// A hot path: its name, and the function that prepares and runs it.
type Work = (&'static str, fn(&Parts, u32));

const WORKS: &[Work] = &[
    ("mint-es256", mint_es256),
    ("verify-es256", verify_es256),
    ("refresh-uuid", refresh_uuid),
    ("parse-jwt", parse_jwt),
    ("jwks", jwks),
    ("jwks-unchanged", jwks_unchanged),
    ("post-renew-token", post_renew_token),
    ("post-refresh-uuid", post_refresh_uuid),
    ("post-refresh-jwt", post_refresh_jwt),
    ("open-session", open_session),
];

/// A complete issuer with its own keys, a fixed clock and a seeded random source.
struct Parts {
    runtime: tokio::runtime::Runtime,
    issuer: Arc<Issuer>,
    router: Router,
    session: SessionId,
    now: Timestamp,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [folder] => Parts::new(folder, u32::MAX).register(),
        [folder, name, times] => {
            let index = WORKS.iter().position(|(path_name, _)| *path_name == name).expect("a known name");
            let times: u32 = times.parse().expect("a number");
            // Session ids are random. Another seed for each path and number of runs opens other sessions.
            let seed = times * 100 + u32::try_from(index).expect("few paths");
            WORKS[index].1(&Parts::new(folder, seed), times);
        }
        _ => WORKS.iter().for_each(|(name, _)| println!("{name}")),
    }
}

impl Parts {
    /// Opens or creates the keys and the database in the folder `path`. Runs with different seeds open different sessions.
    fn new(path: &str, seed: u32) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let settings = format!("data_dir = '{path}/data'\nkeys_dir = '{path}/keys'\n[passwords]\nmemory_kib = 8192");
        let config = Config::from_toml(&settings).expect("the settings are valid");
        let clock = Clock::manual(Timestamp::from_unix(1_800_000_000));
        let issuer = runtime.block_on(app::build(&config, clock, Random::seeded(u64::from(seed))));
        let issuer = issuer.expect("an issuer can be built");
        let (session, now) = (SessionId(issuer.random.uuid()), issuer.clock.now());
        let pages = app::pages(&config).expect("the pages are valid");
        let router = http::router(&Http::new(Arc::clone(&issuer), app::http_options(&config), pages));
        Self { runtime, issuer, router, session, now }
    }

    /// The claims of an access token of `jwt_issuer`.
    fn claims(&self) -> Value {
        let tokens = &self.issuer.policy.tokens;
        let (iat, id) = (self.now.unix(), self.session.0);
        json!({
            "iss": tokens.issuer, "sub": id, "aud": tokens.audience, "iat": iat, "nbf": iat, "exp": iat + 300, "jti": id,
            "sid": id, "token_type": "access", "user_id": 4711, "username": "annabella",
        })
    }

    fn token(&self) -> String {
        let ring = self.issuer.ring();
        let signer = ring.signing_key(Algorithm::Es256, self.now).expect("the algorithm has an active key");
        let token = UnsignedToken::new(signer, Typ::Jwt, &self.claims()).and_then(UnsignedToken::sign);
        token.expect("signing succeeds").expose().to_owned()
    }

    /// Sends `times` requests to the complete router with all layers.
    fn send_requests(&self, times: u32, request: impl Fn() -> Request<Body>) {
        self.runtime.block_on(async {
            for _ in 0..times {
                black_box(self.router.clone().oneshot(request()).await.is_ok());
            }
        });
    }

    /// Creates the user whose sessions the paths open.
    fn register(&self) {
        self.post(
            "/api/register/",
            None,
            &json!({"username": USER, "email": "ann@example.org", "password": "Horse 17 battery"}),
        );
    }

    /// Opens a session of the user in a dialect.
    fn mint(&self, dialect: Dialect) -> MintedTokens {
        let login = Login::new(USER);
        let user = self.issuer.store.read(move |tx| tx.user_by_login(&login));
        let minted = async {
            let user = user.await.expect("the store can be read").expect("the user exists");
            MintTokens { user, dialect }.run(&self.issuer).await
        };
        self.runtime.block_on(minted).expect("a session can be opened")
    }

    /// Sends a request that must succeed, and returns the JSON body of the response.
    fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Value {
        let mut request = Request::post(path).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::from(body.to_string())).expect("a request");
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.expect("a response");
            assert!(response.status().is_success(), "{path}: {}", response.status());
            let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
            serde_json::from_slice(&body).expect("a JSON body")
        })
    }
}

fn mint_es256(parts: &Parts, times: u32) {
    let (ring, claims) = (parts.issuer.ring(), parts.claims());
    let signer = ring.signing_key(Algorithm::Es256, parts.now).expect("the algorithm has an active key");
    for _ in 0..times {
        assert!(black_box(UnsignedToken::new(signer, Typ::Jwt, &claims).and_then(UnsignedToken::sign)).is_ok());
    }
}

fn verify_es256(parts: &Parts, times: u32) {
    let token = parts.token();
    for _ in 0..times {
        assert!(black_box(parts.issuer.verify(&token, TokenKind::Access)).is_ok());
    }
}

/// The token operations of a refresh in `drf_pyjwt`: parses the presented token and computes the next one.
fn refresh_uuid(parts: &Parts, times: u32) {
    let tokens = &parts.issuer.refresh_tokens;
    let key = RefreshKey::new([9; RefreshKey::LENGTH], 0);
    let mut token = tokens.refresh_uuid(parts.session, Some(&key), 0);
    for _ in 0..times {
        let parsed = black_box(tokens.parse_refresh_uuid(token)).expect("the token is from this issuer");
        let generation = tokens.generation(parsed, parts.session, Some(&key)).expect("the token is of this session");
        token = tokens.refresh_uuid(parts.session, Some(&key), generation + 1);
    }
    black_box(token);
}

fn parse_jwt(parts: &Parts, times: u32) {
    let token = parts.token();
    for _ in 0..times {
        assert!(black_box(UnverifiedToken::parse(&token)).is_ok());
    }
}

const JWKS: &str = "/.well-known/jwks.json";

fn jwks(parts: &Parts, times: u32) {
    parts.send_requests(times, || Request::get(JWKS).body(Body::empty()).expect("a request"));
}

fn jwks_unchanged(parts: &Parts, times: u32) {
    let etag = parts.issuer.ring().jwks().etag.clone();
    parts.send_requests(times, || {
        Request::get(JWKS).header("if-none-match", &etag[..]).body(Body::empty()).expect("a request")
    });
}

/// A renewal of an access token of `jwt_issuer`.
fn post_renew_token(parts: &Parts, times: u32) {
    let token = parts.mint(Dialect::JwtIssuer).access.text;
    for _ in 0..times {
        black_box(parts.post("/renew_token", Some(token.expose()), &json!({})));
    }
}

/// A refresh in `drf_pyjwt`, each with the token of the previous one.
fn post_refresh_uuid(parts: &Parts, times: u32) {
    let refresh = parts.mint(Dialect::DrfPyjwt).refresh.expect("the dialect has refresh tokens");
    let mut body = json!({"refresh_token": refresh.expose()});
    for _ in 0..times {
        body = parts.post("/api/refresh/", None, &body);
    }
}

/// A refresh in `simplejwt`, which returns a new access token only.
fn post_refresh_jwt(parts: &Parts, times: u32) {
    let refresh = parts.mint(Dialect::Simplejwt).refresh.expect("the dialect has refresh tokens");
    let body = json!({"refresh": refresh.expose()});
    for _ in 0..times {
        black_box(parts.post("/api/token/refresh/", None, &body));
    }
}

/// What a sign-in does after the password check: stores a session and mints a token.
fn open_session(parts: &Parts, times: u32) {
    for _ in 0..times {
        black_box(parts.mint(Dialect::JwtIssuer));
    }
}
