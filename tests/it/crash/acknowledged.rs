//! The writes that a server has acknowledged, and the checks that a restarted server still has them.

use std::collections::{HashMap, HashSet};
use std::fs;

use rusqlite::Connection;
use serde_json::json;

use crate::support::binary::{Binary, TestFolder};
use crate::support::token;

/// All acknowledged writes of all rounds.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// Registered users, by name.
    pub registered: Vec<String>,
    /// Access tokens of live sessions.
    pub live: Vec<String>,
    /// The latest refresh token of each session, by user name.
    pub refreshed: HashMap<String, String>,
    /// The number of refreshes.
    pub refreshes: usize,
    /// The number of password resets.
    pub resets_done: usize,
    /// Refresh tokens that are invalid because their successor was used.
    pub spent: Vec<String>,
    /// Refresh tokens of ended sessions.
    pub signed_out: Vec<String>,
    /// Users who reset their passwords, by name.
    pub resets: HashMap<String, AcknowledgedReset>,
    /// The number of accepted reset requests by user name. Each must produce one e-mail.
    pub emails: HashMap<String, usize>,
    /// Generated keys.
    pub keys: Vec<String>,
}

/// The passwords that may be valid for a user who resets the password.
#[derive(Clone, Debug, Default)]
pub struct AcknowledgedReset {
    /// The last acknowledged password.
    pub password: String,
    /// The new password of a reset whose response did not arrive.
    pub unacknowledged: Option<String>,
}

/// A check covers this many of the newest entries of each kind, and about as many of the older entries.
const SAMPLE_SIZE: usize = 12;

/// The newest entries, and every n-th of the older ones from an offset on. Different offsets cover different entries.
fn sample<T>(all: &[T], offset: usize) -> impl Iterator<Item = &T> {
    let (old, new) = all.split_at(all.len().saturating_sub(SAMPLE_SIZE));
    let step = (old.len() / SAMPLE_SIZE).max(1);
    new.iter().chain(old.iter().skip(offset % step).step_by(step))
}

impl Acknowledged {
    /// The numbers of acknowledged writes, in one line.
    pub fn summary(&self) -> String {
        format!(
            "{} registered, {} live sessions, {} refreshed, {} spent, {} signed out, {} e-mails, {} resets, {} keys",
            self.registered.len(),
            self.live.len(),
            self.refreshed.len(),
            self.spent.len(),
            self.signed_out.len(),
            self.emails.values().sum::<usize>(),
            self.resets_done,
            self.keys.len()
        )
    }

    /// The first kind of write that was acknowledged too rarely for a meaningful test of this many rounds, or `None`.
    /// Some rounds are too short for an e-mail or a rotation.
    pub fn missing(&self, rounds: u32) -> Option<String> {
        let per_round = rounds as usize;
        let rare = (rounds as usize / 8).max(1);
        let kinds = [
            ("registrations", self.registered.len(), per_round),
            ("sessions", self.live.len(), per_round),
            ("refreshes", self.refreshes, per_round),
            ("sign-outs", self.signed_out.len(), per_round),
            ("spent tokens", self.spent.len(), rare),
            ("resets", self.resets_done, rare),
            ("rotations", self.keys.len(), rare),
        ];
        let (kind, count, min) = kinds.into_iter().find(|(_, count, min)| count < min)?;
        Some(format!("{count} {kind}, but at least {min} are required"))
    }

    /// Asserts that a server which has just started has the acknowledged writes: all users and keys, the latest refresh
    /// tokens and passwords, and a sample of the other tokens. Refreshes each session in `refreshed` once.
    pub async fn check(&mut self, server: &Binary, folder: &TestFolder) {
        let offset = self.registered.len();
        let users = folder.run(&["users", "list", "--json"]).json();
        let usernames: HashSet<&str> =
            users.as_array().unwrap().iter().filter_map(|user| user["username"].as_str()).collect();
        for name in &self.registered {
            assert!(usernames.contains(name.as_str()), "the registered user {name} is missing");
        }
        let keys: Vec<String> = folder.keys().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
        for kid in &self.keys {
            assert!(keys.contains(kid), "the generated key {kid} is missing");
        }
        for access in sample(&self.live, offset) {
            server.post("/renew_token", Some(access), &json!({})).await.is(200);
        }
        for ended in sample(&self.signed_out, offset).chain(sample(&self.spent, offset)) {
            server.post("/api/refresh/", None, &json!({"refresh_token": ended})).await.is(401);
        }
        for (session, last) in &mut self.refreshed {
            let response = server.post("/api/refresh/", None, &json!({"refresh_token": last})).await;
            assert_eq!(response.status, 200, "the successor of {session}: {response:?}");
            let body = response.json();
            assert_eq!(token::claims(body["access_token"].as_str().unwrap())["token_type"], "access");
            body["refresh_token"].as_str().unwrap().clone_into(last);
        }
        for (name, reset) in &mut self.resets {
            reset.resolve(name, server).await;
        }
    }

    /// Asserts that every accepted e-mail was sent or is waiting. An e-mail that was being sent during the kill is sent
    /// again after two minutes. The test does not wait for that.
    pub fn check_mails(&self, folder: &TestFolder) {
        let sent = fs::read_dir(folder.path("data/mail")).into_iter().flatten().map(|file| file.unwrap().file_name());
        let id = |name: &str| name.strip_suffix(".eml")?.split('-').nth(1)?.parse::<i64>().ok();
        let mut ids: HashSet<i64> = sent.filter_map(|name| id(name.to_str().unwrap())).collect();
        let database = Connection::open(folder.path("data/countersign.db")).unwrap();
        let mut waiting = database.prepare("SELECT id FROM outbox WHERE due_at IS NOT NULL").unwrap();
        ids.extend(waiting.query_map([], |row| row.get::<_, i64>(0)).unwrap().map(Result::unwrap));
        let promised: usize = self.emails.values().sum();
        assert!(ids.len() >= promised, "{promised} e-mails were accepted, but only {} exist", ids.len());
    }
}

impl AcknowledgedReset {
    /// Asserts that the unacknowledged or the acknowledged password works, and records which one.
    async fn resolve(&mut self, name: &str, server: &Binary) {
        let mut accepted = None;
        for password in self.unacknowledged.iter().chain([&self.password]) {
            let body = json!({"username": name, "password": password});
            if server.post("/auth", None, &body).await.status == 200 {
                accepted = Some(password.clone());
                break;
            }
        }
        self.password =
            accepted.unwrap_or_else(|| panic!("{name} cannot sign in with an acknowledged password: {self:?}"));
        self.unacknowledged = None;
    }
}
