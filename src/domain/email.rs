//! The rules for e-mail addresses.

use email_address::{EmailAddress, Options};
use unicode_normalization::UnicodeNormalization;

use super::field::FieldProblem;
use super::look_up_key::{ascii_domain, compared_by_key, former_key, look_up_key};

/// The maximum length of an e-mail address: in characters as written, and in bytes with a domain of A-labels (RFC 5321
/// §4.5.3.1.3, without the angle brackets).
pub const EMAIL_MAX: usize = 254;

/// An e-mail address (RFC 5321 mailbox, without display name, quoted local part and domain literal). The domain has at
/// least two labels. Addresses are equal if their [`Email::key`] is equal.
#[derive(Clone, Debug)]
pub struct Email(String);
compared_by_key!(Email);

impl Email {
    /// Parses and checks an address. White space at both ends is dropped.
    ///
    /// Rejects a local part that NFKC changes: the address would have the key of another mailbox, such as `mike` for
    /// `miKe` (with a Kelvin sign). Rejects a quoted local part and a domain that cannot be converted to A-labels,
    /// because no e-mail can be sent to them.
    pub fn parse(text: &str) -> Result<Self, FieldProblem> {
        let email = Self::parse_existing(text)?;
        let (local, domain) = email.parts();
        let ascii = ascii_domain(domain).filter(|_| local.nfkc().eq(local.chars())).ok_or(FieldProblem::NotAnEmail)?;
        if local.len() + 1 + ascii.len() > EMAIL_MAX {
            Err(FieldProblem::TooLong { max: EMAIL_MAX })
        } else {
            Ok(email)
        }
    }

    /// Parses an address that an account may already have. Accepts every unquoted local part and every domain that
    /// earlier rules accepted.
    pub fn parse_existing(text: &str) -> Result<Self, FieldProblem> {
        let text = text.trim();
        if text.is_empty() {
            return Err(FieldProblem::Blank);
        }
        if text.chars().count() > EMAIL_MAX {
            return Err(FieldProblem::TooLong { max: EMAIL_MAX });
        }
        let (local, domain) = text.rsplit_once('@').ok_or(FieldProblem::NotAnEmail)?;
        let domain = ascii_domain(domain).unwrap_or_else(|| domain.to_owned());
        let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
        let is_valid = !local.contains('"')
            && !text.chars().any(char::is_control)
            && EmailAddress::parse_with_options(&format!("{local}@{domain}"), options).is_ok();
        if is_valid { Ok(Self(text.to_owned())) } else { Err(FieldProblem::NotAnEmail) }
    }

    /// Wraps a stored value. The rules are not applied, so that values accepted under earlier rules stay readable.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The address as the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The normalised form, which must be unique.
    pub fn key(&self) -> String {
        look_up_key(&self.0)
    }

    /// See [`former_key`].
    pub fn former_key(&self) -> Option<String> {
        former_key(&self.0)
    }

    /// The address for SMTP: the local part as written, and the domain as A-labels. `None` if the domain cannot be
    /// converted.
    pub fn smtp_form(&self) -> Option<String> {
        let (local, domain) = self.parts();
        if domain.is_ascii() {
            Some(self.0.clone())
        } else {
            ascii_domain(domain).map(|domain| format!("{local}@{domain}"))
        }
    }

    /// Whether both addresses belong to one mailbox: they are equal after ASCII letters are lower-cased and the domain
    /// is converted to A-labels. Stricter than a comparison of keys, because two mailboxes may have the same key.
    pub fn is_same_mailbox(&self, other: &Self) -> bool {
        let (local, domain) = self.parts();
        let (other_local, other_domain) = other.parts();
        local.eq_ignore_ascii_case(other_local)
            && ascii_domain(domain).is_some_and(|ascii| ascii_domain(other_domain).as_ref() == Some(&ascii))
    }

    /// The local part and the domain.
    fn parts(&self) -> (&str, &str) {
        self.0.rsplit_once('@').unwrap_or((&self.0, ""))
    }
}

