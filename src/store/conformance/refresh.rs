//! A refresh finds its session, decides and changes it in one step.

use super::retrying_store::RetryingStore;
use super::{advance, at, insert, new_user, open, read, session, sid, stored_session, write};
use crate::domain::id::SessionPrefix;
use crate::domain::network::CallerNetwork;
use crate::domain::refresh_key::RefreshKey;
use crate::domain::session::{EndReason, Repeats, Session};
use crate::store::{RefreshStep, SessionAdvance, SessionKey, StoreError};

pub(crate) async fn a_refresh_advances_the_session_it_was_shown(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let mut stored = open(store, session(1, ann)).await;
    let prefix = SessionPrefix(*sid(1).0.as_bytes().first_chunk().expect("a UUID has 16 bytes"));
    for key in [SessionKey::Id(sid(1)), SessionKey::Prefix(prefix)] {
        let to = stored.generation + 1;
        let refreshed = store.refresh_session(key, move |found| {
            let advance = advance(to, 1100, 2100);
            RefreshStep::Advance(advance, found.map(|(session, user)| (session, user.username.to_string())))
        });
        assert_eq!(refreshed.await, Ok(Some((stored.clone(), "ann".to_owned()))), "{key:?}");
        stored = Session {
            generation: to,
            min_generation: to,
            rotated_at: at(1100),
            used_at: at(1100),
            expires_at: at(2100),
            ..stored
        };
        assert_eq!(stored_session(store, sid(1)).await.as_ref(), Some(&stored), "{key:?}");
    }
}

pub(crate) async fn a_refresh_gives_a_session_a_key(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let key = RefreshKey::new([7; 16], 0);
    let keyed = open(store, Session { refresh_key: Some(key), ..session(1, ann) }).await;
    assert_eq!(stored_session(store, sid(1)).await, Some(keyed));
    open(store, session(2, ann)).await;
    let new = RefreshKey::new([8; 16], 1);
    for (to, expires_at, new_refresh_key) in [(1, 200_000, Some(new)), (2, 200_000, None), (3, 400_000, None)] {
        let refreshed = store.refresh_session(SessionKey::Id(sid(2)), move |_| {
            RefreshStep::Advance(SessionAdvance { new_refresh_key, ..advance(to, 1100, expires_at) }, ())
        });
        assert_eq!(refreshed.await, Ok(()));
        let stored = stored_session(store, sid(2)).await;
        let stored = stored.map(|session| (session.generation, session.expires_at, session.refresh_key));
        assert_eq!(stored, Some((to, at(expires_at), Some(new))));
    }
}

pub(crate) async fn repeats_of_a_refresh_are_counted(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let repeats = |rotated_from, from_same_network, from_other_networks| Repeats {
        rotated_from,
        from_same_network,
        from_other_networks,
    };
    let home = Some(CallerNetwork::V4([192, 0, 2]));
    let away = Some(CallerNetwork::V6([7; 8]));
    let mut seen = open(store, Session { repeats: repeats(home, 0, 0), ..session(1, ann) }).await;
    for (from_other_network, expected) in
        [(false, repeats(home, 1, 0)), (true, repeats(home, 1, 1)), (false, repeats(home, 2, 1))]
    {
        let before = seen.clone();
        assert!(write(store, move |tx| tx.count_repeat(&before, from_other_network)).await);
        let before = seen.clone();
        assert!(!write(store, move |tx| tx.count_repeat(&before, from_other_network)).await, "the counts have changed");
        seen = Session { repeats: expected, ..seen };
        assert_eq!(stored_session(store, sid(1)).await, Some(seen.clone()));
    }
    // A rotation stores its network and starts the count of that network at 0. Without a rotation nothing changes.
    for (to, from, expected) in
        [(0, away, repeats(home, 2, 1)), (1, away, repeats(away, 0, 1)), (2, None, repeats(None, 0, 1))]
    {
        let refreshed = store.refresh_session(SessionKey::Id(sid(1)), move |_| {
            RefreshStep::Advance(SessionAdvance { from, ..advance(to, 1100, 2100) }, ())
        });
        assert_eq!(refreshed.await, Ok(()));
        assert_eq!(stored_session(store, sid(1)).await.map(|session| session.repeats), Some(expected), "{to}");
    }
    let stale = seen.clone();
    assert!(!write(store, move |tx| tx.count_repeat(&stale, true)).await, "the session has another generation");
}

