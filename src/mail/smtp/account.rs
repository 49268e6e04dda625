//! The account for AUTH, and its removal from replies of the mail server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::domain::secret::SecretText;

/// The account for AUTH.
#[derive(Clone, Debug)]
pub struct SmtpAccount {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: SecretText,
}

impl SmtpAccount {
    /// Removes what a server quotes of the account in a reply, as it is or in the form of AUTH: some repeat the command that they
    /// reject. Removes every word of at least four characters that is part of a secret.
    pub(super) fn removed_from(&self, reply: &str) -> String {
        let name = self.username.as_str();
        let password = self.password.expose();
        let secrets = [
            Zeroizing::new(password.to_owned()),
            Zeroizing::new(STANDARD.encode(password)),
            Zeroizing::new(STANDARD.encode(name)),
            Zeroizing::new(STANDARD.encode(&*Zeroizing::new(format!("\0{name}\0{password}")))),
        ];
        let is_quoted = |word: &str| {
            secrets.iter().any(|secret| !secret.is_empty() && (word.contains(&***secret) || secret.contains(word)))
        };
        let reply = if password.len() < 4 { reply.to_owned() } else { reply.replace(password, "…") };
        let words = reply.split_whitespace().map(|word| {
            let mut parts = word.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c));
            if parts.any(|part| part.len() >= 4 && is_quoted(part)) { "…" } else { word }
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_to_auth_shows_nothing_of_the_account() {
        let account = SmtpAccount {
            username: "bob@example.com".to_owned(),
            password: SecretText::new("correct horse".to_owned()),
        };
        let plain = STANDARD.encode("\0bob@example.com\0correct horse");
        for quoted in [
            "correct horse".to_owned(),
            "\"horse\"".to_owned(),
            plain.clone(),
            plain[..20].to_owned(),
            format!("AUTH=<{plain}>"),
            STANDARD.encode("correct horse"),
            STANDARD.encode("bob@example.com"),
        ] {
            let text = account.removed_from(&format!("5.7.8 bad credentials: {quoted}"));
            assert!(text.starts_with("5.7.8 bad credentials: …"), "{text}");
            for word in ["correct", "horse", &plain[..12]] {
                assert!(!text.contains(word), "{text}");
            }
        }
        assert_eq!(account.removed_from("5.7.8 no"), "5.7.8 no");
    }
}
