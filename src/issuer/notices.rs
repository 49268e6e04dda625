//! Notifies the owner of an account of a change by e-mail. Every use case that makes such a change calls it in the
//! transaction of the change, so that no change is made without its notice, in no process and by no operator.

use std::net::IpAddr;
use std::time::Duration;

use super::context::{Issuer, NoticePolicy};
use crate::domain::account_change::AccountChange;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::mail_name::MailRecipient;
use crate::domain::network::CallerNetwork;
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::mail::{Mail, Mailer};
use crate::random::Random;
use crate::store::{AuditQuery, StoreError, Write};

/// How many changes of one kind are notified in [`WINDOW`]. Each kind has its own count, so that an attacker cannot use
/// up the notices with harmless changes.
const PER_KIND: usize = 3;
const WINDOW: Duration = Duration::from_hours(1);

/// Prepares and queues notices. A value belongs to one request.
#[derive(Clone, Debug)]
pub(super) struct Notices {
    mailer: Mailer,
    random: Random,
    policy: NoticePolicy,
    now: Timestamp,
}

impl Notices {
    /// Creates the notices of a request that changes an account now.
    pub(super) fn new(issuer: &Issuer) -> Self {
        Self {
            mailer: issuer.mailer.clone(),
            random: issuer.random.clone(),
            policy: issuer.policy.notices.clone(),
            now: issuer.clock.now(),
        }
    }

    /// The time of the changes.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Queues one e-mail about the changes. `owner` is the user before the changes, because the e-mail goes to the
    /// previous address. Call it after the changes were recorded in the audit log, whose lines limit the number of
    /// e-mails.
    pub(super) fn queue(&self, tx: &dyn Write, owner: &User, changes: &[AccountChange]) -> Result<(), StoreError> {
        let Some(address) = owner.email.clone() else { return Ok(()) };
        let to = MailRecipient { address, is_verified: owner.email_verified };
        let mut notified = Vec::new();
        for change in changes {
            let own = changes.iter().filter(|other| other.actions() == change.actions()).count();
            if self.is_within_limit(tx, owner, change, own)? {
                notified.push(change.clone());
            }
        }
        if notified.is_empty() {
            return Ok(());
        }
        let mail = Mail::AccountNotice {
            username: owner.username.clone(),
            changes: notified,
            at: self.now,
            contact: self.policy.contact.clone(),
        };
        let prepared = self.mailer.prepare(&mail, &to, self.now, &self.random);
        tx.queue_mail(&prepared.map_err(|error| StoreError::Fault(format!("preparing a notice: {error}")))?).map(drop)
    }

    /// Notifies the owner of a sign-in from a network without an earlier sign-in, if the operator wants that. Call it
    /// before the address of the sign-in is recorded. A first sign-in is not notified.
    pub(super) fn sign_in(&self, tx: &dyn Write, user: &User, from: Option<IpAddr>) -> Result<(), StoreError> {
        let Some(address) = from.filter(|_| self.policy.new_network) else { return Ok(()) };
        let known = tx.known_addresses(user.id)?;
        if known.is_empty() || known.iter().any(|(known, _)| CallerNetwork::of(*known) == CallerNetwork::of(address)) {
            return Ok(());
        }
        tx.record(&AuditEntry::by_user(self.now, Action::NewNetwork, user.id, from, ""))?;
        self.queue(tx, user, &[AccountChange::NewNetwork])
    }

    /// Whether fewer than [`PER_KIND`] changes of the kind were recorded before the `own` ones of this request.
    fn is_within_limit(
        &self,
        tx: &dyn Write,
        owner: &User,
        change: &AccountChange,
        own: usize,
    ) -> Result<bool, StoreError> {
        let mut recorded = 0;
        for action in change.actions() {
            let query = AuditQuery {
                user: Some(owner.id),
                action: Some(*action),
                from: Some(Timestamp::from_unix(self.now.unix().saturating_sub_unsigned(WINDOW.as_secs()))),
                limit: u32::try_from(PER_KIND + own).unwrap_or(u32::MAX),
                ..AuditQuery::default()
            };
            recorded += tx.audit_page(&query)?.lines.len();
        }
        Ok(recorded < PER_KIND + own)
    }
}
