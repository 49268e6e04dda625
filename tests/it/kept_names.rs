//! User names that were released by a change or a deletion: new users cannot take them while tokens contain them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use countersign::domain::user::Username;
use countersign::issuer::register::Register;
use countersign::issuer::users::UserChange;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, ServerResponse, TestServer};

async fn register(server: &TestServer, path: &str, name: &str) -> u16 {
    let email = format!("{}@example.net", server.clock.now().unix());
    server.post(path, &json!({"username": name, "email": email, "password": PASSWORD})).await.status
}

async fn rename(server: &TestServer, old: &str, new: &str) -> ServerResponse {
    let email = format!("{old}@example.com");
    let pair = server.post("/api/login/", &json!({"email": email, "password": PASSWORD})).await.is(200).json();
    let token = pair["access_token"].as_str().unwrap().to_owned();
    let body = json!({"username": new, "email": email});
    ServerResponse::send(server.request(Method::PUT, "/api/me/").bearer_auth(token).json(&body)).await
}

async fn register_by_command(server: &TestServer, name: &str) -> bool {
    let request = Register {
        username: Username::parse(name).unwrap(),
        password: countersign::domain::password::Password::new(PASSWORD.to_owned()),
        email: None,
        from: None,
        is_superuser: false,
    };
    request.run(&server.issuer).await.is_ok()
}

#[tokio::test]
async fn a_released_name_is_kept_from_new_users_until_tokens_expire() {
    let server = TestServer::with("throttle.enabled = false").await;
    for name in ["anna", "ben", "cleo"] {
        server.register(name).await;
    }
    assert_eq!(rename(&server, "anna", "anna2").await.is(200).json()["username"], "anna2");
    server.change("ben", UserChange::Delete).await;
    for name in ["anna", "ANNA", "ben"] {
        for (path, status) in [("/register", 409), ("/signup", 400), ("/api/register/", 400)] {
            assert_eq!(register(&server, path, name).await, status, "{path} {name}");
        }
        let refused = rename(&server, "cleo", name).await;
        assert_eq!(refused.is(400).json()["username"].as_array().map(Vec::len), Some(1), "{refused:#?}");
    }
    // The former user may take the name back. A change of case releases nothing.
    rename(&server, "anna", "anna").await.is(200);
    rename(&server, "anna", "Anna").await.is(200);
    assert_eq!(register(&server, "/register", "anna2").await, 409);
    // The command line may use a released name.
    assert!(register_by_command(&server, "anna2").await);
    server.clock.advance(Duration::from_secs(24 * 3600 - 1));
    assert_eq!(register(&server, "/register", "ben").await, 409);
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(register(&server, "/register", "ben").await, 200);
}

#[tokio::test]
async fn a_name_is_kept_for_the_longest_access_lifetime() {
    let server = TestServer::with("throttle.enabled = false").await;
    server.register("anna").await;
    server.set("profiles.rest_jwt.access_lifetime", "48h").await;
    server.change("anna", UserChange::Delete).await;
    server.clock.advance(Duration::from_hours(47));
    assert_eq!(register(&server, "/register", "anna").await, 409);
    server.clock.advance(Duration::from_hours(1));
    assert_eq!(register(&server, "/register", "anna").await, 200);
}

#[tokio::test]
async fn invisible_characters_in_names_are_rejected_by_every_dialect() {
    let server = TestServer::with_anna().await;
    for invisible in ["\u{3164}", "\u{fe0f}", "\u{115f}", "\u{34f}", "\u{e0100}"] {
        let name = format!("root{invisible}");
        for path in ["/register", "/signup", "/api/register/"] {
            assert_eq!(register(&server, path, &name).await, 400, "{path} {invisible:?}");
        }
        let refused: Value = rename(&server, "anna", &name).await.is(400).json();
        assert!(refused["username"].is_array(), "{refused}");
    }
}
