//! An e-mail in its three forms: rendered, encrypted (sealed) for the outbox, and encoded for transport (RFC 5322,
//! MIME).

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::error::SendError;
use super::site::Site;
use crate::crypto::aead::{Aead, UnsealError};
use crate::domain::mail_item::{MailItem, SealedMail};
use crate::domain::secret::SecretBytes;
use crate::domain::time::Timestamp;
use crate::domain::user::Email;
use crate::random::Random;

/// The associated data of sealed e-mails.
const PURPOSE: &[u8] = b"mail";

/// The beginning of an e-mail in the outbox that is not encrypted. Encrypted ones begin with a byte below 32.
const UNSEALED: &[u8] = b"unsealed e-mail: ";
/// The number of random bytes that follow. They make the message id of an e-mail unique.
const UNSEALED_RANDOM: usize = 16;

/// A rendered e-mail. It contains codes and links, so `Debug` does not show its content, and its bodies are wiped when
/// dropped.
#[derive(Clone)]
pub struct RenderedMail {
    /// The only recipient.
    pub to: Email,
    /// The subject, one line.
    pub subject: String,
    /// The body as plain text.
    pub text: String,
    /// The same body as HTML.
    pub html: String,
}

impl Drop for RenderedMail {
    fn drop(&mut self) {
        self.text.zeroize();
        self.html.zeroize();
    }
}

impl fmt::Debug for RenderedMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RenderedMail(to {})", mask_address(&self.to))
    }
}

/// The content of a rendered e-mail in the form that is encrypted.
#[derive(Serialize, Deserialize)]
struct MailContent<T> {
    to: T,
    subject: T,
    text: T,
    html: T,
}

/// Why an encrypted e-mail cannot be decrypted.
#[derive(Debug, thiserror::Error)]
pub enum UnopenableMail {
    /// Decryption failed.
    #[error("cannot open the e-mail: {0}")]
    Seal(#[from] UnsealError),
    /// The decrypted content is not an e-mail.
    #[error("cannot open the e-mail: another version of Countersign encrypted it")]
    Content,
}

impl From<UnopenableMail> for SendError {
    fn from(error: UnopenableMail) -> Self {
        Self::permanent(error.to_string())
    }
}

/// Encrypts an e-mail for the outbox.
pub fn seal_mail(mail: &RenderedMail, seal: &Aead, random: &Random) -> SealedMail {
    SealedMail(seal.seal(PURPOSE, &to_json(mail), random))
}

/// Puts an e-mail without a secret into the form of the outbox without encrypting it, for a command that cannot open the
/// secret of the issuer.
pub fn pack_unsealed_mail(mail: &RenderedMail, random: &Random) -> SealedMail {
    SealedMail([UNSEALED, &random.bytes::<UNSEALED_RANDOM>(), &to_json(mail)].concat())
}

fn to_json(mail: &RenderedMail) -> Zeroizing<Vec<u8>> {
    let content = MailContent { to: mail.to.as_str(), subject: &*mail.subject, text: &*mail.text, html: &*mail.html };
    Zeroizing::new(serde_json::to_vec(&content).expect("four strings can be serialized as JSON"))
}

/// The content of an e-mail in the outbox.
fn content(mail: &SealedMail, seal: &Aead) -> Result<SecretBytes, UnsealError> {
    match mail.0.strip_prefix(UNSEALED) {
        Some(unsealed) => Ok(SecretBytes::new(unsealed.get(UNSEALED_RANDOM..).unwrap_or_default().to_vec())),
        None => seal.open(PURPOSE, &mail.0),
    }
}

/// Encrypts the content of an e-mail in the outbox with another key. `None` if `from` does not decrypt it.
pub fn reseal_mail(mail: &SealedMail, from: &Aead, to: &Aead, random: &Random) -> Option<SealedMail> {
    let json = content(mail, from).ok()?;
    Some(SealedMail(to.seal(PURPOSE, json.expose(), random)))
}

/// Decrypts an e-mail that [`seal_mail`] encrypted, or reads one that `pack_unsealed_mail` returned.
pub fn open_mail(mail: &SealedMail, seal: &Aead) -> Result<RenderedMail, UnopenableMail> {
    let json = content(mail, seal)?;
    let content: MailContent<String> = serde_json::from_slice(json.expose()).map_err(|_| UnopenableMail::Content)?;
    let to = Email::from_stored(content.to);
    Ok(RenderedMail { to, subject: content.subject, text: content.text, html: content.html })
}

/// Masks an address for logs and lists: `a***@example.com`.
pub fn mask_address(address: &Email) -> String {
    mask(address.as_str())
}

fn mask(address: &str) -> String {
    let (name, domain) = address.rsplit_once('@').unwrap_or((address, "…"));
    let first: String = name.chars().take(1).collect();
    format!("{first}***@{domain}")
}

/// An e-mail that is ready to be sent.
pub(super) struct OutgoingMail<'a> {
    pub item: &'a MailItem,
    pub rendered: &'a RenderedMail,
    pub envelope: Envelope,
    pub bytes: Zeroizing<Vec<u8>>,
    pub now: Timestamp,
}

