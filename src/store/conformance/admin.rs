//! Queries of the admin zone: pages of users, sessions, e-mails and audit lines, and the authors of changes.

use std::time::Duration;

use serde_json::json;

use super::retrying_store::RetryingStore;
use super::{DRF_PYJWT, SIMPLEJWT, at, email, insert, ip, name, new_user, open, read, session, sid, write};
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::dialect::Dialect;
use crate::domain::id::UserId;
use crate::domain::mail_item::{MailId, NewMail, SealedMail};
use crate::domain::origin::Origin;
use crate::domain::session::{EndReason, Session};
use crate::domain::user::NewUser;
use crate::store::{AuditQuery, MailState, PagePosition, SessionQuery, SettingChange, UserPage, UserSearch};

fn names(page: &UserPage) -> Vec<String> {
    page.users.iter().map(|user| user.username.to_string()).collect()
}

async fn users(store: &RetryingStore, search: UserSearch) -> UserPage {
    read(store, move |tx| tx.user_page(&search)).await
}

/// Inserts `count` users: `u000` has the last address in the alphabet, `u001` the previous one, and so on. With more
/// than 100 users, one slice does not contain a whole stream.
async fn insert_many(store: &RetryingStore, count: usize) {
    write(store, move |tx| {
        (0..count).try_for_each(|number| {
            let address = Some(email(&format!("z{:03}@example.com", count - number)));
            tx.insert_user(&NewUser { email: address, ..new_user(&format!("u{number:03}")) }).map(drop)
        })
    })
    .await;
}

pub(crate) async fn users_are_found_by_name_or_address(store: &RetryingStore) {
    insert(store, new_user("ann")).await;
    insert(store, NewUser { email: Some(email("anna@example.org")), ..new_user("Zoe") }).await;
    insert(store, NewUser { email: None, ..new_user("ANTON") }).await;
    insert(store, new_user("bob")).await;
    let found = |text: &str| users(store, UserSearch { text: text.to_owned(), limit: 9, ..UserSearch::default() });
    assert_eq!(names(&found("An").await), ["ann", "Zoe", "ANTON"], "each user once, ordered by the matched key");
    assert_eq!(names(&found("").await), ["ann", "ANTON", "bob", "Zoe"]);
    assert_eq!(names(&found("anna@").await), ["Zoe"]);
    assert!(found("x").await.users.is_empty());
}

pub(crate) async fn pages_of_users_go_both_ways(store: &RetryingStore) {
    insert_many(store, 240).await;
    for text in ["", "u", "z"] {
        let search = |position| UserSearch { text: text.to_owned(), position, limit: 100, ..UserSearch::default() };
        let first = users(store, search(PagePosition::Start)).await;
        let second = users(store, search(PagePosition::After(first.next.clone().expect("there are more")))).await;
        let last = users(store, search(PagePosition::After(second.next.clone().expect("there are more")))).await;
        assert_eq!((first.users.len(), second.users.len(), last.users.len()), (100, 100, 40), "{text}");
        assert_eq!((first.previous.as_ref(), last.next.as_ref()), (None, None));
        let back = users(store, search(PagePosition::Before(last.previous.clone().expect("there were more")))).await;
        assert_eq!(names(&back), names(&second));
        let back = users(store, search(PagePosition::Before(back.previous.expect("there were more")))).await;
        assert_eq!((names(&back), back.previous), (names(&first), None));
        let mut all = [names(&first), names(&second), names(&last)].concat();
        assert!(if text == "z" { all.is_sorted_by(|a, b| a > b) } else { all.is_sorted() });
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 240);
    }
}

pub(crate) async fn users_are_filtered_by_kind(store: &RetryingStore) {
    insert_many(store, 150).await;
    let root = insert(store, NewUser { is_superuser: true, ..new_user("root") }).await;
    insert(store, NewUser { is_active: false, email: Some(email("u@example.com")), ..new_user("gone") }).await;
    let filtered = |text: &str, active, superuser| {
        users(store, UserSearch { text: text.to_owned(), active, superuser, limit: 9, ..UserSearch::default() })
    };
    assert_eq!(names(&filtered("", None, Some(true)).await), ["root"]);
    assert_eq!(names(&filtered("", Some(false), None).await), ["gone"]);
    assert_eq!(names(&filtered("u@", Some(false), None).await), ["gone"], "also by address");
    assert!(filtered("u0", Some(false), None).await.users.is_empty());
    assert!(filtered("", Some(false), Some(true)).await.users.is_empty());
    assert_eq!(names(&filtered("root", Some(true), Some(false)).await), [""; 0]);
    assert_eq!(names(&filtered("u14", Some(true), Some(false)).await).len(), 9);
    let others = |id| read(store, move |tx| tx.other_superuser(id));
    assert_eq!((others(root).await, others(UserId(root.0 - 1)).await), (false, true));
    write(store, move |tx| tx.set_active(root, false)).await;
    assert!(!others(UserId(root.0 - 1)).await, "a disabled superuser does not count");
}

