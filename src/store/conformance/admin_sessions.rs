//! Sessions of the admin zone.

use super::{ask, at, change, hash, insert, ip, someone};
use crate::domain::admin_session::{AdminHash, AdminSession};
use crate::domain::id::UserId;
use crate::domain::user::NewUser;
use crate::store::{Store, StoreError, Write};

async fn root(store: &Store) -> UserId {
    insert(store, NewUser { is_superuser: true, ..someone("root") }).await
}

async fn open(store: &Store, number: u8, user: UserId) -> (AdminHash, AdminSession) {
    let opened = (AdminHash([number; 32]), AdminSession::opened(user, at(1000), Some(ip("192.0.2.1"))));
    let (hash, session) = opened.clone();
    change(store, move |tx| tx.open_admin_session(hash, &session)).await;
    opened
}

async fn is_there(store: &Store, hash: AdminHash) -> bool {
    ask(store, move |tx| tx.admin_session(hash)).await.is_some()
}

pub(crate) async fn an_admin_session_comes_with_its_user(store: &Store) {
    let root = root(store).await;
    let (hash, session) = open(store, 1, root).await;
    let (found, user) = ask(store, move |tx| tx.admin_session(hash)).await.expect("it is there");
    assert_eq!((found, user.id, user.is_superuser), (session.clone(), root, true));
    assert!(!is_there(store, AdminHash([2; 32])).await);
    let later = session.seen(at(2000)).expect("much later").proven(at(2000));
    let after = later.clone();
    change(store, move |tx| tx.update_admin_session(hash, &after)).await;
    assert_eq!(ask(store, move |tx| tx.admin_session(hash)).await.map(|(found, _)| found), Some(later));
    assert!(change(store, move |tx| tx.end_admin_session(hash)).await);
    assert!(!change(store, move |tx| tx.end_admin_session(hash)).await && !is_there(store, hash).await);
}

pub(crate) async fn all_but_one_admin_session_end(store: &Store) {
    let (root, other) = (root(store).await, insert(store, someone("other")).await);
    let [(one, _), (two, _), (others, _)] =
        [open(store, 1, root).await, open(store, 2, root).await, open(store, 3, other).await];
    assert_eq!(change(store, move |tx| tx.end_admin_sessions_of(root, Some(two))).await, 1);
    assert!(!is_there(store, one).await && is_there(store, two).await && is_there(store, others).await);
    assert_eq!(change(store, move |tx| tx.end_admin_sessions_of(root, None)).await, 1);
    assert!(!is_there(store, two).await && is_there(store, others).await);
}

pub(crate) async fn who_loses_the_right_is_out(store: &Store) {
    type Loss = fn(&dyn Write, UserId) -> Result<(), StoreError>;
    let losses: [Loss; 3] = [
        |tx, id| tx.set_password(id, &hash("second"), false),
        |tx, id| tx.set_active(id, false).and_then(|()| tx.set_active(id, true)),
        |tx, id| tx.delete_user(id).map(drop),
    ];
    let root = root(store).await;
    for loss in losses {
        let (session, _) = open(store, 1, root).await;
        change(store, move |tx| tx.upgrade_hash(root, &hash("second"), &hash("second"))).await;
        assert!(is_there(store, session).await);
        change(store, move |tx| loss(tx, root)).await;
        assert!(!is_there(store, session).await);
    }
}

pub(crate) async fn admin_sessions_are_swept(store: &Store) {
    let root = root(store).await;
    for number in 1..4 {
        open(store, number, root).await;
    }
    let sweep = move |before, limit| change(store, move |tx| tx.sweep_admin_sessions(at(before), limit));
    assert_eq!((sweep(2800, 9).await, sweep(2801, 2).await, sweep(2801, 9).await, sweep(2801, 9).await), (0, 2, 1, 0));
}

pub(crate) async fn a_superuser_is_known_to_be_there(store: &Store) {
    insert(store, someone("plain")).await;
    assert!(!ask(store, |tx| tx.any_superuser()).await);
    let root = root(store).await;
    change(store, move |tx| tx.set_active(root, false)).await;
    assert!(ask(store, |tx| tx.any_superuser()).await, "one who is disabled is one");
}
