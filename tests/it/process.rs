//! Processes: start, shutdown, crash, and two servers on one folder.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::binary::{Binary, TestFolder};
use crate::support::{PASSWORD, TestServer, token, wait_until};

#[tokio::test]
async fn a_signal_stops_the_server_although_a_request_hangs_slow() {
    let folder = TestFolder::new();
    for (signal, partial_request) in
        [("TERM", ""), ("INT", "GET /liveli"), ("TERM", "POST /auth HTTP/1.1\r\nhost: x\r\ncontent-le")]
    {
        let mut server = folder.serve().await;
        let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
        stream.write_all(partial_request.as_bytes()).unwrap();
        // A response to a later request proves that the server has read the incomplete one.
        server.get("/liveliness").await.is(200);
        server.signal(signal);
        let status = server.wait_for_exit().await;
        assert_eq!(status.code(), Some(0), "{partial_request:?}: {}", server.log.lock().unwrap());
        assert!(server.log.lock().unwrap().contains("stopped"), "{partial_request:?}");
    }
}

#[tokio::test]
async fn a_log_line_has_at_most_200_characters_of_a_callers_text() {
    let server = TestFolder::new().serve().await;
    let address = server.url.trim_start_matches("http://").to_owned();
    for (method, path) in
        [("GET".to_owned(), "/".to_owned() + &"a".repeat(30_000)), ("M".repeat(5_000), "/".to_owned())]
    {
        let mut stream = TcpStream::connect(&address).unwrap();
        let agent = "u".repeat(2_000);
        let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nuser-agent: {agent}\r\ntraceparent: {agent}\r\n");
        stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 40"), "{response}");
    }
    server.get("/nowhere").await.is(404);
    wait_until("the last request is logged", async || server.log.lock().unwrap().contains("/nowhere")).await;
    let log = server.log.lock().unwrap().clone();
    assert!(log.contains(&"a".repeat(199)) && log.contains(&"M".repeat(200)), "{log}");
    for line in log.lines() {
        let longest = line.split(|c: char| !c.is_ascii_alphanumeric()).map(str::len).max().unwrap_or_default();
        assert!(longest <= 200, "{line}");
    }
}

#[tokio::test]
async fn no_command_leaves_a_core_dump() {
    let folder = TestFolder::new();
    let limit = |id: u32| {
        let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap_or_default();
        limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap_or_default().trim().to_owned()
    };
    let is_zero = |id: u32| limit(id).split_whitespace().take(2).collect::<Vec<_>>() == ["0", "0"];
    if limit(std::process::id()).is_empty() {
        crate::support::skip::skip("/proc/PID/limits, which only Linux has");
        return;
    }
    let server = folder.serve().await;
    assert!(is_zero(server.id()), "{}", limit(server.id()));
    // The command waits for the password.
    let mut waiting = folder.command(&["users", "create", "ben", "--email", "ben@example.com", "--password-stdin"]);
    let mut child = waiting.stdin(std::process::Stdio::piped()).spawn().unwrap();
    wait_until("the command disables core dumps", async || is_zero(child.id())).await;
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_finished_before_shutdown() {
    let folder = TestFolder::new();
    let mut server = folder.serve().await;
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    let body = json!({"username": "anna", "password": PASSWORD, "email": "anna@example.com"}).to_string();
    let head = format!(
        "POST /register HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // `100 Continue` proves that the server has read the head.
    let mut interim_response = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut interim_response).unwrap();
    assert_eq!(&interim_response, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body.as_bytes()[..10]).unwrap();
    server.signal("TERM");
    wait_until("the shutdown is logged", async || server.log.lock().unwrap().contains("stopping")).await;
    stream.write_all(&body.as_bytes()[10..]).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert_eq!(server.wait_for_exit().await.code(), Some(0));
    folder.run(&["users", "show", "anna"]).is(0);
}

/// A request whose head the server has read, and its unsent body.
fn send_head(server: &Binary, path: &str, body: &Value) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut interim_response = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut interim_response).unwrap();
    (stream, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn queued_hashes_and_writes_are_finished_before_shutdown() {
    let folder = TestFolder::new();
    folder.create("anna");
    // Slow enough that most hashes are still queued when the signal arrives.
    folder.write("countersign.toml", "passwords = { memory_kib = 65536, iterations = 3, parallelism = 1 }");
    let mut server = folder.serve().await;
    let login = json!({"username": "anna", "password": PASSWORD});
    let refresh = server.post("/api/token/", None, &login).await.is(200).json()["refresh"].clone();
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(send_head(&server, "/auth", &login));
        streams.push(send_head(&server, "/api/token/refresh/", &json!({"refresh": refresh})));
    }
    for (stream, body) in &mut streams {
        stream.write_all(body.as_bytes()).unwrap();
    }
    server.signal("TERM");
    for (mut stream, body) in streams {
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{body}: {response}");
    }
    assert_eq!(server.wait_for_exit().await.code(), Some(0));
}

