//! Released names are kept for a time, except for the user who had them.

use super::retrying_store::RetryingStore;
use super::{at, name, read, write};
use crate::domain::id::UserId;

async fn is_kept(store: &RetryingStore, text: &'static str, user: Option<i64>, now: i64) -> bool {
    read(store, move |tx| tx.is_name_kept(&name(text), user.map(UserId), at(now))).await
}

pub(crate) async fn a_released_name_is_kept_from_other_users(store: &RetryingStore) {
    write(store, |tx| tx.keep_name(&name("Ann"), UserId(1), at(200))).await;
    assert!(is_kept(store, "aNN", None, 199).await && is_kept(store, "ann", Some(2), 199).await);
    assert!(!is_kept(store, "ann", Some(1), 199).await, "the former user may take it back");
    assert!(!is_kept(store, "ann", None, 200).await && !is_kept(store, "anna", None, 100).await);
    write(store, |tx| tx.keep_name(&name("ann"), UserId(1), at(300))).await;
    write(store, |tx| tx.keep_name(&name("ann"), UserId(2), at(250))).await;
    assert!(is_kept(store, "ann", Some(1), 249).await && !is_kept(store, "ann", Some(1), 250).await);
    assert!(is_kept(store, "ann", Some(2), 299).await && is_kept(store, "ann", None, 299).await);
}

pub(crate) async fn kept_names_are_removed(store: &RetryingStore) {
    for (text, until) in [("ann", 100), ("ben", 200), ("cid", 300)] {
        write(store, move |tx| tx.keep_name(&name(text), UserId(until), at(until))).await;
    }
    assert_eq!(write(store, |tx| tx.cleanup_kept_names(at(250), 1)).await, 1);
    assert_eq!(write(store, |tx| tx.cleanup_kept_names(at(250), 9)).await, 1);
    assert!(is_kept(store, "cid", None, 250).await);
    assert_eq!(write(store, |tx| tx.cleanup_kept_names(at(300), 9)).await, 0);
}
