//! Sessions are opened, advanced, ended, listed and removed.

use uuid::Uuid;

use super::retrying_store::RetryingStore;
use super::{
    DRF_PYJWT, SIMPLEJWT, advance, at, insert, name, new_user, open, read, session, sid, stored_session, write,
};
use crate::domain::amr::Amr;
use crate::domain::dialect::Dialect;
use crate::domain::id::{SessionId, SessionPrefix};
use crate::domain::origin::Origin;
use crate::domain::session::{EndReason, Session};
use crate::store::{SessionAdvance, SessionQuery, StoreError};

pub(crate) async fn a_session_is_read_with_its_user(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let plain = open(store, session(1, ann)).await;
    let odd = Session {
        opened_by: SIMPLEJWT,
        auth_time: at(700),
        amr: Some(Amr::Password),
        generation: u32::MAX,
        ended: Some((at(1500), EndReason::Reuse)),
        temporary_since: Some(at(900)),
        address: None,
        provider: Some("google".parse().expect("a provider name")),
        ..session(2, ann)
    };
    let odd = open(store, odd).await;
    for opened in [plain, odd] {
        let id = opened.id;
        let (found, user) = read(store, move |tx| tx.session(id)).await.expect("the session is found");
        assert_eq!(found, opened);
        assert_eq!((user.id, user.username.as_str(), user.must_change_password()), (ann, "ann", false));
    }
    assert_eq!(stored_session(store, sid(3)).await, None);
    let again = session(1, ann);
    let twice = store.write(move |tx| tx.open_session(&again)).await;
    assert!(matches!(twice, Err(StoreError::Fault(_))), "{twice:?}");
}

pub(crate) async fn a_session_advances_only_from_the_seen_generation(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let first = open(store, session(1, ann)).await;
    let other = open(store, session(2, ann)).await;
    let advance_from = move |from, to, now, expires| {
        let seen = Session { generation: from, ..session(1, ann) };
        write(store, move |tx| {
            let advance = SessionAdvance { invalidates_earlier: from < to, ..advance(to, now, expires) };
            tx.advance_session((&seen).into(), advance)
        })
    };
    assert!(advance_from(0, 1, 1100, 2100).await);
    let rotated = Session {
        generation: 1,
        min_generation: 1,
        rotated_at: at(1100),
        used_at: at(1100),
        expires_at: at(2100),
        ..first
    };
    assert_eq!(stored_session(store, sid(1)).await, Some(rotated.clone()));
    assert!(!advance_from(0, 1, 1200, 2200).await, "the session is no longer at the seen generation");
    assert!(advance_from(1, 1, 1300, 2300).await);
    let slid = Session { used_at: at(1300), expires_at: at(2300), ..rotated };
    assert_eq!(stored_session(store, sid(1)).await, Some(slid), "the rotation date changes only with the generation");
    assert_eq!(stored_session(store, sid(2)).await, Some(other));
    let tomorrow = 2300 + 24 * 60 * 60;
    assert!(advance_from(1, 2, 1400, tomorrow).await);
    assert_eq!(stored_session(store, sid(1)).await.map(|session| session.expires_at), Some(at(tomorrow)));
    assert!(advance_from(2, 3, 1500, 2400).await, "the generation matches, although the day of the end differs");
    assert_eq!(stored_session(store, sid(1)).await.map(|session| session.expires_at), Some(at(2400)));
    let cleaned = write(store, move |tx| tx.cleanup_sessions(at(tomorrow), 10)).await;
    assert_eq!((cleaned, stored_session(store, sid(1)).await), (2, None), "cleanup uses the stored day");
    let missing = session(9, ann);
    assert!(!write(store, move |tx| tx.advance_session((&missing).into(), advance(1, 1, 2))).await, "no such session");
}

