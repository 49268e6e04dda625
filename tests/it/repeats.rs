//! Repeats of refreshes within `sessions.reuse_grace`: by the network that rotated the refresh token, and by others.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use crate::support::{PASSWORD, ServerResponse, TestServer};

const HOME: &str = "192.0.2.10";
const AWAY: &str = "198.51.100.66";

/// The routes of a dialect whose refresh tokens rotate.
#[derive(Clone, Copy, Debug)]
struct Rotating {
    sign_in: &'static str,
    refresh: &'static str,
    /// The names of the refresh token in the request and in the response.
    token: [&'static str; 2],
}

const ROTATING: [Rotating; 2] = [
    Rotating { sign_in: "/api/login/", refresh: "/api/refresh/", token: ["refresh_token", "refresh_token"] },
    Rotating { sign_in: "/api/token/", refresh: "/api/token/refresh/", token: ["refresh", "refresh"] },
];

async fn server() -> TestServer {
    let server = TestServer::with_anna().await;
    server.set("profiles.simplejwt.rotate_refresh_tokens", "true").await;
    server.set("profiles.simplejwt.blacklist_after_rotation", "true").await;
    server
}

impl Rotating {
    /// Signs in from a network and returns the refresh token.
    async fn sign_in(self, server: &TestServer, from: &str) -> Value {
        let body = json!({"username": "anna", "email": "anna@example.com", "password": PASSWORD});
        server.post_from(from, self.sign_in, &body).await.is(200).json()[self.token[1]].clone()
    }

    async fn request(self, server: &TestServer, token: &Value, from: &str) -> ServerResponse {
        server.post_from(from, self.refresh, &json!({self.token[0]: token})).await
    }

    /// Refreshes and returns the next refresh token.
    async fn refresh(self, server: &TestServer, token: &Value, from: &str) -> Value {
        self.request(server, token, from).await.is(200).json()[self.token[1]].clone()
    }
}

/// The generation in a refresh token. Two texts of a signed token may differ, although they are the same token.
fn content(token: &Value) -> String {
    let text = token.as_str().unwrap();
    if text.contains('.') { crate::support::token::claims(text).to_string() } else { text.to_owned() }
}

async fn count(server: &TestServer, action: &str) -> usize {
    server.audit().await.iter().filter(|(recorded, _)| recorded == action).count()
}

#[tokio::test]
async fn the_network_that_rotated_repeats_twice() {
    for dialect in ROTATING {
        for networks in [[HOME, "192.0.2.11", "::ffff:192.0.2.12"], ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:3"]]
        {
            let server = server().await;
            let first = dialect.sign_in(&server, AWAY).await;
            let second = dialect.refresh(&server, &first, networks[0]).await;
            for from in [networks[1], networks[2]] {
                let repeated = dialect.refresh(&server, &first, from).await;
                assert_eq!(content(&repeated), content(&second), "{dialect:?} {from}");
            }
            // A rotation allows two more repeats, of the next token.
            let third = dialect.refresh(&server, &second, networks[0]).await;
            for from in [networks[1], networks[2]] {
                assert_eq!(content(&dialect.refresh(&server, &second, from).await), content(&third));
            }
            assert_eq!(count(&server, "refresh_reused").await, 0);
            dialect.request(&server, &second, networks[0]).await.is(401);
            assert_eq!(count(&server, "refresh_reused").await, 1);
            dialect.request(&server, &third, networks[0]).await.is(401);
            assert_eq!(count(&server, "refresh_repeated_elsewhere").await, 0);
        }
    }
}

#[tokio::test]
async fn two_holders_of_a_token_on_two_networks_end_the_session() {
    for dialect in ROTATING {
        for [owner, thief] in [[HOME, AWAY], [AWAY, "2001:db8::1"], ["2001:db8::1", "2001:db8:0:1::1"]] {
            let server = server().await;
            let stolen = dialect.sign_in(&server, owner).await;
            let second = dialect.refresh(&server, &stolen, owner).await;
            let repeated = dialect.refresh(&server, &stolen, thief).await;
            assert_eq!(content(&repeated), content(&second), "the first repeat from another network is answered");
            assert_eq!(count(&server, "refresh_repeated_elsewhere").await, 1);
            // Now the thief rotates first, and the owner repeats.
            let third = dialect.refresh(&server, &second, thief).await;
            assert_eq!(count(&server, "refresh_reused").await, 0);
            dialect.request(&server, &second, owner).await.is(401);
            assert_eq!(count(&server, "refresh_reused").await, 1);
            for from in [owner, thief] {
                dialect.request(&server, &third, from).await.is(401);
            }
            assert_eq!(count(&server, "refresh_repeated_elsewhere").await, 1);
        }
    }
}

#[tokio::test]
async fn a_repeat_from_another_network_is_recorded_with_its_address() {
    let server = server().await;
    let [dialect, _] = ROTATING;
    let first = dialect.sign_in(&server, HOME).await;
    dialect.refresh(&server, &first, HOME).await;
    dialect.refresh(&server, &first, AWAY).await;
    let lines: Result<_, countersign::store::StoreError> = server.issuer.store.read(|tx| tx.audit_lines(None, 1)).await;
    let line = lines.unwrap().remove(0);
    assert_eq!((line.action.as_str(), line.username.as_deref()), ("refresh_repeated_elsewhere", Some("anna")));
    assert_eq!(line.address, Some(AWAY.parse().unwrap()));
    assert!(line.detail.starts_with("generation 1 of session "), "{}", line.detail);
    assert!(line.detail.ends_with("; rotated from 192.0.2.0/24"), "{}", line.detail);
}

/// In this mode the package keeps earlier tokens valid, so that a repeat proves nothing.
#[tokio::test]
async fn tokens_that_stay_valid_are_repeated_without_limit() {
    let server = server().await;
    server.set("profiles.simplejwt.blacklist_after_rotation", "false").await;
    let [_, dialect] = ROTATING;
    let first = dialect.sign_in(&server, HOME).await;
    let second = dialect.refresh(&server, &first, HOME).await;
    for from in [HOME, AWAY, HOME, AWAY, HOME] {
        assert_eq!(content(&dialect.refresh(&server, &first, from).await), content(&second));
    }
    assert_eq!(count(&server, "refresh_repeated_elsewhere").await + count(&server, "refresh_reused").await, 0);
}
