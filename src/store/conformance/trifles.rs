//! Reset codes, the outbox, settings, the audit log, runs and counts.

use std::time::Duration;

use serde_json::json;

use super::{at, email, insert, ip, name, read, someone, write};
use crate::domain::algorithm::Algorithm;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::availability::ProcessRun;
use crate::domain::count::{Count, HourCount};
use crate::domain::dialect::Dialect;
use crate::domain::id::UserId;
use crate::domain::mail_item::{MailId, NewMail, SealedMail};
use crate::domain::password::PasswordHash;
use crate::store::{CodeHash, RunId, Store, StoreError, Write};

const ONE: CodeHash = CodeHash([1; 32]);
const TWO: CodeHash = CodeHash([2; 32]);
type WriteClosure = Box<dyn FnOnce(&dyn Write) -> Result<(), StoreError> + Send>;

const LEASE: Duration = Duration::from_mins(1);

async fn owner(store: &Store, code: CodeHash, now: i64) -> Option<UserId> {
    read(store, move |tx| tx.reset_code_owner(code, at(now))).await
}

async fn take(store: &Store, code: CodeHash, now: i64) -> Option<UserId> {
    write(store, move |tx| tx.take_reset_code(code, at(now))).await
}

pub(crate) async fn a_reset_code_is_used_once(store: &Store) {
    let ann = insert(store, someone("ann")).await;
    write(store, move |tx| tx.put_reset_code(ann, ONE, at(200))).await;
    assert_eq!((owner(store, ONE, 199).await, owner(store, TWO, 199).await), (Some(ann), None));
    assert_eq!(take(store, ONE, 199).await, Some(ann));
    assert_eq!((take(store, ONE, 199).await, owner(store, ONE, 199).await), (None, None));
}

pub(crate) async fn account_changes_remove_the_reset_code(store: &Store) {
    let ann = insert(store, someone("ann")).await;
    let email = email("ann@example.org");
    let hash = PasswordHash::from_stored("$argon2id$x".to_owned());
    let changes: [WriteClosure; 3] = [
        Box::new(move |tx| tx.set_password(ann, &hash, false)),
        Box::new(move |tx| tx.set_email(ann, &email)),
        Box::new(move |tx| tx.set_active(ann, false)),
    ];
    for made in changes {
        write(store, move |tx| tx.put_reset_code(ann, ONE, at(200))).await;
        write(store, made).await;
        assert_eq!(owner(store, ONE, 100).await, None);
    }
    write(store, move |tx| tx.put_reset_code(ann, ONE, at(200))).await;
    assert_eq!(take(store, ONE, 100).await, None, "its owner is disabled");
}

pub(crate) async fn a_newer_reset_code_replaces_the_previous_one(store: &Store) {
    let ann = insert(store, someone("ann")).await;
    let bob = insert(store, someone("bob")).await;
    write(store, move |tx| {
        tx.put_reset_code(bob, CodeHash([3; 32]), at(200))?;
        tx.put_reset_code(ann, ONE, at(200))?;
        tx.put_reset_code(ann, TWO, at(300))?;
        tx.put_reset_code(UserId(999), CodeHash([9; 32]), at(300))
    })
    .await;
    assert_eq!((take(store, ONE, 100).await, take(store, TWO, 250).await), (None, Some(ann)));
    assert_eq!(owner(store, CodeHash([3; 32]), 100).await, Some(bob));
    assert_eq!(owner(store, CodeHash([9; 32]), 100).await, None, "nobody's");
}

pub(crate) async fn reset_codes_expire_and_are_removed(store: &Store) {
    let ann = insert(store, someone("ann")).await;
    let bob = insert(store, someone("bob")).await;
    write(store, move |tx| {
        tx.put_reset_code(ann, ONE, at(200))?;
        tx.put_reset_code(bob, TWO, at(300))
    })
    .await;
    assert_eq!((owner(store, ONE, 200).await, take(store, ONE, 200).await), (None, None));
    let sweep = move |now| write(store, move |tx| tx.sweep_reset_codes(at(now), 9));
    assert_eq!((sweep(200).await, sweep(201).await, sweep(201).await), (0, 1, 0));
    assert_eq!(owner(store, TWO, 250).await, Some(bob));
}

fn mail(byte: u8, created: i64) -> NewMail {
    NewMail { template: "reset_code", sealed: SealedMail(vec![byte; 3]), created_at: at(created) }
}