pub(crate) async fn an_ended_session_stays_ended(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    open(store, session(1, ann)).await;
    open(store, session(2, ann)).await;
    let end = move |id, now, reason| write(store, move |tx| tx.end_session(sid(id), at(now), reason));
    assert!(end(1, 1100, EndReason::SignOut).await);
    assert!(!end(1, 1200, EndReason::Reuse).await);
    let ended = stored_session(store, sid(1)).await.and_then(|session| session.ended);
    assert_eq!(ended, Some((at(1100), EndReason::SignOut)));
    let before = session(1, ann);
    assert!(!write(store, move |tx| tx.advance_session((&before).into(), advance(1, 1300, 3000))).await);
    assert!(!end(2, 2000, EndReason::SignOut).await, "the session had already expired");
    assert_eq!(stored_session(store, sid(2)).await.and_then(|session| session.ended), None);
    assert!(!end(3, 1100, EndReason::SignOut).await, "no such session");
}

pub(crate) async fn all_sessions_but_one_end(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    for number in 1..=4 {
        open(store, session(number, ann)).await;
    }
    open(store, Session { expires_at: at(1050), ..session(5, ann) }).await;
    open(store, session(6, bob)).await;
    let reason = EndReason::PasswordChanged;
    let ended = write(store, move |tx| {
        tx.end_session(sid(4), at(1010), EndReason::SignOut)?;
        tx.end_sessions_of(ann, Some(sid(1)), at(1100), reason)
    });
    assert_eq!(ended.await, 2);
    for (number, ended) in [
        (1, None),
        (2, Some((at(1100), reason))),
        (3, Some((at(1100), reason))),
        (4, Some((at(1010), EndReason::SignOut))),
        (5, None),
        (6, None),
    ] {
        assert_eq!(stored_session(store, sid(number)).await.map(|session| session.ended), Some(ended), "{number}");
    }
    assert_eq!(write(store, move |tx| tx.end_sessions_of(ann, None, at(1200), reason)).await, 1);
}

pub(crate) async fn live_sessions_are_listed(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    for (number, opened, expires, user) in
        [(1, 1000, 2000, ann), (2, 1200, 2000, ann), (3, 1100, 1400, ann), (4, 1100, 2000, ann), (5, 1000, 2000, bob)]
    {
        open(store, Session { opened_at: at(opened), expires_at: at(expires), ..session(number, user) }).await;
    }
    let listed = write(store, move |tx| {
        tx.end_session(sid(4), at(1300), EndReason::Operator)?;
        Ok((tx.sessions_of(ann, at(1399))?, tx.sessions_of(ann, at(1400))?))
    });
    let (before, after) = listed.await;
    assert_eq!(before.iter().map(|session| session.id).collect::<Vec<_>>(), [sid(2), sid(3), sid(1)]);
    assert_eq!(after.iter().map(|session| session.id).collect::<Vec<_>>(), [sid(2), sid(1)]);
}

pub(crate) async fn the_oldest_live_session_is_found(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    for (number, opened, opened_by) in [(1, 500, SIMPLEJWT), (2, 700, SIMPLEJWT), (3, 100, DRF_PYJWT)] {
        open(store, Session { opened_at: at(opened), opened_by, ..session(number, ann) }).await;
    }
    let oldest = move |now| read(store, move |tx| tx.oldest_live_session_opened_at(SIMPLEJWT, at(now)));
    assert_eq!(oldest(1000).await, Some(at(500)));
    assert!(write(store, |tx| tx.end_session(sid(1), at(900), EndReason::SignOut)).await);
    assert_eq!(oldest(1000).await, Some(at(700)));
    assert_eq!(oldest(2000).await, None);
}