/// Whether a key may be the key of an address. Accepts every such key, of whatever length, because a key may be longer
/// than its address.
pub(super) fn is_address_key(key: &str) -> bool {
    let Some((local, domain)) = key.rsplit_once('@') else { return false };
    let is_atext = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    !local.is_empty()
        && local.chars().all(|c| is_atext(c) || !(c.is_ascii() || c.is_whitespace()))
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_addresses_are_validated_by_a_parser() {
        for valid in ["ann@example.com", "a.b+c@sub.example.org", "李@例子.测试", "ann@münchen。example"] {
            assert!(Email::parse(valid).is_ok(), "{valid}");
            assert!(is_address_key(&Email::from_stored(valid.to_owned()).key()), "{valid}");
        }
        for invalid in [
            "ann",
            "ann@",
            "@example.com",
            "a b@example.com",
            "Ann <ann@example.com>",
            "a@b@c.com",
            "ann@localhost",
            "ann@[192.0.2.1]",
            "ann@xn--a.example",
            "ann@exa mple.org",
            "ann@example.com\r\nBcc: x@y.z",
        ] {
            assert_eq!(Email::parse(invalid), Err(FieldProblem::NotAnEmail), "{invalid}");
        }
        assert_eq!(Email::parse("ANN@example.COM"), Email::parse("ann@example.com"));
        assert_eq!(Email::parse("Ann@München.example"), Email::parse("ann@xn--mnchen-3ya.example"));
    }

    #[test]
    fn white_space_around_an_address_is_dropped() {
        for white in [" ", "\t", "\r\n", "\u{a0}", "\u{3000}", "\u{2028}", "\u{85}"] {
            let parsed = Email::parse(&format!("{white}Ann@example.org{white}"));
            assert_eq!(parsed.as_ref().map(Email::as_str), Ok("Ann@example.org"), "{white:?}");
        }
        assert_eq!(Email::parse("\u{2003}"), Err(FieldProblem::Blank));
        assert_eq!(Email::parse("ann @example.org"), Err(FieldProblem::NotAnEmail));
    }

    #[test]
    fn a_quoted_local_part_is_rejected() {
        for invalid in [
            "\"odd name\"@example.com",
            "\"ann\"@example.com",
            "\"a@b\"@example.com",
            "\"a\\\"b\"@example.com",
            "\"\"@example.com",
            "ann.\"other\"@example.com",
            "\"ann\".other@example.com",
            " \"ann\"@münchen.example",
        ] {
            assert_eq!(Email::parse(invalid), Err(FieldProblem::NotAnEmail), "{invalid}");
            assert_eq!(Email::parse_existing(invalid), Err(FieldProblem::NotAnEmail), "{invalid}");
        }
    }

    #[test]
    fn a_long_address_is_rejected_in_every_form() {
        let long = |text: String| Email::parse(&text);
        assert_eq!(long(format!("a@{}.example", "b".repeat(250))), Err(FieldProblem::TooLong { max: EMAIL_MAX }));
        // 254 characters at most, but the domain has more as A-labels.
        let label: String = (0..12).filter_map(|number| char::from_u32(0x4e00 + 997 * number)).collect();
        let domain = [label.as_str(); 7].join(".");
        assert!(long(format!("a@{domain}.example")).is_err());
        assert_eq!(long(format!("{}@example.org", "a".repeat(65))), Err(FieldProblem::NotAnEmail));
        // U+FDFA becomes 18 characters, so the key would have more than 508 characters.
        let expanding = "\u{fdfa}".repeat(40);
        assert_eq!(long(format!("a@{expanding}.example")), Err(FieldProblem::NotAnEmail));
        assert_eq!(long(format!("{expanding}@example.org")), Err(FieldProblem::NotAnEmail));
        let longest = format!("{}@{}", "\u{130}".repeat(32), [&"b".repeat(60); 3].map(String::as_str).join("."));
        assert!(Email::parse(&longest).is_ok_and(|email| email.key().chars().count() < 508));
    }

    #[test]
    fn a_local_part_that_nfkc_changes_is_rejected() {
        for invalid in ["mi\u{212a}e", "\u{ff4d}ike", "\u{17f}am", "\u{fb01}n", "\u{212b}a", "a\u{2024}b", "x\u{b2}"] {
            let address = format!("{invalid}@example.org");
            assert_eq!(Email::parse(&address), Err(FieldProblem::NotAnEmail), "{address}");
        }
        assert!(Email::parse_existing("mi\u{212a}e@example.org").is_ok(), "an account may have it already");
        for valid in ["mike", "\u{e9}a", "\u{3bd}\u{3af}\u{3ba}\u{3bf}\u{3c2}", "\u{674e}"] {
            assert!(Email::parse(&format!("{valid}@example.org")).is_ok(), "{valid}");
        }
    }

    #[test]
    fn smtp_gets_a_labels() {
        for (address, smtp) in [
            ("Ann@Example.org", Some("Ann@Example.org")),
            ("ann@MÜNCHEN.example", Some("ann@xn--mnchen-3ya.example")),
            ("李@例子。测试", Some("李@xn--fsqu00a.xn--0zwm56d")),
            ("ann@\u{fdfa}.example", None),
        ] {
            assert_eq!(Email::from_stored(address.to_owned()).smtp_form().as_deref(), smtp, "{address}");
        }
    }

    #[test]
    fn equal_keys_do_not_make_one_mailbox() {
        let email = |text: &str| Email::from_stored(text.to_owned());
        for (one, other, same) in [
            ("mike@example.org", "MIKE@EXAMPLE.org", true),
            ("mike@m\u{fc}nchen.example", "mike@XN--mnchen-3ya.example", true),
            ("mike@M\u{dc}nchen.example", "mike@m\u{fc}nchen.example", true),
            ("mike@example.org", "mike@e\u{ff58}ample.org", true),
            ("mike@example.org", "mi\u{212a}e@example.org", false),
            ("mike@example.org", "\u{ff4d}ike@example.org", false),
            ("\u{e9}a@example.org", "\u{c9}a@example.org", false),
            ("νίκος@example.org", "νίκοσ@example.org", false),
            ("mike@example.org", "mike@example.com", false),
            ("mike", "mike", false),
        ] {
            assert_eq!(email(one).is_same_mailbox(&email(other)), same, "{one} {other}");
        }
    }
}
