//! Changes of the password, the address and the linked accounts: in every dialect an access token alone is not enough.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use countersign::issuer::users::UserChange;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{PASSWORD, ServerResponse, TestServer};

const NEW: &str = "another valid password";
const MINUTES_5: Duration = Duration::from_mins(5);
const SECOND: Duration = Duration::from_secs(1);

/// How a token is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Carrier {
    Bearer,
    Cookie,
}

/// A way to change an account: the sign-in, its login field and the member with the token, and the request.
#[derive(Clone, Copy, Debug)]
struct Route {
    sign_in: (&'static str, &'static str, &'static str),
    method: &'static str,
    path: &'static str,
    carrier: Carrier,
    form: bool,
}

const fn profile(sign_in: (&'static str, &'static str, &'static str), carrier: Carrier) -> Route {
    Route { sign_in, method: "POST", path: "/update_profile", carrier, form: false }
}

const fn me(method: &'static str, form: bool) -> Route {
    let sign_in = ("/api/login/", "email", "access_token");
    Route { sign_in, method, path: "/api/me/", carrier: Carrier::Bearer, form }
}

const AUTH: (&str, &str, &str) = ("/auth", "username", "jwt");
const SIGNIN: (&str, &str, &str) = ("/signin", "username", "token");

/// Every route that changes the password or the address, with every kind of token that it accepts.
const ROUTES: [Route; 8] = [
    profile(AUTH, Carrier::Bearer),
    profile(AUTH, Carrier::Cookie),
    profile(SIGNIN, Carrier::Bearer),
    profile(SIGNIN, Carrier::Cookie),
    me("PUT", false),
    me("PATCH", false),
    me("PUT", true),
    me("PATCH", true),
];

impl Route {
    fn changes_passwords(&self) -> bool {
        self.path == "/update_profile"
    }

    /// Asserts a 403 in the error format of the dialect, with its error code if the format has one.
    #[track_caller]
    fn refuses(&self, response: &ServerResponse, code: &str, what: &str) {
        assert_eq!(response.status, 403, "{what}: {response:#?}");
        if self.changes_passwords() {
            response.refuses(403, code);
        } else {
            assert!(response.json()["detail"].is_string(), "{what}: {response:#?}");
        }
    }

    fn request(&self, server: &TestServer, token: &str, body: &Value) -> RequestBuilder {
        let request = server.request(self.method.parse().unwrap(), self.path);
        let request = if self.form {
            let fields = body.as_object().unwrap().iter().map(|(name, value)| (name, value.as_str().unwrap()));
            let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            request.header("content-type", "application/x-www-form-urlencoded").body(form)
        } else {
            request.json(body)
        };
        match self.carrier {
            Carrier::Bearer => request.bearer_auth(token),
            Carrier::Cookie => request.header("cookie", format!("jwt_token={token}")),
        }
    }

    async fn send(&self, server: &TestServer, token: &str, body: &Value) -> ServerResponse {
        ServerResponse::send(self.request(server, token, body)).await
    }
}

/// The session of one sign-in, whose short-lived tokens are refreshed.
struct SignedIn {
    route: Route,
    access: String,
    refresh: String,
}

impl SignedIn {
    async fn new(server: &TestServer, route: Route, name: &str) -> Self {
        let (path, field, member) = route.sign_in;
        let response = server.post(path, &json!({field: name, "password": PASSWORD})).await;
        let body = response.is(200).json();
        let text = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
        Self { route, access: text(member), refresh: text("refresh_token") }
    }

    /// Waits, and renews the token in the way of its dialect.
    async fn renewed_after(&mut self, server: &TestServer, wait: Duration) {
        server.clock.advance(wait);
        let (path, body, member) = match self.route.sign_in.0 {
            "/auth" => ("/renew_token", json!({}), "token"),
            "/signin" => ("/refresh", json!({}), "token"),
            _ => ("/api/refresh/", json!({"refresh_token": self.refresh}), "access_token"),
        };
        let body = server.post_as(&self.access, path, &body).await.is(200).json();
        body[member].as_str().unwrap().clone_into(&mut self.access);
        body["refresh_token"].as_str().unwrap_or_default().clone_into(&mut self.refresh);
    }

    async fn send(&self, server: &TestServer, body: &Value) -> ServerResponse {
        self.route.send(server, &self.access, body).await
    }
}

/// The changes that need a proof on a route.
fn changes(route: Route) -> Vec<Value> {
    let email = json!({"email": "other@example.org"});
    if route.changes_passwords() {
        vec![email, json!({"password": NEW}), json!({"password": NEW, "email": "other@example.org"})]
    } else {
        vec![email, json!({"email": "other@example.org", "username": "other"})]
    }
}

fn with(body: &Value, current_password: &str) -> Value {
    let mut body = body.clone();
    body["current_password"] = current_password.into();
    body
}

/// The stored name, address and password hash of a user.
async fn stored(server: &TestServer, id: i64) -> (String, Option<String>, String) {
    let read = server.issuer.store.read(move |tx| tx.user(countersign::domain::id::UserId(id)));
    let user: Result<_, countersign::store::StoreError> = read.await;
    let user = user.unwrap().unwrap();
    (user.username.to_string(), user.email.map(|email| email.to_string()), format!("{:?}", user.password))
}

#[tokio::test]
async fn a_renewed_token_alone_changes_nothing() {
    for route in ROUTES {
        let server = TestServer::with_anna().await;
        let mut anna = SignedIn::new(&server, route, "anna").await;
        anna.renewed_after(&server, MINUTES_5).await;
        let before = stored(&server, 1).await;
        for body in changes(route) {
            let what = format!("{route:?} {body}");
            route.refuses(&anna.send(&server, &body).await, "proof_required", &what);
            let wrong = anna.send(&server, &with(&body, "wrong")).await;
            route.refuses(&wrong, "wrong_current_password", &what);
            let empty = anna.send(&server, &with(&body, "")).await;
            route.refuses(&empty, "wrong_current_password", &what);
        }
        assert_eq!(stored(&server, 1).await, before, "{route:?}");
    }
}

#[tokio::test]
async fn the_current_password_permits_a_change_at_any_time() {
    for route in ROUTES {
        for body in changes(route) {
            let server = TestServer::with_anna().await;
            let mut anna = SignedIn::new(&server, route, "anna").await;
            anna.renewed_after(&server, MINUTES_5).await;
            let response = anna.send(&server, &with(&body, PASSWORD)).await;
            assert_eq!(response.status, 200, "{route:?} {body}: {response:#?}");
        }
    }
}

#[tokio::test]
async fn a_sign_in_permits_changes_for_less_than_five_minutes() {
    for route in ROUTES {
        for body in changes(route) {
            let server = TestServer::with_anna().await;
            let mut anna = SignedIn::new(&server, route, "anna").await;
            anna.renewed_after(&server, MINUTES_5.saturating_sub(SECOND)).await;
            let wrong = anna.send(&server, &with(&body, "wrong")).await;
            route.refuses(&wrong, "wrong_current_password", &format!("{route:?} {body}"));
            let response = anna.send(&server, &body).await;
            assert_eq!(response.status, 200, "{route:?} {body}: {response:#?}");
        }
    }
}

#[tokio::test]
async fn a_name_or_an_unchanged_address_needs_no_proof() {
    let server = TestServer::with_anna().await;
    for (route, body) in [
        (me("PUT", false), json!({"username": "Anna Other", "email": "anna@example.com"})),
        (me("PATCH", false), json!({"username": "anna"})),
        (profile(AUTH, Carrier::Cookie), json!({"email": "anna@example.com"})),
    ] {
        let mut anna = SignedIn::new(&server, route, "anna@example.com").await;
        anna.renewed_after(&server, MINUTES_5).await;
        anna.send(&server, &body).await.is(200);
        let other_case = anna.send(&server, &json!({"email": "Anna@example.com"})).await;
        route.refuses(&other_case, "proof_required", "another spelling is a change");
    }
}

#[tokio::test]
async fn the_documented_request_works_after_a_sign_in_with_a_temporary_password() {
    let server = TestServer::with_anna().await;
    server.post("/request_password_reset", &json!({"email": "anna@example.com"})).await.is(200);
    crate::support::wait_until("the code is sent", async || !server.emails().is_empty()).await;
    let code = server.emails()[0].code().to_owned();
    let reset = server.post("/reset_password", &json!({"reset_code": code})).await.is(200).json();
    let temporary = reset["temporary_password"].as_str().unwrap();
    let token = server.token_by("anna", temporary).await;
    server.clock.advance(MINUTES_5.saturating_sub(SECOND));
    let route = profile(AUTH, Carrier::Cookie);
    route.send(&server, &token, &json!({"password": NEW})).await.is(200);
    server.token_by("anna", NEW).await;
}

#[tokio::test]
async fn wrong_current_passwords_count_as_failed_sign_ins() {
    for route in ROUTES {
        let server = TestServer::with_anna().await;
        let anna = SignedIn::new(&server, route, "anna").await;
        let body = &changes(route)[0];
        for _ in 0..10 {
            // Wrong passwords, and names and addresses, have limits of their own.
            server.clock.advance(SECOND);
            anna.send(&server, &with(body, "wrong")).await.is(403);
        }
        anna.send(&server, &with(body, PASSWORD)).await.is(429);
        let (path, field, _) = route.sign_in;
        server.post(path, &json!({field: "anna", "password": PASSWORD})).await.is(429);
    }
}

#[tokio::test]
async fn a_superuser_changes_nothing_through_a_dialect() {
    for bare in ["", "accounts.bare_changes = true"] {
        let server = TestServer::with(bare).await;
        server.register("anna").await;
        server.change("anna", UserChange::SetRights { is_staff: false, is_superuser: true }).await;
        let before = stored(&server, 1).await;
        for route in ROUTES {
            let anna = SignedIn::new(&server, route, "anna").await;
            for body in changes(route) {
                let what = format!("{bare} {route:?} {body}");
                route.refuses(&anna.send(&server, &body).await, "superuser", &what);
                route.refuses(&anna.send(&server, &with(&body, PASSWORD)).await, "superuser", &what);
                route.refuses(&anna.send(&server, &with(&body, "wrong")).await, "superuser", &what);
            }
            assert_eq!(stored(&server, 1).await, before, "{route:?}");
            // Names and addresses have a limit of their own.
            server.clock.advance(MINUTES_5);
        }
    }
}

#[tokio::test]
async fn bare_changes_restores_the_original_form() {
    for route in ROUTES {
        for body in changes(route) {
            let server = TestServer::with("accounts.bare_changes = true").await;
            server.register("anna").await;
            let mut anna = SignedIn::new(&server, route, "anna").await;
            anna.renewed_after(&server, Duration::from_hours(2)).await;
            let wrong = anna.send(&server, &with(&body, "wrong")).await;
            route.refuses(&wrong, "wrong_current_password", &format!("{route:?} {body}"));
            anna.send(&server, &body).await.is(200);
        }
    }
}

#[tokio::test]
async fn a_reset_by_email_works_for_a_superuser() {
    let server = TestServer::with_anna().await;
    server.change("anna", UserChange::SetRights { is_staff: false, is_superuser: true }).await;
    server.post("/request_password_reset", &json!({"email": "anna@example.com"})).await.is(200);
    let is_code = |mail: &&crate::support::mail::Mail| mail.header("Subject").contains("code");
    crate::support::wait_until("the code is sent", async || server.emails().iter().any(|mail| is_code(&mail))).await;
    let code = server.emails().iter().find(is_code).unwrap().code().to_owned();
    server.post("/reset_password", &json!({"reset_code": code, "new_password": NEW})).await.is(200);
    server.token_by("anna", NEW).await;
}

#[tokio::test]
async fn a_current_password_that_is_no_text_is_named() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    let body = json!({"email": "other@example.org", "current_password": 1});
    let response = server.post_as(&token, "/update_profile", &body).await;
    response.refuses(400, "invalid_field");
    assert_eq!(response.json()["message"], "current_password must be a string");
    let drf = SignedIn::new(&server, me("PATCH", false), "anna").await;
    let body = json!({"email": "other@example.org", "current_password": ["x"]});
    let response = ServerResponse::send(server.request(Method::PATCH, "/api/me/").bearer_auth(&drf.access).json(&body));
    assert_eq!(response.await.is(400).json()["current_password"][0], "Not a valid string.");
}
