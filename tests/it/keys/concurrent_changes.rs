//! Changes of keys that overlap with another change, or whose client has disconnected.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign::app;
use countersign::clock::Clock;
use countersign::config::Config;
use countersign::domain::audit::Operator;
use countersign::issuer::Issuer;
use countersign::issuer::keys::{self, KeyContext, Rotate};
use countersign::random::Random;
use countersign::store::StoreError;

use crate::support::{QUICK_HASHES, TestServer, copy_keys, wait_until};

/// Locks a key folder as a process that changes it does. Changes plan and generate keys, and then wait for the lock.
fn lock(folder: &Path) -> File {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(folder.join(".lock")).unwrap();
    file.lock().unwrap();
    file
}

/// The number of changes that have begun, plus those for which a test has prepared a context: each has a handle of the
/// key source.
fn changes(issuer: &Issuer) -> usize {
    Arc::strong_count(&issuer.key_source) - 1
}

/// The details of the recorded rotations.
async fn rotations(issuer: &Issuer) -> Vec<String> {
    let lines: Result<_, StoreError> = issuer.store.read(|tx| tx.audit_lines(None, 1000)).await;
    lines.unwrap().into_iter().filter(|line| line.action == "key_rotated").map(|line| line.detail).collect()
}

#[tokio::test]
async fn two_servers_make_a_due_rotation_once_and_record_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    copy_keys(&folder.path().join("keys"));
    let settings =
        format!("data_dir = '{path}/data'\nkeys_dir = '{path}/keys'\nkeys.rotate_every = '30d'\n{QUICK_HASHES}");
    let config = Config::from_toml(&settings).unwrap();
    let clock = Clock::manual(Clock::system().now());
    let first = app::build(&config, clock.clone(), Random::System).await.unwrap();
    let second = app::build(&config, clock.clone(), Random::System).await.unwrap();
    keys::maintain(&first).await.unwrap();
    assert_eq!(rotations(&first).await, Vec::<String>::new());

    clock.advance(Duration::from_hours(29 * 24));
    let locked = lock(&folder.path().join("keys"));
    let tick = |issuer: &Arc<Issuer>| {
        let issuer = Arc::clone(issuer);
        tokio::spawn(async move { keys::maintain(&issuer).await })
    };
    let ticks = [tick(&first), tick(&second)];
    wait_until("both plan a rotation", async || changes(&first) > 0 && changes(&second) > 0).await;
    drop(locked);
    for tick in ticks {
        tick.await.unwrap().unwrap();
    }
    for issuer in [&first, &second] {
        keys::maintain(issuer).await.unwrap();
        assert_eq!(issuer.ring().schedule().keys().len(), 4, "one new key for each algorithm");
    }
    let recorded = rotations(&first).await;
    assert_eq!(recorded.len(), 2, "{recorded:?}");
    for key in &first.ring().schedule().keys()[2..] {
        let detail = format!("{} key {} signs from {}, created by keys.rotate_every", key.alg, key.kid, key.signs_from);
        assert!(recorded.contains(&detail), "{detail}: {recorded:?}");
    }
}

#[tokio::test]
async fn a_change_whose_client_disconnects_is_completed_and_recorded() {
    let server = TestServer::start().await;
    let issuer = &server.issuer;
    let locked = lock(&server.path("keys"));
    let context = KeyContext::of_server(issuer);
    let prepared = changes(issuer);
    let rotate = Rotate { alg: None, at_once: true, by: Operator::CommandLine }.run(&context);
    tokio::select! {
        changed = rotate => panic!("the folder is locked: {changed:?}"),
        () = wait_until("the change begins", async || changes(issuer) > prepared) => {}
    }
    assert_eq!(rotations(issuer).await, Vec::<String>::new());
    drop(locked);
    wait_until("the rotation is recorded", async || rotations(issuer).await.len() == 2).await;
    assert_eq!(issuer.ring().schedule().keys().len(), 4, "the ring is reloaded before the entry is written");
}