async fn queue(store: &Store, byte: u8, created: i64) -> MailId {
    write(store, move |tx| tx.queue_mail(&mail(byte, created))).await
}

/// Which are given out, by id, with the attempts made before.
async fn claim(store: &Store, now: i64, limit: u32) -> Vec<(MailId, u32)> {
    let mails = write(store, move |tx| tx.claim_mails(at(now), LEASE, limit)).await;
    mails.iter().map(|mail| (mail.id, mail.attempts)).collect()
}

async fn waiting(store: &Store) -> u64 {
    read(store, |tx| tx.mails_waiting()).await
}

pub(crate) async fn an_email_is_claimed_once(store: &Store) {
    let second = queue(store, 2, 110).await;
    let first = queue(store, 1, 100).await;
    assert_eq!(claim(store, 99, 9).await, []);
    let given = write(store, |tx| tx.claim_mails(at(120), LEASE, 1)).await;
    assert_eq!((given.len(), given[0].id, given[0].template.as_str()), (1, first, "reset_code"));
    assert_eq!((&given[0].sealed, given[0].created_at), (&SealedMail(vec![1; 3]), at(100)));
    assert_eq!(claim(store, 120, 9).await, [(second, 0)], "what is taken is nobody else's");
    assert_eq!(waiting(store).await, 2);
    write(store, move |tx| tx.mail_sent(first, at(121))).await;
    // A second taker that was late must not bring it back.
    write(store, move |tx| tx.mail_failed(first, Some(at(130)), "late")).await;
    assert_eq!(waiting(store).await, 1);
    assert_eq!(claim(store, 9999, 9).await, [(second, 0)]);
}

pub(crate) async fn an_email_is_retried_or_given_up(store: &Store) {
    let one = queue(store, 1, 100).await;
    let two = queue(store, 2, 100).await;
    assert_eq!(claim(store, 100, 9).await, [(one, 0), (two, 0)]);
    write(store, move |tx| {
        tx.mail_failed(one, Some(at(130)), &"é".repeat(10_000))?;
        tx.mail_failed(two, None, "no such mailbox")
    })
    .await;
    assert_eq!(claim(store, 129, 9).await, []);
    assert_eq!(claim(store, 130, 9).await, [(one, 1)]);
    assert_eq!(waiting(store).await, 1, "what was given up waits no longer");
}

pub(crate) async fn finished_emails_are_removed(store: &Store) {
    let one = queue(store, 1, 100).await;
    let two = queue(store, 2, 101).await;
    let three = queue(store, 3, 100).await;
    write(store, move |tx| {
        tx.mail_sent(one, at(200))?;
        tx.mail_failed(two, None, "no such mailbox")
    })
    .await;
    let sweep = move |before| write(store, move |tx| tx.sweep_mails(at(before), 9));
    assert_eq!((sweep(100).await, sweep(101).await, sweep(9999).await), (0, 1, 1));
    assert_eq!(claim(store, 9999, 9).await, [(three, 0)], "what waits is never swept");
}

pub(crate) async fn an_expired_lease_is_due(store: &Store) {
    let one = queue(store, 1, 100).await;
    assert_eq!(claim(store, 100, 9).await, [(one, 0)]);
    assert_eq!(claim(store, 159, 9).await, []);
    assert_eq!(claim(store, 160, 9).await, [(one, 0)]);
}

pub(crate) async fn settings_are_stored(store: &Store) {
    let stored = move || read(store, |tx| tx.stored_settings());
    assert_eq!(stored().await, []);
    let values = [("b", json!(30)), ("a", json!(null)), ("c", json!("no 'quotes' \"lost\"")), ("b", json!(60))];
    write(store, move |tx| values.iter().try_for_each(|(name, value)| tx.put_setting(name, value, at(1), "ann"))).await;
    let expected =
        [("a", json!(null)), ("b", json!(60)), ("c", json!("no 'quotes' \"lost\""))].map(|(n, v)| (n.to_owned(), v));
    assert_eq!(stored().await, expected);
}

fn entry(seconds: i64, action: Action, user: Option<UserId>) -> AuditEntry {
    AuditEntry {
        at: at(seconds),
        action,
        user,
        actor: None,
        address: Some(ip("::ffff:192.0.2.1")),
        detail: "by hand".to_owned(),
    }
}

