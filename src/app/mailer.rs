//! Builds the mailer of the configuration, and sends the test e-mail.

use anyhow::{Context as _, Result};

use crate::clock::Clock;
use crate::config::{Config, SmtpConfig, SmtpLogin, SmtpSecurity};
use crate::crypto::derive::DerivedKeys;
use crate::domain::user::Email;
use crate::mail::{Mailer, MailerOptions, Smtp, SmtpAccount, SmtpOptions, Transport, TransportSecurity};
use crate::random::Random;

/// Builds the mailer. Sends nothing.
pub(super) fn mailer(config: &Config, keys: Option<&DerivedKeys>) -> Result<Mailer> {
    let folder = config.data_dir.join("mail");
    let transport = if let Some(smtp) = &config.email.smtp {
        Transport::Smtp(Smtp::new(smtp_options(smtp)).context("setting up [email]")?)
    } else {
        tracing::info!(folder = %folder.display(), "no smtp server configured; writing e-mails to files");
        Transport::Files(folder.clone())
    };
    let options = MailerOptions {
        public_url: config.server.public_url.to_string(),
        from: Some(config.email.from.to_string()),
        templates_dir: config.templates_dir.clone(),
        transport,
        files: Some(folder),
    };
    Mailer::new(options, keys).context("setting up e-mails")
}

/// Sends a test e-mail to the address now, not through the outbox. Opens neither the database nor the keys.
pub async fn send_test_mail(config: &Config, to: &Email) -> Result<()> {
    // The e-mail is sealed and opened again in this process, so any key will do.
    let mailer = mailer(config, Some(&DerivedKeys::new(&[0; 32])))?;
    Ok(mailer.send_test(to, Clock::system().now(), &Random::System).await?)
}

fn smtp_options(smtp: &SmtpConfig) -> SmtpOptions {
    SmtpOptions {
        host: smtp.host.clone(),
        port: smtp.port,
        hello: smtp.hello.clone(),
        account: smtp.login.as_ref().map(|SmtpLogin { username, password }| SmtpAccount {
            username: username.clone(),
            password: password.clone(),
        }),
        security: match smtp.security {
            SmtpSecurity::StartTls => TransportSecurity::StartTls,
            SmtpSecurity::Tls => TransportSecurity::Tls,
            SmtpSecurity::None => TransportSecurity::None,
        },
        ca_file: smtp.ca_file.clone(),
        timeout: SmtpOptions::TIMEOUT,
    }
}
