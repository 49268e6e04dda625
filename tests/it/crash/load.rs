//! Those who keep a server busy until it is killed, and remember what it acknowledged.

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::acknowledged::{Acknowledged, AcknowledgedReset};
use crate::support::binary::TestFolder;
use crate::support::{PASSWORD, mail};

/// The load of a round.
pub struct Load {
    workers: Vec<JoinHandle<Acknowledged>>,
    rotation: std::process::Child,
    killed: Arc<AtomicBool>,
}

/// Someone who asks, until nobody answers.
#[derive(Clone)]
struct LoadClient {
    client: reqwest::Client,
    url: String,
}

impl LoadClient {
    /// The answer, if it came whole.
    async fn post(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let answer = self.client.post(format!("{}{path}", self.url)).json(body).send().await.ok()?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.ok()?;
        Some((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// A session's refresh token; None at the end.
    async fn open(&self, name: &str) -> Option<String> {
        let body = json!({"email": format!("{name}@example.com"), "password": PASSWORD});
        let (status, body) = self.post("/api/login/", &body).await?;
        assert_eq!(status, 200, "{body}");
        Some(body["refresh_token"].as_str()?.to_owned())
    }

    /// Registers a user and remembers it; None at the end.
    async fn register(&self, name: &str, facts: &mut Acknowledged) -> Option<()> {
        let body = json!({"username": name, "password": PASSWORD, "email": format!("{name}@example.com")});
        let (status, body) = self.post("/register", &body).await?;
        assert_eq!(status, 200, "{body}");
        facts.registered.push(name.to_owned());
        Some(())
    }

    async fn register_users(self, who: String, facts: &mut Acknowledged) -> Option<()> {
        for at in 0.. {
            let name = format!("{who}x{at}");
            self.register(&name, facts).await?;
            let (status, body) = self.post("/auth", &json!({"username": name, "password": PASSWORD})).await?;
            assert_eq!(status, 200, "{body}");
            facts.kept.push(body["jwt"].as_str()?.to_owned());
        }
        None
    }

    async fn refresh_sessions(self, who: String, facts: &mut Acknowledged) -> Option<()> {
        self.register(&who, facts).await?;
        let mut last = self.open(&who).await?;
        facts.refreshed.insert(who.clone(), last.clone());
        loop {
            let (status, body) = self.post("/api/refresh/", &json!({"refresh_token": last})).await?;
            assert_eq!(status, 200, "{body}");
            body["refresh_token"].as_str()?.clone_into(&mut last);
            facts.refreshes += 1;
            facts.refreshed.insert(who.clone(), last.clone());
        }
    }

    /// Sessions that are signed out, and some whose token is used after its successor was: what a thief would do.
    async fn sign_out_sessions(self, who: String, facts: &mut Acknowledged) -> Option<()> {
        self.register(&who, facts).await?;
        for at in 0.. {
            let first = self.open(&who).await?;
            let mut last = first.clone();
            for _ in 0..at % 3 {
                let (status, body) = self.post("/api/refresh/", &json!({"refresh_token": last})).await?;
                assert_eq!(status, 200, "{body}");
                body["refresh_token"].as_str()?.clone_into(&mut last);
            }
            if at % 3 == 2 {
                // Two rotations later it is spent for good; whether this ends the session is asked after the kill.
                facts.spent.push(first);
                continue;
            }
            let (status, body) = self.post("/api/logout/", &json!({"refresh_token": last})).await?;
            assert_eq!(status, 200, "{body}");
            facts.signed_out.push(last);
        }
        None
    }

    async fn reset_passwords(self, who: String, mails: std::path::PathBuf, facts: &mut Acknowledged) -> Option<()> {
        self.register(&who, facts).await?;
        let to = format!("{who}@example.com");
        facts
            .resets
            .insert(who.clone(), AcknowledgedReset { password: PASSWORD.to_owned(), ..AcknowledgedReset::default() });
        for at in 0.. {
            let (status, body) = self.post("/request_password_reset", &json!({"email": to})).await?;
            assert_eq!(status, 200, "{body}");
            let promised = facts.mails.entry(who.clone()).or_default();
            *promised += 1;
            let code = loop {
                let all = mail::all(&mails);
                let mine: Vec<_> = all.iter().filter(|mail| mail.header("To").contains(&to)).collect();
                if mine.len() >= *promised {
                    break mine.last()?.code().to_owned();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
                self.client.get(format!("{}/liveliness", self.url)).send().await.ok()?;
            };
            let new = format!("the new password {at}");
            let known = facts.resets.get_mut(&who)?;
            known.maybe = Some(new.clone());
            let (status, body) =
                self.post("/reset_password", &json!({"reset_code": code, "new_password": new})).await?;
            assert_eq!(status, 200, "{body}");
            known.maybe = None;
            known.password = new;
            facts.resets_done += 1;
        }
        None
    }
}

/// Starts everyone. The users are new ones in each round.
pub fn start(url: &str, folder: &TestFolder, round: u32) -> Load {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let asker = LoadClient { client, url: url.to_owned() };
    let mails = folder.path("data/mail");
    let mut workers = Vec::new();
    let killed = Arc::new(AtomicBool::new(false));
    for at in 0..2 {
        let name = |kind: &str| format!("{kind}{round}n{at}");
        let one = asker.clone();
        let who = name("reg");
        let over = Arc::clone(&killed);
        workers.push(tokio::spawn(async move {
            let mut facts = Acknowledged::default();
            one.register_users(who, &mut facts).await;
            ended(&over);
            facts
        }));
        let one = asker.clone();
        let who = name("ref");
        let over = Arc::clone(&killed);
        workers.push(tokio::spawn(async move {
            let mut facts = Acknowledged::default();
            one.refresh_sessions(who, &mut facts).await;
            ended(&over);
            facts
        }));
        let one = asker.clone();
        let who = name("out");
        let over = Arc::clone(&killed);
        workers.push(tokio::spawn(async move {
            let mut facts = Acknowledged::default();
            one.sign_out_sessions(who, &mut facts).await;
            ended(&over);
            facts
        }));
        let one = asker.clone();
        let who = name("res");
        let mails = mails.clone();
        let over = Arc::clone(&killed);
        workers.push(tokio::spawn(async move {
            let mut facts = Acknowledged::default();
            one.reset_passwords(who, mails, &mut facts).await;
            ended(&over);
            facts
        }));
    }
    let mut rotate: Command = folder.command(&["keys", "rotate", "--now", "--alg", "ES256"]);
    let rotation = rotate.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    Load { workers, rotation, killed }
}

/// Nobody may stop asking before the kill: who has nothing to do proves nothing.
fn ended(killed: &AtomicBool) {
    assert!(killed.load(Ordering::SeqCst), "a worker ended, and not by the kill");
}

impl Load {
    /// To be said before the server is killed: from now on it is no wonder that nobody answers.
    pub fn expect_kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
    }

    /// Kills the rotation, too, wherever it is; and adds what was acknowledged to what is known.
    pub async fn join(mut self, facts: &mut Acknowledged) {
        let _ = self.rotation.kill();
        let rotated = self.rotation.wait_with_output().unwrap();
        if rotated.status.success() {
            facts.keys.push(String::from_utf8(rotated.stdout).unwrap().trim().to_owned());
        }
        // So many go on from round to round, and no more: each costs a request or two at every start.
        keep(&mut facts.refreshed, 24);
        keep(&mut facts.resets, 8);
        for worker in self.workers {
            let seen = worker.await.unwrap();
            facts.registered.extend(seen.registered);
            facts.kept.extend(seen.kept);
            facts.refreshed.extend(seen.refreshed);
            facts.refreshes += seen.refreshes;
            facts.resets_done += seen.resets_done;
            facts.spent.extend(seen.spent);
            facts.signed_out.extend(seen.signed_out);
            facts.resets.extend(seen.resets);
            facts.mails.extend(seen.mails);
        }
    }
}

fn keep<T>(facts: &mut HashMap<String, T>, most: usize) {
    let surplus: Vec<String> = facts.keys().skip(most).cloned().collect();
    facts.retain(|name, _| !surplus.contains(name));
}
