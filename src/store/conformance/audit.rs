//! The audit log is read newest first, and old lines are removed.

use super::retrying_store::RetryingStore;
use super::{at, insert, ip, name, new_user, read, write};
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::id::UserId;

fn entry(seconds: i64, action: Action, user: Option<UserId>) -> AuditEntry {
    AuditEntry {
        at: at(seconds),
        action,
        user,
        actor: None,
        address: Some(ip("::ffff:192.0.2.1")),
        detail: "a detail".to_owned(),
    }
}

pub(crate) async fn audit_lines_are_read_newest_first(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    let read = write(store, move |tx| {
        tx.record(&entry(100, Action::Registered, Some(ann)))?;
        tx.set_username(ann, &name("anna"))?;
        tx.record(&entry(101, Action::UsernameChanged, Some(ann)))?;
        tx.record(&entry(101, Action::Registered, Some(bob)))?;
        tx.record(&AuditEntry { address: None, ..entry(102, Action::ResetRequested, None) })?;
        Ok((tx.audit_lines(None, 3)?, tx.audit_lines(Some(ann), 9)?))
    });
    let (newest, of_ann) = read.await;
    let summary: Vec<_> = newest.iter().map(|line| (line.at, line.action.as_str(), line.username.as_deref())).collect();
    assert_eq!(
        summary,
        [
            (at(102), "reset_requested", None),
            (at(101), "registered", Some("bob")),
            (at(101), "username_changed", Some("anna"))
        ]
    );
    assert_eq!((newest[0].user_id, newest[0].address), (None, None));
    assert_eq!((newest[1].address, newest[1].detail.as_str()), (Some(ip("192.0.2.1")), "a detail"));
    let names: Vec<_> = of_ann.iter().map(|line| (line.user_id, line.username.as_deref())).collect();
    assert_eq!(names, [(Some(ann), Some("anna")), (Some(ann), Some("ann"))], "each line has the user name at its time");
}

pub(crate) async fn old_audit_lines_are_removed(store: &RetryingStore) {
    write(store, |tx| (100..104).try_for_each(|now| tx.record(&entry(now, Action::Registered, None)))).await;
    let cleanup = move |limit| write(store, move |tx| tx.cleanup_audit(at(103), limit));
    assert_eq!((cleanup(2).await, cleanup(9).await, cleanup(9).await), (2, 1, 0));
    let left = read(store, |tx| tx.audit_lines(None, 9)).await;
    assert_eq!(left.iter().map(|line| line.at).collect::<Vec<_>>(), [at(103)]);
}
