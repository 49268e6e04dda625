//! What a server has acknowledged, and how it is held to it.

use std::collections::{HashMap, HashSet};
use std::fs;

use rusqlite::Connection;
use serde_json::json;

use crate::support::binary::{Binary, TestFolder};
use crate::support::token;

/// Everything acknowledged so far, in all rounds.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// Users by name.
    pub registered: Vec<String>,
    /// Access tokens of sessions that nobody ended.
    pub kept: Vec<String>,
    /// The refresh token each session was given last.
    pub refreshed: HashMap<String, String>,
    /// How often a session was given one.
    pub refreshes: usize,
    /// How many passwords were reset.
    pub resets_done: usize,
    /// Refresh tokens that were spent by a rotation whose successor was used.
    pub spent: Vec<String>,
    /// Refresh tokens of sessions that were signed out.
    pub signed_out: Vec<String>,
    /// Users who reset their passwords.
    pub resets: HashMap<String, AcknowledgedReset>,
    /// How many mails each user was promised.
    pub mails: HashMap<String, usize>,
    /// Keys that were made.
    pub keys: Vec<String>,
}

/// What is known of a user who resets passwords.
#[derive(Clone, Debug, Default)]
pub struct AcknowledgedReset {
    /// The password that was acknowledged last.
    pub password: String,
    /// One that was asked for, with no answer.
    pub maybe: Option<String>,
}

/// So many of each kind are asked at each start; the newest, and some of the others in turn.
const ASKED: usize = 12;

/// The newest of them, and every so manieth of the rest.
fn sample<T>(all: &[T], turn: usize) -> impl Iterator<Item = &T> {
    let (old, new) = all.split_at(all.len().saturating_sub(ASKED));
    let step = (old.len() / ASKED).max(1);
    new.iter().chain(old.iter().skip(turn % step).step_by(step))
}

impl Acknowledged {
    /// How much there is, in a line.
    pub fn summary(&self) -> String {
        format!(
            "{} registered, {} sessions kept, {} refreshed, {} spent, {} signed out, {} mails promised, {} resets, {} keys",
            self.registered.len(),
            self.kept.len(),
            self.refreshed.len(),
            self.spent.len(),
            self.signed_out.len(),
            self.mails.values().sum::<usize>(),
            self.resets_done,
            self.keys.len()
        )
    }

    /// Of what there is too little for a test of so many rounds to mean anything. Some rounds are too short for a mail or a
    /// rotation.
    pub fn missing(&self, rounds: u32) -> Option<String> {
        let each = rounds as usize;
        let few = (rounds as usize / 8).max(1);
        let kinds = [
            ("registrations", self.registered.len(), each),
            ("sessions", self.kept.len(), each),
            ("refreshes", self.refreshes, each),
            ("sign-outs", self.signed_out.len(), each),
            ("spent tokens", self.spent.len(), few),
            ("resets", self.resets_done, few),
            ("rotations", self.keys.len(), few),
        ];
        let (kind, seen, least) = kinds.into_iter().find(|(_, seen, least)| seen < least)?;
        Some(format!("{seen} {kind}, at least {least} are wanted"))
    }

    /// Holds a server that has just started to all of it. A session that is asked for a successor gets one.
    pub async fn check(&mut self, server: &Binary, folder: &TestFolder) {
        let turn = self.registered.len();
        let users = folder.run(&["users", "list", "--json"]).json();
        let known: HashSet<&str> =
            users.as_array().unwrap().iter().filter_map(|user| user["username"].as_str()).collect();
        for name in &self.registered {
            assert!(known.contains(name.as_str()), "{name} was registered, and is gone");
        }
        let keys: Vec<String> = folder.keys().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
        for kid in &self.keys {
            assert!(keys.contains(kid), "the key {kid} was made, and is gone");
        }
        for access in sample(&self.kept, turn) {
            server.post("/renew_token", Some(access), &json!({})).await.is(200);
        }
        for ended in sample(&self.signed_out, turn).chain(sample(&self.spent, turn)) {
            server.post("/api/refresh/", None, &json!({"refresh_token": ended})).await.is(401);
        }
        for (session, last) in &mut self.refreshed {
            let answer = server.post("/api/refresh/", None, &json!({"refresh_token": last})).await;
            assert_eq!(answer.status, 200, "the successor of {session}: {answer:?}");
            let body = answer.json();
            assert_eq!(token::claims(body["access_token"].as_str().unwrap())["token_type"], "access");
            body["refresh_token"].as_str().unwrap().clone_into(last);
        }
        for (name, reset) in &mut self.resets {
            reset.settle(name, server).await;
        }
    }

    /// Every mail that was promised was sent or waits: one that was taken when its process was killed is taken again two
    /// minutes later, which nobody waits for here.
    pub fn check_mails(&self, folder: &TestFolder) {
        let sent = fs::read_dir(folder.path("data/mail")).into_iter().flatten().map(|file| file.unwrap().file_name());
        let id = |name: &str| name.strip_suffix(".eml")?.split('-').nth(1)?.parse::<i64>().ok();
        let mut ids: HashSet<i64> = sent.filter_map(|name| id(name.to_str().unwrap())).collect();
        let database = Connection::open(folder.path("data/countersign.db")).unwrap();
        let mut waiting = database.prepare("SELECT id FROM outbox WHERE due_at IS NOT NULL").unwrap();
        ids.extend(waiting.query_map([], |row| row.get::<_, i64>(0)).unwrap().map(Result::unwrap));
        let promised: usize = self.mails.values().sum();
        assert!(ids.len() >= promised, "{promised} mails were promised, and there are {}", ids.len());
    }
}

impl AcknowledgedReset {
    /// One of the passwords it may be opens the account: the acknowledged one, unless another was under way.
    async fn settle(&mut self, name: &str, server: &Binary) {
        let mut opening = None;
        for password in self.maybe.iter().chain([&self.password]) {
            let body = json!({"username": name, "password": password});
            if server.post("/auth", None, &body).await.status == 200 {
                opening = Some(password.clone());
                break;
            }
        }
        self.password = opening.unwrap_or_else(|| panic!("{name}'s acknowledged password opens nothing: {self:?}"));
        self.maybe = None;
    }
}
