//! Reset codes are used once, expire, and are deleted when the account changes.

use super::retrying_store::RetryingStore;
use super::{at, email, insert, new_user, read, write};
use crate::domain::id::UserId;
use crate::domain::password::PasswordHash;
use crate::store::{CodeHash, StoreError, Write};

const ONE: CodeHash = CodeHash([1; 32]);
const TWO: CodeHash = CodeHash([2; 32]);

type WriteClosure = Box<dyn Fn(&dyn Write) -> Result<(), StoreError> + Send + Sync>;

async fn owner(store: &RetryingStore, code: CodeHash, now: i64) -> Option<UserId> {
    read(store, move |tx| tx.reset_code_owner(code, at(now))).await
}

async fn use_code(store: &RetryingStore, code: CodeHash, now: i64) -> Option<UserId> {
    write(store, move |tx| tx.use_reset_code(code, at(now))).await
}

pub(crate) async fn a_reset_code_is_used_once(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    write(store, move |tx| tx.put_reset_code(ann, ONE, at(200))).await;
    assert_eq!((owner(store, ONE, 199).await, owner(store, TWO, 199).await), (Some(ann), None));
    assert_eq!(use_code(store, ONE, 199).await, Some(ann));
    assert_eq!((use_code(store, ONE, 199).await, owner(store, ONE, 199).await), (None, None));
}

pub(crate) async fn account_changes_remove_the_reset_code(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let email = email("ann@example.org");
    let hash = PasswordHash::from_stored("$argon2id$x".to_owned());
    let changes: [WriteClosure; 3] = [
        Box::new(move |tx| tx.set_password(ann, &hash, None)),
        Box::new(move |tx| tx.set_email(ann, &email)),
        Box::new(move |tx| tx.set_active(ann, false)),
    ];
    for change in changes {
        write(store, move |tx| tx.put_reset_code(ann, ONE, at(200))).await;
        write(store, change).await;
        assert_eq!(owner(store, ONE, 100).await, None);
    }
    write(store, move |tx| tx.put_reset_code(ann, ONE, at(200))).await;
    assert_eq!(use_code(store, ONE, 100).await, None, "its owner is disabled");
}

pub(crate) async fn a_newer_reset_code_replaces_the_previous_one(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    write(store, move |tx| {
        tx.put_reset_code(bob, CodeHash([3; 32]), at(200))?;
        tx.put_reset_code(ann, ONE, at(200))?;
        tx.put_reset_code(ann, TWO, at(300))?;
        tx.put_reset_code(UserId(999), CodeHash([9; 32]), at(300))
    })
    .await;
    assert_eq!((use_code(store, ONE, 100).await, use_code(store, TWO, 250).await), (None, Some(ann)));
    assert_eq!(owner(store, CodeHash([3; 32]), 100).await, Some(bob));
    assert_eq!(owner(store, CodeHash([9; 32]), 100).await, None, "no such user");
}

pub(crate) async fn reset_codes_expire_and_are_removed(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    write(store, move |tx| {
        tx.put_reset_code(ann, ONE, at(200))?;
        tx.put_reset_code(bob, TWO, at(300))
    })
    .await;
    assert_eq!((owner(store, ONE, 200).await, use_code(store, ONE, 200).await), (None, None));
    let cleanup = move |now| write(store, move |tx| tx.cleanup_reset_codes(at(now), 9));
    assert_eq!((cleanup(200).await, cleanup(201).await, cleanup(201).await), (0, 1, 0));
    assert_eq!(owner(store, TWO, 250).await, Some(bob));
}
