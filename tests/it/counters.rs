//! Counters: each event is counted once, stored by the hour, and kept across restarts.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use countersign::domain::count::{Count, Series, Window, hour_of};
use countersign::domain::time::Timestamp;
use countersign::issuer::stats;
use countersign::store::StoreError;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestServer, wait_until};

/// The counters since the start that are above zero.
fn counted(server: &TestServer) -> BTreeMap<String, u64> {
    let all = Count::all().map(|count| (count.name().into_owned(), server.issuer.counters.get(count)));
    all.filter(|(_, n)| *n > 0).collect()
}

fn expected(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counts.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_event_is_counted() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    server.post("/auth", &json!({"username": "anna", "password": "a wrong one"})).await.is(401);
    server.post("/auth", &json!({"username": "nobody", "password": PASSWORD})).await.is(401);
    server.post_as(&token, "/renew_token", &json!({})).await.is(200);
    server.post_as("nonsense", "/renew_token", &json!({})).await.is(401);
    let expected_counts = expected(&[
        ("registrations", 1),
        ("sign_ins", 1),
        ("sign_ins_failed", 2),
        ("refreshes", 1),
        ("refreshes_refused", 1),
        ("tokens_issued.jwt_issuer.ES256", 2),
    ]);
    assert_eq!(counted(&server), expected_counts);
    server.get("/liveliness").await.is(200);
    server.get("/nowhere").await.is(404);
    assert_eq!(counted(&server), expected_counts, "nothing else is counted");
}

#[tokio::test]
async fn refreshes_and_ended_sessions_are_counted() {
    let server = TestServer::with_anna().await;
    let login = json!({"email": "anna@example.com", "password": PASSWORD});
    let pair = async || server.post("/api/login/", &login).await.is(200).json();
    let spent = text(&pair().await, "refresh_token");
    let refresh = async |token: &str| server.post("/api/refresh/", &json!({"refresh_token": token})).await;
    let next = text(&refresh(&spent).await.is(200).json(), "refresh_token");
    refresh(&next).await.is(200);
    server.clock.advance(Duration::from_mins(1));
    refresh(&spent).await.is(401);
    refresh("8c9e3b0a-3a35-4a8e-9d3c-0d3f1c1b2a10").await.is(401);
    let other = text(&pair().await, "refresh_token");
    server.post("/api/logout/", &json!({"refresh_token": other})).await.is(200);
    assert_eq!(
        counted(&server),
        expected(&[
            ("registrations", 1),
            ("sign_ins", 2),
            ("refreshes", 2),
            ("refreshes_refused", 2),
            ("refresh_tokens_reused", 1),
            ("sessions_ended", 2),
            ("tokens_issued.drf_pyjwt.ES256", 4),
        ])
    );
}

#[tokio::test]
async fn resets_mails_throttles_and_faults_are_counted() {
    let server = TestServer::with("throttle.register_per_caller = '1/1m'").await;
    server.register("anna").await;
    server.post("/register", &json!({"username": "ben", "password": PASSWORD, "email": "b@example.com"})).await.is(429);
    server.token("anna").await;
    server.post("/request_password_reset", &json!({"email": "anna@example.com"})).await.is(200);
    server.post("/request_password_reset", &json!({"email": "nobody@example.com"})).await.is(200);
    wait_until("the e-mail is sent", async || counted(&server).contains_key("mails_sent")).await;
    let code = server.emails()[0].code().to_owned();
    server.post("/reset_password", &json!({"reset_code": code})).await.is(200);
    rusqlite::Connection::open(server.path("data/countersign.db")).unwrap().execute_batch("DROP TABLE users").unwrap();
    server.post("/auth", &json!({"username": "anna", "password": PASSWORD})).await.is(500);
    assert_eq!(
        counted(&server),
        expected(&[
            ("registrations", 1),
            ("throttled", 1),
            ("sign_ins", 1),
            ("tokens_issued.jwt_issuer.ES256", 1),
            ("resets_asked", 2),
            ("resets_done", 1),
            ("sessions_ended", 1),
            ("mails_sent", 1),
            ("faults", 1),
        ])
    );
}

