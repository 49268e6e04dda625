//! Runs one hot path a given number of times, so that `scripts/instructions` can count its instructions under valgrind.
//! The difference between two runs with different numbers gives the cost of one execution, without the startup.
//!
//! `instructions` lists the names, `instructions FOLDER` creates keys and a database in the folder, and
//! `instructions FOLDER NAME TIMES` runs a path with them.

use std::hint::black_box;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use countersign::app;
use countersign::clock::Clock;
use countersign::config::Config;
use countersign::crypto::sign::UnsignedToken;
use countersign::crypto::token::UnverifiedToken;
use countersign::domain::algorithm::Algorithm;
use countersign::domain::id::SessionId;
use countersign::domain::key::Typ;
use countersign::domain::time::Timestamp;
use countersign::http;
use countersign::http::context::Http;
use countersign::issuer::Issuer;
use countersign::random::Random;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// A hot path: its name, and the function that prepares and runs it.
type Work = (&'static str, fn(&Parts, u32));

const WORKS: &[Work] = &[
    ("mint-es256", mint_es256),
    ("verify-es256", verify_es256),
    ("refresh-uuid", refresh_uuid),
    ("parse-jwt", parse_jwt),
    ("jwks", jwks),
    ("jwks-unchanged", jwks_unchanged),
];

/// A complete issuer with its own keys, a fixed clock and a seeded random source.
struct Parts {
    runtime: tokio::runtime::Runtime,
    issuer: Arc<Issuer>,
    config: Config,
    session: SessionId,
    now: Timestamp,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [folder] => drop(Parts::new(folder)),
        [folder, name, times] => {
            let (_, work) = WORKS.iter().find(|(path_name, _)| *path_name == name).expect("a known name");
            work(&Parts::new(folder), times.parse().expect("a number"));
        }
        _ => WORKS.iter().for_each(|(name, _)| println!("{name}")),
    }
}

impl Parts {
    fn new(path: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let config = Config::from_toml(&format!("data_dir = '{path}/data'\nkeys_dir = '{path}/keys'"))
            .expect("the settings are valid");
        let clock = Clock::manual(Timestamp::from_unix(1_800_000_000));
        let issuer = runtime.block_on(app::build(&config, clock, Random::seeded(1))).expect("an issuer can be built");
        let (session, now) = (SessionId(issuer.random.uuid()), issuer.clock.now());
        Self { runtime, issuer, config, session, now }
    }

    /// The claims of an access token of `jwt_issuer`.
    fn claims(&self) -> Value {
        let policy = &self.issuer.policy;
        let (iat, id) = (self.now.unix(), self.session.0);
        json!({
            "iss": policy.issuer, "sub": id, "aud": policy.audience, "iat": iat, "nbf": iat, "exp": iat + 300, "jti": id,
            "sid": id, "token_type": "access", "user_id": 4711, "username": "annabella",
        })
    }

    fn token(&self) -> String {
        let ring = self.issuer.ring();
        let signer = ring.signer(Algorithm::Es256, self.now).expect("the algorithm has an active key");
        let token = UnsignedToken::new(signer, Typ::Jwt, &self.claims()).and_then(UnsignedToken::sign);
        token.expect("signing succeeds").expose().to_owned()
    }

    /// Sends `times` requests to the complete router with all layers.
    fn send_requests(&self, times: u32, request: impl Fn() -> Request<Body>) {
        let pages = app::pages(&self.config).expect("the pages are valid");
        let router = http::router(&Http::new(Arc::clone(&self.issuer), app::http_options(&self.config), pages));
        self.runtime.block_on(async {
            for _ in 0..times {
                black_box(router.clone().oneshot(request()).await.is_ok());
            }
        });
    }
}

fn mint_es256(parts: &Parts, times: u32) {
    let (ring, claims) = (parts.issuer.ring(), parts.claims());
    let signer = ring.signer(Algorithm::Es256, parts.now).expect("the algorithm has an active key");
    for _ in 0..times {
        assert!(black_box(UnsignedToken::new(signer, Typ::Jwt, &claims).and_then(UnsignedToken::sign)).is_ok());
    }
}

fn verify_es256(parts: &Parts, times: u32) {
    let token = parts.token();
    for _ in 0..times {
        assert!(black_box(parts.issuer.verify_access(&token)).is_ok());
    }
}

/// The token operations of a refresh in `drf_pyjwt`: parses the presented token and computes the next one.
fn refresh_uuid(parts: &Parts, times: u32) {
    let tokens = &parts.issuer.refresh_tokens;
    let mut token = tokens.refresh_uuid(parts.session, 0);
    for _ in 0..times {
        let (_, generation) = black_box(tokens.parse_refresh_uuid(token)).expect("the token is from this issuer");
        token = tokens.refresh_uuid(parts.session, generation + 1);
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
