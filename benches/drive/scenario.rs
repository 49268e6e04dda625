//! What a client does over and over, and what it has to do once before: the routes and their bodies.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::{Value, json};

use super::connection::{Answer, Connection};

const PASSWORD: &str = "bench-Pa55word-quite-long";

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// The key set, whole.
    Jwks,
    /// The key set, asked for by one who has it: 304.
    JwksUnchanged,
    /// A name and a password against a token.
    SignIn,
    /// The least a renewal can cost: asked of a driver that was started with `--serve-floor`.
    Floor,
    /// A token, or a refresh token, against a new one: each client's chain goes on through all rounds.
    Refresh,
    /// Sign-ins at ten times what the machine can hash, while the key set is asked for and tokens are renewed at fixed rates.
    Storm,
}

/// How one route renews: where its sign-in is, what is carried from answer to request, and how.
struct Renewal {
    path: &'static str,
    sign_in: &'static str,
    /// The member of an answer that the next request needs, at sign-in and at renewal.
    takes: (&'static str, &'static str),
    /// The member of the request's body it goes into; none: it goes into `Authorization: Bearer`.
    gives: Option<&'static str>,
}

const RENEWALS: &[Renewal] = &[
    Renewal { path: "/renew_token", sign_in: "/auth", takes: ("jwt", "token"), gives: None },
    Renewal {
        path: "/api/token/refresh/",
        sign_in: "/api/token/",
        takes: ("refresh", "refresh"),
        gives: Some("refresh"),
    },
    Renewal {
        path: "/api/refresh/",
        sign_in: "/api/login/",
        takes: ("refresh_token", "refresh_token"),
        gives: Some("refresh_token"),
    },
];

/// Why an answer doesn't count.
pub enum Refusal {
    /// 503 or 429 with `Retry-After`: the server said that it was busy, and until when.
    Busy,
    /// Anything else that was not expected, in words.
    Wrong(String),
}

/// One client: its connection, its request as bytes, and what it carries from answer to answer.
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

    /// The route, unless another is given.
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
    /// Does what comes before the clock starts: registers a user, signs in, fetches an `ETag`.
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
                let answer = client.once(&request("GET", path, "", None), &[200])?;
                let tag = answer.header("etag").ok_or_else(|| format!("GET {path}: no ETag"))?;
                client.request = request("GET", path, &format!("If-None-Match: {tag}\r\n"), None);
                client.expected = 304;
            }
            Scenario::SignIn | Scenario::Storm => {
                client.register(user, users)?;
                client.request = request("POST", path, "", Some(&credentials(user)));
            }
            // As long as a request with a token is. A client's own row is called as the end of its user's name.
            Scenario::Floor => {
                let number = user.rsplit('-').next().unwrap_or_default();
                client.request = request("POST", &format!("{path}/{number}"), "", Some(&json!("x".repeat(400))));
            }
            Scenario::Refresh => {
                let known = || RENEWALS.iter().map(|renewal| renewal.path).collect::<Vec<_>>().join(", ");
                let renewal = RENEWALS.iter().find(|renewal| renewal.path == path);
                let renewal =
                    renewal.ok_or_else(|| format!("no renewal by {path} is known; there are: {}", known()))?;
                client.register(user, users)?;
                let answer = client.once(&request("POST", renewal.sign_in, "", Some(&credentials(user))), &[200])?;
                let token = member(&answer, renewal.takes.0)
                    .ok_or_else(|| format!("{}: no `{}`", renewal.sign_in, renewal.takes.0))?;
                client.request = renewal.request(&token);
                client.renewal = Some(renewal);
            }
        }
        Ok(client)
    }

    /// One request and its answer.
    pub fn step(&mut self) -> Result<(), Refusal> {
        let answer = self.connection.exchange(&self.request).map_err(|error| Refusal::Wrong(error.to_string()))?;
        if answer.status != self.expected {
            return Err(if matches!(answer.status, 429 | 503) && answer.header("retry-after").is_some() {
                Refusal::Busy
            } else {
                Refusal::Wrong(shown(&answer))
            });
        }
        if let Some(renewal) = self.renewal {
            // Where a route doesn't rotate, its answer has no such member, and the old one stays good.
            if let Some(token) = member(&answer, renewal.takes.1) {
                self.request = renewal.request(&token);
            }
        }
        Ok(())
    }

    /// Makes an account, once: a storm has more clients than it needs users.
    fn register(&mut self, user: &str, users: &mut BTreeSet<String>) -> Result<(), String> {
        if users.insert(user.to_owned()) {
            let body = json!({"username": user, "email": email(user), "password": PASSWORD});
            self.once(&request("POST", "/register", "", Some(&body)), &[200, 201, 409])?;
        }
        Ok(())
    }

    fn once(&mut self, request: &[u8], expected: &[u16]) -> Result<Answer, String> {
        let line = String::from_utf8_lossy(request).lines().next().unwrap_or_default().to_owned();
        let answer = self.connection.exchange(request).map_err(|error| format!("{line}: {error}"))?;
        if expected.contains(&answer.status) { Ok(answer) } else { Err(format!("{line}: {}", shown(&answer))) }
    }
}

impl Renewal {
    fn request(&self, token: &str) -> Vec<u8> {
        match self.gives {
            Some(name) => request("POST", self.path, "", Some(&json!({ name: token }))),
            None => request("POST", self.path, &format!("Authorization: Bearer {token}\r\n"), None),
        }
    }
}

/// Every sign-in route finds its own member among these; unknown ones are ignored.
fn credentials(user: &str) -> Value {
    json!({"username": user, "email": email(user), "password": PASSWORD})
}

fn email(user: &str) -> String {
    format!("{user}@example.org")
}

fn member(answer: &Answer, name: &str) -> Option<String> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    body.get(name)?.as_str().map(str::to_owned)
}

fn shown(answer: &Answer) -> String {
    let body = String::from_utf8_lossy(&answer.body);
    format!("{} {}", answer.status, body.chars().take(200).collect::<String>())
}

fn request(method: &str, path: &str, headers: &str, body: Option<&Value>) -> Vec<u8> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut bytes = Vec::with_capacity(512 + body.len());
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let length = if method == "GET" { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    write!(bytes, "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}{kind}{length}\r\n{body}")
        .expect("memory takes all");
    bytes
}
