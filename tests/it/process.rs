//! Processes: how they start, stop and die, and two of them on one folder.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::binary::{Binary, TestFolder};
use crate::support::{PASSWORD, TestServer, settle, token};

#[tokio::test]
async fn a_signal_stops_the_server_although_a_request_hangs_slow() {
    let folder = TestFolder::new();
    for (signal, hanging) in
        [("TERM", ""), ("INT", "GET /liveli"), ("TERM", "POST /auth HTTP/1.1\r\nhost: x\r\ncontent-le")]
    {
        let mut server = folder.serve().await;
        let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
        stream.write_all(hanging.as_bytes()).unwrap();
        // An answer to a later request shows that the half one was taken in.
        server.get("/liveliness").await.is(200);
        server.signal(signal);
        let status = server.ended().await;
        assert_eq!(status.code(), Some(0), "{hanging:?}: {}", server.log.lock().unwrap());
        assert!(server.log.lock().unwrap().contains("stopped"), "{hanging:?}");
    }
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
    // Whoever is asked for the body has been heard.
    let mut asked = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body.as_bytes()[..10]).unwrap();
    server.signal("TERM");
    settle("the word of the stop", async || server.log.lock().unwrap().contains("stopping")).await;
    stream.write_all(&body.as_bytes()[10..]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(server.ended().await.code(), Some(0));
    folder.run(&["users", "show", "anna"]).is(0);
}

/// A request of which the head was sent and heard, and its body.
fn begun(server: &Binary, path: &str, body: &Value) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut asked = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut asked).unwrap();
    (stream, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn queued_hashes_and_writes_are_finished_before_shutdown() {
    let folder = TestFolder::new();
    folder.create("anna");
    // Slow enough that most of them still wait when the signal comes.
    folder.write("countersign.toml", "passwords = { memory_kib = 65536, iterations = 3, parallelism = 1 }");
    let mut server = folder.serve().await;
    let login = json!({"username": "anna", "password": PASSWORD});
    let refresh = server.post("/api/token/", None, &login).await.is(200).json()["refresh"].clone();
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(begun(&server, "/auth", &login));
        streams.push(begun(&server, "/api/token/refresh/", &json!({"refresh": refresh})));
    }
    for (stream, body) in &mut streams {
        stream.write_all(body.as_bytes()).unwrap();
    }
    server.signal("TERM");
    for (mut stream, body) in streams {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{body}: {answer}");
    }
    assert_eq!(server.ended().await.code(), Some(0));
}

/// Sends the beginning of a request and nothing more; what comes back until the server closes.
fn hang(server: &TestServer, beginning: &'static str) -> tokio::task::JoinHandle<String> {
    let address = server.url.trim_start_matches("http://").to_owned();
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(2))).unwrap();
        stream.write_all(beginning.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server closes");
        answer
    })
}

#[tokio::test]
async fn a_half_sent_request_times_out_slow() {
    let server = TestServer::start().await;
    let headers = hang(&server, "POST /auth HTTP/1.1\r\nhost: x\r\ncontent-ty");
    let body = hang(
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
    let kept = server.token("anna").await;
    let ended = server.token("anna").await;
    let new = json!({"password": "another good one"});
    server.post("/update_profile", Some(&kept), &new).await.is(200);
    let issuer = server.url.clone();
    let before = server.get("/liveliness").await.json();
    assert_eq!(before["starts"], 1);
    server.kill().await;

    folder.configure(&format!("tokens = {{ issuer = '{issuer}', audience = '{issuer}' }}"));
    let server = folder.serve().await;
    let after = server.get("/liveliness").await.json();
    assert_eq!(after["starts"], 2);
    for window in ["1d", "7d", "30d", "all"] {
        let share = after["availability"][window].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&share), "{after}");
    }
    server.post("/renew_token", Some(&kept), &json!({})).await.is(200);
    server.post("/renew_token", Some(&ended), &json!({})).await.refuses(401, "not_signed_in");
    server.post("/auth", None, &json!({"username": "anna", "password": PASSWORD})).await.is(401);
}