impl<'a> OutgoingMail<'a> {
    /// Encodes an e-mail for transport.
    pub fn new(
        item: &'a MailItem,
        rendered: &'a RenderedMail,
        from: &Mailbox,
        site: &Site,
        now: Timestamp,
    ) -> Result<Self, SendError> {
        let to: Option<Address> = rendered.to.smtp_form().and_then(|address| address.parse().ok());
        let to = to.ok_or_else(|| unsendable_error(rendered))?;
        // The id is a hash of the sealed bytes. It is unique, because their nonce is random, and the same in every
        // attempt.
        let hash = digest(&SHA256, &item.sealed.0);
        let id: String = URL_SAFE_NO_PAD.encode(&hash.as_ref()[..18]);
        let message = Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(rendered.subject.clone())
            .date(UNIX_EPOCH + Duration::from_secs(u64::try_from(now.unix()).unwrap_or(0)))
            .message_id(Some(format!("<{id}@{}>", site.host)))
            .raw_header(auto_submitted_header())
            .multipart(
                MultiPart::alternative()
                    .boundary(format!("=_{id}"))
                    .singlepart(SinglePart::plain(rendered.text.clone()))
                    .singlepart(SinglePart::html(rendered.html.clone())),
            )
            .map_err(|_| unsendable_error(rendered))?;
        let envelope = Envelope::new(Some(from.email.clone()), vec![to]).map_err(|_| unsendable_error(rendered))?;
        Ok(Self { item, rendered, envelope, bytes: Zeroizing::new(message.formatted()), now })
    }

    /// Removes from a mail server's reply the e-mail content that it may quote. Returns one line of at most 300
    /// characters.
    ///
    /// Addresses are masked. Links, and words of at least 12 bytes that the e-mail contains, are replaced with
    /// `…`, because a spam filter may quote a reset code.
    pub fn without_secrets(&self, reply: &str) -> String {
        let words = reply.split_whitespace().map(|word| {
            let core = word.trim_matches(|c: char| !c.is_alphanumeric());
            let is_quoted =
                core.len() >= 12 && (self.rendered.text.contains(core) || self.rendered.html.contains(core));
            match core {
                _ if word.contains("://") || is_quoted => "…".to_owned(),
                _ if core.contains('@') => mask(core),
                _ => word.replace(|c: char| c.is_control(), "?"),
            }
        });
        words.collect::<Vec<_>>().join(" ").chars().take(300).collect()
    }
}

/// The header that asks other programs not to reply automatically (RFC 3834 §5).
fn auto_submitted_header() -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned())
}

