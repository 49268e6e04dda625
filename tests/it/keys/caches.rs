//! Key rotations under load, with verifiers that cache the JWKS. They accept every valid token and reject every expired
//! token, even after the clock was set forward or back. The clock is manual, because the tests cover hours.

use std::collections::HashMap;
use std::time::Duration;

use countersign::clock::Clock;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use super::rotate;
use crate::support::{TestServer, token};

const AHEAD: Duration = Duration::from_hours(1);
const STEP: Duration = Duration::from_mins(4);

/// A verifier that fetches the JWKS only when its cache has expired, not for an unknown `kid`.
struct CachingVerifier {
    max_age: Duration,
    fetched: i64,
    keys: HashMap<String, DecodingKey>,
}

impl CachingVerifier {
    fn new(max_age: Duration) -> Self {
        Self { max_age, fetched: i64::MIN / 2, keys: HashMap::new() }
    }

    async fn refresh(&mut self, server: &TestServer, now: i64) {
        if now - self.fetched < i64::try_from(self.max_age.as_secs()).unwrap() {
            return;
        }
        let set: JwkSet = serde_json::from_str(&server.get("/.well-known/jwks.json").await.is(200).text).unwrap();
        let key =
            |jwk: &jsonwebtoken::jwk::Jwk| (jwk.common.key_id.clone().unwrap(), DecodingKey::from_jwk(jwk).unwrap());
        self.keys = set.keys.iter().map(key).collect();
        self.fetched = now;
    }

    fn accepts(&self, token: &str, issuer: &str, now: i64) -> bool {
        let header = decode_header(token).unwrap();
        let Some(key) = self.keys.get(header.kid.as_deref().unwrap_or_default()) else { return false };
        let mut rules = Validation::new(header.alg);
        // The library would use the system clock, so the dates are compared with the manual clock below.
        (rules.validate_exp, rules.validate_nbf) = (false, false);
        rules.set_issuer(&[issuer]);
        rules.set_audience(&[issuer]);
        let valid = decode::<Value>(token, key, &rules);
        valid.is_ok_and(|valid| {
            valid.claims["exp"].as_i64().unwrap() > now && valid.claims["nbf"].as_i64().unwrap() <= now
        })
    }
}

/// Renews tokens of both algorithms, in concurrent requests.
async fn renew_tokens(server: &TestServer, token: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for alg in ["ES256", "RS256"] {
        server.set("profiles.jwt_issuer.algorithm", alg).await;
        let renewals = (0..3).map(|_| {
            let request = server.posting("/renew_token", &json!({})).bearer_auth(token);
            tokio::spawn(async move { request.send().await.unwrap().json::<Value>().await.unwrap() })
        });
        for renewal in renewals.collect::<Vec<_>>() {
            tokens.push(renewal.await.unwrap()["token"].as_str().unwrap().to_owned());
        }
    }
    tokens
}

#[tokio::test(flavor = "multi_thread")]
async fn caching_verifiers_survive_five_rotations_under_load_slow() {
    let server = TestServer::with(&format!("keys.publish_ahead = '{}s'", AHEAD.as_secs())).await;
    server.register("anna").await;
    server.set("profiles.jwt_issuer.access_lifetime", "15m").await;
    // One verifier follows max-age; the other caches the JWKS for as long as keys are published ahead.
    let mut verifiers = [CachingVerifier::new(Duration::from_mins(5)), CachingVerifier::new(AHEAD)];
    let mut tokens = vec![server.token("anna").await];
    let mut accepted = 0;
    let mut rejected = 0;
    let mut signers = std::collections::HashSet::new();
    for _ in 0..5 {
        // Expired caches are filled just before the new key is published. In the first round this is the worst case.
        for verifier in &mut verifiers {
            verifier.refresh(&server, server.clock.now().unix()).await;
        }
        rotate(&server, false).await;
        let steps = AHEAD.as_secs() / STEP.as_secs() + 5;
        for _ in 0..steps {
            let token = tokens.last().unwrap().clone();
            tokens.extend(renew_tokens(&server, &token).await);
            server.clock.advance(STEP);
            countersign::issuer::keys::maintain(&server.issuer).await.unwrap();
            let now = server.clock.now().unix();
            for verifier in &mut verifiers {
                verifier.refresh(&server, now).await;
                for token in &tokens {
                    let is_valid = token::claims(token)["exp"].as_i64().unwrap() > now;
                    assert_eq!(
                        verifier.accepts(token, &server.url, now),
                        is_valid,
                        "{:?} at {now}",
                        token::header(token)
                    );
                    *(if is_valid { &mut accepted } else { &mut rejected }) += 1;
                    signers.insert(token::header(token)["kid"].as_str().unwrap().to_owned());
                }
            }
            // An expired token is checked once; unexpired tokens are checked again in the next step.
            tokens.retain(|token| token::claims(token)["exp"].as_i64().unwrap() > now);
        }
    }
    assert!(accepted > 1000 && rejected > 100 && signers.len() == 12, "{accepted} {rejected} {signers:?}");
}

fn step_back(clock: &Clock, span: Duration) {
    let Clock::Manual(seconds) = clock else { panic!("the clock is not manual") };
    seconds.fetch_sub(i64::try_from(span.as_secs()).unwrap(), std::sync::atomic::Ordering::SeqCst);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_recovers_from_clock_steps() {
    let server = TestServer::with("keys.publish_ahead = '1h'").await;
    server.register("anna").await;
    let login = json!({"email": "anna@example.com", "password": crate::support::PASSWORD});
    let hour = Duration::from_hours(1);
    let mut refresh = server.post("/api/login/", &login).await.is(200).json()["refresh_token"].clone();
    rotate(&server, false).await;
    for steps in [&[1, -1][..], &[-1, 1], &[-1, -1, 1, 1, 1], &[1, 1, -1, -1]] {
        let before = server.token("anna").await;
        for step in steps {
            if *step > 0 {
                server.clock.advance(hour);
            } else {
                step_back(&server.clock, hour);
            }
            countersign::issuer::keys::maintain(&server.issuer).await.unwrap();
            let now = server.clock.now().unix();
            // A new sign-in gets a token that is valid now, with the current JWKS.
            let mut verifier = CachingVerifier::new(Duration::ZERO);
            verifier.refresh(&server, now).await;
            let fresh = server.token("anna").await;
            assert!(verifier.accepts(&fresh, &server.url, now), "{steps:?}");
            server.post_as(&fresh, "/renew_token", &json!({})).await.is(200);
            let pair = server.post("/api/refresh/", &json!({"refresh_token": refresh})).await.is(200).json();
            refresh = pair["refresh_token"].clone();
            assert!(verifier.accepts(pair["access_token"].as_str().unwrap(), &server.url, now));
            server.get("/ready").await.is(200);
            let liveliness = server.get("/liveliness").await.is(200).json();
            assert!(liveliness["uptime"].as_u64().is_some(), "{liveliness}");
            // After a step back, an older token may not be valid yet. The server may reject it, but must not fail.
            let status = server.post_as(&before, "/renew_token", &json!({})).await.status;
            assert!([200, 401].contains(&status), "{status}");
        }
        let total: i32 = steps.iter().sum();
        if total >= 0 {
            server.post_as(&before, "/renew_token", &json!({})).await.is(200);
        }
    }
}
