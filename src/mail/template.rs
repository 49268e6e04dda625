//! The kinds of e-mails and their templates. Files of the operator override the built-in templates.
//!
//! This module determines the content of e-mails. It sends and stores nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use minijinja::context;
use minijinja::value::Value;

use super::message::{RenderedMail, mask_address};
use super::site::Site;
use crate::domain::account_change::AccountChange;
use crate::domain::duration::in_words;
use crate::domain::email_confirmation::CONFIRMATION_LIFETIME;
use crate::domain::mail_name::MailRecipient;
use crate::domain::reset_code::ResetCode;
use crate::domain::secret::SecretText;
use crate::domain::social::ProviderName;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, Username};
use crate::template::{TemplateError, TemplateSet};

/// An e-mail to be rendered. The fields are the context of its template, in addition to `site.url`, `site.name` and
/// `site.host`.
#[derive(Clone, Debug)]
pub enum Mail {
    /// The code that resets a password. Template `reset_code`: `username`, `code`, `valid_for`.
    ResetCode {
        /// The user whose password is reset.
        username: Username,
        /// The code, displayed in groups of four characters.
        code: ResetCode,
        /// How long it is valid.
        valid_for: Duration,
    },
    /// The link that confirms an address. Template `confirm_email`: `username`, `email`, `link`, `valid_for`.
    ConfirmEmail {
        /// The user who has or requested the address.
        username: Username,
        /// The address, to which the e-mail is sent.
        email: Email,
        /// The complete link.
        link: SecretText,
        /// How long it is valid.
        valid_for: Duration,
    },
    /// The notice to the present address that another one was requested. Template `email_change_requested`: `username`,
    /// `new_email` (masked), `at`, `valid_for`.
    EmailChangeRequested {
        /// The user.
        username: Username,
        /// The requested address.
        new_email: Email,
        /// When it was requested.
        at: Timestamp,
        /// How long it can be confirmed.
        valid_for: Duration,
    },
    /// The link to the form for a new password. Template `restore_link`: `username`, `link`, `valid_for`.
    RestoreLink {
        /// The user whose password is reset.
        username: Username,
        /// The complete link.
        link: SecretText,
        /// How long it is valid.
        valid_for: Duration,
    },
    /// What changed in an account. Template `account_notice`: `username`, `changes` (a list of sentences), `at` (UTC),
    /// `contact` (none if it is not configured).
    AccountNotice {
        /// The user name before the changes.
        username: Username,
        /// The changes, at least one.
        changes: Vec<AccountChange>,
        /// When they were made.
        at: Timestamp,
        /// Whom the user contacts; `None`: the operator.
        contact: Option<String>,
    },
    /// The e-mail with which operators test the delivery. Template `test`: no further fields.
    Test,
}