pub(crate) async fn cleanup_removes_expired_sessions(store: &RetryingStore) {
    const DAY: i64 = 24 * 60 * 60;
    let ann = insert(store, new_user("ann")).await;
    for (number, expires) in [(1, 4 * DAY), (2, 3 * DAY - 1), (3, DAY), (4, 3 * DAY)] {
        open(store, Session { expires_at: at(expires), ..session(number, ann) }).await;
    }
    let cleanup = move |limit| write(store, move |tx| tx.cleanup_sessions(at(3 * DAY + 1600), limit));
    assert_eq!(cleanup(1).await, 1);
    assert_eq!(stored_session(store, sid(3)).await, None, "the session that expired first is removed first");
    assert_eq!(cleanup(9).await, 1);
    assert_eq!(cleanup(9).await, 0, "a session that expired earlier on the same day is kept until the day is over");
    for (number, there) in [(1, true), (2, false), (4, true)] {
        assert_eq!(stored_session(store, sid(number)).await.is_some(), there, "{number}");
    }
    let moved = stored_session(store, sid(4)).await.expect("the session is stored");
    assert!(write(store, move |tx| tx.advance_session((&moved).into(), advance(1, DAY, 5 * DAY))).await);
    assert_eq!(write(store, |tx| tx.cleanup_sessions(at(5 * DAY), 9)).await, 1, "a refresh moves the day");
    assert!(stored_session(store, sid(4)).await.is_some());
}

pub(crate) async fn a_session_is_found_by_the_prefix_of_its_id(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let id = |last: u8| {
        let mut id = [7; 16];
        id[8..].fill(last);
        SessionId(Uuid::from_bytes(id))
    };
    for last in [0, 0xff] {
        let found = |first: u8| {
            let mut prefix = [7; 8];
            prefix[0] = first;
            read(store, move |tx| tx.session_by_prefix(SessionPrefix(prefix)))
        };
        open(store, Session { id: id(last), ..session(1, ann) }).await;
        assert_eq!(found(7).await.map(|(session, user)| (session.id, user.id)), Some((id(last), ann)));
        assert!(found(6).await.is_none() && found(8).await.is_none());
        write(store, |tx| tx.cleanup_sessions(at(i64::from(u32::MAX)), 9)).await;
    }
}

pub(crate) async fn live_sessions_are_paged_newest_first(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    for (number, opened, user, dialect) in [
        (1, 1000, ann, Dialect::DrfPyjwt),
        (2, 1200, ann, Dialect::Simplejwt),
        (3, 1100, bob, Dialect::JwtIssuer),
        (4, 1100, bob, Dialect::DrfPyjwt),
        (5, 1300, bob, Dialect::DrfPyjwt),
        (6, 1400, bob, Dialect::DrfPyjwt),
    ] {
        open(store, Session { opened_at: at(opened), opened_by: Origin::Dialect(dialect), ..session(number, user) })
            .await;
    }
    open(store, Session { opened_at: at(1350), expires_at: at(1500), ..session(7, ann) }).await;
    assert!(write(store, |tx| tx.end_session(sid(6), at(1450), EndReason::Operator)).await);
    let page = |query: SessionQuery| read(store, move |tx| tx.session_page(&query, at(1500)));
    let all = page(SessionQuery { limit: 9, ..SessionQuery::default() }).await;
    let ids = |sessions: &[(Session, _)]| sessions.iter().map(|(session, _)| session.id).collect::<Vec<_>>();
    assert_eq!((ids(&all.sessions), all.next), ([5, 2, 4, 3, 1].map(sid).to_vec(), None));
    assert_eq!(all.sessions[1].1.username, name("ann"));
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let next = page(SessionQuery { after, limit: 2, ..SessionQuery::default() }).await;
        paged.extend(ids(&next.sessions));
        after = next.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(paged, ids(&all.sessions));
    let of = page(SessionQuery { user: Some(bob), opened_by: Some(DRF_PYJWT), limit: 9, after: None }).await;
    assert_eq!(ids(&of.sessions), [5, 4].map(sid));
    let of = page(SessionQuery { opened_by: Some(SIMPLEJWT), limit: 9, ..SessionQuery::default() }).await;
    assert_eq!(ids(&of.sessions), [sid(2)]);
}