pub(crate) async fn a_refresh_may_change_nothing(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let opened = open(store, session(1, ann)).await;
    for (number, is_known) in [(1, true), (2, false)] {
        let refreshed =
            store.refresh_session(SessionKey::Id(sid(number)), |found| RefreshStep::Unchanged(found.is_some()));
        assert_eq!(refreshed.await, Ok(is_known), "{number}");
    }
    assert_eq!(stored_session(store, sid(1)).await, Some(opened));
}

pub(crate) async fn a_refresh_may_run_a_write(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    open(store, session(1, ann)).await;
    let end = || {
        store.refresh_session(SessionKey::Id(sid(1)), |_| {
            RefreshStep::Write(Box::new(|tx| {
                let ended = tx.end_session(sid(1), at(1100), EndReason::Reuse)?;
                tx.set_names(
                    tx.session(sid(1))?.map_or_else(|| panic!("a session"), |(session, _)| session.user),
                    "",
                    "ended",
                )?;
                Ok(ended)
            }))
        })
    };
    assert_eq!(end().await, Ok(true));
    assert_eq!(end().await, Ok(false));
    let (ended, user) = read(store, |tx| tx.session(sid(1))).await.expect("the session is stored");
    assert_eq!((ended.ended, user.last_name.as_str()), (Some((at(1100), EndReason::Reuse)), "ended"));
}

pub(crate) async fn a_failed_refresh_write_leaves_nothing(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let opened = open(store, session(1, ann)).await;
    let failed = store.refresh_session::<()>(SessionKey::Id(sid(1)), |_| {
        RefreshStep::Write(Box::new(|tx| {
            tx.end_session(sid(1), at(1100), EndReason::Reuse)?;
            Err(StoreError::Fault("on purpose".to_owned()))
        }))
    });
    assert_eq!(failed.await, Err(StoreError::Fault("on purpose".to_owned())));
    assert_eq!(stored_session(store, sid(1)).await, Some(opened));
}

/// A refresh that was decided on a session that others advance meanwhile is decided again.
pub(crate) async fn one_of_concurrent_refreshes_advances_a_session(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    open(store, session(1, ann)).await;
    let attempts: Vec<_> = (0..64)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let refreshed = store.refresh_session(SessionKey::Id(sid(1)), move |found| match found {
                    Some((session, _)) if session.generation == 0 => {
                        RefreshStep::Advance(advance(1, 1100, 2000 + number), true)
                    }
                    _ => RefreshStep::Unchanged(false),
                });
                refreshed.await
            })
        })
        .collect();
    let mut applied = Vec::new();
    for (number, attempt) in (0..).zip(attempts) {
        if attempt.await.expect("no panic").expect("no failure") {
            applied.push(2000 + number);
        }
    }
    assert_eq!(applied.len(), 1);
    let left = stored_session(store, sid(1)).await.map(|session| (session.generation, session.expires_at.unix()));
    assert_eq!(left, Some((1, applied[0])), "the values of the successful refresh are stored");
}

pub(crate) async fn an_ended_session_is_not_advanced(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let ended = open(store, Session { ended: Some((at(1050), EndReason::SignOut)), ..session(1, ann) }).await;
    for number in [1, 2] {
        let refreshed = store
            .refresh_session(SessionKey::Id(sid(number)), |_| RefreshStep::Advance(advance(1, 1100, 2100), ()))
            .await;
        assert!(matches!(refreshed, Err(StoreError::Unavailable(_))), "{number}: {refreshed:?}");
    }
    assert_eq!(stored_session(store, sid(1)).await, Some(ended));
}