impl Mail {
    /// The name of the template and of its folder.
    pub fn template(&self) -> &'static str {
        match self {
            Self::ResetCode { .. } => "reset_code",
            Self::RestoreLink { .. } => "restore_link",
            Self::AccountNotice { .. } => "account_notice",
            Self::ConfirmEmail { .. } => "confirm_email",
            Self::EmailChangeRequested { .. } => "email_change_requested",
            Self::Test => "test",
        }
    }

    /// How long the code or link in the e-mail is valid. After that the outbox does not send it any more. `None`: it
    /// contains nothing that expires.
    pub fn valid_for(&self) -> Option<Duration> {
        match self {
            Self::ResetCode { valid_for, .. }
            | Self::RestoreLink { valid_for, .. }
            | Self::ConfirmEmail { valid_for, .. } => Some(*valid_for),
            Self::AccountNotice { .. } | Self::EmailChangeRequested { .. } | Self::Test => None,
        }
    }

    /// Whether the e-mail contains a code or a link that changes something. Only such an e-mail must be encrypted in the
    /// outbox.
    pub fn has_secret(&self) -> bool {
        match self {
            Self::ResetCode { .. } | Self::RestoreLink { .. } | Self::ConfirmEmail { .. } => true,
            Self::AccountNotice { .. } | Self::EmailChangeRequested { .. } | Self::Test => false,
        }
    }

    /// Returns one e-mail of each kind for a short user name, and one for a long user name with special characters. A
    /// template that renders these samples is expected to render every e-mail.
    pub fn samples() -> Vec<Self> {
        let extreme = format!("O'<b>Hara</b> & {}", "ß".repeat(100));
        let users = ["anna", &extreme].into_iter().filter_map(|name| Username::parse(name).ok());
        let of_each_kind = users.flat_map(|username| {
            let linked = ProviderName::parse("github").ok().map(AccountChange::Linked);
            let link = SecretText::new("https://example.com/restore?restoring=sample&x=1".to_owned());
            [
                Self::ResetCode {
                    username: username.clone(),
                    code: ResetCode::from_random([7; 12]),
                    valid_for: Duration::from_mins(15),
                },
                Self::RestoreLink { username: username.clone(), link, valid_for: Duration::from_hours(1) },
                Self::AccountNotice {
                    username: username.clone(),
                    changes: [AccountChange::Password, AccountChange::Email].into_iter().chain(linked).collect(),
                    at: Timestamp::from_unix(1_700_000_000),
                    contact: Some("help@example.com".to_owned()),
                },
                Self::EmailChangeRequested {
                    username: username.clone(),
                    new_email: Email::from_stored("anna@example.org".to_owned()),
                    at: Timestamp::from_unix(1_700_000_000),
                    valid_for: CONFIRMATION_LIFETIME,
                },
                Self::ConfirmEmail {
                    username,
                    email: sample_recipient().address,
                    link: SecretText::new("https://example.com/confirm-email?confirming=sample&x=1".to_owned()),
                    valid_for: CONFIRMATION_LIFETIME,
                },
            ]
        });
        of_each_kind.chain([Self::Test]).collect()
    }

    fn context(&self, site: &Value, to: &MailRecipient) -> Value {
        match self {
            Self::ResetCode { username, code, valid_for } => context! {
                site => site.clone(), username => to.shown_name(username), code => code.grouped(), valid_for => in_words(*valid_for),
            },
            Self::RestoreLink { username, link, valid_for } => context! {
                site => site.clone(), username => to.shown_name(username), link => link.expose(), valid_for => in_words(*valid_for),
            },
            Self::AccountNotice { username, changes, at, contact } => context! {
                site => site.clone(), username => to.shown_name(username), contact => contact.as_deref(),
                changes => changes.iter().map(ToString::to_string).collect::<Vec<_>>(),
                at => format!("{} UTC", at.to_string().replace('T', " ").trim_end_matches('Z')),
            },
            Self::Test => context! { site => site.clone() },
            Self::EmailChangeRequested { username, new_email, at, valid_for } => context! {
                site => site.clone(), username => to.shown_name(username), new_email => mask_address(new_email),
                at => at.to_string(), valid_for => in_words(*valid_for),
            },
            Self::ConfirmEmail { username, email, link, valid_for } => context! {
                site => site.clone(), username => to.shown_name(username), email => email.as_str(), link => link.expose(),
                valid_for => in_words(*valid_for),
            },
        }
    }
}

/// Pairs the name of each built-in template with its text.
macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/mail/", $name)))),*]
    };
}
const BUILT_IN: [(&str, &str); 19] = built_in![
    "layout.html",
    "account_notice/subject.txt",
    "account_notice/body.txt",
    "account_notice/body.html",
    "confirm_email/subject.txt",
    "confirm_email/body.txt",
    "confirm_email/body.html",
    "email_change_requested/subject.txt",
    "email_change_requested/body.txt",
    "email_change_requested/body.html",
    "reset_code/subject.txt",
    "reset_code/body.txt",
    "reset_code/body.html",
    "restore_link/subject.txt",
    "restore_link/body.txt",
    "restore_link/body.html",
    "test/subject.txt",
    "test/body.txt",
    "test/body.html",
];

