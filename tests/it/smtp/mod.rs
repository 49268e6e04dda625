//! E-mails sent through a real mail server that works or fails.
#![expect(clippy::unwrap_used, reason = "tests")]

mod faults;
mod files;
mod outbox;
mod server;
mod test_mail;
mod transport;

use std::path::PathBuf;
use std::time::Duration;

use countersign::crypto::derive::DerivedKeys;
use countersign::domain::hello_name::HelloName;
use countersign::domain::mail_item::NewMail;
use countersign::domain::mail_name::MailRecipient;
use countersign::domain::reset_code::ResetCode;
use countersign::domain::secret::SecretText;
use countersign::domain::time::Timestamp;
use countersign::domain::user::{Email, Username};
use countersign::mail::{Mail, Mailer, MailerOptions, Smtp, SmtpAccount, SmtpOptions, Transport, TransportSecurity};
use countersign::random::Random;

const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);
const CODE: &str = "1111-1111-1111";

/// The connection settings for a mail server.
struct SmtpTarget {
    host: &'static str,
    port: u16,
    security: TransportSecurity,
    account: Option<(&'static str, &'static str)>,
    ca_file: Option<PathBuf>,
    timeout: Duration,
}

impl SmtpTarget {
    fn plain(port: u16) -> Self {
        let timeout = SmtpOptions::TIMEOUT;
        Self { host: "localhost", port, security: TransportSecurity::None, account: None, ca_file: None, timeout }
    }

    fn mailer(self) -> Mailer {
        let options = SmtpOptions {
            host: self.host.to_owned(),
            port: self.port,
            hello: HelloName::parse("id.example.com").unwrap(),
            account: self.account.map(|(name, password)| SmtpAccount {
                username: name.to_owned(),
                password: SecretText::new(password.to_owned()),
            }),
            security: self.security,
            ca_file: self.ca_file,
            timeout: self.timeout,
        };
        let options = MailerOptions {
            public_url: "https://auth.example.com".to_owned(),
            from: Some("Countersign <no-reply@example.com>".to_owned()),
            templates_dir: None,
            transport: Transport::Smtp(Smtp::new(options).unwrap()),
            files: None,
        };
        Mailer::new(options, &DerivedKeys::new(&[7; 32])).unwrap()
    }
}

/// An e-mail with [`CODE`] to `<name>@example.com`.
fn new_mail(mailer: &Mailer, name: &str, at: Timestamp) -> NewMail {
    new_mail_to(mailer, &format!("{name}@example.com"), at)
}

/// An e-mail with [`CODE`] to this address.
fn new_mail_to(mailer: &Mailer, to: &str, at: Timestamp) -> NewMail {
    let username = Username::parse("anna").unwrap();
    let code = ResetCode::from_random([1; 12]);
    let mail = Mail::ResetCode { username, code, valid_for: Duration::from_mins(15) };
    let to = MailRecipient { address: Email::parse(to).unwrap(), is_verified: true };
    mailer.prepare(&mail, &to, at, &Random::System).unwrap()
}
