//! Tokens issued before, during and after a rotation, checked by verifiers that cache the JWKS.

use std::time::Duration;

use super::{rotate, sign_with};
use crate::support::verifier::Verifier;
use crate::support::{TestServer, token};

/// The leeway of verifiers, in seconds. They read the system clock, but the server uses the manual clock, which is up
/// to a day ahead.
const LEEWAY: [&str; 2] = ["--leeway", "200000"];

/// The arguments for a verifier that fetches the JWKS only when its cache has expired, which never happens in a test.
const STRICT: [&str; 3] = ["--leeway", "200000", "--strict"];

/// A token of each algorithm.
async fn tokens(server: &TestServer) -> Vec<(String, String)> {
    let mut tokens = Vec::new();
    for alg in ["ES256", "RS256"] {
        sign_with(server, alg).await;
        let token = server.token("anna").await;
        assert_eq!(token::header(&token)["alg"], alg);
        tokens.push((alg.to_owned(), token));
    }
    tokens
}

fn assert_all_accept(verifiers: &mut [Verifier], tokens: &[(String, String)], when: &str) {
    for verifier in verifiers {
        for (alg, token) in tokens {
            verifier.accepts(token, &format!("{alg} {when}"));
        }
    }
}

fn kid(token: &(String, String)) -> String {
    token::header(&token.1)["kid"].as_str().unwrap().to_owned()
}

/// Some verifiers try the keys in order, and stop at a key of another type.
#[tokio::test]
async fn the_jwks_keeps_the_keys_of_an_algorithm_together() {
    for (default, other) in [("ES256", "RS256"), ("RS256", "ES256")] {
        let server = TestServer::with(&format!("tokens.algorithm = '{default}'")).await;
        server.register("anna").await;
        let token = server.token("anna").await;
        for now in [true, true, false] {
            server.clock.advance(Duration::from_secs(10));
            rotate(&server, now).await;
            let jwks = server.get("/.well-known/jwks.json").await.json();
            let keys = jwks["keys"].as_array().unwrap();
            let algorithms: Vec<&str> = keys.iter().map(|key| key["alg"].as_str().unwrap()).collect();
            let half = keys.len() / 2;
            assert_eq!(algorithms, [vec![default; half], vec![other; half]].concat());
        }
        let jwks = server.get("/.well-known/jwks.json").await.json();
        let kids: Vec<&str> = jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
        let current = server.token("anna").await;
        let active = token::header(&current)["kid"].clone();
        assert_eq!(kids[0], active, "{default}: the active key comes first");
        // Active, next, and two retiring keys: the first key signed the oldest token.
        assert_eq!(kids[3], token::header(&token)["kid"], "{default}: {kids:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_rotation_fails_no_verification() {
    let server = TestServer::with_anna().await;
    let mut early = Verifier::all(&server.url, &LEEWAY);
    let before = tokens(&server).await;
    assert_all_accept(&mut early, &before, "before");

    let new_keys = rotate(&server, false).await;
    let during = tokens(&server).await;
    assert_eq!(during.iter().map(kid).collect::<Vec<_>>(), before.iter().map(kid).collect::<Vec<_>>());
    let mut strict = Verifier::all(&server.url, &STRICT);
    for verifiers in [&mut early, &mut strict] {
        assert_all_accept(verifiers, &before, "before");
        assert_all_accept(verifiers, &during, "during");
    }

    // The key that was published ahead signs now, and no cache had to be refreshed.
    server.clock.advance(Duration::from_hours(24));
    let after = tokens(&server).await;
    let mut new: Vec<String> = new_keys.iter().map(|key| key.kid.to_string()).collect();
    let mut signed: Vec<String> = after.iter().map(kid).collect();
    new.sort();
    signed.sort();
    assert_eq!(signed, new);
    for verifiers in [&mut early, &mut strict, &mut Verifier::all(&server.url, &LEEWAY)] {
        assert_all_accept(verifiers, &during, "during");
        assert_all_accept(verifiers, &after, "after");
    }
    for (_, token) in during.iter().chain(&after) {
        assert!(server.accepts(token).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immediate_rotation_fails_verifiers_that_never_refetch() {
    let server = TestServer::with_anna().await;
    let mut refetching = Verifier::all(&server.url, &LEEWAY);
    let mut strict = Verifier::all(&server.url, &STRICT);
    let before = tokens(&server).await;
    assert_all_accept(&mut refetching, &before, "before");
    assert_all_accept(&mut strict, &before, "before");
    rotate(&server, true).await;
    let after = tokens(&server).await;
    for (old, new) in before.iter().zip(&after) {
        assert_ne!(kid(old), kid(new));
    }
    assert_all_accept(&mut refetching, &before, "before");
    assert_all_accept(&mut refetching, &after, "after");
    assert_all_accept(&mut strict, &before, "before");
    for verifier in &mut strict {
        verifier.rejects(&after[0].1, "a key that is not in the cached JWKS");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_rejected_by_verifiers_that_refetch() {
    let server = TestServer::with_anna().await;
    let before = tokens(&server).await;
    crate::support::stored_keys::revoke(&server.issuer, &kid(&before[0])).await;
    crate::support::wait_until("the revocation applies", async || !server.accepts(&before[0].1).await).await;
    let after = tokens(&server).await;
    assert_ne!(kid(&before[0]), kid(&after[0]));
    assert_eq!(kid(&before[1]), kid(&after[1]), "the other algorithm's key changed");
    for mut verifier in Verifier::all(&server.url, &LEEWAY) {
        verifier.rejects(&before[0].1, "a revoked key");
        verifier.accepts(&before[1].1, "the other key");
        verifier.accepts(&after[0].1, "the successor");
    }
    assert!(server.accepts(&after[0].1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_libraries_reject_tokens_of_another_audience() {
    let server = TestServer::with_anna().await;
    let mut verifiers = Verifier::all(&server.url, &[]);
    let token = server.token("anna").await;
    let header = token::header(&token);
    let mut claims = token::claims(&token);
    let mut elsewhere = Verifier::all(&server.url, &["--audience", "https://api.example.com"]);
    claims["user_id"] = 2.into();
    let parts: Vec<&str> = token.split('.').collect();
    let changed = format!("{}.{}", token::signing_input(&header, &claims), parts[2]);
    for verifier in &mut verifiers {
        verifier.accepts(&token, "a fresh token, without any leeway");
        verifier.rejects(&changed, "changed claims");
    }
    for verifier in &mut elsewhere {
        verifier.rejects(&token, "another audience");
    }
    server.set("profiles.jwt_issuer.audience", "https://api.example.com").await;
    let other_token = server.token("anna").await;
    for verifier in &mut elsewhere {
        verifier.accepts(&other_token, "the profile's audience");
    }
    for verifier in &mut verifiers {
        verifier.rejects(&other_token, "another audience");
    }
}