/// The parts of every e-mail.
const PARTS: [&str; 3] = ["subject.txt", "body.txt", "body.html"];

/// The recipient of samples and previews.
fn sample_recipient() -> MailRecipient {
    MailRecipient { address: Email::from_stored("anna@example.com".to_owned()), is_verified: true }
}

/// A template rendered with sample data. It contains no secret of a user.
#[derive(Clone, Debug)]
pub struct TemplatePreview {
    /// The name of the template.
    pub template: &'static str,
    /// The e-mail as it would be sent.
    pub rendered: RenderedMail,
    /// The files of the operator that override parts of the template.
    pub own_files: Vec<PathBuf>,
}

/// All templates, ready to be rendered. Files are read once, so a changed file is applied at the next start.
#[derive(Debug)]
pub struct Templates {
    set: TemplateSet,
    site: Value,
}

impl Templates {
    /// Loads the built-in templates, replaces them with the files in `<folder>/mail/`, and renders every template with
    /// samples to find errors.
    pub(super) fn load(folder: Option<&Path>, site: &Site) -> Result<Self, TemplateError> {
        let set = TemplateSet::load(folder.map(|folder| folder.join("mail")).as_deref(), &BUILT_IN)?;
        let site = context! { url => site.url.as_str(), name => site.name.as_str(), host => site.host.as_str() };
        let templates = Self { set, site };
        for sample in Mail::samples() {
            for part in PARTS {
                let name = format!("{}/{part}", sample.template());
                templates.set.render_sample(&name, sample.context(&templates.site, &sample_recipient()))?;
            }
        }
        Ok(templates)
    }

    /// Renders each template with its first sample, as it would be sent.
    pub(super) fn previews(&self) -> Result<Vec<TemplatePreview>, TemplateError> {
        let mut all: Vec<TemplatePreview> = Vec::new();
        for sample in Mail::samples() {
            let template = sample.template();
            if all.iter().any(|preview| preview.template == template) {
                continue;
            }
            let part = |part: &str| self.set.file(&format!("{template}/{part}")).map(Path::to_owned);
            let rendered = self.render(&sample, &sample_recipient())?;
            all.push(TemplatePreview { template, rendered, own_files: PARTS.into_iter().filter_map(part).collect() });
        }
        Ok(all)
    }

    /// Loads the built-in templates for a server at this URL.
    pub fn built_in(public_url: &str) -> Result<Self, TemplateError> {
        Self::load(None, &Site::new(public_url))
    }

