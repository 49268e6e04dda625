//! Sessions and their refresh tokens over HTTP: generations, retries, reuse and concurrent requests.
//! `drf_pyjwt` rotates its refresh token with each refresh; `simplejwt` keeps it by default.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use countersign::domain::id::{SessionId, SessionPrefix};
use countersign::issuer::users::UserChange;
use countersign::store::StoreError;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::token::claims;
use crate::support::{PASSWORD, ServerResponse, TestServer};

/// What a sign-in to `drf_pyjwt` returns.
struct Pair {
    access: String,
    refresh: String,
}

/// Why the server rejects a refresh token. The response is the same for both; only a reuse is in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rejection {
    SessionEnded,
    Reused,
}

fn text(body: &Value, member: &str) -> String {
    body[member].as_str().unwrap_or_else(|| panic!("no {member} in {body}")).to_owned()
}

async fn sign_in(server: &TestServer) -> Pair {
    let body = json!({"email": "anna@example.com", "password": PASSWORD});
    let pair = server.post("/api/login/", &body).await.is(200).json();
    Pair { access: text(&pair, "access_token"), refresh: text(&pair, "refresh_token") }
}

/// Refreshes once. Returns the next refresh token, or why the server rejected this one.
async fn refresh(server: &TestServer, token: &str) -> Result<String, Rejection> {
    let reused_before = reuses(server).await;
    let response = server.post("/api/refresh/", &json!({"refresh_token": token})).await;
    match response.status {
        200 => Ok(text(&response.json(), "refresh_token")),
        401 if reuses(server).await > reused_before => Err(Rejection::Reused),
        401 => Err(Rejection::SessionEnded),
        _ => panic!("{response:#?}"),
    }
}

async fn reuses(server: &TestServer) -> usize {
    server.audit().await.iter().filter(|(action, _)| action == "refresh_reused").count()
}

/// Whether the server accepts an access token: neither the token nor its session has ended.
async fn is_live(server: &TestServer, access: &str) -> bool {
    match ServerResponse::send(server.request(Method::GET, "/api/me/").bearer_auth(access)).await.status {
        200 => true,
        401 => false,
        other => panic!("unexpected status {other}"),
    }
}

/// Whether the session of an access token is live, even if the token itself has expired.
async fn is_session_live(server: &TestServer, access: &str) -> bool {
    let id = session_of(access);
    let found: Result<_, StoreError> = server.issuer.store.read(move |tx| tx.session(id)).await;
    found
        .unwrap()
        .is_some_and(|(session, _)| session.is_live(server.clock.now(), server.issuer.settings().policy_of(&session)))
}

fn session_of(access: &str) -> SessionId {
    SessionId(text(&claims(access), "sid").parse().unwrap())
}

/// The prefix of the session id and the generation that a refresh token contains.
async fn session_and_generation(server: &TestServer, token: &str) -> (SessionPrefix, u32) {
    let parsed = server.issuer.refresh_tokens.parse_refresh_uuid(token.parse().unwrap()).unwrap();
    let found: Result<_, StoreError> = server.issuer.store.read(move |tx| tx.session_by_prefix(parsed.session())).await;
    let (session, _) = found.unwrap().unwrap();
    let generation = server.issuer.refresh_tokens.generation(parsed, session.id, session.refresh_key.as_ref());
    (parsed.session(), generation.unwrap())
}

/// The refresh UUID of a generation of the session of an access token, with or without the session's key.
async fn refresh_uuid(server: &TestServer, access: &str, with_key: bool, generation: u32) -> String {
    let id = session_of(access);
    let found: Result<_, StoreError> = server.issuer.store.read(move |tx| tx.session(id)).await;
    let key = found.unwrap().and_then(|(session, _)| session.refresh_key).filter(|_| with_key);
    server.issuer.refresh_tokens.refresh_uuid(id, key.as_ref(), generation).to_string()
}

#[tokio::test]
async fn each_refresh_returns_a_new_token_of_the_same_session() {
    let server = TestServer::with_anna().await;
    let mut token = sign_in(&server).await.refresh;
    let (session, first) = session_and_generation(&server, &token).await;
    assert_eq!(first, 0);
    for generation in 1..=5 {
        token = refresh(&server, &token).await.unwrap();
        assert_eq!(session_and_generation(&server, &token).await, (session, generation));
    }
}

