//! The limit of the sessions of a user, and the end of more sessions than one write changes.

use super::retrying_store::RetryingStore;
use super::{at, insert, new_user, open, read, session, sid, stored_session, write};
use crate::domain::browser_session::{BrowserSession, BrowserTokenHash};
use crate::domain::id::UserId;
use crate::domain::session::{EndReason, Session};
use crate::store::SessionQuery;

async fn is_stored(store: &RetryingStore, number: u128) -> bool {
    stored_session(store, sid(number)).await.is_some()
}

pub(crate) async fn the_least_recently_used_sessions_are_removed(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    for (number, used, expires, user) in [
        (1, 1300, 2000, ann),
        (2, 1100, 2000, ann),
        (3, 1200, 2000, ann),
        (4, 1250, 1400, ann),
        (5, 1000, 2000, bob),
        (6, 1000, 2000, ann),
    ] {
        open(store, Session { used_at: at(used), expires_at: at(expires), ..session(number, user) }).await;
    }
    write(store, |tx| tx.end_session(sid(6), at(1350), EndReason::SignOut)).await;
    let remove = async |keep| write(store, move |tx| tx.remove_least_recently_used(ann, keep, at(1500))).await;
    assert_eq!(remove(4).await, 0, "an ended session does not count");
    assert!(is_stored(store, 4).await);
    assert_eq!(remove(3).await, 0, "the expired session is removed first and is not counted");
    assert!(!is_stored(store, 4).await);
    assert_eq!(remove(1).await, 2);
    for (number, expected) in [(1, true), (2, false), (3, false), (5, true), (6, true)] {
        assert_eq!(is_stored(store, number).await, expected, "{number}");
    }
    assert_eq!(remove(0).await, 1);
    assert_eq!(remove(0).await, 0);
}

pub(crate) async fn the_least_recently_used_admin_sessions_are_removed(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    let hash = |number: u8| BrowserTokenHash([number; 32]);
    for (number, seen, user) in [(1, 1300, ann), (2, 1100, ann), (3, 1200, ann), (4, 1000, bob)] {
        let session = BrowserSession {
            user,
            opened_at: at(1000),
            seen_at: at(seen),
            stepped_up_at: at(1000),
            expires_at: at(2000),
            address: None,
        };
        write(store, move |tx| tx.open_admin_session(hash(number), &session)).await;
    }
    let remove = async |keep| write(store, move |tx| tx.remove_least_recently_used_admin_sessions(ann, keep)).await;
    assert_eq!((remove(3).await, remove(2).await, remove(1).await), (0, 1, 1));
    for (number, expected) in [(1, true), (2, false), (3, false), (4, true)] {
        let found = read(store, move |tx| tx.admin_session(hash(number))).await;
        assert_eq!(found.is_some(), expected, "{number}");
    }
}

/// Opens more sessions than one write ends, as a database of before the limit may have.
async fn open_many(store: &RetryingStore, user: UserId) {
    write(store, move |tx| {
        for number in 1..=1100 {
            tx.open_session(&session(number, user))?;
        }
        Ok(())
    })
    .await;
}

pub(crate) async fn more_sessions_than_one_write_ends_are_ended_at_once(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    open_many(store, ann).await;
    open(store, session(2000, bob)).await;
    let end = |except| write(store, move |tx| tx.end_sessions_of(ann, except, at(1100), EndReason::PasswordChanged));
    assert_eq!(end(Some(sid(7))).await, 1000);
    let live = async || {
        let mut live = Vec::new();
        for number in (1..=1100).chain([2000, 3000]) {
            let found = stored_session(store, sid(number)).await;
            live.extend(found.filter(|session| session.is_unexpired(at(1100))).map(|_| number));
        }
        live
    };
    assert_eq!(live().await, [7, 2000]);
    let listed = read(store, move |tx| tx.sessions_of(ann, at(1100))).await;
    assert_eq!(listed.iter().map(|session| session.id).collect::<Vec<_>>(), [sid(7)]);
    let query = SessionQuery { user: Some(ann), limit: 2000, ..SessionQuery::default() };
    let mut paged = Vec::new();
    let mut next = Some(query);
    while let Some(query) = next {
        let page = read(store, move |tx| tx.session_page(&query, at(1100))).await;
        paged.extend(page.sessions.iter().map(|(session, _)| session.id));
        next = page.next.map(|after| SessionQuery { after: Some(after), ..query });
    }
    assert_eq!(paged, [sid(7)]);
    // A session that is opened in the same second is live, and the next end includes it.
    open(store, session(3000, ann)).await;
    assert_eq!(live().await, [7, 2000, 3000]);
    end(None).await;
    assert_eq!(live().await, [2000]);
}

pub(crate) async fn many_sessions_are_removed_in_batches(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    open_many(store, ann).await;
    let remove = async || write(store, move |tx| tx.remove_least_recently_used(ann, 99, at(1100))).await;
    assert_eq!((remove().await, remove().await, remove().await), (901, 100, 0));
}
