//! The listener under pressure: too many connections, no descriptors, and clients that say little or nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::support::binary::{Binary, TestFolder};
use crate::support::skip::skip;
use crate::support::{TestServer, settle};

/// Connects and says nothing.
fn idle(url: &str) -> TcpStream {
    TcpStream::connect(url.trim_start_matches("http://")).unwrap()
}

/// Whether the other side has hung up.
fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let outcome = stream.peek(&mut [0]);
    match outcome {
        Ok(read) => read == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// Asks on a connection that stays open, and reads the answer's head and body; None if it hung up.
fn request(stream: &mut TcpStream, path: &str) -> Option<String> {
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        answer.extend(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer);
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        if text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= length) {
            return Some(text.into_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_closed_at_the_connection_limit() {
    let server = TestServer::with("server.max_connections = 16").await;
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(idle(&server.url));
    }
    // Those before it would be cut off sixteen by sixteen, each after 15 s: too long for whoever waits behind them.
    let mut newcomer = idle(&server.url);
    newcomer.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(request(&mut newcomer, "/liveliness").unwrap().contains("200 OK"));
    settle("the idle to be sent away", async || crowd.iter().filter(|stream| is_closed(stream)).count() >= 84).await;
}

/// Connects, begins a request and never ends it.
fn slow(url: &str, beginning: &str) -> TcpStream {
    let mut stream = idle(url);
    stream.write_all(beginning.as_bytes()).unwrap();
    stream
}

const HALF_A_HEAD: &str = "GET /liveliness HTTP/1.1\r\nhost: x\r\n";
const HALF_A_BODY: &str =
    "POST /auth HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
const HALF_A_BODY_IN_CHUNKS: &str =
    "POST /auth HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{";

#[tokio::test(flavor = "multi_thread")]
async fn slow_connections_are_closed_at_the_connection_limit_slow() {
    let server = TestServer::with("server.max_connections = 16").await;
    let mut crowd = Vec::new();
    for beginning in [HALF_A_BODY, HALF_A_BODY_IN_CHUNKS, HALF_A_HEAD] {
        crowd.extend((0..16).map(|_| slow(&server.url, beginning)));
    }
    // Their own timers would cut them off one lot after the other: 30 s twice, and 15.
    let mut newcomer = idle(&server.url);
    newcomer.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(request(&mut newcomer, "/liveliness").unwrap().contains("200 OK"));
    settle("the slow to be sent away", async || crowd.iter().filter(|stream| is_closed(stream)).count() >= 32).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_waiting_for_its_response_is_not_closed() {
    let server = TestServer::with("server.max_connections = 16\ntokens.algorithm = 'RS256'").await;
    server.register("anna").await;
    let token = server.token("anna").await;
    // All of them, and not those that are free: a signature that was answered may still hold one.
    let turns = std::thread::available_parallelism().unwrap().get();
    let all = server.issuer.signers.permits().acquire_many(u32::try_from(turns).unwrap()).await.unwrap();
    let renewal = format!("POST /renew_token HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n");
    let renewal = format!("{renewal}content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}");
    let mut waiting = slow(&server.url, &renewal);
    let crowd: Vec<_> = (0..30).map(|_| slow(&server.url, HALF_A_BODY)).collect();
    settle("the slow to be sent away", async || crowd.iter().filter(|stream| is_closed(stream)).count() >= 14).await;
    drop(all);
    waiting.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_tls_handshake_is_closed_at_the_connection_limit_slow() {
    let server = TestServer::with("server.max_connections = 16\ntls.self_signed = true").await;
    let crowd: Vec<_> = (0..80).map(|_| slow(&server.url, "\x16\x03\x01")).collect();
    // Sixteen by sixteen, each after 10 s, without it.
    settle("them to be sent away", async || crowd.iter().filter(|stream| is_closed(stream)).count() >= 64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_idle_connections_block_no_request() {
    let server = TestServer::start().await;
    // No more than this process may have open on both sides; the server has raised the limit as far as it goes.
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(10_000);
    let crowd: Vec<_> = (0..(most / 4).min(2000)).map(|_| idle(&server.url)).collect();
    server.get("/liveliness").await.is(200);
    server.get("/.well-known/jwks.json").await.is(200);
    drop(crowd);
}

/// Sets how many descriptors a process may have; false where that can't be done here.
fn allow(server: &Binary, descriptors: u32) -> bool {
    let pid = format!("--pid={}", server.id());
    let limit = format!("--nofile={descriptors}:");
    let done = Command::new("prlimit").args([pid, limit]).status().is_ok_and(|status| status.success());
    if !done {
        skip("prlimit cannot set the limit of another process here");
    }
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn without_file_descriptors_idle_connections_are_closed_and_the_server_recovers() {
    let folder = TestFolder::new();
    let server = folder.serve().await;
    folder.create("anna");
    let token = server.token("anna").await;
    let mut connected = idle(&server.url);
    connected.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(request(&mut connected, "/ready").unwrap().contains("200 OK"));
    if !allow(&server, 8) {
        return;
    }
    let mut waiting = idle(&server.url);
    settle("the word of it", async || server.log.lock().unwrap().contains("no connection can be accepted")).await;
    // The idle one was sent away to make room; the one that is served next comes in once descriptors are there.
    settle("the idle to leave", async || is_closed(&connected)).await;
    assert!(!is_closed(&waiting));
    let told = server.log.lock().unwrap().matches("no connection can be accepted").count();
    assert_eq!(told, 1, "it is told once");
    assert!(allow(&server, 1024));
    waiting.set_nonblocking(false).unwrap();
    assert!(request(&mut waiting, "/.well-known/jwks.json").unwrap().contains("200 OK"));
    server.post("/renew_token", Some(&token), &serde_json::json!({})).await.is(200);
    server.get("/ready").await.is(200);
}
