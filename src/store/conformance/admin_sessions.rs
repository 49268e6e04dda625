//! Admin sessions are opened, updated and ended. Some changes to their user end them too.

use std::time::Duration;

use super::retrying_store::RetryingStore;
use super::{at, hash, insert, ip, new_user, read, write};
use crate::domain::browser_session::{BrowserSession, BrowserTokenHash, SessionLifetime};
use crate::domain::id::UserId;
use crate::domain::user::NewUser;
use crate::store::{StoreError, Write};

const LIFETIME: SessionLifetime =
    SessionLifetime { idle_timeout: Duration::from_mins(30), max_lifetime: Duration::from_hours(12) };

async fn root(store: &RetryingStore) -> UserId {
    insert(store, NewUser { is_superuser: true, ..new_user("root") }).await
}

async fn open(store: &RetryingStore, number: u8, user: UserId) -> (BrowserTokenHash, BrowserSession) {
    let opened =
        (BrowserTokenHash([number; 32]), BrowserSession::opened(user, at(1000), LIFETIME, Some(ip("192.0.2.1"))));
    let (hash, session) = opened.clone();
    write(store, move |tx| tx.open_admin_session(hash, &session)).await;
    opened
}

async fn is_there(store: &RetryingStore, hash: BrowserTokenHash) -> bool {
    read(store, move |tx| tx.admin_session(hash)).await.is_some()
}

pub(crate) async fn an_admin_session_is_read_with_its_user(store: &RetryingStore) {
    let root = root(store).await;
    let (hash, session) = open(store, 1, root).await;
    let (found, user) = read(store, move |tx| tx.admin_session(hash)).await.expect("the session is stored");
    assert_eq!((found, user.id, user.is_superuser), (session.clone(), root, true));
    assert!(!is_there(store, BrowserTokenHash([2; 32])).await);
    let later = session.with_activity(at(2000), LIFETIME).expect("much later").stepped_up(at(2000));
    let after = later.clone();
    write(store, move |tx| tx.update_admin_session(hash, &after)).await;
    assert_eq!(read(store, move |tx| tx.admin_session(hash)).await.map(|(found, _)| found), Some(later));
    assert!(write(store, move |tx| tx.end_admin_session(hash)).await);
    assert!(!write(store, move |tx| tx.end_admin_session(hash)).await && !is_there(store, hash).await);
}

pub(crate) async fn all_admin_sessions_but_one_end(store: &RetryingStore) {
    let root = root(store).await;
    let other = insert(store, new_user("other")).await;
    let [(one, _), (two, _), (others, _)] =
        [open(store, 1, root).await, open(store, 2, root).await, open(store, 3, other).await];
    assert_eq!(write(store, move |tx| tx.end_admin_sessions_of(root, Some(two))).await, 1);
    assert!(!is_there(store, one).await && is_there(store, two).await && is_there(store, others).await);
    assert_eq!(write(store, move |tx| tx.end_admin_sessions_of(root, None)).await, 1);
    assert!(!is_there(store, two).await && is_there(store, others).await);
}

pub(crate) async fn losing_rights_ends_the_admin_sessions(store: &RetryingStore) {
    type RightsLoss = fn(&dyn Write, UserId) -> Result<(), StoreError>;
    let losses: [RightsLoss; 3] = [
        |tx, id| tx.set_password(id, &hash("second"), None),
        |tx, id| tx.set_active(id, false).and_then(|()| tx.set_active(id, true)),
        |tx, id| tx.delete_user(id).map(drop),
    ];
    let root = root(store).await;
    for loss in losses {
        let (session, _) = open(store, 1, root).await;
        write(store, move |tx| tx.upgrade_hash(root, &hash("second"), &hash("second"))).await;
        assert!(is_there(store, session).await);
        write(store, move |tx| loss(tx, root)).await;
        assert!(!is_there(store, session).await);
    }
}

pub(crate) async fn expired_admin_sessions_are_removed(store: &RetryingStore) {
    let root = root(store).await;
    for number in 1..4 {
        open(store, number, root).await;
    }
    let cleanup = move |before, limit| write(store, move |tx| tx.cleanup_admin_sessions(at(before), limit));
    assert_eq!(
        (cleanup(2800, 9).await, cleanup(2801, 2).await, cleanup(2801, 9).await, cleanup(2801, 9).await),
        (0, 2, 1, 0)
    );
}

pub(crate) async fn any_superuser_is_reported(store: &RetryingStore) {
    insert(store, new_user("plain")).await;
    assert!(!read(store, |tx| tx.any_superuser()).await);
    let root = root(store).await;
    write(store, move |tx| tx.set_active(root, false)).await;
    assert!(read(store, |tx| tx.any_superuser()).await, "a disabled superuser counts");
}
