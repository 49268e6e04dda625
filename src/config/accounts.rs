//! Changes that users make to their own accounts: `[accounts]`.

use super::reader::Reader;

/// `[accounts]`
#[derive(Clone, Debug)]
pub struct AccountsConfig {
    /// Whether ordinary users change the password, the address and the linked accounts with an access token alone. If
    /// not, they also need the current password or a sign-in in the last 5 minutes. Superusers never use it.
    pub bare_changes: bool,
    /// Whom the e-mails about changes name, such as an address or a URL; `None`: the operator of the public host.
    pub contact: Option<String>,
    /// Whether a sign-in from a new network is notified by e-mail.
    pub notify_new_network: bool,
}

/// The maximum length of `accounts.contact` in characters.
const CONTACT_MAX: usize = 254;

impl AccountsConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        Self {
            bare_changes: r.flag("accounts.bare_changes", false),
            contact: r.optional("accounts.contact", contact),
            notify_new_network: r.flag("accounts.notify_new_network", false),
        }
    }
}

fn contact(text: &str) -> Result<String, String> {
    if text.trim() != text || text.chars().any(char::is_control) || text.chars().count() > CONTACT_MAX {
        return Err(format!("must be one line of 1 to {CONTACT_MAX} characters without spaces at the start or end"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use crate::config::Config;

    #[test]
    fn a_contact_is_one_line_of_at_most_254_characters() {
        let read = |text: &str| Config::from_toml(&format!("accounts.contact = {text:?}"));
        for valid in ["help@example.org", "https://example.org/help", "the help desk, room 5", &"x".repeat(254)] {
            assert_eq!(read(valid).unwrap().accounts.contact.as_deref(), Some(valid));
        }
        assert_eq!(read("").unwrap().accounts.contact, None);
        for invalid in [" help@example.org", "help\nBcc: all", &"x".repeat(255)] {
            let error = read(invalid).unwrap_err().to_string();
            assert!(error.contains("accounts.contact") && error.contains("one line of 1 to 254"), "{error}");
        }
    }
}
