//! Renders e-mails for the outbox, and delivers those that the outbox job takes from it.

use std::path::PathBuf;
use std::sync::Arc;

use lettre::Address;
use lettre::message::Mailbox;

use super::error::{MailSetupError, PrepareError, SendError};
use super::message::{OutgoingMail, mask_address, open_mail, pack_unsealed_mail, seal_mail};
use super::site::Site;
use super::template::{Mail, TemplatePreview, Templates};
use super::transport::{Transport, delete_old_files};
use crate::crypto::aead::Aead;
use crate::crypto::derive::{DerivedKeys, Use};
use crate::domain::look_up_key::ascii_domain;
use crate::domain::mail_item::{MailId, MailItem, NewMail, SealedMail};
use crate::domain::mail_name::MailRecipient;
use crate::domain::time::Timestamp;
use crate::domain::user::Email;
use crate::random::Random;
use crate::template::TemplateError;

/// The options of a [`Mailer`].
#[derive(Debug)]
pub struct MailerOptions {
    /// The public URL of the server. E-mails contain it, and message ids end with its host.
    pub public_url: String,
    /// The sender, `name@host` or `Name <name@host>`. The default is `no-reply@` followed by the public host,
    /// or by `localhost` if the host is an IPv6 address.
    pub from: Option<String>,
    /// The folder of the operator's templates. Files in its subfolder `mail` override the built-in templates.
    pub templates_dir: Option<PathBuf>,
    /// How e-mails are delivered.
    pub transport: Transport,
    /// The folder in which this or an earlier configuration wrote e-mails to files. `None`: none is known.
    pub files: Option<PathBuf>,
}

/// Renders e-mails and sends them. Clones are cheap and share the connections.
#[derive(Clone, Debug)]
pub struct Mailer(Arc<MailerParts>);

#[derive(Debug)]
struct MailerParts {
    templates: Templates,
    transport: Transport,
    files: Option<PathBuf>,
    /// `None` in a command that cannot open the secret.
    seal: Option<Aead>,
    from: Mailbox,
    site: Site,
}

impl Mailer {
    /// Creates a mailer. Reads the templates and renders each with samples, so that a broken template is found at the
    /// start. Without keys, it cannot prepare an e-mail with a secret, and does not encrypt others.
    pub fn new<'a>(options: MailerOptions, keys: impl Into<Option<&'a DerivedKeys>>) -> Result<Self, MailSetupError> {
        let site = Site::new(&options.public_url);
        let from = options.from.unwrap_or_else(|| site.default_sender());
        let from = sender(&from).ok_or(MailSetupError::From(from))?;
        Ok(Self(Arc::new(MailerParts {
            templates: Templates::load(options.templates_dir.as_deref(), &site)?,
            transport: options.transport,
            files: options.files,
            seal: keys.into().map(|keys| Aead::new(keys, Use::MailEncryption)),
            from,
            site,
        })))
    }

    /// Renders and encrypts an e-mail for the outbox. Call this before you begin the transaction that queues the
    /// e-mail.
    pub fn prepare(
        &self,
        mail: &Mail,
        to: &MailRecipient,
        now: Timestamp,
        random: &Random,
    ) -> Result<NewMail, PrepareError> {
        let rendered = self.0.templates.render(mail, to)?;
        let sealed = match &self.0.seal {
            Some(seal) => seal_mail(&rendered, seal, random),
            None if mail.has_secret() => return Err(PrepareError::NoSecret),
            None => pack_unsealed_mail(&rendered, random),
        };
        let expires_at = mail.valid_for().map(|valid_for| now + valid_for);
        Ok(NewMail { template: mail.template(), sealed, created_at: now, expires_at })
    }

    /// The masked recipient of an e-mail in the outbox, or `None` if the e-mail cannot be decrypted.
    pub fn recipient(&self, mail: &SealedMail) -> Option<String> {
        open_mail(mail, self.0.seal.as_ref()?).ok().map(|rendered| mask_address(&rendered.to))
    }

    /// Renders each template with sample data, as it would be sent.
    pub fn previews(&self) -> Result<Vec<TemplatePreview>, TemplateError> {
        self.0.templates.previews()
    }

    /// Decrypts an e-mail from the outbox and sends it. A delivery to a mail server ends within
    /// [`SmtpOptions::timeout`](super::SmtpOptions::timeout), or earlier if the e-mail expires earlier. The message id is
    /// the same in every attempt, so that a receiver can detect a duplicate.
    pub async fn deliver(&self, item: &MailItem, now: Timestamp) -> Result<(), SendError> {
        let inner = &*self.0;
        let seal = inner.seal.as_ref().ok_or_else(|| SendError::transient(PrepareError::NoSecret.to_string()))?;
        let rendered = open_mail(&item.sealed, seal)?;
        let outgoing = OutgoingMail::new(item, &rendered, &inner.from, &inner.site, now)?;
        inner.transport.send(&outgoing).await?;
        let mail = item.id.0;
        let to = mask_address(&rendered.to);
        tracing::info!(mail, template = item.template, %to, "e-mail sent");
        Ok(())
    }

    /// Sends a test e-mail at once, without the outbox.
    pub async fn send_test(&self, to: &Email, now: Timestamp, random: &Random) -> Result<(), SendError> {
        let to = MailRecipient { address: to.clone(), is_verified: false };
        let prepared = self.prepare(&Mail::Test, &to, now, random);
        let NewMail { template, sealed, created_at, expires_at } =
            prepared.map_err(|error| SendError::permanent(error.to_string()))?;
        let template = template.to_owned();
        let item = MailItem { id: MailId(0), template, sealed, created_at, expires_at, attempts: 0 };
        let sent = self.deliver(&item, now).await;
        self.close_idle().await;
        sent
    }

    /// The mail server as `host:port`, to be displayed. `None` if e-mails are not sent by SMTP.
    pub fn server(&self) -> Option<String> {
        self.0.transport.server()
    }

    /// Deletes e-mail files that are older than one day, also those that were written before a mail server was
    /// configured: they contain codes, links and names. A failure is logged, and the next call tries again.
    pub async fn delete_old_files(&self, now: Timestamp) {
        let Some(folder) = self.0.files.clone() else { return };
        let path = folder.display().to_string();
        match tokio::task::spawn_blocking(move || delete_old_files(&folder, now)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(files)) => tracing::info!(folder = path, files, "e-mail files of more than one day deleted"),
            Ok(Err(error)) => tracing::warn!(folder = path, %error, "old e-mail files not deleted; retrying later"),
            Err(error) => tracing::warn!(folder = path, %error, "old e-mail files not deleted; retrying later"),
        }
    }

    /// Closes the idle connections. The caller does this when no e-mails are waiting.
    pub async fn close_idle(&self) {
        self.0.transport.close_idle().await;
    }
}

