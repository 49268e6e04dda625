//! Shows the e-mails in the outbox, and previews of the templates.

use crate::domain::audit::{Action, Operator};
use crate::domain::mail_item::MailId;
use crate::domain::user::Email;
use crate::issuer::context::Issuer;
use crate::issuer::denied::{Denied, OperatorRule};
use crate::issuer::refusal::{Fault, Refusal};
use crate::mail::{SendError, TemplatePreview, mask_address};
use crate::store::{MailCursor, MailListing, MailState, RetryOutcome, StoreError};

/// A page of the outbox, newest first.
#[derive(Clone, Debug)]
pub struct OutboxListing {
    /// Each e-mail with its masked recipient. The recipient is `None` after the e-mail was sent or the server gave up
    /// on it, because its content is then deleted. It is also `None` if the content cannot be decrypted.
    pub mails: Vec<(MailListing, Option<String>)>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<MailCursor>,
    /// The total number of waiting e-mails.
    pub waiting: u64,
}

/// Reads a page of the outbox, limited to one state if `state` is set.
pub async fn outbox(
    issuer: &Issuer,
    state: Option<MailState>,
    after: Option<MailCursor>,
    limit: u32,
) -> Result<OutboxListing, Refusal> {
    let read = issuer.store.read(move |tx| Ok::<_, Refusal>((tx.mail_page(state, after, limit)?, tx.mails_waiting()?)));
    let (page, waiting) = read.await?;
    let with_recipient = |mut mail: MailListing| {
        let to = mail.sealed.take().and_then(|sealed| issuer.mailer.recipient(&sealed));
        (mail, to)
    };
    Ok(OutboxListing { mails: page.mails.into_iter().map(with_recipient).collect(), next: page.next, waiting })
}

/// An operator's request to retry a waiting e-mail now.
///
/// An e-mail that expired, or on which the server gave up after 24 h, cannot be retried, because its content was deleted.
/// An e-mail that is being sent is not retried either, because its recipient would get it twice.
#[derive(Debug)]
pub struct RetryMail {
    /// The e-mail.
    pub id: MailId,
    /// The operator.
    pub by: Operator,
}

impl RetryMail {
    /// Makes the e-mail due now.
    pub async fn run(self, issuer: &Issuer) -> Result<(), Denied> {
        let now = issuer.clock.now();
        let queued = issuer.store.write(move |tx| {
            match tx.retry_now(self.id, now)? {
                RetryOutcome::Due => {}
                RetryOutcome::BeingSent => return Err(OperatorRule::BeingSent.into()),
                RetryOutcome::NotWaiting => return Err(OperatorRule::NotWaiting.into()),
            }
            Ok::<(), Denied>(tx.record(&self.by.entry(
                now,
                Action::MailRetried,
                None,
                format!("mail {}", self.id.0),
            ))?)
        });
        queued.await
    }
}

/// An operator's request to send a test e-mail now, without the outbox.
#[derive(Debug)]
pub struct SendTestMail {
    /// The recipient.
    pub to: Email,
    /// The operator.
    pub by: Operator,
}

impl SendTestMail {
    /// Sends the e-mail and returns why the mail server did not accept it. The attempt is recorded first, so that no
    /// e-mail is sent while the audit log cannot be written.
    pub async fn run(self, issuer: &Issuer) -> Result<Result<(), SendError>, Denied> {
        let now = issuer.clock.now();
        let detail = format!("to {}", mask_address(&self.to));
        let entry = self.by.entry(now, Action::MailTested, None, detail);
        let recorded: Result<(), StoreError> = issuer.store.write(move |tx| tx.record(&entry)).await;
        recorded?;
        Ok(issuer.mailer.send_test(&self.to, now, &issuer.random).await)
    }
}

/// Renders every template with sample data, as it would be sent.
pub fn previews(issuer: &Issuer) -> Result<Vec<TemplatePreview>, Fault> {
    issuer.mailer.previews().map_err(|error| Fault::new("rendering an e-mail preview", &error))
}