#[tokio::test]
async fn jwks_requests_are_counted_by_status() {
    let server = TestServer::start().await;
    let etag = server.get("/.well-known/jwks.json").await.header("etag").to_owned();
    for _ in 0..3 {
        let request = server.request(reqwest::Method::GET, "/.well-known/jwks.json");
        assert_eq!(request.header("if-none-match", &etag).send().await.unwrap().status(), 304);
    }
    assert_eq!(counted(&server), expected(&[("jwks_sent", 1), ("jwks_unchanged", 3)]));
}

#[tokio::test]
async fn jwks_clients_and_their_version_are_recorded() {
    let server = TestServer::start().await;
    let fetch = async |from: &str, agent: &str| {
        let request = server.request(reqwest::Method::GET, "/.well-known/jwks.json");
        request.header("x-forwarded-for", from).header("user-agent", agent).send().await.unwrap()
    };
    fetch("192.0.2.1", "PyJWT/2.15").await;
    fetch("192.0.2.2", "jose/6").await;
    let before = server.issuer.ring().jwks().version;
    server.clock.advance(Duration::from_mins(1));
    crate::support::stored_keys::rotate(&server.issuer, None, false).await;
    wait_until("the server publishes the new keys", async || server.issuer.ring().jwks().version != before).await;
    let after = server.issuer.ring().jwks().version;
    fetch("192.0.2.2", "jose/6").await;
    let clients = server.issuer.jwks_clients.list();
    let listed = clients
        .iter()
        .map(|client| (client.address.to_string(), client.agent.as_str(), client.fetches, client.jwks_id));
    let first = "192.0.2.1".to_owned();
    let second = "192.0.2.2".to_owned();
    assert_eq!(listed.collect::<Vec<_>>(), [(second, "jose/6", 2, after), (first, "PyJWT/2.15", 1, before)]);
    assert_eq!(clients[0].last.since(clients[0].first), Duration::from_mins(1));
}

/// The stored sign-in counts, by hour.
async fn stored_sign_ins(server: &TestServer) -> Vec<(i64, u64)> {
    let read = server.issuer.store.read(|tx| tx.counts(Timestamp::from_unix(0)));
    let hours: Result<Vec<_>, StoreError> = read.await;
    let sign_ins = hours.unwrap().into_iter().filter(|counted| counted.count == Count::SignedIn);
    sign_ins.map(|counted| (counted.hour.unix(), counted.n)).collect()
}

async fn last_day(server: &TestServer) -> Vec<u64> {
    let hours = stats::counts(&server.issuer, Window::Day).await.unwrap();
    Series::new(Window::Day, server.clock.now(), &hours, |count| count == Count::SignedIn).values
}

#[tokio::test]
async fn hourly_counts_survive_a_restart() {
    let server = TestServer::with_anna().await;
    let first_hour = hour_of(server.clock.now()).unix();
    server.token("anna").await;
    assert_eq!(last_day(&server).await[23], 1, "counts that are not stored yet are included");
    server.clock.advance(Duration::from_hours(2));
    wait_until("the first hour is stored", async || stored_sign_ins(&server).await == [(first_hour, 1)]).await;
    server.token("anna").await;
    server.token("anna").await;
    assert_eq!(last_day(&server).await[21..], [1, 0, 2]);
    let server = server.restart(Duration::from_hours(1)).await;
    assert_eq!(stored_sign_ins(&server).await, [(first_hour, 1), (first_hour + 7200, 2)]);
    server.token("anna").await;
    assert_eq!(last_day(&server).await[20..], [1, 0, 2, 1]);
    assert_eq!(counted(&server)["sign_ins"], 1, "the counter starts at zero in each process");
}
