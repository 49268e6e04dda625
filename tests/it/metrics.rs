//! `/metrics`: access, content, and the format that Prometheus parses. Also the JSON log.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::binary::{TestFolder, finish};
use crate::support::client;
use crate::support::skip::skip;
use crate::support::{PASSWORD, ServerResponse, TestServer, wait_until};

const TOKEN: &str = "0123456789abcdef";

async fn with_token(server: &TestServer, authorization: &str) -> ServerResponse {
    let mut request = server.request(Method::GET, "/metrics");
    if !authorization.is_empty() {
        request = request.header("authorization", authorization);
    }
    ServerResponse::send(request).await
}

async fn metrics(server: &TestServer) -> String {
    let response = with_token(server, &format!("Bearer {TOKEN}")).await;
    assert_eq!(response.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(response.header("cache-control"), "no-store");
    response.is(200).text.clone()
}

/// The value of a sample, as text.
#[track_caller]
fn value<'t>(text: &'t str, sample: &str) -> &'t str {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {sample} in {text}"))
}

fn token() -> String {
    format!("metrics.token = '{TOKEN}'")
}

#[tokio::test]
async fn metrics_are_disabled_by_default() {
    let server = TestServer::start().await;
    server.get("/metrics").await.is(404);
    let server = TestServer::with(&token()).await;
    for wrong in ["", TOKEN, "Bearer", "Bearer ", "Basic 0123456789abcdef", "Bearer 0123456789abcdeF"] {
        let response = with_token(&server, wrong).await;
        response.refuses(401, "no_metrics_token");
        assert_eq!(response.header("www-authenticate"), "Bearer", "{wrong}");
    }
    with_token(&server, "Bearer 0123456789abcdef0").await.refuses(401, "no_metrics_token");
    with_token(&server, &format!("bearer {TOKEN}")).await.is(200);
    let folder = TestFolder::empty();
    folder.configure("metrics.token = 'guess'");
    folder.run(&["check"]).fails(1, &["metrics.token", "use at least 16 random visible ASCII characters"]);
}

#[tokio::test]
async fn metrics_report_events() {
    let server = TestServer::with(&token()).await;
    server.register("anna").await;
    server.token("anna").await;
    server.post("/auth/", &json!({"username": "anna", "password": "a wrong one"})).await.is(401);
    for path in ["/nowhere", "/.well-known/nothing", "/api/x/y"] {
        server.get(path).await.is(404);
    }
    server.get("/.well-known/jwks.json").await.is(200);
    server.clock.advance(std::time::Duration::from_secs(100));
    let text = metrics(&server).await;
    let histogram = "countersign_http_request_duration_seconds";
    for (sample, expected) in [
        ("countersign_ready", "1"),
        ("countersign_database_up", "1"),
        ("countersign_uptime_seconds", "100"),
        ("countersign_sign_ins_total", "1"),
        ("countersign_sign_ins_failed_total", "1"),
        ("countersign_registrations_total", "1"),
        ("countersign_jwks_sent_total", "1"),
        ("countersign_jwks_verifiers{set=\"current\"}", "1"),
        ("countersign_tokens_issued_total{dialect=\"jwt_issuer\",alg=\"ES256\"}", "1"),
        ("countersign_tokens_issued_total{dialect=\"drf_pyjwt\",alg=\"RS256\"}", "0"),
        ("countersign_outbox_waiting", "0"),
        ("countersign_hashing_waiting", "0"),
        (&format!("{histogram}_count{{route=\"/auth\",status=\"2xx\"}}"), "1"),
        (&format!("{histogram}_count{{route=\"/auth\",status=\"4xx\"}}"), "1"),
        (&format!("{histogram}_count{{route=\"other\",status=\"4xx\"}}"), "3"),
    ] {
        assert_eq!(value(&text, sample), expected, "{sample}");
    }
    assert!(!text.contains("nowhere") && !text.contains("/api/x"), "unknown paths must not become labels: {text}");
    let age: i64 = value(&text, "countersign_signing_key_age_seconds{alg=\"ES256\"}").parse().unwrap();
    assert!(age >= 100, "{age}");
    assert!(value(&text, "countersign_database_size_bytes").parse::<u64>().unwrap() > 4096);

    rusqlite::Connection::open(server.path("data/countersign.db")).unwrap().execute_batch("DROP TABLE outbox").unwrap();
    let text = metrics(&server).await;
    assert_eq!((value(&text, "countersign_ready"), value(&text, "countersign_database_up")), ("0", "0"));
    assert!(!text.contains("outbox_waiting"), "an unknown value must not be reported");
}

