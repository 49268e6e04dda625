//! Every write closure is atomic, isolated and durable. Every read closure sees one snapshot.

use super::retrying_store::RetryingStore;
use super::{advance, insert, new_user, open, read, session, sid, stored_session, write};
use crate::domain::session::Session;
use crate::domain::user::Login;
use crate::store::{StoreError, Write};

async fn is_there(store: &RetryingStore, name: &'static str) -> bool {
    read(store, move |tx| tx.user_by_login(&Login::new(name))).await.is_some()
}

/// The error type of a use case.
#[derive(Debug, PartialEq)]
enum RuleError {
    ByRule,
    ByStore(StoreError),
}

impl From<StoreError> for RuleError {
    fn from(error: StoreError) -> Self {
        Self::ByStore(error)
    }
}

pub(crate) async fn a_failed_write_leaves_nothing(store: &RetryingStore) {
    let refused = store.write(|tx| {
        tx.insert_user(&new_user("ann"))?;
        Err::<(), _>(RuleError::ByRule)
    });
    assert_eq!(refused.await, Err(RuleError::ByRule));
    assert!(!is_there(store, "ann").await);
}

pub(crate) async fn a_panicking_write_affects_no_other(store: &RetryingStore) {
    let panicked = store.write::<(), StoreError>(|tx| {
        tx.insert_user(&new_user("ann"))?;
        panic!("on purpose: the store must continue")
    });
    assert_eq!(panicked.await, Err(StoreError::Fault("a write panicked".to_owned())));
    assert!(!is_there(store, "ann").await);
    insert(store, new_user("bob")).await;
    for _ in 0..8 {
        let panicked = store.read::<(), StoreError>(|tx| {
            tx.user_by_login(&Login::new("bob"))?;
            panic!("on purpose: the store must continue")
        });
        assert_eq!(panicked.await, Err(StoreError::Fault("a read panicked".to_owned())));
    }
    assert!(is_there(store, "bob").await);
}

pub(crate) async fn writes_of_one_batch_fail_independently(store: &RetryingStore) {
    let names: Vec<String> = (0..60).map(|number| format!("user{number}")).collect();
    let writes: Vec<_> = (0..)
        .zip(names.clone())
        .map(|(number, name)| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .write(move |tx| {
                        tx.insert_user(&new_user(&name))?;
                        match number % 3 {
                            0 => Ok(()),
                            1 => Err(RuleError::ByRule),
                            _ => panic!("on purpose: other writes must not be affected"),
                        }
                    })
                    .await
            })
        })
        .collect();
    for (number, write) in (0..).zip(writes) {
        let result = write.await.expect("the caller does not panic");
        match number % 3 {
            0 => assert_eq!(result, Ok(())),
            1 => assert_eq!(result, Err(RuleError::ByRule)),
            _ => assert_eq!(result, Err(RuleError::ByStore(StoreError::Fault("a write panicked".to_owned())))),
        }
    }
    for (number, name) in (0..).zip(names) {
        let found = read(store, move |tx| tx.user_by_login(&Login::new(&name))).await.is_some();
        assert_eq!(found, number % 3 == 0, "{number}");
    }
}

pub(crate) async fn a_write_sees_what_it_wrote(store: &RetryingStore) {
    let seen = write(store, |tx| {
        let ann = tx.insert_user(&new_user("ann"))?;
        tx.open_session(&session(1, ann))?;
        let (session, user) = tx.session(sid(1))?.expect("the session was just opened");
        Ok(session.user == ann && user.id == ann)
    });
    assert!(seen.await);
}

/// A read queries twice while another caller writes in between. Both queries return the same result.
pub(crate) async fn a_read_sees_one_snapshot(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    open(store, session(1, ann)).await;
    let (queried, wait) = std::sync::mpsc::channel();
    let (resume, written) = std::sync::mpsc::channel();
    let reader = store.plain.clone();
    let read = tokio::spawn(async move {
        reader
            .read(move |tx| {
                let before = tx.user(ann)?.is_some();
                let _ = queried.send(());
                let _ = written.recv();
                Ok::<_, StoreError>((before, tx.user(ann)?.is_some(), tx.session(sid(1))?.is_some()))
            })
            .await
    });
    tokio::task::spawn_blocking(move || wait.recv()).await.expect("no panic").expect("the read has queried once");
    assert!(write(store, move |tx| tx.delete_user(ann)).await);
    resume.send(()).expect("the read waits");
    assert_eq!(read.await.expect("no panic"), Ok((true, true, true)));
    assert_eq!(stored_session(store, sid(1)).await, None);
}

pub(crate) async fn an_acknowledged_write_is_read(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    open(store, session(1, ann)).await;
    for generation in 0..50 {
        let seen_before = Session { generation, ..session(1, ann) };
        let advanced =
            move |tx: &dyn Write| tx.advance_session((&seen_before).into(), advance(generation + 1, 1, 3000));
        assert!(write(store, advanced).await);
        assert_eq!(stored_session(store, sid(1)).await.map(|session| session.generation), Some(generation + 1));
    }
}