pub(crate) async fn audit_lines_are_read_newest_first(store: &Store) {
    let ann = insert(store, someone("ann")).await;
    let bob = insert(store, someone("bob")).await;
    let read = write(store, move |tx| {
        tx.record(&entry(100, Action::Registered, Some(ann)))?;
        tx.set_username(ann, &name("anna"))?;
        tx.record(&entry(101, Action::UsernameChanged, Some(ann)))?;
        tx.record(&entry(101, Action::Registered, Some(bob)))?;
        tx.record(&AuditEntry { address: None, ..entry(102, Action::ResetRequested, None) })?;
        Ok((tx.audit_lines(None, 3)?, tx.audit_lines(Some(ann), 9)?))
    });
    let (newest, of_ann) = read.await;
    let told: Vec<_> = newest.iter().map(|line| (line.at, line.action.as_str(), line.username.as_deref())).collect();
    assert_eq!(
        told,
        [
            (at(102), "reset_requested", None),
            (at(101), "registered", Some("bob")),
            (at(101), "username_changed", Some("anna"))
        ]
    );
    assert_eq!((newest[0].user_id, newest[0].address), (None, None));
    assert_eq!((newest[1].address, newest[1].detail.as_str()), (Some(ip("192.0.2.1")), "by hand"));
    let names: Vec<_> = of_ann.iter().map(|line| (line.user_id, line.username.as_deref())).collect();
    assert_eq!(names, [(Some(ann), Some("anna")), (Some(ann), Some("ann"))], "each by the name it had then");
}

pub(crate) async fn old_audit_lines_are_removed(store: &Store) {
    write(store, |tx| (100..104).try_for_each(|now| tx.record(&entry(now, Action::Registered, None)))).await;
    let sweep = move |limit| write(store, move |tx| tx.sweep_audit(at(103), limit));
    assert_eq!((sweep(2).await, sweep(9).await, sweep(9).await), (2, 1, 0));
    let left = read(store, |tx| tx.audit_lines(None, 9)).await;
    assert_eq!(left.iter().map(|line| line.at).collect::<Vec<_>>(), [at(103)]);
}

pub(crate) async fn runs_are_recorded(store: &Store) {
    let runs = write(store, |tx| {
        let first = tx.start_run(at(100))?;
        tx.record_heartbeat(first, at(150))?;
        tx.record_heartbeat(first, at(140))?;
        let second = tx.start_run(at(200))?;
        assert_ne!(first, second);
        tx.record_heartbeat(RunId(second.0 + 1), at(300))?;
        Ok((first, second))
    });
    let (first, second) = runs.await;
    let expected = [(first, 100, 150), (second, 200, 200)]
        .map(|(id, from, to)| (id, ProcessRun { started_at: at(from), seen_at: at(to) }));
    for (last, seen) in [(RunId(0), &expected[..]), (first, &expected[1..]), (second, &[])] {
        assert_eq!(read(store, move |tx| tx.runs_after(last)).await, seen);
    }
}

const ISSUED: Count = Count::Issued(Dialect::RestJwt, Algorithm::Rs256);

async fn counts(store: &Store, from: i64) -> Vec<(i64, Count, u64)> {
    let found = read(store, move |tx| tx.counts(at(from))).await;
    found.into_iter().map(|HourCount { hour, count, n }| (hour.unix(), count, n)).collect()
}

pub(crate) async fn counts_are_added_per_hour(store: &Store) {
    for (when, counted) in [
        (7199, vec![(Count::SignedIn, 1)]),
        (3600, vec![(Count::SignedIn, 2), (ISSUED, 5)]),
        (7200, vec![(Count::SignedIn, 4)]),
    ] {
        write(store, move |tx| tx.add_counts(at(when), &counted)).await;
    }
    let all = [(3600, Count::SignedIn, 3), (3600, ISSUED, 5), (7200, Count::SignedIn, 4)];
    assert_eq!(counts(store, 3600).await, all);
    assert_eq!(counts(store, 3601).await, all[2..]);
}

pub(crate) async fn old_counts_are_removed(store: &Store) {
    let hours = [3600, 7200, 10_800, 14_400];
    write(store, move |tx| hours.iter().try_for_each(|hour| tx.add_counts(at(*hour), &[(Count::Fault, 1)]))).await;
    let sweep = move |limit| write(store, move |tx| tx.sweep_counts(at(14_400), limit));
    assert_eq!((sweep(2).await, sweep(9).await, sweep(9).await), (2, 1, 0));
    assert_eq!(counts(store, 0).await, [(14_400, Count::Fault, 1)]);
}
