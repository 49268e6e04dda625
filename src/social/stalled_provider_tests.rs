//! Tests of a provider that stalls at any point of any of its answers: only a few requests wait for it.

use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::common::WAITING_MAX;
use super::testing::{ACCESS_TOKEN, TestOpenId, attempt, callback, options, secret};
use super::*;
use crate::clock::Clock;
use crate::crypto::testing::NOW;
use crate::domain::social::provider_options::OidcProvider;
use crate::fetch::client::FetchLimits;
use crate::fetch::testing::TestReply;

/// How long requests wait for a provider in these tests.
const PATIENCE: Duration = Duration::from_millis(500);

/// Runs more requests than may wait. Asserts that the further ones are refused at once, and that as many requests may
/// wait again afterwards.
async fn assert_few_wait<T: std::fmt::Debug>(what: &str, run: impl AsyncFn() -> Result<T, ProviderError>) {
    for _ in 0..2 {
        let is_busy = |result: &Result<T, ProviderError>| matches!(result, Err(ProviderError::Busy(_)));
        let run = &run;
        let mut waiting: Vec<_> = (0..WAITING_MAX).map(|_| Box::pin(run())).collect();
        for one in &mut waiting {
            assert!(timeout(Duration::from_millis(5), one.as_mut()).await.is_err(), "{what}: a request does not wait");
        }
        for _ in 0..3 {
            let refused = timeout(PATIENCE / 2, run()).await.expect("refused at once");
            assert!(is_busy(&refused), "{what}: {refused:?}");
        }
        for one in waiting {
            let failed = one.await;
            assert!(failed.is_err() && !is_busy(&failed), "{what}: {failed:?}");
        }
    }
}

/// A provider of which each request ends after [`PATIENCE`].
async fn impatient() -> TestOpenId {
    let limits = FetchLimits { connect: PATIENCE, total: PATIENCE, ..FetchLimits::default() };
    TestOpenId::with_limits(limits).await
}

#[tokio::test]
async fn few_requests_wait_for_a_discovery_document_that_does_not_come_slow() {
    for reply in [b"".as_slice(), b"HTTP/1.1 200 OK\r\ncontent-le", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"] {
        let op = impatient().await;
        op.server.reply_with("/.well-known/openid-configuration", TestReply::Stall(reply.to_vec()));
        let begun = attempt("corp");
        assert_few_wait("discovery", async || {
            // The failure is cached for some seconds.
            op.clock.advance(Duration::from_secs(10));
            op.provider().authorize_url(&begun).await
        })
        .await;
    }
}

#[tokio::test]
async fn few_requests_wait_for_each_other_answer_slow() {
    for path in ["/token", "/jwks", "/userinfo"] {
        let op = impatient().await;
        op.set_discovery_document(&[("userinfo_endpoint", json!(format!("{}/userinfo", op.server.url)))]);
        let mut claims = op.claims();
        claims.as_object_mut().unwrap().remove("email");
        op.issue_id_token(&op.header(), &claims);
        op.server.reply_with(path, TestReply::Stall(Vec::new()));
        let begun = attempt("corp");
        assert!(op.provider().authorize_url(&begun).await.is_ok());
        let back = callback();
        assert_few_wait(path, async || op.provider().identify(&back, &begun, NOW).await).await;
        if path == "/token" {
            assert_few_wait("a refresh", async || op.provider().refresh(&secret("rt-1"), NOW).await).await;
        }
        assert!(op.provider().authorize_url(&begun).await.is_ok(), "a cached document needs no request");
    }
}

#[tokio::test]
async fn few_requests_wait_for_a_tls_handshake_slow() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = options(&Clock::manual(NOW));
    options.fetch.limits = FetchLimits { connect: PATIENCE, total: PATIENCE, ..FetchLimits::default() };
    let clock = options.clock.clone();
    let corp = OidcProvider {
        issuer: format!("https://{}", listener.local_addr().unwrap()),
        client_id: "us".to_owned(),
        client_secret: None,
        scopes: Vec::new(),
    };
    options.oidc.push((super::testing::name("corp"), corp));
    let providers = Providers::new(options).unwrap();
    let begun = attempt("corp");
    assert_few_wait("TLS", async || {
        clock.advance(Duration::from_secs(10));
        providers.find("corp").unwrap().authorize_url(&begun).await
    })
    .await;
}

#[tokio::test]
async fn the_limit_is_of_one_provider_slow() {
    let [silent, other] = [impatient().await, impatient().await];
    silent.server.reply_with("/token", TestReply::Stall(Vec::new()));
    let (begun, back) = (attempt("corp"), callback());
    let mut waiting: Vec<_> =
        (0..WAITING_MAX).map(|_| Box::pin(silent.provider().identify(&back, &begun, NOW))).collect();
    for one in &mut waiting {
        assert!(timeout(Duration::from_millis(5), one.as_mut()).await.is_err());
    }
    let identity = other.provider().identify(&back, &begun, NOW).await.unwrap();
    assert_eq!(identity.tokens.access.expose(), ACCESS_TOKEN);
}
