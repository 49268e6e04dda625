//! More to do than can be done: who can't be served in time is told so at once, and what hashes and signs nothing for long
//! goes on as if nothing were.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::mpsc::{Receiver, channel};

use countersign::crypto::password_hash::ResultSink;
use countersign::domain::password::{Password, PasswordHash};
use reqwest::Method;
use serde_json::json;

use super::support::binary::{Binary, TestFolder};
use super::support::{PASSWORD, ServerResponse, TestServer, settle};

/// One who holds a thread of the pool until the gate is dropped, and then wants nothing.
struct BlockingSink(Receiver<()>);

impl ResultSink<PasswordHash> for BlockingSink {
    fn is_waiting(&self) -> bool {
        let _ = self.0.recv();
        false
    }

    fn deliver(self, _: PasswordHash) {
        unreachable!("it has left");
    }
}

/// Fills the line before the pool; it stands still until what comes back is dropped.
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
    let right = json!({"username": "anna", "password": PASSWORD});
    let crowd = fill_hash_queue(&server);

    let refused = server.post("/auth", &right).await;
    let seconds: u64 = refused.refuses(503, "busy").header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&seconds), "{refused:#?}");
    for (path, body) in [
        ("/register", json!({"username": "berta", "password": PASSWORD, "email": "berta@example.com"})),
        ("/api/token/", right.clone()),
        ("/api/login/", json!({"email": "anna@example.com", "password": PASSWORD})),
        ("/signin", right.clone()),
    ] {
        let refused = server.post(path, &body).await;
        assert_eq!(refused.is(503).header("retry-after"), seconds.to_string(), "{path}: {refused:#?}");
    }
    server.get("/.well-known/jwks.json").await.is(200);
    assert!(server.opens(&token).await, "a renewal writes and signs, but hashes nothing");

    drop(crowd);
    let mut answer = server.post("/auth", &right).await;
    while answer.status == 503 {
        answer = server.post("/auth", &right).await;
    }
    answer.is(200);
}

#[tokio::test]
async fn slow_signatures_are_queued() {
    let server = TestServer::with("tokens.algorithm = 'RS256'\nthrottle.enabled = false").await;
    server.register("anna").await;
    let token = server.token("anna").await;
    // All of them, and not those that are free: a signature that was answered may still hold one.
    let turns = std::thread::available_parallelism().unwrap().get();
    let all = server.issuer.signers.permits().acquire_many(u32::try_from(turns).unwrap()).await.unwrap();
    let renewal = server.request(Method::POST, "/renew_token").bearer_auth(&token).json(&json!({}));
    let renewal = tokio::spawn(ServerResponse::send(renewal));
    // A sign-out reads, writes and answers, and signs nothing. By its end the renewal would long have been signed.
    for _ in 0..20 {
        server.get("/.well-known/jwks.json").await.is(200);
        server.post("/auth", &json!({"username": "nobody", "password": PASSWORD})).await.is(401);
    }
    assert!(!renewal.is_finished(), "it waits");
    drop(all);
    renewal.await.unwrap().is(200);
}

/// What a process has in memory of its own, in KiB: how much of the program file is there depends on much else.
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
    // Each hash takes 19 MiB. The first piece goes back anyway; it is the second that an allocator may keep.
    for name in ["anna", "berta"] {
        let new = json!({"username": name, "password": PASSWORD, "email": format!("{name}@example.com")});
        server.post("/register", None, &new).await.is(200);
        settle("the memory of a hash is given back", async || resident(&server) < before + 10 * 1024).await;
    }
}
