//! `countersign healthcheck`, as a container runs it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use crate::support::binary::TestFolder;
use crate::support::wait_until;

#[tokio::test(flavor = "multi_thread")]
async fn a_ready_server_is_found_at_every_kind_of_address_slow() {
    for (settings, listen) in [
        ("", "127.0.0.1"),
        ("", "0.0.0.0"),
        ("", "[::1]"),
        ("", "[::]"),
        ("server.public_url = 'https://id.example.org/auth'", "127.0.0.1"),
        ("tls.self_signed = true", "127.0.0.1"),
        ("tls.self_signed = true\nserver.public_url = 'https://id.example.org:8443/auth/x'", "[::]"),
    ] {
        let folder = TestFolder::new();
        folder.configure(settings);
        let server = folder.spawn_with_shell(&format!("exec \"$0\" serve --listen '{listen}:0'")).await;
        let (_, port) = server.url.rsplit_once(':').unwrap();
        let address = format!("{listen}:{port}");
        let setting = format!("server.listen={address}");
        wait_until("the health check succeeds", async || {
            folder.run(&["--set", &setting, "healthcheck"]).code == Some(0)
        })
        .await;
        let output = folder.run(&["healthcheck", "--listen", &address]);
        output.is(0);
        assert!(output.stderr.contains("/ready: the server is ready"), "{}", output.stderr);
    }
}

/// Answers one connection with these bytes. Returns the address.
fn answer_once(response: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(response.as_bytes());
    });
    address
}

#[test]
fn a_failed_health_check_names_the_address_and_the_reason() {
    let folder = TestFolder::empty();
    let unready = "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"status\":\"ERROR\",\"message\":\"no active key\"}";
    for (response, expected) in [
        (unready, "the server responded with 503: no active key"),
        ("HTTP/1.1 404 Not Found\r\n\r\nnothing", "the server responded with 404"),
        ("220 mail.example.org\r\n", "not HTTP"),
        ("", "not HTTP"),
    ] {
        let address = answer_once(response);
        let output = folder.run(&["healthcheck", "--listen", &address]);
        output.fails(1, &[&format!("http://{address}/ready: "), expected]);
    }
    let address = answer_once(unready);
    let output = folder.run(&["--set", "tls.self_signed=true", "healthcheck", "--listen", &address]);
    output.fails(1, &[&format!("https://{address}/ready: "), "TLS handshake failed"]);
    folder.run(&["healthcheck", "--listen", "127.0.0.1:1"]).fails(1, &["http://127.0.0.1:1/ready: connecting failed"]);
    folder.run(&["healthcheck", "--listen", "127.0.0.1:0"]).fails(1, &["port 0"]);
    assert!(!folder.path("data").exists() && !folder.path("keys").exists());
}
