//! The requests of a client, for the preparation and for the measured loop: routes and bodies.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::{Value, json};

use super::connection::{Connection, Response};

const PASSWORD: &str = "bench-Pa55word-quite-long";

/// The kind of requests that the clients send
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// JWKS requests, complete response
    Jwks,
    /// JWKS requests with If-None-Match, response 304
    JwksUnchanged,
    /// Sign-ins with name and password
    SignIn,
    /// The minimum cost of a renewal; the base URL is that of a driver that was started with `--serve-floor`
    Floor,
    /// Renewals; each client continues its chain of tokens through all rounds
    Refresh,
    /// Overload: ten times more sign-ins than can be hashed, with JWKS requests and renewals at fixed rates
    Storm,
}

/// A renewal route: its sign-in route, and the member that is copied from each response to the next request.
struct Renewal {
    path: &'static str,
    sign_in: &'static str,
    /// The member that contains the token for the next request: in the response to the sign-in, and to a renewal.
    response_members: (&'static str, &'static str),
    /// The member of the request body that contains the token. `None`: it is sent as `Authorization: Bearer`.
    request_member: Option<&'static str>,
}

const RENEWALS: &[Renewal] = &[
    Renewal { path: "/renew_token", sign_in: "/auth", response_members: ("jwt", "token"), request_member: None },
    Renewal {
        path: "/api/token/refresh/",
        sign_in: "/api/token/",
        response_members: ("refresh", "refresh"),
        request_member: Some("refresh"),
    },
    Renewal {
        path: "/api/refresh/",
        sign_in: "/api/login/",
        response_members: ("refresh_token", "refresh_token"),
        request_member: Some("refresh_token"),
    },
];

/// Why a response does not count as a success.
pub enum Refusal {
    /// 503 or 429 with `Retry-After`: the server is busy.
    Busy,
    /// Any other unexpected response, as text.
    Wrong(String),
}

/// One client: its connection, its request as bytes, and its renewal route.
pub struct Client {
    connection: Connection,
    request: Vec<u8>,
    expected: u16,
    renewal: Option<&'static Renewal>,
}

impl Scenario {
    pub fn name(self) -> &'static str {
        match self {
            Self::Jwks => "jwks",
            Self::JwksUnchanged => "jwks-unchanged",
            Self::SignIn => "sign-in",
            Self::Floor => "floor",
            Self::Refresh => "refresh",
            Self::Storm => "storm",
        }
    }

    /// Returns the default route.
    pub fn path(self) -> &'static str {
        match self {
            Self::Jwks | Self::JwksUnchanged => "/.well-known/jwks.json",
            Self::SignIn | Self::Storm => "/auth",
            Self::Floor => "/floor",
            Self::Refresh => RENEWALS[0].path,
        }
    }
}

impl Client {
    /// Prepares the client before the measurement. Depending on the scenario, it registers a user, signs in or fetches
    /// an `ETag`.
    pub fn prepare(
        scenario: Scenario,
        path: &str,
        user: &str,
        users: &mut BTreeSet<String>,
        connection: Connection,
    ) -> Result<Self, String> {
        let mut client = Self { connection, request: Vec::new(), expected: 200, renewal: None };
        match scenario {
            Scenario::Jwks => client.request = request("GET", path, "", None),
            Scenario::JwksUnchanged => {
                let response = client.once(&request("GET", path, "", None), &[200])?;
                let etag = response.header("etag").ok_or_else(|| format!("GET {path}: no ETag"))?;
                client.request = request("GET", path, &format!("If-None-Match: {etag}\r\n"), None);
                client.expected = 304;
            }
            Scenario::SignIn | Scenario::Storm => {
                client.register(user, users)?;
                client.request = request("POST", path, "", Some(&credentials(user)));
            }
            // The body has the length of a request body with a token. The number in the user name selects the row.
            Scenario::Floor => {
                let number = user.rsplit('-').next().unwrap_or_default();
                client.request = request("POST", &format!("{path}/{number}"), "", Some(&json!("x".repeat(400))));
            }
            Scenario::Refresh => {
                let known_paths = || RENEWALS.iter().map(|renewal| renewal.path).collect::<Vec<_>>().join(", ");
                let renewal = RENEWALS.iter().find(|renewal| renewal.path == path);
                let renewal =
                    renewal.ok_or_else(|| format!("unknown renewal route {path}; known routes: {}", known_paths()))?;
                client.register(user, users)?;
                let response = client.once(&request("POST", renewal.sign_in, "", Some(&credentials(user))), &[200])?;
                let token = member(&response, renewal.response_members.0)
                    .ok_or_else(|| format!("{}: no `{}`", renewal.sign_in, renewal.response_members.0))?;
                client.request = renewal.request(&token);
                client.renewal = Some(renewal);
            }
        }
        Ok(client)
    }

    /// Sends one request and checks its response.
    pub fn step(&mut self) -> Result<(), Refusal> {
        let response = self.connection.exchange(&self.request).map_err(|error| Refusal::Wrong(error.to_string()))?;
        if response.status != self.expected {
            return Err(if matches!(response.status, 429 | 503) && response.header("retry-after").is_some() {
                Refusal::Busy
            } else {
                Refusal::Wrong(describe(&response))
            });
        }
        if let Some(renewal) = self.renewal {
            // If the route does not rotate the token, the response has no such member, and the old token stays valid.
            if let Some(token) = member(&response, renewal.response_members.1) {
                self.request = renewal.request(&token);
            }
        }
        Ok(())
    }

    /// Registers the user, unless another client has done so. The overload test has more clients than users.
    fn register(&mut self, user: &str, users: &mut BTreeSet<String>) -> Result<(), String> {
        if users.insert(user.to_owned()) {
            let body = json!({"username": user, "email": email(user), "password": PASSWORD});
            self.once(&request("POST", "/register", "", Some(&body)), &[200, 201, 409])?;
        }
        Ok(())
    }

    fn once(&mut self, request: &[u8], expected: &[u16]) -> Result<Response, String> {
        let line = String::from_utf8_lossy(request).lines().next().unwrap_or_default().to_owned();
        let response = self.connection.exchange(request).map_err(|error| format!("{line}: {error}"))?;
        if expected.contains(&response.status) { Ok(response) } else { Err(format!("{line}: {}", describe(&response))) }
    }
}

impl Renewal {
    fn request(&self, token: &str) -> Vec<u8> {
        match self.request_member {
            Some(name) => request("POST", self.path, "", Some(&json!({ name: token }))),
            None => request("POST", self.path, &format!("Authorization: Bearer {token}\r\n"), None),
        }
    }
}

/// Returns a body with the members of all sign-in routes. Each route ignores the unknown ones.
fn credentials(user: &str) -> Value {
    json!({"username": user, "email": email(user), "password": PASSWORD})
}

fn email(user: &str) -> String {
    format!("{user}@example.org")
}

fn member(response: &Response, name: &str) -> Option<String> {
    let body: Value = serde_json::from_slice(&response.body).ok()?;
    body.get(name)?.as_str().map(str::to_owned)
}

fn describe(response: &Response) -> String {
    let body = String::from_utf8_lossy(&response.body);
    format!("{} {}", response.status, body.chars().take(200).collect::<String>())
}

fn request(method: &str, path: &str, headers: &str, body: Option<&Value>) -> Vec<u8> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut bytes = Vec::with_capacity(512 + body.len());
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let length = if method == "GET" { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    write!(bytes, "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}{kind}{length}\r\n{body}")
        .expect("writing to memory cannot fail");
    bytes
}