fn unsendable_error(mail: &RenderedMail) -> SendError {
    SendError::undeliverable(format!("cannot send an e-mail to {}: the address is invalid", mask_address(&mail.to)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crypto::derive::{DerivedKeys, Use};
    use crate::domain::mail_item::MailId;

    const LINK: &str = "https://auth.example.com/restore?restoring=abcdefghijklmnop";

    fn rendered(subject: &str) -> RenderedMail {
        let to = Email::parse("anna@example.com").unwrap();
        RenderedMail {
            to,
            subject: subject.to_owned(),
            text: format!("Hello\n\n{LINK}\n"),
            html: format!("<p>{LINK}</p>"),
        }
    }

    fn seal() -> Aead {
        Aead::new(&DerivedKeys::new(&[7; 32]), Use::MailEncryption)
    }

    fn with_outgoing(rendered: &RenderedMail, check: impl Fn(&OutgoingMail)) {
        let item = MailItem {
            id: MailId(1),
            template: "restore_link".to_owned(),
            sealed: seal_mail(rendered, &seal(), &Random::seeded(1)),
            created_at: Timestamp::from_unix(0),
            expires_at: None,
            attempts: 0,
        };
        let from = "help@example.com".parse().unwrap();
        let site = Site::new("https://auth.example.com");
        check(&OutgoingMail::new(&item, rendered, &from, &site, Timestamp::from_unix(5)).unwrap());
    }

    #[test]
    fn a_sealed_email_opens_unchanged() {
        let mail = rendered("Grüße");
        let sealed = seal_mail(&mail, &seal(), &Random::seeded(1));
        let again = open_mail(&sealed, &seal()).unwrap();
        assert_eq!(
            (&again.to, &again.subject, &again.text, &again.html),
            (&mail.to, &mail.subject, &mail.text, &mail.html)
        );
        assert!(!sealed.0.windows(4).any(|window| window == b"anna"));
    }

    #[test]
    fn an_unsealed_email_is_opened_and_sealed_later() {
        let mail = rendered("Grüße");
        let random = Random::seeded(1);
        let unsealed = pack_unsealed_mail(&mail, &random);
        assert_ne!(unsealed.0, pack_unsealed_mail(&mail, &random).0, "the message id is a hash of these bytes");
        let sealed = reseal_mail(&unsealed, &seal(), &seal(), &random).unwrap();
        assert!(!sealed.0.windows(4).any(|window| window == b"anna"));
        for stored in [unsealed, sealed] {
            let again = open_mail(&stored, &seal()).unwrap();
            assert_eq!((&again.to, &again.text), (&mail.to, &mail.text));
        }
        for damaged in [UNSEALED.to_vec(), [UNSEALED, b"short"].concat()] {
            assert!(matches!(open_mail(&SealedMail(damaged), &seal()), Err(UnopenableMail::Content)));
        }
    }

    #[test]
    fn sealed_content_of_another_kind_is_rejected() {
        let other = SealedMail(seal().seal(PURPOSE, b"{}", &Random::seeded(1)));
        assert!(matches!(open_mail(&other, &seal()), Err(UnopenableMail::Content)));
        assert!(matches!(open_mail(&SealedMail(vec![]), &seal()), Err(UnopenableMail::Seal(UnsealError::Unknown))));
    }

    #[test]
    fn debug_output_hides_email_content() {
        assert_eq!(format!("{:?}", rendered("secret")), "RenderedMail(to a***@example.com)");
    }

    #[test]
    fn a_line_break_in_a_subject_adds_no_header() {
        with_outgoing(&rendered("Hello\r\nBcc: eve@example.com"), |outgoing| {
            let text = String::from_utf8_lossy(&outgoing.bytes).into_owned();
            assert!(!text.lines().any(|line| line.starts_with("Bcc:")), "{text}");
        });
    }

    #[test]
    fn a_server_reply_is_stripped_of_email_content() {
        with_outgoing(&rendered("x"), |outgoing| {
            let reply =
                format!("550 5.7.1 <anna@example.com>: spam: \"{LINK}\" (restoring=abcdefghijklmnop)\r\nno\x07");
            assert_eq!(outgoing.without_secrets(&reply), "550 5.7.1 a***@example.com spam: … … no?");
            assert_eq!(outgoing.without_secrets(&"a ".repeat(1000)).len(), 300);
        });
    }
}
