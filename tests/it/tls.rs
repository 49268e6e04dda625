//! TLS termination: only HTTP/1.1 is offered, idle connections are kept, and a connection without a complete request
//! times out.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::skip::skip;
use crate::support::{TestServer, wait_until};

/// A client that keeps its connection open until it is dropped or the server closes it. `None` if `openssl` is missing.
fn connect(server: &TestServer, arguments: &[&str]) -> Option<Child> {
    let address = server.url.trim_start_matches("http://");
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", address]).args(arguments);
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    if spawned.is_err() {
        skip("openssl is not installed");
    }
    spawned.ok()
}

/// The output of a client that prefers HTTP/2.
fn request_over_tls(server: &TestServer) -> Option<String> {
    let mut client = connect(server, &["-alpn", "h2,http/1.1", "-ign_eof"])?;
    let request = b"GET /liveliness HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    client.stdin.take().unwrap().write_all(request).unwrap();
    let mut output = String::new();
    client.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    client.wait().unwrap();
    Some(output)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_http_1_is_offered_over_tls() {
    let server = TestServer::with("tls.self_signed = true").await;
    let Some(output) = request_over_tls(&server) else { return };
    assert!(output.contains("ALPN protocol: http/1.1") && output.contains("HTTP/1.1 200 OK"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_request_over_tls_times_out_slow() {
    let server = TestServer::with("tls.self_signed = true").await;
    for prefix in ["", "GET /liveliness HTTP/1.1\r\nhos"] {
        let Some(mut client) = connect(&server, &["-quiet"]) else { return };
        // The client's input stays open, so only the server can close the connection.
        let mut stdin = client.stdin.take().unwrap();
        stdin.write_all(prefix.as_bytes()).unwrap();
        wait_until("the server closes the connection", async || client.try_wait().unwrap().is_some()).await;
        drop(stdin);
    }
    assert!(
        request_over_tls(&server).is_some_and(|output| output.contains("HTTP/1.1 200 OK")),
        "the server no longer responds to other clients"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_over_tls_serves_a_request_after_16_s_slow() {
    let server = TestServer::exactly("tls.self_signed = true").await;
    let Some(mut client) = connect(&server, &["-quiet"]) else { return };
    let mut stdin = client.stdin.take().unwrap();
    let request = "GET /liveliness HTTP/1.1\r\nhost: x\r\n";
    stdin.write_all(format!("{request}\r\n").as_bytes()).unwrap();
    tokio::time::sleep(Duration::from_secs(16)).await;
    stdin.write_all(format!("{request}connection: close\r\n\r\n").as_bytes()).unwrap();
    let mut output = String::new();
    client.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert_eq!(output.matches("HTTP/1.1 200 OK").count(), 2, "{output}");
    client.wait().unwrap();
}