/// Sends the start of a request and nothing more. Returns what the server sends until it closes the connection.
fn send_partial(server: &TestServer, prefix: &'static str) -> tokio::task::JoinHandle<String> {
    let address = server.url.trim_start_matches("http://").to_owned();
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(2))).unwrap();
        stream.write_all(prefix.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("the server did not close the connection");
        response
    })
}

#[tokio::test]
async fn a_half_sent_request_times_out_slow() {
    let server = TestServer::start().await;
    let headers = send_partial(&server, "POST /auth HTTP/1.1\r\nhost: x\r\ncontent-ty");
    let body = send_partial(
        &server,
        "POST /auth HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{\"username\":",
    );
    let headers = headers.await.unwrap();
    let body = body.await.unwrap();
    assert!(!headers.contains(" 200 ") && !headers.contains("jwt"), "{headers}");
    assert!(body.starts_with("HTTP/1.1 408 ") && body.contains("\"too_slow\""), "{body}");
}

#[tokio::test]
async fn a_kill_loses_no_acknowledged_write() {
    let folder = TestFolder::new();
    let server = folder.serve().await;
    let body = json!({"username": "anna", "password": PASSWORD, "email": "anna@example.com"});
    server.post("/register", None, &body).await.is(200);
    let live = server.token("anna").await;
    let ended = server.token("anna").await;
    let new = json!({"password": "another valid password"});
    let changed = server.post("/update_profile", Some(&live), &new).await.is(200).json();
    let live = changed["jwt"].as_str().unwrap().to_owned();
    let issuer = server.url.clone();
    let before = server.get("/liveliness").await.json();
    assert_eq!(before["starts"], 1);
    server.kill().await;

    folder.configure(&format!("tokens = {{ issuer = '{issuer}', audience = '{issuer}' }}"));
    let server = folder.serve().await;
    let after = server.get("/liveliness").await.json();
    assert_eq!(after["starts"], 2);
    for window in ["1d", "7d", "30d", "all"] {
        let ratio = after["availability"][window].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&ratio), "{after}");
    }
    server.post("/renew_token", Some(&live), &json!({})).await.is(200);
    server.post("/renew_token", Some(&ended), &json!({})).await.refuses(401, "not_signed_in");
    server.post("/auth", None, &json!({"username": "anna", "password": PASSWORD})).await.is(401);
}

#[tokio::test]
async fn two_servers_on_one_folder_share_their_state() {
    let folder = TestFolder::new();
    folder.configure("tokens = { issuer = 'https://id.example.com', audience = 'https://id.example.com' }");
    let first = folder.serve().await;
    let second = folder.serve().await;
    let body = json!({"username": "anna", "password": PASSWORD, "email": "anna@example.com"});
    first.post("/register", None, &body).await.is(200);

    // Sessions: opened at one server, renewed at the other; ended at the other, rejected at the first.
    let token = first.token("anna").await;
    let other = first.token("anna").await;
    second.post("/renew_token", Some(&token), &json!({})).await.is(200);
    let new = json!({"password": "another valid password"});
    let changed = second.post("/update_profile", Some(&token), &new).await.is(200).json();
    let token = changed["jwt"].as_str().unwrap().to_owned();
    first.post("/renew_token", Some(&other), &json!({})).await.refuses(401, "not_signed_in");
    first.post("/renew_token", Some(&token), &json!({})).await.is(200);

    // Settings and keys: changed by a third process, applied by both servers.
    folder.run(&["settings", "set", "profiles.jwt_issuer.access_lifetime", "77"]).is(0);
    folder.run(&["keys", "rotate", "--now", "--alg", "ES256"]).is(0);
    let kid = folder.kid("ES256", "active");
    for server in [&first, &second] {
        wait_until("the server applies settings and keys", async || {
            let response = server.post("/renew_token", Some(&token), &json!({})).await;
            let newer = response.is(200).json()["token"].as_str().unwrap().to_owned();
            let claims = token::claims(&newer);
            let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
            lifetime == 77 && token::header(&newer)["kid"] == kid.as_str()
        })
        .await;
    }
    let sets = [first.get("/.well-known/jwks.json").await, second.get("/.well-known/jwks.json").await];
    assert_eq!(sets[0].text, sets[1].text);
    folder.run(&["users", "disable", "anna"]).is(0);
    for server in [&first, &second] {
        server.post("/renew_token", Some(&token), &json!({})).await.refuses(401, "not_signed_in");
    }
}