/// Parses the sender, and converts its domain to A-labels, because mail servers may not accept other domains.
fn sender(text: &str) -> Option<Mailbox> {
    let mailbox: Mailbox = text.parse().ok()?;
    let (local, domain) = (mailbox.email.user(), mailbox.email.domain());
    if domain.is_ascii() {
        return Some(mailbox);
    }
    let email = Address::new(local, ascii_domain(domain)?).ok()?;
    Some(Mailbox::new(mailbox.name, email))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::reset_code::ResetCode;
    use crate::domain::user::Username;

    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn mailer(from: Option<&str>, transport: Transport) -> Result<Mailer, MailSetupError> {
        let options = MailerOptions {
            public_url: "https://auth.example.com".to_owned(),
            from: from.map(str::to_owned),
            templates_dir: None,
            transport,
            files: None,
        };
        Mailer::new(options, &DerivedKeys::new(&[7; 32]))
    }

    fn queued(mailer: &Mailer) -> MailItem {
        let mail = Mail::ResetCode {
            username: Username::parse("anna").unwrap(),
            code: ResetCode::from_random([1; 12]),
            valid_for: Duration::from_mins(15),
        };
        let to = MailRecipient { address: Email::parse("anna@example.com").unwrap(), is_verified: true };
        let new = mailer.prepare(&mail, &to, NOW, &Random::seeded(1)).unwrap();
        let template = new.template.to_owned();
        let sealed = new.sealed;
        let NewMail { created_at, expires_at, .. } = new;
        MailItem { id: MailId(4), template, sealed, created_at, expires_at, attempts: 0 }
    }

    #[tokio::test]
    async fn a_prepared_email_is_delivered() {
        let (transport, sent) = Transport::memory();
        let mailer = mailer(None, transport).unwrap();
        mailer.deliver(&queued(&mailer), NOW).await.unwrap();
        let sent = sent.lock().unwrap();
        assert_eq!((sent.len(), sent[0].to.as_str()), (1, "anna@example.com"));
        assert!(sent[0].text.lines().any(|line| line == "1111-1111-1111"), "{}", sent[0].text);
    }

    #[tokio::test]
    async fn an_email_sealed_under_another_secret_is_reported() {
        let (transport, sent) = Transport::memory();
        let mailer = mailer(None, transport).unwrap();
        let options = MailerOptions {
            public_url: "https://auth.example.com".to_owned(),
            from: None,
            templates_dir: None,
            transport: Transport::Memory(sent.clone()),
            files: None,
        };
        let other = Mailer::new(options, &DerivedKeys::new(&[8; 32])).unwrap();
        let error = other.deliver(&queued(&mailer), NOW).await.unwrap_err();
        assert!(error.is_permanent() && error.to_string().contains("keys/secret"), "{error}");
        assert!(sent.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn email_files_are_complete_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("mail");
        let mailer = mailer(Some("Help desk <help@example.com>"), Transport::Files(dir.clone())).unwrap();
        mailer.deliver(&queued(&mailer), NOW).await.unwrap();
        let entries: Vec<_> = std::fs::read_dir(&dir).unwrap().map(Result::unwrap).collect();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].file_name(), "20231114T221320Z-4-reset_code.eml");
        assert_eq!(entries[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let text = std::fs::read_to_string(entries[0].path()).unwrap();
        for expected in [
            "From: \"Help desk\" <help@example.com>\r\n",
            "To: anna@example.com\r\n",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Content-Type: multipart/alternative",
            "\r\n1111-1111-1111\r\n",
            "<!doctype html>",
        ] {
            assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
        }
        let id = text.lines().find(|line| line.starts_with("Message-ID: <")).unwrap();
        assert!(id.ends_with("@auth.example.com>"), "{id}");
    }

    #[test]
    fn the_domain_of_the_sender_becomes_a_labels() {
        for (from, expected) in [
            ("Büro <hilfe@MÜNCHEN.example>", "Büro <hilfe@xn--mnchen-3ya.example>"),
            ("hilfe@münchen。example", "hilfe@xn--mnchen-3ya.example"),
        ] {
            assert_eq!(sender(from).map(|mailbox| mailbox.to_string()).as_deref(), Some(expected), "{from}");
        }
    }

    #[test]
    fn an_invalid_sender_is_named() {
        let error = mailer(Some("plainword"), Transport::memory().0).unwrap_err();
        assert!(error.to_string().contains("\"plainword\"") && error.to_string().contains("email.from"), "{error}");
    }
}
