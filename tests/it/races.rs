//! Race conditions between a read and the write that follows: ended sessions, changed hashes and changed lifetimes.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::{Sender, channel};

use countersign::crypto::password_hash::{HashCost, Hasher, ResultSink};
use countersign::domain::algorithm::Algorithm;
use countersign::domain::dialect::Dialect;
use countersign::domain::password::{Password, PasswordHash};
use countersign::issuer::authenticate::Authenticate;
use countersign::issuer::change_permit::OwnerProof;
use countersign::issuer::update_profile::UpdateProfile;
use countersign::issuer::users::{UserChange, find};
use countersign::issuer::{Caller, Refusal, Unauthenticated, keys};
use countersign::random::Random;
use countersign::store::StoreError;
use serde_json::json;

use crate::support::{PASSWORD, TestServer, token};

async fn sign_ins(server: &TestServer, times: usize) -> Vec<u16> {
    let body = json!({"username": "anna", "password": PASSWORD});
    let requests = (0..times).map(|_| tokio::spawn(server.posting("/auth", &body).send()));
    let mut responses = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        responses.push(request.await.unwrap().unwrap().status().as_u16());
    }
    responses
}

#[tokio::test]
async fn concurrent_successful_sign_ins_are_not_counted_as_failures() {
    let server = TestServer::with_anna().await;
    assert_eq!(sign_ins(&server, 40).await, [200; 40]);
}

struct HashSink(Sender<PasswordHash>);

impl ResultSink<PasswordHash> for HashSink {
    fn is_waiting(&self) -> bool {
        true
    }

    fn deliver(self, hash: PasswordHash) {
        self.0.send(hash).unwrap();
    }
}

#[tokio::test]
async fn sign_ins_during_a_hash_upgrade_succeed() {
    let server = TestServer::with_anna().await;
    let other = HashCost { memory_kib: 64, iterations: 1, parallelism: 1 };
    let (sender, receiver) = channel();
    let hasher = Hasher::new(other, 1, &Random::seeded(5), &server.issuer.clock).unwrap();
    hasher.hash(Password::new(PASSWORD.to_owned()), HashSink(sender)).unwrap();
    let outdated = receiver.recv().unwrap();
    let anna = find(&server.issuer, "anna").await.unwrap().unwrap();
    let id = anna.id;
    let stored = outdated.clone();
    let set: Result<(), StoreError> = server.issuer.store.write(move |tx| tx.set_password(id, &stored, None)).await;
    set.unwrap();
    assert_eq!(sign_ins(&server, 8).await, [200; 8]);
    let anna = find(&server.issuer, "anna").await.unwrap().unwrap();
    assert_ne!(anna.password, Some(outdated), "the outdated hash was not replaced");
}

#[tokio::test]
async fn a_concurrently_ended_session_changes_nothing() {
    let server = TestServer::with_anna().await;
    let stolen = server.token("anna").await;
    let caller = Authenticate { token: Some(&stolen) }.run(&server.issuer).await.unwrap();
    // Between the read and the write an operator sets the password, which ends every session.
    server.change("anna", UserChange::SetPassword(Password::new("set by an operator".to_owned()))).await;
    let update = UpdateProfile {
        password: Some(Password::new("set by a thief".to_owned())),
        email: None,
        username: None,
        dialect: Dialect::JwtIssuer,
        proof: OwnerProof { current_password: None, from: Caller { address: IpAddr::V4(Ipv4Addr::LOCALHOST) } },
    };
    let refused = update.run(&caller, &server.issuer).await;
    assert!(matches!(refused, Err(Refusal::NotSignedIn(Unauthenticated::SessionEnded))), "{refused:?}");
    server.token_by("anna", "set by an operator").await;
}

#[tokio::test]
async fn a_key_stays_published_for_tokens_issued_before_a_lifetime_was_lowered() {
    let server = TestServer::with_anna().await;
    let long = token::claims(&server.token("anna").await)["exp"].as_i64().unwrap();
    for dialect in Dialect::ALL {
        server.set(&format!("profiles.{dialect}.access_lifetime"), "1m").await;
    }
    let signing_kid = server.issuer.ring().signing_key(Algorithm::Es256, server.clock.now()).unwrap().kid().clone();
    crate::support::stored_keys::rotate(&server.issuer, Some(Algorithm::Es256), true).await;
    keys::maintain(&server.issuer).await.unwrap();
    let ring = server.issuer.ring();
    let published_until = ring.schedule().get(&signing_kid).unwrap().published_until.unwrap();
    assert!(published_until.unix() >= long, "{published_until}");
}

#[tokio::test]
async fn without_issued_tokens_no_publication_is_extended() {
    let server = TestServer::start().await;
    for dialect in Dialect::ALL {
        server.set(&format!("profiles.{dialect}.access_lifetime"), "1m").await;
    }
    assert_eq!(keys::policy(&server.issuer).promised_until, None);
}
