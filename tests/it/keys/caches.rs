//! Rotations under load before verifiers that cache: none refuses what is good or takes what is not, whatever the clock
//! does. Time is in the test's hand, for hours pass.

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

/// A resource server that asks for the key set when its cache has run out, and never for an unknown `kid`.
struct CachingVerifier {
    lasts: Duration,
    fetched: i64,
    keys: HashMap<String, DecodingKey>,
}

impl CachingVerifier {
    fn new(lasts: Duration) -> Self {
        Self { lasts, fetched: i64::MIN / 2, keys: HashMap::new() }
    }

    async fn refresh(&mut self, server: &TestServer, now: i64) {
        if now - self.fetched < i64::try_from(self.lasts.as_secs()).unwrap() {
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
        // The library reads the machine's clock; these dates are the test's.
        (rules.validate_exp, rules.validate_nbf) = (false, false);
        rules.set_issuer(&[issuer]);
        rules.set_audience(&[issuer]);
        let valid = decode::<Value>(token, key, &rules);
        valid.is_ok_and(|valid| {
            valid.claims["exp"].as_i64().unwrap() > now && valid.claims["nbf"].as_i64().unwrap() <= now
        })
    }
}

/// Tokens of both algorithms, asked for at once by a few callers.
async fn minted(server: &TestServer, session: &str, profile: &Value) -> Vec<String> {
    let mut tokens = Vec::new();
    for alg in ["ES256", "RS256"] {
        server.set("profiles.jwt_issuer.algorithm", alg).await;
        let renewals = (0..3).map(|_| {
            let request = server.posting("/renew_token", profile).bearer_auth(session);
            tokio::spawn(async move { request.send().await.unwrap().json::<Value>().await.unwrap() })
        });
        for renewal in renewals.collect::<Vec<_>>() {
            tokens.push(renewal.await.unwrap()["token"].as_str().unwrap().to_owned());
        }
    }
    tokens
}

#[tokio::test(flavor = "multi_thread")]
async fn five_rotations_under_load_fail_no_caching_verifier_slow() {
    let server = TestServer::with(&format!("keys.publish_ahead = '{}s'", AHEAD.as_secs())).await;
    server.register("anna").await;
    server.set("profiles.jwt_issuer.access_lifetime", "15m").await;
    // One that keeps to max-age, and one that keeps the set for as long as a key is published ahead.
    let mut verifiers = [CachingVerifier::new(Duration::from_mins(5)), CachingVerifier::new(AHEAD)];
    let mut tokens = vec![server.token("anna").await];
    let mut taken = 0;
    let mut refused = 0;
    let mut signers = std::collections::HashSet::new();
    for _ in 0..5 {
        // The worst moment: the set was fetched just before the new key came in.
        for verifier in &mut verifiers {
            verifier.refresh(&server, server.clock.now().unix()).await;
        }
        rotate(&server, false).await;
        let steps = AHEAD.as_secs() / STEP.as_secs() + 5;
        for _ in 0..steps {
            let session = tokens.last().unwrap().clone();
            tokens.extend(minted(&server, &session, &json!({})).await);
            server.clock.advance(STEP);
            countersign::issuer::keys::tick(&server.issuer).await.unwrap();
            let now = server.clock.now().unix();
            for verifier in &mut verifiers {
                verifier.refresh(&server, now).await;
                for token in &tokens {
                    let good = token::claims(token)["exp"].as_i64().unwrap() > now;
                    assert_eq!(verifier.accepts(token, &server.url, now), good, "{:?} at {now}", token::header(token));
                    *(if good { &mut taken } else { &mut refused }) += 1;
                    signers.insert(token::header(token)["kid"].as_str().unwrap().to_owned());
                }
            }
            // What has expired was refused once; what lives is asked about again.
            tokens.retain(|token| token::claims(token)["exp"].as_i64().unwrap() > now);
        }
    }
    assert!(taken > 1000 && refused > 100 && signers.len() == 12, "{taken} {refused} {signers:?}");
}

fn step_back(clock: &Clock, span: Duration) {
    let Clock::Manual(hand) = clock else { panic!("a clock in the test's hand") };
    hand.fetch_sub(i64::try_from(span.as_secs()).unwrap(), std::sync::atomic::Ordering::SeqCst);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_step_of_an_hour_recovers() {
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
            countersign::issuer::keys::tick(&server.issuer).await.unwrap();
            let now = server.clock.now().unix();
            // Whoever comes now gets what is good now, by the set as it is now.
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
            // A token of the time before may be one of the future now; that is refused, and no fault.
            let status = server.post_as(&before, "/renew_token", &json!({})).await.status;
            assert!([200, 401].contains(&status), "{status}");
        }
        let total: i32 = steps.iter().sum();
        if total >= 0 {
            server.post_as(&before, "/renew_token", &json!({})).await.is(200);
        }
    }
}
