//! Overload: requests that cannot be served in time are rejected at once, and requests without slow hashes or
//! signatures are not delayed.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::mpsc::{Receiver, channel};

use countersign::crypto::password_hash::ResultSink;
use countersign::domain::password::{Password, PasswordHash};
use reqwest::Method;
use serde_json::json;

use super::support::binary::{Binary, TestFolder};
use super::support::{PASSWORD, ServerResponse, TestServer, wait_until};

/// Blocks a thread of the hashing pool until the gate is dropped, and then declines the result.
struct BlockingSink(Receiver<()>);

impl ResultSink<PasswordHash> for BlockingSink {
    fn is_waiting(&self) -> bool {
        let _ = self.0.recv();
        false
    }

    fn deliver(self, _: PasswordHash) {
        unreachable!("the sink declined the result");
    }
}

/// Fills the queue of the hashing pool. The pool is blocked until the returned gates are dropped.
fn fill_hash_queue(server: &TestServer) -> Vec<std::sync::mpsc::Sender<()>> {
    let mut gates = Vec::new();
    while server.issuer.hasher.check_capacity().is_ok() {
        let (gate, waiting) = channel();
        server.issuer.hasher.hash(Password::new(String::new()), BlockingSink(waiting)).unwrap();
        gates.push(gate);
    }
    gates
}

#[tokio::test]
async fn overload_of_the_hashing_pool_gets_503_and_delays_no_other_request() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    let valid = json!({"username": "anna", "password": PASSWORD});
    let gates = fill_hash_queue(&server);

    let refused = server.post("/auth", &valid).await;
    let seconds: u64 = refused.refuses(503, "busy").header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&seconds), "{refused:#?}");
    for (path, body) in [
        ("/register", json!({"username": "berta", "password": PASSWORD, "email": "berta@example.com"})),
        ("/api/token/", valid.clone()),
        ("/api/login/", json!({"email": "anna@example.com", "password": PASSWORD})),
        ("/signin", valid.clone()),
    ] {
        let refused = server.post(path, &body).await;
        assert_eq!(refused.is(503).header("retry-after"), seconds.to_string(), "{path}: {refused:#?}");
    }
    server.get("/.well-known/jwks.json").await.is(200);
    assert!(server.accepts(&token).await, "a renewal needs no password hash");

    drop(gates);
    let mut response = server.post("/auth", &valid).await;
    while response.status == 503 {
        response = server.post("/auth", &valid).await;
    }
    response.is(200);
}

#[tokio::test]
async fn slow_signatures_are_queued() {
    let server = TestServer::with("tokens.algorithm = 'RS256'\nthrottle.enabled = false").await;
    server.register("anna").await;
    let token = server.token("anna").await;
    // Acquires all permits, not only the free ones: a completed signature may still hold one.
    let permit_count = std::thread::available_parallelism().unwrap().get();
    let permits =
        server.issuer.signing_queue.permits().acquire_many(u32::try_from(permit_count).unwrap()).await.unwrap();
    let renewal = server.request(Method::POST, "/renew_token").bearer_auth(&token).json(&json!({}));
    let renewal = tokio::spawn(ServerResponse::send(renewal));
    // These requests sign nothing. Without the limit, the renewal would be signed before they are complete.
    for _ in 0..20 {
        server.get("/.well-known/jwks.json").await.is(200);
        server.post("/auth", &json!({"username": "nobody", "password": PASSWORD})).await.is(401);
    }
    assert!(!renewal.is_finished(), "the renewal must wait for a permit");
    drop(permits);
    renewal.await.unwrap().is(200);
}

/// The anonymous resident memory of a process, in KiB. File-backed pages depend on too many other things.
fn resident(server: &Binary) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn hash_memory_is_released_when_idle() {
    let folder = TestFolder::new();
    let server = folder.serve().await;
    let before = resident(&server);
    // Each hash takes 19 MiB. The allocator returns the first block in any case, but it may keep the second.
    for name in ["anna", "berta"] {
        let new = json!({"username": name, "password": PASSWORD, "email": format!("{name}@example.com")});
        server.post("/register", None, &new).await.is(200);
        wait_until("the memory of the hash is released", async || resident(&server) < before + 10 * 1024).await;
    }
}