pub(crate) async fn operator_updates_change_only_their_columns(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    write(store, move |tx| {
        tx.set_names(ann, "Ann", "O'Hara")?;
        tx.set_rights(ann, true, true)?;
        tx.remove_email(ann)?;
        tx.record_sign_in(ann, at(200), Some(ip("192.0.2.1")))?;
        tx.record_sign_in(ann, at(300), Some(ip("192.0.2.2")))
    })
    .await;
    let (ann, bob, from) = read(store, move |tx| Ok((tx.user(ann)?, tx.user(bob)?, tx.known_addresses(ann)?))).await;
    let ann = ann.expect("ann is stored");
    let bob = bob.expect("bob is stored");
    assert_eq!((ann.first_name.as_str(), ann.last_name.as_str(), ann.email), ("Ann", "O'Hara", None));
    assert_eq!((ann.is_staff, ann.is_superuser, ann.is_active), (true, true, true));
    assert_eq!(from, [(ip("192.0.2.2"), at(300)), (ip("192.0.2.1"), at(200))]);
    assert!(bob.email.is_some() && bob.first_name.is_empty() && !bob.is_superuser);
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

async fn queue(store: &RetryingStore, created: i64) -> MailId {
    let mail = NewMail { template: "reset_code", sealed: SealedMail(vec![7; 3]), created_at: at(created) };
    write(store, move |tx| tx.queue_mail(&mail)).await
}

pub(crate) async fn emails_are_listed_with_their_state(store: &RetryingStore) {
    let mut all = Vec::new();
    for created in [100, 101, 101, 102, 103] {
        all.push(queue(store, created).await);
    }
    let [waiting, sent, failed, late, tried] = all[..] else { panic!("five e-mails were queued") };
    write(store, move |tx| {
        tx.mail_sent(sent, at(200))?;
        tx.mail_failed(failed, None, "no such mailbox")?;
        tx.mail_sent(late, at(201))?;
        tx.mail_failed(tried, Some(at(500)), "greylisted")
    })
    .await;
    let page = |state, after, limit| read(store, move |tx| tx.mail_page(state, after, limit));
    let ids = |page: &crate::store::MailPage| page.mails.iter().map(|mail| mail.id).collect::<Vec<_>>();
    let first = page(None, None, 3).await;
    assert_eq!(ids(&first), [tried, late, failed]);
    assert_eq!(ids(&page(None, first.next, 3).await), [sent, waiting]);
    assert_eq!(ids(&page(Some(MailState::Waiting), None, 9).await), [tried, waiting]);
    assert_eq!(ids(&page(Some(MailState::Sent), None, 9).await), [late, sent]);
    let given_up = page(Some(MailState::Failed), None, 9).await;
    assert_eq!(ids(&given_up), [failed]);
    let mail = &given_up.mails[0];
    assert_eq!((mail.attempts, mail.last_error.as_deref(), mail.due_at), (1, Some("no such mailbox"), None));
    assert!(mail.sealed.is_none() && first.mails[0].sealed.is_some());
    assert_eq!((first.mails[0].due_at, first.mails[1].sent_at), (Some(at(500)), Some(at(201))));
    assert_eq!(read(store, |tx| tx.oldest_waiting_mail()).await, Some(at(100)));
}

pub(crate) async fn a_waiting_email_can_be_retried_now(store: &RetryingStore) {
    let one = queue(store, 100).await;
    let two = queue(store, 100).await;
    write(store, move |tx| {
        tx.mail_failed(one, Some(at(900)), "greylisted")?;
        tx.mail_failed(two, None, "no such mailbox")
    })
    .await;
    let retry = |id| write(store, move |tx| tx.retry_now(id, at(200)));
    assert_eq!((retry(one).await, retry(two).await, retry(MailId(99)).await), (true, false, false));
    let claimed = write(store, |tx| tx.claim_mails(at(200), Duration::from_mins(1), 9)).await;
    assert_eq!(claimed.iter().map(|mail| mail.id).collect::<Vec<_>>(), [one]);
}

pub(crate) async fn the_author_of_a_setting_is_kept_until_it_is_unset(store: &RetryingStore) {
    write(store, |tx| {
        tx.put_setting("b", &json!(1), at(1), "ann")?;
        tx.put_setting("a", &json!(2), at(2), "bob")?;
        tx.put_setting("b", &json!(3), at(3), "the command line")
    })
    .await;
    let changes = || read(store, |tx| tx.setting_changes());
    let change_of =
        |name: &str, seconds, by: &str| SettingChange { name: name.to_owned(), at: at(seconds), by: by.to_owned() };
    assert_eq!(changes().await, [change_of("a", 2, "bob"), change_of("b", 3, "the command line")]);
    let unset = || write(store, |tx| tx.unset_setting("b"));
    assert_eq!((unset().await, unset().await), (true, false));
    assert_eq!(changes().await, [change_of("a", 2, "bob")]);
    assert_eq!(read(store, |tx| tx.stored_settings()).await, [("a".to_owned(), json!(2))]);
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
