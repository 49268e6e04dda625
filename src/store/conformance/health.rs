//! The store reports its size and the numbers of its rows.

use super::retrying_store::RetryingStore;
use super::{SIMPLEJWT, at, insert, new_user, open, read, session, sid, write};
use crate::domain::session::{EndReason, Session};

pub(crate) async fn the_store_reports_its_size(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    open(store, session(1, ann)).await;
    open(store, Session { opened_by: SIMPLEJWT, ..session(2, ann) }).await;
    open(store, session(3, ann)).await;
    assert!(write(store, |tx| tx.end_session(sid(3), at(1450), EndReason::Operator)).await);
    let (size, users, sessions) =
        read(store, |tx| Ok((tx.store_size()?, tx.user_count()?, tx.open_session_count()?))).await;
    assert!(size.bytes > 10_000 && size.free < size.bytes, "{size:?}");
    assert_eq!((users, sessions), (1, 2));
}