#[tokio::test]
async fn metrics_report_a_locked_database_slow() {
    let server = TestServer::with(&token()).await;
    let refused =
        async || value(&metrics(&server).await, "countersign_store_unavailable_total").parse::<u64>().unwrap();
    assert_eq!(refused().await, 0);
    let other = rusqlite::Connection::open(server.path("data/countersign.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let body = json!({"username": "anna", "password": PASSWORD, "email": "anna@example.com"});
    server.post("/register", &body).await.is(503);
    // The server's own jobs may have been rejected as well.
    assert!(refused().await > 0);
    assert_eq!(value(&metrics(&server).await, "countersign_ready"), "1", "the server can still read");
}

#[tokio::test]
async fn metrics_are_parsed_by_prometheus() {
    let server = TestServer::with(&token()).await;
    server.register("anna").await;
    server.token("anna").await;
    crate::support::stored_keys::rotate(&server.issuer, None, false).await;
    let kids = async || server.get("/.well-known/jwks.json").await.json()["keys"].as_array().unwrap().len();
    wait_until("the server publishes the new keys", async || kids().await == 4).await;
    let text = metrics(&server).await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".test-tools/python");
    if !python.exists() {
        return skip(".test-tools/python is missing; run scripts/test-tools");
    }
    let mut command = Command::new(python);
    command.arg(root.join("tests/verifiers/metrics.py"));
    let found = finish(command, &text).json();
    let types = ["counter", "gauge", "histogram"].map(|kind| {
        let of_kind = found.as_object().unwrap().iter().filter(|(_, family)| family["type"] == kind);
        of_kind.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
    });
    assert_eq!(types.iter().map(Vec::len).sum::<usize>(), text.matches("# TYPE ").count());
    assert_eq!(types[2], ["countersign_http_request_duration_seconds"]);
    let keys = found["countersign_key_signs_from_timestamp_seconds"]["samples"].as_array().unwrap();
    let states = |state: &str| keys.iter().filter(|key| key["labels"]["state"] == state).count();
    assert_eq!((states("active"), states("next")), (2, 2));
    for counter in types[0].iter().filter(|name| !name.starts_with("process_")) {
        let samples = found[*counter]["samples"].as_array().unwrap();
        assert!(samples.iter().all(|sample| sample["name"].as_str().unwrap().ends_with("_total")), "{counter}");
    }
    #[cfg(target_os = "linux")]
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_max_fds"] {
        assert!(found[name]["samples"][0]["value"].as_f64().unwrap() > 0.0, "{name}");
    }
}

/// All metric names in a text.
fn metric_names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("countersign_") || word.starts_with("process_")).collect()
}

#[tokio::test]
async fn every_metric_is_documented() {
    let server = TestServer::with(&token()).await;
    metrics(&server).await;
    let text = metrics(&server).await;
    let families: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let operating = read("operating.md");
    let alert_rules = read("prometheus-rules.yml");
    let unknown: Vec<_> =
        metric_names(&alert_rules).into_iter().filter(|name| !metric_names(&text).contains(name)).collect();
    assert_eq!(unknown, [""; 0], "the alert rules use unknown metrics");
    let documented = metric_names(&operating);
    assert_eq!(documented, families, "docs/operating.md");
}

#[tokio::test]
async fn metrics_may_have_their_own_listener() {
    let folder = TestFolder::new();
    folder.configure("metrics = { listen = '127.0.0.1:0' }");
    let mut server = folder.serve().await;
    let line = "serving metrics listen=";
    wait_until("the log contains the address of the metrics", async || server.log.lock().unwrap().contains(line)).await;
    let log = server.log.lock().unwrap().clone();
    let address = log.split(line).nth(1).unwrap().split_whitespace().next().unwrap();
    let client = client::builder().build().unwrap();
    let get = async |path: &str| ServerResponse::send(client.get(format!("http://{address}{path}"))).await;
    assert_eq!(value(&get("/metrics").await.is(200).text, "countersign_ready"), "1");
    for elsewhere in ["/", "/liveliness", "/auth", "/.well-known/jwks.json"] {
        get(elsewhere).await.is(404);
    }
    server.get("/metrics").await.is(404);
    server.signal("TERM");
    assert_eq!(server.wait_for_exit().await.code(), Some(0));
}

/// The JSON objects of the log, one per line.
fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[tokio::test]
async fn a_json_log_has_one_object_per_line_with_the_request_id() {
    let folder = TestFolder::new();
    folder.configure("log = { format = 'json' }");
    let server = folder.serve().await;
    let client = client::builder().build().unwrap();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let body = json!({"username": "anna", "password": PASSWORD, "email": "anna@example.com"});
    let post = async |traceparent: &str| {
        let request = client.post(format!("{}/register", server.url)).json(&body);
        ServerResponse::send(request.header("traceparent", traceparent)).await
    };
    post(trace).await.is(200);
    let refused = post(trace).await;
    let other = rusqlite::Connection::open(folder.path("data/countersign.db")).unwrap();
    other.execute_batch("DROP TABLE users").unwrap();
    let broken = post("nonsense\"}{").await;
    // A client may receive the response before the log lines are written.
    let last = broken.header("x-request-id");
    wait_until("the last request is logged", async || server.log.lock().unwrap().matches(last).count() == 2).await;
    let log = lines(&server.log.lock().unwrap());
    assert!(log.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()), "{log:#?}");
    assert!(log.iter().all(|line| line.get("micros").is_none_or(Value::is_u64)), "{log:#?}");
    let messages_of = |response: &ServerResponse| {
        let id = response.header("x-request-id").to_owned();
        let lines = log.iter().filter(move |line| line["request"] == id.as_str());
        lines.map(|line| line["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((refused.status, messages_of(&refused)), (409, vec!["error response returned".to_owned()]));
    assert_eq!(
        (broken.status, messages_of(&broken)),
        (500, vec!["request failed".to_owned(), "error response returned".to_owned()])
    );
    let traced: Vec<_> = log.iter().filter(|line| line["trace"].is_string()).collect();
    assert_eq!(traced.len(), 1, "an invalid traceparent is logged: {traced:#?}");
    assert_eq!((&traced[0]["trace"], &traced[0]["path"]), (&json!(trace), &json!("/register")));
}
