//! The name by which an e-mail calls its recipient.
//!
//! Anyone can register someone else's address under a name that works as a message, and let the server send it. So an
//! e-mail to an address that its owner has not verified shows a short user name without a link, or else the address.

use unicode_normalization::UnicodeNormalization as _;

use super::user::{Email, Username};

/// The maximum number of characters of a name in an e-mail to an unverified address.
const NAME_MAX: usize = 40;

/// The recipient of an e-mail.
#[derive(Clone, Debug)]
pub struct MailRecipient {
    /// The address.
    pub address: Email,
    /// Whether its owner has verified it.
    pub is_verified: bool,
}

impl MailRecipient {
    /// The name to show: the user name, or the address.
    pub fn shown_name<'a>(&'a self, username: &'a Username) -> &'a str {
        let name = username.as_str();
        if self.is_verified || is_harmless(name) { name } else { self.address.as_str() }
    }
}

/// Whether a name is too short for a message, and contains nothing that a mail program shows as a link.
fn is_harmless(name: &str) -> bool {
    // Compatibility forms, such as full-width letters, look like ASCII, and some mail programs treat them so.
    let plain: String = name.nfkc().flat_map(char::to_lowercase).map(ascii_lookalike).collect();
    let is_short = name.chars().count() <= NAME_MAX && plain.chars().count() <= NAME_MAX;
    is_short && !plain.split_whitespace().any(is_link)
}

/// The ASCII character that a character without a compatibility form is used for in links.
fn ascii_lookalike(c: char) -> char {
    match c {
        '\u{3002}' | '\u{ff61}' | '\u{2024}' => '.',
        '\u{2044}' | '\u{2215}' | '\u{29f8}' | '\u{2571}' | '\u{27cb}' | '\\' => '/',
        '\u{2236}' | '\u{a789}' | '\u{2982}' => ':',
        c => c,
    }
}

/// Whether a mail program may show a word as a link: it has a scheme, begins like a web address, or is a host with a port,
/// a path, a query or a fragment.
fn is_link(word: &str) -> bool {
    let has_scheme =
        word.contains("://") || ["mailto:", "tel:", "sms:", "data:", "javascript:"].iter().any(|s| word.contains(s));
    let has_path = word.match_indices(['/', '?', '#', ':']).any(|(at, _)| {
        let host = &word[..at];
        host.split_once('.').is_some_and(|(before, after)| {
            before.ends_with(char::is_alphanumeric) && after.starts_with(char::is_alphanumeric)
        })
    });
    has_scheme || word.contains("www.") || has_path
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn shown(name: &str, is_verified: bool) -> String {
        let recipient = MailRecipient { address: Email::parse("ann@example.com").unwrap(), is_verified };
        recipient.shown_name(&Username::parse(name).unwrap()).to_owned()
    }

    #[test]
    fn ordinary_names_are_shown() {
        let forty = "n".repeat(40);
        for name in [
            "ann",
            "Ann O'Hara",
            "j.smith",
            "ann@example.org",
            "M\u{fc}ller-L\u{fc}denscheidt",
            "\u{674e}",
            "A/B",
            "re: ann",
            &forty,
        ] {
            assert_eq!(shown(name, false), name);
        }
    }

    #[test]
    fn names_that_work_as_a_message_are_not_shown_before_the_address_is_verified() {
        let long = "n".repeat(41);
        for name in [
            "URGENT: go to http://evil.example/login",
            "http://evil.example",
            "HTTPS://EVIL.EXAMPLE",
            "hxxp://evil",
            "www.evil.example",
            "WWW.evil",
            "see \u{ff57}\u{ff57}\u{ff57}\u{ff0e}evil",
            "evil.example/login",
            "go evil.example/x now",
            "evil.example:8080",
            "evil.example?x=1",
            "evil.example#x",
            "192.0.2.1/x",
            "evil\u{3002}example\u{ff0f}x",
            "evil.example\u{2215}x",
            "evil.example\u{2044}x",
            "evil.example\\x",
            "http\u{ff1a}//evil",
            "mailto:a@evil.example",
            "tel:+123456789",
            "\u{fdfa}\u{fdfa}\u{fdfa}",
            &long,
        ] {
            assert_eq!(shown(name, false), "ann@example.com", "{name}");
            assert_eq!(shown(name, true), name);
        }
    }
}
