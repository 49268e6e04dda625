//! Tokens minted before, during and after a rotation, before verifiers that keep their caches.

use std::time::Duration;

use super::{rotate, sign_with};
use crate::support::verifier::Verifier;
use crate::support::{TestServer, token};

/// Verifiers read the machine's clock, the server a test's: so far apart may they be.
const FAR: [&str; 2] = ["--leeway", "200000"];

/// A verifier that asks again only when its cache has run out, which it never does in a test.
const STRICT: [&str; 3] = ["--leeway", "200000", "--strict"];

/// A token of each algorithm.
async fn tokens(server: &TestServer) -> Vec<(String, String)> {
    let mut tokens = Vec::new();
    for alg in ["ES256", "RS256"] {
        sign_with(server, alg).await;
        let made = server.token("anna").await;
        assert_eq!(token::header(&made)["alg"], alg);
        tokens.push((alg.to_owned(), made));
    }
    tokens
}

fn assert_all_accept(verifiers: &mut [Verifier], tokens: &[(String, String)], when: &str) {
    for verifier in verifiers {
        for (alg, token) in tokens {
            verifier.takes(token, &format!("{alg} {when}"));
        }
    }
}

fn kid(token: &(String, String)) -> String {
    token::header(&token.1)["kid"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_rotation_fails_no_verification() {
    let server = TestServer::with_anna().await;
    let mut early = Verifier::all(&server.url, &FAR);
    let before = tokens(&server).await;
    assert_all_accept(&mut early, &before, "before");

    let made = rotate(&server, false).await;
    let during = tokens(&server).await;
    assert_eq!(during.iter().map(kid).collect::<Vec<_>>(), before.iter().map(kid).collect::<Vec<_>>());
    let mut strict = Verifier::all(&server.url, &STRICT);
    for verifiers in [&mut early, &mut strict] {
        assert_all_accept(verifiers, &before, "before");
        assert_all_accept(verifiers, &during, "during");
    }

    // What was published ahead signs now, and no cache was asked to be refreshed.
    server.clock.advance(Duration::from_hours(24));
    let after = tokens(&server).await;
    let mut new: Vec<String> = made.iter().map(|key| key.kid.to_string()).collect();
    let mut signed: Vec<String> = after.iter().map(kid).collect();
    new.sort();
    signed.sort();
    assert_eq!(signed, new);
    for verifiers in [&mut early, &mut strict, &mut Verifier::all(&server.url, &FAR)] {
        assert_all_accept(verifiers, &during, "during");
        assert_all_accept(verifiers, &after, "after");
    }
    for (_, token) in during.iter().chain(&after) {
        assert!(server.opens(token).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immediate_rotation_fails_verifiers_that_never_refetch() {
    let server = TestServer::with_anna().await;
    let mut usual = Verifier::all(&server.url, &FAR);
    let mut strict = Verifier::all(&server.url, &STRICT);
    let before = tokens(&server).await;
    assert_all_accept(&mut usual, &before, "before");
    assert_all_accept(&mut strict, &before, "before");
    rotate(&server, true).await;
    let after = tokens(&server).await;
    for (old, new) in before.iter().zip(&after) {
        assert_ne!(kid(old), kid(new));
    }
    assert_all_accept(&mut usual, &before, "before");
    assert_all_accept(&mut usual, &after, "after");
    assert_all_accept(&mut strict, &before, "before");
    for verifier in &mut strict {
        verifier.refuses(&after[0].1, "a key it can't know: this is what the command warns of");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_rejected_by_verifiers_that_refetch() {
    let server = TestServer::with_anna().await;
    let before = tokens(&server).await;
    let policy = countersign::issuer::keys::policy(&server.issuer);
    server.issuer.key_dir.revoke(&kid(&before[0]), &policy).unwrap();
    crate::support::settle("the revocation", async || !server.opens(&before[0].1).await).await;
    let after = tokens(&server).await;
    assert_ne!(kid(&before[0]), kid(&after[0]));
    assert_eq!(kid(&before[1]), kid(&after[1]), "the other algorithm's key is none of it");
    for mut verifier in Verifier::all(&server.url, &FAR) {
        verifier.refuses(&before[0].1, "a revoked key");
        verifier.takes(&before[1].1, "the other key");
        verifier.takes(&after[0].1, "the successor");
    }
    assert!(server.opens(&after[0].1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_libraries_reject_tokens_of_another_audience() {
    let server = TestServer::with_anna().await;
    let mut verifiers = Verifier::all(&server.url, &[]);
    let mine = server.token("anna").await;
    let header = token::header(&mine);
    let mut claims = token::claims(&mine);
    let mut elsewhere = Verifier::all(&server.url, &["--audience", "https://api.example.com"]);
    claims["user_id"] = 2.into();
    let parts: Vec<&str> = mine.split('.').collect();
    let changed = format!("{}.{}", token::signing_input(&header, &claims), parts[2]);
    for verifier in &mut verifiers {
        verifier.takes(&mine, "a fresh token, without any leeway");
        verifier.refuses(&changed, "changed claims");
    }
    for verifier in &mut elsewhere {
        verifier.refuses(&mine, "another audience");
    }
    server.set("profiles.jwt_issuer.audience", "https://api.example.com").await;
    let theirs = server.token("anna").await;
    for verifier in &mut elsewhere {
        verifier.takes(&theirs, "the profile's audience");
    }
    for verifier in &mut verifiers {
        verifier.refuses(&theirs, "another audience");
    }
}
