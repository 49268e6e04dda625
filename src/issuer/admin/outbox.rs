//! Looking at mails: those in the outbox, and what they would say.

use crate::domain::audit::{Action, Operator};
use crate::domain::mail_item::MailId;
use crate::issuer::{Denied, Fault, Issuer, OperatorRule, Refusal};
use crate::mail::TemplatePreview;
use crate::store::{MailCursor, MailListing, MailState};

/// A page of the outbox, newest first.
#[derive(Clone, Debug)]
pub struct OutboxListing {
    /// Each mail, and to whom it goes, masked, while that is known: what is done with is forgotten.
    pub mails: Vec<(MailListing, Option<String>)>,
    /// Where the next page begins; None at the end.
    pub next: Option<MailCursor>,
    /// How many mails wait in all.
    pub waiting: u64,
}

/// Reads a page of the outbox, of one state where one is named.
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

/// An operator has a mail tried at once that waits for its next attempt.
///
/// One that was given up can't be: its content was forgotten then, and was a day old.
#[derive(Debug)]
pub struct RetryMail {
    /// The mail.
    pub id: MailId,
    /// Who does it.
    pub by: Operator,
}

impl RetryMail {
    /// Makes it due.
    pub async fn run(self, issuer: &Issuer) -> Result<(), Denied> {
        let now = issuer.clock.now();
        let hastened = issuer.store.write(move |tx| {
            if !tx.retry_now(self.id, now)? {
                return Err(OperatorRule::NotWaiting.into());
            }
            Ok::<(), Denied>(tx.record(&self.by.entry(
                now,
                Action::MailRetried,
                None,
                format!("mail {}", self.id.0),
            ))?)
        });
        hastened.await
    }
}

/// Every template with sample data, as it would be sent.
pub fn previews(issuer: &Issuer) -> Result<Vec<TemplatePreview>, Fault> {
    issuer.mailer.previews().map_err(|error| Fault::new("rendering a mail's preview", &error))
}