#[tokio::test]
async fn two_servers_on_one_folder_share_their_state() {
    let folder = TestFolder::new();
    folder.configure("tokens = { issuer = 'https://id.example.com', audience = 'https://id.example.com' }");
    let one = folder.serve().await;
    let two = folder.serve().await;
    let body = json!({"username": "anna", "password": PASSWORD, "email": "anna@example.com"});
    one.post("/register", None, &body).await.is(200);

    // Sessions: opened here, renewed there; ended there, ended here.
    let mine = one.token("anna").await;
    let other = one.token("anna").await;
    two.post("/renew_token", Some(&mine), &json!({})).await.is(200);
    let new = json!({"password": "another good one"});
    two.post("/update_profile", Some(&mine), &new).await.is(200);
    one.post("/renew_token", Some(&other), &json!({})).await.refuses(401, "not_signed_in");
    one.post("/renew_token", Some(&mine), &json!({})).await.is(200);

    // Settings and keys: set by a third process, taken up by both.
    folder.run(&["settings", "set", "profiles.jwt_issuer.access_lifetime", "77"]).is(0);
    folder.run(&["keys", "rotate", "--now", "--alg", "ES256"]).is(0);
    let kid = folder.kid("ES256", "active");
    for server in [&one, &two] {
        settle("both", async || {
            let answer = server.post("/renew_token", Some(&mine), &json!({})).await;
            let newer = answer.is(200).json()["token"].as_str().unwrap().to_owned();
            let claims = token::claims(&newer);
            let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
            lifetime == 77 && token::header(&newer)["kid"] == kid.as_str()
        })
        .await;
    }
    let sets = [one.get("/.well-known/jwks.json").await, two.get("/.well-known/jwks.json").await];
    assert_eq!(sets[0].text, sets[1].text);
    folder.run(&["users", "disable", "anna"]).is(0);
    for server in [&one, &two] {
        server.post("/renew_token", Some(&mine), &json!({})).await.refuses(401, "not_signed_in");
    }
}

#[tokio::test]
async fn concurrent_first_starts_create_one_ring() {
    let folder = TestFolder::empty();
    let (one, two) = tokio::join!(folder.serve(), folder.serve());
    let sets = [one.get("/.well-known/jwks.json").await, two.get("/.well-known/jwks.json").await];
    assert_eq!(sets[0].text, sets[1].text);
    assert_eq!(folder.keys().len(), 2);
}

#[tokio::test]
async fn a_taken_port_is_reported_and_no_file_is_created() {
    let folder = TestFolder::empty();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = folder.run(&["serve", "--listen", &address]);
    ran.fails(1, &[&format!("listening on {address}"), "--listen", "in use"]);
    assert!(!folder.path("keys").exists() && !folder.path("data").exists());
}

#[tokio::test]
async fn the_log_contains_no_secret() {
    let folder = TestFolder::new();
    folder.configure("log = { level = 'trace' }");
    let server = folder.serve().await;
    let body = json!({"username": "anna", "password": PASSWORD, "email": "anna@example.com"});
    server.post("/register?password=in-the-query", None, &body).await.is(200);
    let mine = server.token("anna").await;
    server.post("/renew_token?token=in-the-query", Some(&mine), &json!({})).await.is(200);
    server.post("/auth", None, &json!({"username": "anna", "password": "a wrong password"})).await.is(401);
    server.post("/request_password_reset", None, &json!({"email": "anna@example.com"})).await.is(200);
    let mails = || crate::support::mail::all(&folder.path("data/mail"));
    settle("a mail", async || mails().len() == 1).await;
    let code = mails()[0].code().to_owned();
    let reset = server.post("/reset_password", None, &json!({"reset_code": code})).await.is(200).json();
    let temporary = reset["temporary_password"].as_str().unwrap().to_owned();
    let log = server.log.lock().unwrap().clone();
    assert!(log.contains("/renew_token") && log.contains("DEBUG"), "it is loud: {log}");
    let signature = mine.rsplit('.').next().unwrap();
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
    let (_stream, _) = begun(&server, "/auth", &login);
    let other = rusqlite::Connection::open(folder.path("data/countersign.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    server.signal("TERM");
    settle("the word of the stop", async || server.log.lock().unwrap().contains("stopping")).await;
    // 10 s are promised; what is more is for a machine that is busy. Each of them in turn would take 20.
    let ended = tokio::time::timeout(Duration::from_secs(14), server.ended()).await;
    assert_eq!(ended.expect("it has not ended in time").code(), Some(0), "{}", server.log.lock().unwrap());
}
