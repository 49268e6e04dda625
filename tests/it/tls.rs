//! TLS of its own: HTTP/1 alone is offered, and who says half a word is cut off as without it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use crate::support::skip::skip;
use crate::support::{TestServer, settle};

/// A client that keeps its connection open until it is dropped or cut off; None where openssl is not installed.
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

/// What a client sees who would rather speak HTTP/2.
fn asks(server: &TestServer) -> Option<String> {
    let mut client = connect(server, &["-alpn", "h2,http/1.1", "-ign_eof"])?;
    let request = b"GET /liveliness HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    client.stdin.take().unwrap().write_all(request).unwrap();
    let mut said = String::new();
    client.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    client.wait().unwrap();
    Some(said)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_http_1_is_offered_over_tls() {
    let server = TestServer::with("tls.self_signed = true").await;
    let Some(said) = asks(&server) else { return };
    assert!(said.contains("ALPN protocol: http/1.1") && said.contains("HTTP/1.1 200 OK"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_tls_handshake_times_out_slow() {
    let server = TestServer::with("tls.self_signed = true").await;
    for beginning in ["", "GET /liveliness HTTP/1.1\r\nhos"] {
        let Some(mut client) = connect(&server, &["-quiet"]) else { return };
        // Kept open: it is the server that hangs up.
        let mut open = client.stdin.take().unwrap();
        open.write_all(beginning.as_bytes()).unwrap();
        settle("the server's patience to end", async || client.try_wait().unwrap().is_some()).await;
        drop(open);
    }
    assert!(asks(&server).is_some_and(|said| said.contains("HTTP/1.1 200 OK")), "everyone else is served");
}