#[tokio::test]
async fn a_retry_gets_the_same_response() {
    let server = TestServer::with_anna().await;
    let first = sign_in(&server).await.refresh;
    let second = refresh(&server, &first).await.unwrap();
    assert_eq!(refresh(&server, &first).await.as_ref(), Ok(&second));
    server.clock.advance(Duration::from_secs(10));
    assert_eq!(refresh(&server, &first).await.as_ref(), Ok(&second), "ten seconds of grace");
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(refresh(&server, &first).await, Err(Rejection::Reused));
    assert_eq!(refresh(&server, &second).await, Err(Rejection::SessionEnded));
}

#[tokio::test]
async fn reuse_ends_only_that_session_and_is_logged() {
    let server = TestServer::with_anna().await;
    let stolen = sign_in(&server).await;
    let other = sign_in(&server).await;
    let jwt_issuer_token = server.token("anna").await;
    let second = refresh(&server, &stolen.refresh).await.unwrap();
    let third = refresh(&server, &second).await.unwrap();
    // The grace is for the previous generation only; this token is two generations old.
    let reuse = server.post_from("203.0.113.5", "/api/refresh/", &json!({"refresh_token": stolen.refresh})).await;
    reuse.is(401);
    assert_eq!(refresh(&server, &third).await, Err(Rejection::SessionEnded));
    assert!(!is_live(&server, &stolen.access).await);
    assert!(is_live(&server, &other.access).await && server.accepts(&jwt_issuer_token).await);
    let lines: Result<_, StoreError> = server.issuer.store.read(|tx| tx.audit_lines(None, 100)).await;
    let reused: Vec<_> = lines.unwrap().into_iter().filter(|line| line.action == "refresh_reused").collect();
    let [line] = reused.as_slice() else { panic!("not one line: {reused:?}") };
    let address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5));
    assert_eq!((line.username.as_deref(), line.address), (Some("anna"), Some(address)));
    assert_eq!(line.detail, format!("generation 0 of session {} (now 2)", session_of(&stolen.access)));
}

