//! The listener: kept connections, and under load the connection limit, the file-descriptor limit, and idle or slow
//! clients.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use reqwest::Method;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::binary::{Binary, TestFolder};
use crate::support::skip::skip;
use crate::support::{ServerResponse, TestServer, wait_until};

/// Connects and sends nothing.
fn connect_idle(url: &str) -> TcpStream {
    TcpStream::connect(url.trim_start_matches("http://")).unwrap()
}

/// Whether the server has closed the connection.
fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match stream.peek(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// Sends a request on a kept-alive connection and reads the response. Returns `None` if the server closed the
/// connection.
fn request(stream: &mut TcpStream, path: &str) -> Option<String> {
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").ok()?;
    let mut response = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        response.extend(&buffer[..read]);
        let text = String::from_utf8_lossy(&response);
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
    let mut connections = Vec::new();
    for _ in 0..100 {
        connections.push(connect_idle(&server.url));
    }
    // Without early closing, the server would close 16 connections every 15 s, which is too slow for the waiting
    // client.
    let mut client = connect_idle(&server.url);
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(request(&mut client, "/liveliness").unwrap().contains("200 OK"));
    wait_until("the idle connections are closed", async || {
        connections.iter().filter(|stream| is_closed(stream)).count() >= 84
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_serves_a_request_after_16_s_slow() {
    let from_proxy = TestServer::start().await;
    let from_client = TestServer::exactly("").await;
    let mut connections = [&from_proxy, &from_client].map(|server| connect_idle(&server.url));
    for pause in [0, 16] {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        for stream in &mut connections {
            assert!(request(stream, "/liveliness").unwrap().contains("200 OK"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_closed_after_keep_alive_slow() {
    for settings in ["", "server.trusted_proxies = ['127.0.0.1']"] {
        let server = TestServer::exactly(&format!("{settings}\nserver.keep_alive = '2s'")).await;
        let mut stream = connect_idle(&server.url);
        for pause in [0, 1, 1] {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            assert!(request(&mut stream, "/liveliness").unwrap().contains("200 OK"));
        }
        wait_until("the idle connection is closed", async || is_closed(&stream)).await;
    }
}

/// Connects, sends the start of a request and never completes it.
fn connect_slow(url: &str, prefix: &str) -> TcpStream {
    let mut stream = connect_idle(url);
    stream.write_all(prefix.as_bytes()).unwrap();
    stream
}

const PARTIAL_HEAD: &str = "GET /liveliness HTTP/1.1\r\nhost: x\r\n";
const PARTIAL_BODY: &str =
    "POST /auth HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
const PARTIAL_CHUNKED_BODY: &str =
    "POST /auth HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{";

#[tokio::test(flavor = "multi_thread")]
async fn slow_connections_are_closed_at_the_connection_limit_slow() {
    let server = TestServer::with("server.max_connections = 16").await;
    let mut connections = Vec::new();
    for prefix in [PARTIAL_BODY, PARTIAL_CHUNKED_BODY, PARTIAL_HEAD] {
        connections.extend((0..16).map(|_| connect_slow(&server.url, prefix)));
    }
    // Without early closing, the timeouts of the phases would close these connections in three steps, after 30 s, 30 s
    // and 15 s.
    let mut client = connect_idle(&server.url);
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(request(&mut client, "/liveliness").unwrap().contains("200 OK"));
    wait_until("the slow connections are closed", async || {
        connections.iter().filter(|stream| is_closed(stream)).count() >= 32
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_waiting_for_its_response_is_not_closed() {
    let server = TestServer::with("server.max_connections = 16\ntokens.algorithm = 'RS256'").await;
    server.register("anna").await;
    let token = server.token("anna").await;
    // Acquires all permits, not only the free ones: a completed signature may still hold one.
    let permit_count = std::thread::available_parallelism().unwrap().get();
    let permits =
        server.issuer.signing_queue.permits().acquire_many(u32::try_from(permit_count).unwrap()).await.unwrap();
    let renewal = format!("POST /renew_token HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n");
    let renewal = format!("{renewal}content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}");
    let mut waiting = connect_slow(&server.url, &renewal);
    let connections: Vec<_> = (0..30).map(|_| connect_slow(&server.url, PARTIAL_BODY)).collect();
    wait_until("the slow connections are closed", async || {
        connections.iter().filter(|stream| is_closed(stream)).count() >= 14
    })
    .await;
    drop(permits);
    waiting.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut response = String::new();
    waiting.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_tls_handshake_is_closed_at_the_connection_limit_slow() {
    let server = TestServer::with("server.max_connections = 16\ntls.self_signed = true").await;
    let connections: Vec<_> = (0..80).map(|_| connect_slow(&server.url, "\x16\x03\x01")).collect();
    // Without early closing at the connection limit, the server would close 16 connections every 10 s.
    wait_until("the stalled handshakes are closed", async || {
        connections.iter().filter(|stream| is_closed(stream)).count() >= 64
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_idle_connections_block_no_request() {
    let server = TestServer::start().await;
    // The clients use at most a quarter of the file descriptors, because the server runs in the same process and needs
    // as many. The start of the server has raised the soft limit.
    let fd_limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(10_000);
    let connections: Vec<_> = (0..(fd_limit / 4).min(2000)).map(|_| connect_idle(&server.url)).collect();
    server.get("/liveliness").await.is(200);
    server.get("/.well-known/jwks.json").await.is(200);
    drop(connections);
}

/// The provider accepts connections and sends nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_provider_does_not_delay_other_requests_slow() {
    let provider = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = format!("http://{}", provider.local_addr().unwrap());
    let settings =
        format!("server.max_connections = 64\n[social.oidc.corp]\nissuer = '{issuer}'\nclient_id = 'countersign'");
    let server = TestServer::with(&settings).await;
    let mut sign_ins = JoinSet::new();
    for _ in 0..120 {
        sign_ins.spawn(ServerResponse::send(server.request(Method::GET, "/corp/")));
    }
    // Each sign-in that waits for the provider waits 10 s.
    let others = async {
        for _ in 0..112 {
            let refused = sign_ins.join_next().await.unwrap().unwrap();
            assert!(refused.is(400).text.contains("cannot be reached"), "{refused:#?}");
        }
        server.get("/.well-known/jwks.json").await.is(200);
    };
    timeout(Duration::from_secs(8), others).await.expect("only 8 requests wait for the provider");
}

/// Sets the file-descriptor limit of a process. Returns `false` if that is not possible here.
fn limit_descriptors(server: &Binary, descriptors: u32) -> bool {
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
    let mut idle = connect_idle(&server.url);
    idle.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(request(&mut idle, "/ready").unwrap().contains("200 OK"));
    if !limit_descriptors(&server, 8) {
        return;
    }
    let mut waiting = connect_idle(&server.url);
    wait_until("the failed accept is logged", async || server.log.lock().unwrap().contains("accept failed")).await;
    // The server closes the idle connection to free a descriptor. The next connection is accepted once descriptors are
    // free.
    wait_until("the idle connection is closed", async || is_closed(&idle)).await;
    assert!(!is_closed(&waiting));
    let count = server.log.lock().unwrap().matches("accept failed").count();
    assert_eq!(count, 1, "the failure is logged once");
    assert!(limit_descriptors(&server, 1024));
    waiting.set_nonblocking(false).unwrap();
    assert!(request(&mut waiting, "/.well-known/jwks.json").unwrap().contains("200 OK"));
    server.post("/renew_token", Some(&token), &serde_json::json!({})).await.is(200);
    server.get("/ready").await.is(200);
}