    /// Renders an e-mail for its recipient. Until the recipient has verified the address, the context has the address in
    /// place of a user name that works as a message.
    pub fn render(&self, mail: &Mail, to: &MailRecipient) -> Result<RenderedMail, TemplateError> {
        let part = |part: &str| self.set.render(&format!("{}/{part}", mail.template()), mail.context(&self.site, to));
        let mut subject = part("subject.txt")?;
        // A header must be one line, even if the template or the user name has line breaks.
        subject = subject
            .split(|c: char| c.is_whitespace() || c.is_control())
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        Ok(RenderedMail { to: to.address.clone(), subject, text: part("body.txt")?, html: part("body.html")? })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs;

    use super::*;

    fn load(folder: Option<&Path>) -> Result<Templates, TemplateError> {
        Templates::load(folder, &Site::new("https://auth.example.com"))
    }

    fn rendered(templates: &Templates) -> Vec<RenderedMail> {
        Mail::samples().iter().map(|mail| templates.render(mail, &sample_recipient()).unwrap()).collect()
    }

    /// Overrides one template file and returns the result of loading.
    fn overridden(name: &str, source: &[u8]) -> (tempfile::TempDir, Result<Templates, TemplateError>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mail").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, source).unwrap();
        let loaded = load(Some(folder.path()));
        (folder, loaded)
    }

    #[test]
    fn every_template_renders_every_sample() {
        let mails = rendered(&load(None).unwrap());
        assert_eq!(mails.len(), 11);
        for (mail, sample) in mails.iter().zip(Mail::samples()) {
            let html = mail.html.replace("&#x2f;", "/").replace("&amp;", "&");
            assert!(!mail.subject.is_empty() && !mail.subject.contains(['\r', '\n']), "{}", mail.subject);
            assert!(mail.text.contains("https://auth.example.com") && html.contains("https://auth.example.com"));
            assert!(!mail.html.contains("<b>Hara"), "a user name is not HTML: {}", mail.html);
            let secret = match &sample {
                Mail::ResetCode { code, .. } => code.grouped(),
                Mail::RestoreLink { link, .. } | Mail::ConfirmEmail { link, .. } => link.expose().to_owned(),
                Mail::AccountNotice { .. } => "help@example.com".to_owned(),
                Mail::EmailChangeRequested { .. } | Mail::Test => continue,
            };
            assert!(mail.text.lines().any(|line| line == secret), "{secret} is on its own line in {}", mail.text);
            assert!(html.contains(&secret), "{html}");
        }
    }

    #[test]
    fn a_template_file_overrides_the_built_in_one() {
        let (_folder, loaded) = overridden("reset_code/subject.txt", b"Code\n  for {{ username }}\n");
        let mails = rendered(&loaded.unwrap());
        assert_eq!(mails[0].subject, "Code for anna");
        assert!(mails[0].text.contains("works once"));
    }

    #[test]
    fn each_template_has_one_preview_that_names_the_override_files() {
        let (folder, loaded) = overridden("reset_code/subject.txt", b"Code for {{ username }}");
        let previews = loaded.unwrap().previews().unwrap();
        assert_eq!(
            previews.iter().map(|preview| preview.template).collect::<Vec<_>>(),
            ["reset_code", "restore_link", "account_notice", "email_change_requested", "confirm_email", "test"]
        );
        assert_eq!(previews[0].rendered.subject, "Code for anna");
        assert_eq!(previews[0].own_files, [folder.path().join("mail/reset_code/subject.txt")]);
        assert!(previews[1].own_files.is_empty() && previews[1].rendered.html.contains("restoring=sample"));
    }

    #[test]
    fn an_invalid_template_names_its_file_and_line() {
        for (name, source, expected) in [
            ("reset_code/body.txt", "Hello\n{{ code", "line 2"),
            ("reset_code/body.html", "{{ username }}\n\n{{ link }}", "line 3: undefined value"),
            ("layout.html", "{% block content %}{% endblock %}\n{{ sight.name }}", "line 2: undefined value"),
            ("restore_link/subject.txt", "  \n", "renders no text"),
        ] {
            let (folder, loaded) = overridden(name, source.as_bytes());
            let error = loaded.unwrap_err().to_string();
            let file = folder.path().join("mail").join(name);
            assert!(error.contains(&file.display().to_string()) && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_non_utf8_template_names_its_file() {
        let (_folder, loaded) = overridden("reset_code/body.txt", b"\xff\xfe");
        let error = loaded.unwrap_err().to_string();
        assert!(error.contains("reset_code/body.txt") && error.contains("UTF-8"), "{error}");
    }

    #[test]
    fn a_name_that_works_as_a_message_is_in_no_part_of_an_email_to_an_unverified_address() {
        let (_folder, loaded) = overridden("reset_code/subject.txt", b"Code for {{ username }}");
        let templates = loaded.unwrap();
        let username = Username::parse("URGENT: go to http://evil.example/login").unwrap();
        let mail =
            Mail::ResetCode { username, code: ResetCode::from_random([1; 12]), valid_for: Duration::from_mins(15) };
        for is_verified in [false, true] {
            let rendered = templates.render(&mail, &MailRecipient { is_verified, ..sample_recipient() }).unwrap();
            for part in [&rendered.subject, &rendered.text, &rendered.html] {
                assert_eq!(part.contains("evil"), is_verified, "{part}");
            }
            assert_eq!(rendered.subject.contains("anna@example.com"), !is_verified);
        }
    }
}
