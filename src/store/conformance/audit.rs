//! Audit lines are recorded, read newest first, filtered and removed.

use super::retrying_store::RetryingStore;
use super::{at, insert, ip, name, new_user, read, write};
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::id::UserId;
use crate::store::AuditQuery;

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

fn audit_entry(seconds: i64, action: Action, user: Option<UserId>, actor: Option<UserId>) -> AuditEntry {
    AuditEntry { at: at(seconds), action, user, actor, address: Some(ip("192.0.2.7")), detail: seconds.to_string() }
}

pub(crate) async fn audit_lines_name_their_actor(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let root = insert(store, new_user("root")).await;
    let line = write(store, move |tx| {
        tx.record(&audit_entry(100, Action::Disabled, Some(ann), Some(root)))?;
        tx.set_username(root, &name("toor"))?;
        tx.audit_lines(None, 1)
    });
    let line = line.await.remove(0);
    assert_eq!(
        (line.username.as_deref(), line.actor_id, line.actor.as_deref()),
        (Some("ann"), Some(root), Some("root"))
    );
    let after = write(store, move |tx| {
        tx.delete_user(root)?;
        tx.audit_lines(None, 1)
    });
    let after = after.await.remove(0);
    assert_eq!((after.username.as_deref(), after.actor_id, after.actor), (Some("ann"), Some(root), None));
}

pub(crate) async fn audit_lines_are_filtered_and_paged(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let root = insert(store, new_user("root")).await;
    write(store, move |tx| {
        for second in 0..300 {
            // Three lines a second, so that a page ends within a second.
            tx.record(&audit_entry(1000 + second / 3, Action::SignedIn, Some(ann), None))?;
        }
        tx.record(&audit_entry(1050, Action::Disabled, Some(ann), Some(root)))?;
        tx.record(&AuditEntry { address: None, ..audit_entry(1060, Action::SettingChanged, None, Some(root)) })?;
        tx.record(&AuditEntry {
            address: Some(ip("2001:db8::9")),
            ..audit_entry(1070, Action::SignedIn, Some(root), None)
        })
    })
    .await;
    let all = |query: AuditQuery| async move {
        let mut lines = Vec::new();
        let mut after = None;
        loop {
            let query = AuditQuery { after, limit: 70, ..query.clone() };
            let page = read(store, move |tx| tx.audit_page(&query)).await;
            lines.extend(page.lines.into_iter().map(|line| (line.at.unix(), line.action)));
            after = page.next;
            if after.is_none() {
                return lines;
            }
        }
    };
    let everything = all(AuditQuery::default()).await;
    assert!(everything.len() == 303 && everything.is_sorted_by(|a, b| a.0 >= b.0));
    assert_eq!(all(AuditQuery { user: Some(ann), ..AuditQuery::default() }).await.len(), 301);
    let of_root = all(AuditQuery { actor: Some(root), ..AuditQuery::default() }).await;
    assert_eq!(of_root, [(1060, "setting_changed".to_owned()), (1050, "disabled".to_owned())]);
    let action = Some(Action::Disabled);
    assert_eq!(all(AuditQuery { action, ..AuditQuery::default() }).await, [(1050, "disabled".to_owned())]);
    assert!(all(AuditQuery { action, user: Some(root), ..AuditQuery::default() }).await.is_empty());
    let between = AuditQuery { from: Some(at(1010)), until: Some(at(1012)), ..AuditQuery::default() };
    assert_eq!(all(between).await.iter().map(|line| line.0).collect::<Vec<_>>(), [1011, 1011, 1011, 1010, 1010, 1010]);
    let address = |text: &str| AuditQuery { address: Some(text.to_owned()), ..AuditQuery::default() };
    assert_eq!(all(address("2001:db8:")).await, [(1070, "signed_in".to_owned())]);
    assert_eq!(all(address("192.0.2.")).await.len(), 301);
}
