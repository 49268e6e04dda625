//! Confirmations of addresses are found by their link, expire, and are deleted when the account changes.

use super::retrying_store::RetryingStore;
use super::{at, email, hash, insert, name, new_user, read, write};
use crate::domain::email_confirmation::EmailConfirmation;
use crate::domain::id::UserId;
use crate::store::{CodeHash, StoreError, Write};

const ONE: CodeHash = CodeHash([1; 32]);
const TWO: CodeHash = CodeHash([2; 32]);

type WriteClosure = Box<dyn Fn(&dyn Write) -> Result<(), StoreError> + Send + Sync>;

fn confirmation(user: UserId, address: &str, expires_at: i64) -> EmailConfirmation {
    EmailConfirmation {
        user,
        email: email(address),
        becomes_username: true,
        requested_at: at(100),
        expires_at: at(expires_at),
    }
}

async fn put(store: &RetryingStore, confirmation: EmailConfirmation, link: CodeHash) {
    write(store, move |tx| tx.put_email_confirmation(&confirmation, link)).await;
}

/// Returns the address that a link confirms.
async fn found(store: &RetryingStore, link: CodeHash, now: i64) -> Option<String> {
    let found = read(store, move |tx| tx.email_confirmation(link, at(now))).await;
    found.map(|confirmation| confirmation.email.to_string())
}

pub(crate) async fn a_confirmation_is_read_by_its_link_until_it_expires(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    put(store, confirmation(ann, "new@example.org", 200), ONE).await;
    let by_link = read(store, |tx| tx.email_confirmation(ONE, at(199))).await.expect("the link is valid");
    let of_user = read(store, move |tx| tx.email_confirmation_of(ann, at(199))).await.expect("the link is valid");
    for read in [by_link, of_user] {
        assert_eq!((read.user, read.email.as_str(), read.becomes_username), (ann, "new@example.org", true));
        assert_eq!((read.requested_at, read.expires_at), (at(100), at(200)));
    }
    assert_eq!((found(store, ONE, 200).await, found(store, TWO, 199).await), (None, None));
    write(store, move |tx| tx.set_username(ann, &name("anna"))).await;
    let renamed = read(store, |tx| tx.email_confirmation(ONE, at(199))).await;
    assert!(renamed.is_some_and(|confirmation| !confirmation.becomes_username), "the newest name counts");
    assert!(read(store, move |tx| tx.email_confirmation_of(ann, at(200))).await.is_none());
}

pub(crate) async fn a_newer_confirmation_replaces_the_previous_one(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    put(store, confirmation(ann, "one@example.org", 200), ONE).await;
    put(store, confirmation(ann, "two@example.org", 300), TWO).await;
    put(store, confirmation(bob, "two@example.org", 300), CodeHash([3; 32])).await;
    put(store, confirmation(UserId(999), "x@example.org", 300), CodeHash([9; 32])).await;
    assert_eq!(
        (found(store, ONE, 100).await, found(store, TWO, 250).await),
        (None, Some("two@example.org".to_owned()))
    );
    assert_eq!(found(store, CodeHash([3; 32]), 250).await.as_deref(), Some("two@example.org"), "of another user");
    assert_eq!(found(store, CodeHash([9; 32]), 100).await, None, "no such user");
}

pub(crate) async fn account_changes_remove_a_requested_address(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    // The change, and whether the confirmation of the current address remains.
    let changes: [(WriteClosure, bool); 6] = [
        (Box::new(move |tx| tx.set_password(ann, &hash("second"), None)), true),
        (Box::new(move |tx| tx.set_rights(ann, false, true)), true),
        (Box::new(move |tx| tx.cancel_email_change(ann).map(drop)), true),
        (Box::new(move |tx| tx.set_active(ann, true)), true),
        (Box::new(move |tx| tx.verify_email(ann).map(drop)), false),
        (Box::new(move |tx| tx.set_email(ann, &email("ann@example.com"))), false),
    ];
    for (number, (change, remains)) in changes.into_iter().enumerate() {
        let change = std::sync::Arc::new(change);
        let run = |change: std::sync::Arc<WriteClosure>| write(store, move |tx| change(tx));
        put(store, confirmation(ann, "ann@example.com", 200), ONE).await;
        run(std::sync::Arc::clone(&change)).await;
        assert_eq!(found(store, ONE, 100).await.is_some(), remains, "the current address, change {number}");
        put(store, confirmation(ann, "new@example.org", 200), TWO).await;
        run(change).await;
        let is_verification = number == 4;
        assert_eq!(found(store, TWO, 100).await.is_some(), is_verification, "a new address, change {number}");
    }
    put(store, confirmation(ann, "new@example.org", 200), ONE).await;
    write(store, move |tx| tx.set_active(ann, false)).await;
    put(store, confirmation(ann, "new@example.org", 200), ONE).await;
    assert_eq!(found(store, ONE, 100).await, None, "the user is disabled");
    write(store, move |tx| tx.delete_user(ann)).await;
    assert!(read(store, move |tx| tx.email_confirmation_of(ann, at(100))).await.is_none());
}

pub(crate) async fn an_obligation_to_confirm_ends_with_the_verification(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let must = |user: UserId| read(store, move |tx| tx.must_confirm_email(user));
    assert!(!must(ann).await);
    write(store, move |tx| tx.require_email_confirmation(ann)).await;
    assert!(must(ann).await);
    write(store, move |tx| tx.set_email(ann, &email("new@example.org"))).await;
    assert!(must(ann).await, "another unverified address");
    assert!(write(store, move |tx| tx.verify_email(ann)).await && !must(ann).await);
    write(store, move |tx| tx.require_email_confirmation(ann)).await;
    assert!(!must(ann).await, "the address is verified");
    let bob = insert(store, new_user("bob")).await;
    write(store, move |tx| tx.require_email_confirmation(bob)).await;
    write(store, move |tx| tx.remove_email(bob)).await;
    assert!(!must(bob).await, "there is no address");
}

pub(crate) async fn expired_confirmations_are_removed(store: &RetryingStore) {
    for (user_name, link, expires_at) in [("ann", 1, 200), ("bob", 2, 300), ("cid", 3, 400)] {
        let user = insert(store, new_user(user_name)).await;
        put(store, confirmation(user, "new@example.org", expires_at), CodeHash([link; 32])).await;
    }
    let cleanup = move |now, limit| write(store, move |tx| tx.cleanup_email_confirmations(at(now), limit));
    assert_eq!((cleanup(200, 9).await, cleanup(301, 1).await, cleanup(301, 9).await), (0, 1, 1));
    assert!(found(store, CodeHash([3; 32]), 301).await.is_some());
    assert_eq!(write(store, |tx| tx.delete_all_email_confirmations()).await, 1);
}
