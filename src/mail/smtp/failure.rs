//! Why an attempt to send an e-mail failed, in words for the operator: the step, the reply of the mail server, and the
//! setting to check. No message contains the password or the content of an e-mail.

use std::io;

use super::account::SmtpAccount;
use super::reply::SmtpReply;

/// A step of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SmtpStep {
    /// From the name resolution to the greeting of the mail server.
    Connect,
    /// EHLO.
    Hello,
    /// STARTTLS and the TLS handshake.
    Encrypt,
    /// AUTH.
    Authenticate,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA and the content.
    Content,
}

/// The cause of a failure.
#[derive(Debug)]
pub(super) enum SmtpCause {
    /// The connection failed, or the server's data was not SMTP.
    Io(io::Error),
    /// The server rejected a command.
    Reply(SmtpReply),
    /// Something that the server does not offer, or that is not possible with it. The text ends a sentence.
    Unsupported(String),
    /// A TLS error in words, with the setting to check.
    Tls(String),
}

/// A step and why it failed.
#[derive(Debug)]
pub(super) struct SmtpFailure {
    pub(super) step: SmtpStep,
    pub(super) cause: SmtpCause,
}

impl SmtpFailure {
    /// Whether the mail server rejected the e-mail permanently.
    pub(super) fn is_permanent(&self) -> bool {
        match &self.cause {
            SmtpCause::Reply(reply) => reply.is_permanent(),
            SmtpCause::Unsupported(_) => matches!(self.step, SmtpStep::Sender | SmtpStep::Recipient),
            SmtpCause::Io(_) | SmtpCause::Tls(_) => false,
        }
    }

    /// Whether no e-mail can reach the recipient through this mail server: it lacks SMTPUTF8.
    pub(super) fn is_undeliverable(&self) -> bool {
        self.step == SmtpStep::Recipient && matches!(self.cause, SmtpCause::Unsupported(_))
    }

    /// Describes the failure. `clean` removes the content of the e-mail, which the mail server may quote in its reply.
    pub(super) fn describe(&self, account: Option<&SmtpAccount>, clean: impl Fn(&str) -> String) -> String {
        let operation = self.step.operation();
        match &self.cause {
            SmtpCause::Tls(problem) => format!("{operation} failed: {problem}"),
            SmtpCause::Unsupported(problem) => format!("{operation} failed: {}", clean(problem)),
            SmtpCause::Io(error) => format!("{operation} failed: {}{}", clean(&error.to_string()), self.step.hint("")),
            SmtpCause::Reply(reply) => {
                let text = match (self.step, account) {
                    (SmtpStep::Authenticate, Some(account)) => account.removed_from(&reply.text()),
                    _ => reply.text(),
                };
                let hint = self.step.hint(&text);
                format!("{operation} failed: the server replied {}{hint}", clean(&format!("{} {text}", reply.code)))
            }
        }
    }
}

impl SmtpStep {
    fn operation(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::Hello => "introducing this server with EHLO",
            Self::Encrypt => "starting TLS",
            Self::Authenticate => "authenticating",
            Self::Sender => "naming the sender",
            Self::Recipient => "naming the recipient",
            Self::Content => "sending the content",
        }
    }

    /// The setting to check. Some servers reject the name of EHLO only when they get the sender or the recipient.
    fn hint(self, reply: &str) -> &'static str {
        let reply = reply.to_ascii_lowercase();
        let is_about_hello = ["helo", "ehlo"].iter().any(|word| reply.contains(word));
        match self {
            Self::Connect => "; check email.host, email.port and email.security",
            Self::Hello => "; set email.hello to a name that the mail server accepts",
            Self::Sender | Self::Recipient if is_about_hello => {
                "; set email.hello to a name that the mail server accepts"
            }
            Self::Encrypt => "; check email.security",
            Self::Authenticate => "; check email.username and email.password",
            Self::Sender => "; check email.from, and whether email.username may send from it",
            Self::Recipient | Self::Content => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(step: SmtpStep, code: u16, text: &str) -> SmtpFailure {
        SmtpFailure { step, cause: SmtpCause::Reply(SmtpReply { code, lines: vec![text.to_owned()] }) }
    }

    fn text(failure: &SmtpFailure) -> String {
        failure.describe(None, str::to_owned)
    }

    #[test]
    fn each_step_names_the_setting_to_check() {
        for (step, reply, hint) in [
            (SmtpStep::Connect, "no service", "email.port"),
            (SmtpStep::Hello, "need a fully-qualified name", "email.hello"),
            (SmtpStep::Encrypt, "not now", "email.security"),
            (SmtpStep::Authenticate, "bad", "email.password"),
            (SmtpStep::Sender, "sender rejected", "email.from"),
            (SmtpStep::Sender, "<app>: Helo command rejected: need a name", "email.hello"),
            (SmtpStep::Recipient, "EHLO name rejected", "email.hello"),
        ] {
            let text = text(&failure(step, 550, reply));
            assert!(text.contains(hint) && text.contains(&format!("the server replied 550 {reply}")), "{text}");
        }
        for step in [SmtpStep::Recipient, SmtpStep::Content] {
            assert!(!text(&failure(step, 550, "no such user")).contains("email."));
        }
    }

    #[test]
    fn only_codes_from_500_are_permanent() {
        assert!(failure(SmtpStep::Recipient, 550, "").is_permanent());
        assert!(!failure(SmtpStep::Recipient, 451, "").is_permanent());
        let unsupported = |step| SmtpFailure { step, cause: SmtpCause::Unsupported("x".to_owned()) };
        assert!(unsupported(SmtpStep::Recipient).is_permanent() && !unsupported(SmtpStep::Authenticate).is_permanent());
    }
}
