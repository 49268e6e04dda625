//! Clients that keep a server busy until it is killed, and that record what it acknowledged.

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::acknowledged::{Acknowledged, AcknowledgedReset};
use crate::support::binary::TestFolder;
use crate::support::client;
use crate::support::{PASSWORD, mail};

/// The load of one round.
pub struct Load {
    workers: Vec<JoinHandle<Acknowledged>>,
    rotation: std::process::Child,
    killed: Arc<AtomicBool>,
}

/// A client that sends requests until the server no longer responds.
#[derive(Clone)]
struct LoadClient {
    client: reqwest::Client,
    url: String,
}

impl LoadClient {
    /// The response, or `None` if it is missing or incomplete.
    async fn post(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let response = self.client.post(format!("{}{path}", self.url)).json(body).send().await.ok()?;
        let status = response.status().as_u16();
        let body = response.bytes().await.ok()?;
        Some((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// Opens a session and returns its refresh token, or `None` once the server is gone.
    async fn open(&self, name: &str) -> Option<String> {
        let body = json!({"email": format!("{name}@example.com"), "password": PASSWORD});
        let (status, body) = self.post("/api/login/", &body).await?;
        assert_eq!(status, 200, "{body}");
        Some(body["refresh_token"].as_str()?.to_owned())
    }

    /// Registers a user and records it. Returns `None` once the server is gone.
    async fn register(&self, name: &str, state: &mut Acknowledged) -> Option<()> {
        let body = json!({"username": name, "password": PASSWORD, "email": format!("{name}@example.com")});
        let (status, body) = self.post("/register", &body).await?;
        assert_eq!(status, 200, "{body}");
        state.registered.push(name.to_owned());
        Some(())
    }

    async fn register_users(self, user: String, state: &mut Acknowledged) -> Option<()> {
        for at in 0.. {
            let name = format!("{user}x{at}");
            self.register(&name, state).await?;
            let (status, body) = self.post("/auth", &json!({"username": name, "password": PASSWORD})).await?;
            assert_eq!(status, 200, "{body}");
            state.live.push(body["jwt"].as_str()?.to_owned());
        }
        None
    }

    async fn refresh_sessions(self, user: String, state: &mut Acknowledged) -> Option<()> {
        self.register(&user, state).await?;
        let mut last = self.open(&user).await?;
        state.refreshed.insert(user.clone(), last.clone());
        loop {
            let (status, body) = self.post("/api/refresh/", &json!({"refresh_token": last})).await?;
            assert_eq!(status, 200, "{body}");
            body["refresh_token"].as_str()?.clone_into(&mut last);
            state.refreshes += 1;
            state.refreshed.insert(user.clone(), last.clone());
        }
    }

    /// Ends sessions. From every third session, instead records a token whose successor was used, such as a thief would
    /// present.
    async fn sign_out_sessions(self, user: String, state: &mut Acknowledged) -> Option<()> {
        self.register(&user, state).await?;
        for at in 0.. {
            let first = self.open(&user).await?;
            let mut last = first.clone();
            for _ in 0..at % 3 {
                let (status, body) = self.post("/api/refresh/", &json!({"refresh_token": last})).await?;
                assert_eq!(status, 200, "{body}");
                body["refresh_token"].as_str()?.clone_into(&mut last);
            }
            if at % 3 == 2 {
                // After two rotations the first token is invalid. The check after the kill presents it.
                state.spent.push(first);
                continue;
            }
            let (status, body) = self.post("/api/logout/", &json!({"refresh_token": last})).await?;
            assert_eq!(status, 200, "{body}");
            state.signed_out.push(last);
        }
        None
    }

    async fn reset_passwords(self, user: String, emails: std::path::PathBuf, state: &mut Acknowledged) -> Option<()> {
        self.register(&user, state).await?;
        let to = format!("{user}@example.com");
        state
            .resets
            .insert(user.clone(), AcknowledgedReset { password: PASSWORD.to_owned(), ..AcknowledgedReset::default() });
        for at in 0.. {
            let (status, body) = self.post("/request_password_reset", &json!({"email": to})).await?;
            assert_eq!(status, 200, "{body}");
            let requested = state.emails.entry(user.clone()).or_default();
            *requested += 1;
            let code = loop {
                let all = mail::all(&emails);
                let own_mails: Vec<_> = all.iter().filter(|mail| mail.header("To").contains(&to)).collect();
                if own_mails.len() >= *requested {
                    break own_mails.last()?.code().to_owned();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
                self.client.get(format!("{}/liveliness", self.url)).send().await.ok()?;
            };
            let new = format!("the new password {at}");
            let reset = state.resets.get_mut(&user)?;
            reset.unacknowledged = Some(new.clone());
            let (status, body) =
                self.post("/reset_password", &json!({"reset_code": code, "new_password": new})).await?;
            assert_eq!(status, 200, "{body}");
            reset.unacknowledged = None;
            reset.password = new;
            state.resets_done += 1;
        }
        None
    }
}

/// Starts all clients. The users are new in each round.
pub fn start(url: &str, folder: &TestFolder, round: u32) -> Load {
    let client = client::builder().build().unwrap();
    let load_client = LoadClient { client, url: url.to_owned() };
    let emails = folder.path("data/mail");
    let mut workers = Vec::new();
    let killed = Arc::new(AtomicBool::new(false));
    for at in 0..2 {
        let name = |kind: &str| format!("{kind}{round}n{at}");
        let client = load_client.clone();
        let user = name("reg");
        let was_killed = Arc::clone(&killed);
        workers.push(tokio::spawn(async move {
            let mut state = Acknowledged::default();
            client.register_users(user, &mut state).await;
            assert_killed(&was_killed);
            state
        }));
        let client = load_client.clone();
        let user = name("ref");
        let was_killed = Arc::clone(&killed);
        workers.push(tokio::spawn(async move {
            let mut state = Acknowledged::default();
            client.refresh_sessions(user, &mut state).await;
            assert_killed(&was_killed);
            state
        }));
        let client = load_client.clone();
        let user = name("out");
        let was_killed = Arc::clone(&killed);
        workers.push(tokio::spawn(async move {
            let mut state = Acknowledged::default();
            client.sign_out_sessions(user, &mut state).await;
            assert_killed(&was_killed);
            state
        }));
        let client = load_client.clone();
        let user = name("res");
        let emails = emails.clone();
        let was_killed = Arc::clone(&killed);
        workers.push(tokio::spawn(async move {
            let mut state = Acknowledged::default();
            client.reset_passwords(user, emails, &mut state).await;
            assert_killed(&was_killed);
            state
        }));
    }
    let mut rotate: Command = folder.command(&["keys", "rotate", "--now", "--alg", "ES256"]);
    let rotation = rotate.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    Load { workers, rotation, killed }
}

/// Asserts that no client stops before the kill. A client that has stopped would test nothing.
fn assert_killed(killed: &AtomicBool) {
    assert!(killed.load(Ordering::SeqCst), "a worker ended before the kill");
}

impl Load {
    /// Must be called before the kill. From then on clients may stop because of missing responses.
    pub fn expect_kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
    }

    /// Kills the rotation as well, and adds this round's acknowledged writes to `state`.
    pub async fn join(mut self, state: &mut Acknowledged) {
        let _ = self.rotation.kill();
        let rotated = self.rotation.wait_with_output().unwrap();
        if rotated.status.success() {
            state.keys.push(String::from_utf8(rotated.stdout).unwrap().trim().to_owned());
        }
        // Limits the entries that later rounds check, because each costs one or two requests after every start.
        limit_len(&mut state.refreshed, 24);
        limit_len(&mut state.resets, 8);
        for worker in self.workers {
            let worker_state = worker.await.unwrap();
            state.registered.extend(worker_state.registered);
            state.live.extend(worker_state.live);
            state.refreshed.extend(worker_state.refreshed);
            state.refreshes += worker_state.refreshes;
            state.resets_done += worker_state.resets_done;
            state.spent.extend(worker_state.spent);
            state.signed_out.extend(worker_state.signed_out);
            state.resets.extend(worker_state.resets);
            state.emails.extend(worker_state.emails);
        }
    }
}

fn limit_len<T>(state: &mut HashMap<String, T>, max: usize) {
    let surplus: Vec<String> = state.keys().skip(max).cloned().collect();
    state.retain(|name, _| !surplus.contains(name));
}