#[tokio::test]
async fn a_session_ended_by_reuse_stays_ended_after_a_restart() {
    let server = TestServer::with_anna().await;
    let first = sign_in(&server).await.refresh;
    let other_session = sign_in(&server).await.refresh;
    let second = refresh(&server, &first).await.unwrap();
    refresh(&server, &second).await.unwrap();
    assert_eq!(refresh(&server, &first).await, Err(Rejection::Reused));
    let server = server.restart(Duration::ZERO).await;
    assert_eq!(refresh(&server, &second).await, Err(Rejection::SessionEnded));
    refresh(&server, &other_session).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_refreshes_have_one_successor_and_end_the_session_if_there_are_many() {
    let server = TestServer::with_anna().await;
    let mut token = sign_in(&server).await.refresh;
    for _ in 0..5 {
        let body = json!({"refresh_token": token});
        let responses: Vec<_> =
            (0..3).map(|_| tokio::spawn(ServerResponse::send(server.posting("/api/refresh/", &body)))).collect();
        let mut successors = BTreeSet::new();
        for response in responses {
            successors.insert(text(&response.await.unwrap().is(200).json(), "refresh_token"));
        }
        assert_eq!(successors.len(), 1, "{successors:?}");
        token = successors.pop_first().unwrap();
    }
    let body = json!({"refresh_token": token});
    let responses: Vec<_> =
        (0..64).map(|_| tokio::spawn(ServerResponse::send(server.posting("/api/refresh/", &body)))).collect();
    let mut successors = BTreeSet::new();
    let mut rejected = 0;
    for response in responses {
        let response = response.await.unwrap();
        if response.status == 401 {
            rejected += 1;
        } else {
            successors.insert(text(&response.is(200).json(), "refresh_token"));
        }
    }
    assert_eq!((successors.len(), rejected), (1, 61));
    assert_eq!(refresh(&server, &successors.pop_first().unwrap()).await, Err(Rejection::SessionEnded));
    assert_eq!(reuses(&server).await, 1);
}

#[tokio::test]
async fn an_unknown_generation_ends_no_session() {
    let server = TestServer::with_anna().await;
    let pair = sign_in(&server).await;
    for generation in [1, 7, u32::MAX] {
        let never_issued = refresh_uuid(&server, &pair.access, true, generation).await;
        for path in ["/api/refresh/", "/api/logout/", "/api/refresh/"] {
            server.post(path, &json!({"refresh_token": never_issued})).await.is(401);
        }
    }
    refresh(&server, &pair.refresh).await.unwrap();
    let expected = [u32::MAX, 7, 1].map(|generation| ahead_line(&pair.access, generation));
    assert_eq!(lines_about_ahead(&server).await, expected, "each is recorded once");
}

fn ahead_line(access: &str, generation: u32) -> String {
    format!("generation {generation} of session {} (now 0)", session_of(access))
}

async fn lines_about_ahead(server: &TestServer) -> Vec<String> {
    let lines = server.audit().await.into_iter().filter(|(action, _)| action == "refresh_ahead");
    lines.map(|(_, detail)| detail).collect()
}

/// Every access token shows the `sid`. The key of the session is in no token.
#[tokio::test]
async fn the_secret_and_the_sid_make_no_refresh_token() {
    let server = TestServer::with_anna().await;
    let pair = sign_in(&server).await;
    let next = refresh(&server, &pair.refresh).await.unwrap();
    for generation in [0, 1, 2, 7] {
        let forged = refresh_uuid(&server, &pair.access, false, generation).await;
        for path in ["/api/refresh/", "/api/logout/"] {
            server.post(path, &json!({"refresh_token": forged})).await.is(401);
        }
    }
    assert!(lines_about_ahead(&server).await.is_empty(), "a forged token is not authentic");
    refresh(&server, &next).await.unwrap();
    assert!(is_live(&server, &pair.access).await);
}

#[tokio::test]
async fn a_session_without_a_key_continues_and_gets_one_at_its_next_refresh() {
    let server = TestServer::with_anna().await;
    let pair = sign_in(&server).await;
    let database = rusqlite::Connection::open(server.path("data/countersign.db")).unwrap();
    database.execute("UPDATE sessions SET refresh_key = NULL, refresh_key_from = NULL", []).unwrap();
    let first = refresh_uuid(&server, &pair.access, false, 0).await;
    let second = refresh(&server, &first).await.unwrap();
    assert_eq!(refresh(&server, &first).await.as_ref(), Ok(&second), "a retry gets the same response");
    assert_eq!(second, refresh_uuid(&server, &pair.access, true, 1).await);
    let forged = refresh_uuid(&server, &pair.access, false, 1).await;
    assert_eq!(refresh(&server, &forged).await, Err(Rejection::SessionEnded));
    let third = refresh(&server, &second).await.unwrap();
    assert_eq!(refresh(&server, &second).await.as_ref(), Ok(&third));
    server.clock.advance(Duration::from_secs(11));
    assert_eq!(refresh(&server, &first).await, Err(Rejection::Reused), "an earlier token is still recognised");
    assert_eq!(refresh(&server, &third).await, Err(Rejection::SessionEnded));
}

/// A database from before a refresh is what a restore of a backup leaves.
#[tokio::test]
async fn a_signed_refresh_token_of_a_future_generation_is_recorded() {
    let server = TestServer::with_anna().await;
    server.set("profiles.simplejwt.rotate_refresh_tokens", "true").await;
    let first = server.post("/api/token/", &json!({"username": "anna", "password": PASSWORD})).await.is(200).json();
    let second = server.post("/api/token/refresh/", &json!({"refresh": first["refresh"]})).await.is(200).json();
    let database = rusqlite::Connection::open(server.path("data/countersign.db")).unwrap();
    database.execute("UPDATE sessions SET generation = 0, good_from = 0", []).unwrap();
    for (path, member) in
        [("/api/token/verify/", "token"), ("/api/token/refresh/", "refresh"), ("/api/token/blacklist/", "refresh")]
    {
        server.post(path, &json!({member: second["refresh"]})).await.is(401);
        assert_eq!(lines_about_ahead(&server).await, [ahead_line(&text(&first, "access"), 1)], "{path}");
    }
    server.post("/api/token/refresh/", &json!({"refresh": first["refresh"]})).await.is(200);
}

#[tokio::test]
async fn without_rotation_the_token_stays_and_the_session_is_extended() {
    let server = TestServer::with_anna().await;
    let pair = server.post("/api/token/", &json!({"username": "anna", "password": PASSWORD})).await.is(200).json();
    let token = json!({"refresh": pair["refresh"]});
    server.clock.advance(Duration::from_hours(24) - Duration::from_mins(1));
    let refreshed = server.post("/api/token/refresh/", &token).await.is(200).json();
    assert_eq!(refreshed.as_object().unwrap().keys().collect::<Vec<_>>(), ["access"], "the refresh token stays");
    server.clock.advance(Duration::from_mins(2));
    assert!(is_live(&server, &text(&refreshed, "access")).await, "the session expires 24 h after the refresh");
    server.post("/api/token/refresh/", &token).await.is(401);
    // The refresh token has expired, the session has not yet.
    server.clock.advance(Duration::from_hours(24) - Duration::from_mins(3));
    assert!(is_session_live(&server, &text(&refreshed, "access")).await);
    server.clock.advance(Duration::from_mins(1));
    assert!(!is_session_live(&server, &text(&refreshed, "access")).await);
}

#[tokio::test]
async fn refreshes_do_not_exceed_the_maximum_session_age() {
    let server = TestServer::with_anna().await;
    server.set("sessions.max_age", "1h").await;
    let mut token = sign_in(&server).await.refresh;
    for _ in 0..3 {
        server.clock.advance(Duration::from_mins(19));
        token = refresh(&server, &token).await.unwrap();
    }
    server.clock.advance(Duration::from_mins(3));
    assert_eq!(refresh(&server, &token).await, Err(Rejection::SessionEnded));
}

/// On every route that accepts a token: each authenticates with a session that was opened before the change.
#[tokio::test]
async fn a_lowered_maximum_session_age_ends_open_sessions() {
    let server = TestServer::with_anna().await;
    let jwt = server.token("anna").await;
    let pair = sign_in(&server).await;
    let signed_in = json!({"username": "anna", "password": PASSWORD});
    let package = server.post("/api/token/", &signed_in).await.is(200).json();
    let sliding = text(&server.post("/api/token/sliding/", &signed_in).await.is(200).json(), "token");
    let rest = text(&server.post("/signin", &signed_in).await.is(200).json(), "token");
    server.set("sessions.max_age", "60").await;
    let requests = || {
        let refresh = json!({"refresh": text(&package, "refresh")});
        let verified = json!({"token": text(&package, "refresh")});
        [
            (Method::GET, "/api/me/", &pair.access, json!({})),
            (Method::PATCH, "/api/me/", &pair.access, json!({"first_name": "Anna"})),
            (Method::POST, "/renew_token", &jwt, json!({})),
            (Method::POST, "/update_profile", &jwt, json!({"email": "anna@example.com"})),
            (Method::POST, "/validation", &rest, json!({"token": rest})),
            (Method::POST, "/get_user_by_jwt", &rest, json!({"token": rest})),
            (Method::POST, "/refresh", &rest, json!({})),
            (Method::POST, "/api/token/sliding/refresh/", &jwt, json!({"token": sliding})),
            (Method::POST, "/api/token/verify/", &jwt, verified),
            (Method::POST, "/api/token/refresh/", &jwt, refresh),
        ]
    };
    for after in [Duration::ZERO, Duration::from_secs(62)] {
        server.clock.advance(after);
        for (method, path, bearer, body) in requests() {
            let request = server.request(method.clone(), path).bearer_auth(bearer).json(&body);
            let response = ServerResponse::send(request).await;
            assert_eq!(response.status < 400, after.is_zero(), "{method} {path} {response:#?}");
        }
    }
    assert_eq!(refresh(&server, &pair.refresh).await, Err(Rejection::SessionEnded));
    server.set("sessions.max_age", "none").await;
    assert!(is_session_live(&server, &pair.access).await, "the session was refused, but not ended");
}

#[tokio::test]
async fn the_refresh_grace_is_configurable_and_may_be_zero() {
    let server = TestServer::with_anna().await;
    server.set("sessions.reuse_grace", "0").await;
    let first = sign_in(&server).await.refresh;
    refresh(&server, &first).await.unwrap();
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(refresh(&server, &first).await, Err(Rejection::Reused));
}

#[tokio::test]
async fn a_disabled_user_cannot_refresh() {
    let server = TestServer::with_anna().await;
    let token = sign_in(&server).await.refresh;
    server.change("anna", UserChange::Disable).await;
    assert_eq!(refresh(&server, &token).await, Err(Rejection::SessionEnded));
    server.change("anna", UserChange::Enable).await;
    assert_eq!(refresh(&server, &token).await, Err(Rejection::SessionEnded), "an ended session stays ended");
}