#[tokio::test]
async fn concurrent_first_starts_create_one_ring() {
    let folder = TestFolder::empty();
    let (first, second) = tokio::join!(folder.serve(), folder.serve());
    let sets = [first.get("/.well-known/jwks.json").await, second.get("/.well-known/jwks.json").await];
    assert_eq!(sets[0].text, sets[1].text);
    assert_eq!(folder.keys().len(), 2);
}

#[tokio::test]
async fn a_port_in_use_is_reported_and_no_file_is_created() {
    let folder = TestFolder::empty();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = folder.run(&["serve", "--listen", &address]);
    output.fails(1, &[&format!("cannot listen on {address}"), "--listen", "in use"]);
    assert!(!folder.path("keys").exists() && !folder.path("data").exists());
}

#[tokio::test]
async fn the_log_contains_no_secret() {
    let folder = TestFolder::new();
    folder.configure("log = { level = 'trace' }");
    let server = folder.serve().await;
    let body = json!({"username": "anna", "password": PASSWORD, "email": "anna@example.com"});
    server.post("/register?password=in-the-query", None, &body).await.is(200);
    let token = server.token("anna").await;
    server.post("/renew_token?token=in-the-query", Some(&token), &json!({})).await.is(200);
    server.post("/auth", None, &json!({"username": "anna", "password": "a wrong password"})).await.is(401);
    server.post("/request_password_reset", None, &json!({"email": "anna@example.com"})).await.is(200);
    let emails = || crate::support::mail::all(&folder.path("data/mail"));
    wait_until("an e-mail is sent", async || emails().len() == 1).await;
    let code = emails()[0].code().to_owned();
    let reset = server.post("/reset_password", None, &json!({"reset_code": code})).await.is(200).json();
    let temporary = reset["temporary_password"].as_str().unwrap().to_owned();
    let log = server.log.lock().unwrap().clone();
    assert!(log.contains("/renew_token") && log.contains("DEBUG"), "the log level is not trace: {log}");
    let signature = token.rsplit('.').next().unwrap();
    for secret in [PASSWORD, "a wrong password", "in-the-query", signature, &code, &temporary] {
        assert!(!log.contains(secret), "{secret:?} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_and_a_hanging_request_do_not_delay_shutdown_slow() {
    let folder = TestFolder::new();
    let mut server = folder.serve().await;
    let login = json!({"username": "nobody", "password": PASSWORD});
    server.post("/auth", None, &login).await.is(401);
    let (_stream, _) = send_head(&server, "/auth", &login);
    let other = rusqlite::Connection::open(folder.path("data/countersign.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    server.signal("TERM");
    wait_until("the shutdown is logged", async || server.log.lock().unwrap().contains("stopping")).await;
    // The server promises 10 s; the rest is for a busy machine. One wait after the other would take 20 s.
    let ended = tokio::time::timeout(Duration::from_secs(14), server.wait_for_exit()).await;
    assert_eq!(ended.expect("the server did not stop within 14 s").code(), Some(0), "{}", server.log.lock().unwrap());
}

#[tokio::test]
async fn a_start_that_cannot_serve_fails_before_it_prints_the_link() {
    let used = TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = format!("metrics.listen = '{}'", used.local_addr().unwrap());
    let tls = "tls = { certificate = 'chain.pem', key = 'key.pem' }".to_owned();
    for (settings, words) in [(metrics, ["metrics.listen", "in use"]), (tls, ["tls.key (key.pem)", "is encrypted"])] {
        let folder = TestFolder::empty();
        folder.configure(&settings);
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        folder.write("chain.pem", &certified.cert.pem());
        let key = certified.signing_key.serialize_pem();
        folder.write("key.pem", &key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"));
        let output = folder.run(&["serve", "--listen", "127.0.0.1:0"]);
        output.fails(1, &words);
        assert!(!output.stderr.contains("/admin/welcome"), "{}", output.stderr);
        assert!(!folder.path("keys").exists() && !folder.path("data").exists());
    }
}
