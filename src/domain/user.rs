//! Users, and the rules for their names and e-mail addresses.

use std::fmt;

use email_address::{EmailAddress, Options};
use unicode_normalization::UnicodeNormalization;
use url::Host;

use super::characters::{is_ignorable, is_unprintable};
use super::claims::Claims;
use super::field::FieldProblem;
use super::id::{Subject, UserId};
use super::password::PasswordHash;
use super::time::Timestamp;

/// The maximum length of a user name in characters.
pub const USERNAME_MAX: usize = 150;
/// The maximum length of an e-mail address in characters (RFC 5321 §4.5.3.1.3, without the angle brackets).
pub const EMAIL_MAX: usize = 254;

/// The maximum length, in characters, of the key by which a sign-in looks up a user.
const LOGIN_MAX: usize = 2 * EMAIL_MAX;

/// A user as stored in the database.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent properties of a user")]
pub struct User {
    /// The integer id, which other systems store.
    pub id: UserId,
    /// The UUID in tokens.
    pub sub: Subject,
    /// The user name.
    pub username: Username,
    /// The e-mail address. The user can also sign in with it.
    pub email: Option<Email>,
    /// Whether the user has proved ownership of the address.
    pub email_verified: bool,
    /// Given name; may be empty.
    pub first_name: String,
    /// Family name; may be empty.
    pub last_name: String,
    /// The password hash. `None` if the user has no password, for example because a sign-in with a provider created the
    /// account.
    pub password: Option<PasswordHash>,
    /// Whether the password is temporary.
    pub must_change_password: bool,
    /// False for a disabled user, who can neither sign in nor refresh.
    pub is_active: bool,
    /// Django's flag, kept for migrated projects. Countersign does not use it.
    pub is_staff: bool,
    /// Whether the user may use the admin zone.
    pub is_superuser: bool,
    /// The user's own claims, which are added to the user's tokens.
    pub claims: Claims,
    /// When the account was created.
    pub date_joined: Timestamp,
    /// When the last session was opened.
    pub last_login: Option<Timestamp>,
}

/// A user to be created. [`NewUser::new`] sets the defaults.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent properties of a user")]
pub struct NewUser {
    /// The id from an import. `None` means the next free id.
    pub id: Option<UserId>,
    /// The UUID in tokens.
    pub sub: Subject,
    /// The user name.
    pub username: Username,
    /// The e-mail address.
    pub email: Option<Email>,
    /// See [`User::email_verified`].
    pub email_verified: bool,
    /// See [`User::first_name`].
    pub first_name: String,
    /// See [`User::last_name`].
    pub last_name: String,
    /// See [`User::password`].
    pub password: Option<PasswordHash>,
    /// See [`User::must_change_password`].
    pub must_change_password: bool,
    /// See [`User::is_active`].
    pub is_active: bool,
    /// See [`User::is_staff`].
    pub is_staff: bool,
    /// Whether the user may use the admin zone.
    pub is_superuser: bool,
    /// See [`User::claims`].
    pub claims: Claims,
    /// When the account was created.
    pub date_joined: Timestamp,
    /// See [`User::last_login`].
    pub last_login: Option<Timestamp>,
}

impl NewUser {
    /// An active user who joined at `date_joined`, without address, password, claims and rights.
    pub fn new(sub: Subject, username: Username, date_joined: Timestamp) -> Self {
        Self {
            id: None,
            sub,
            username,
            email: None,
            email_verified: false,
            first_name: String::new(),
            last_name: String::new(),
            password: None,
            must_change_password: false,
            is_active: true,
            is_staff: false,
            is_superuser: false,
            claims: Claims::default(),
            date_joined,
            last_login: None,
        }
    }
}

/// A user name: 1 to [`USERNAME_MAX`] characters, without control characters, invisible characters, and leading or
/// trailing white space. Names are equal if their [`Username::key`] is equal.
#[derive(Clone, Debug)]
pub struct Username(String);

impl Username {
    /// Parses and checks a user name.
    pub fn parse(text: &str) -> Result<Self, FieldProblem> {
        if text.trim().is_empty() {
            return Err(FieldProblem::Blank);
        }
        // The key, by which the name is looked up, may be longer than the name.
        if text.chars().count() > USERNAME_MAX || normalise(text).chars().count() > LOGIN_MAX {
            return Err(FieldProblem::TooLong { max: USERNAME_MAX });
        }
        if text.trim() != text || text.chars().any(|c| is_unprintable(c) || is_ignorable(c)) {
            return Err(FieldProblem::Unprintable);
        }
        Ok(Self(text.to_owned()))
    }

    /// Wraps a stored value. The rules are not applied, so that values accepted under earlier rules stay readable.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Rejects a name that is an e-mail address other than the user's own. Otherwise the owner of that address could no
    /// longer register it.
    pub fn check_against_email(&self, email: Option<&Email>) -> Result<(), FieldProblem> {
        let is_own = email.is_some_and(|email| email.key() == self.key());
        if is_own || Email::parse(&self.0).is_err() { Ok(()) } else { Err(FieldProblem::AnothersEmail) }
    }

    /// The name as the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The normalised form, which must be unique.
    pub fn key(&self) -> String {
        normalise(&self.0)
    }
}

/// A given or family name: 0 to [`USERNAME_MAX`] characters, without control characters and invisible characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RealName(String);

impl RealName {
    /// Parses and checks a name. Leading and trailing white space is dropped.
    pub fn parse(text: &str) -> Result<Self, FieldProblem> {
        let text = text.trim();
        if text.chars().count() > USERNAME_MAX {
            return Err(FieldProblem::TooLong { max: USERNAME_MAX });
        }
        if text.chars().any(is_unprintable) { Err(FieldProblem::Unprintable) } else { Ok(Self(text.to_owned())) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An e-mail address (RFC 5321 mailbox, without display name and domain literal). The domain has at least two labels.
/// Addresses are equal if their [`Email::key`] is equal.
#[derive(Clone, Debug)]
pub struct Email(String);

impl Email {
    /// Parses and checks an address. Rejects a local part that NFKC changes: the address would have the key of another
    /// mailbox, such as `mike` for `miKe` (with a Kelvin sign).
    pub fn parse(text: &str) -> Result<Self, FieldProblem> {
        let email = Self::parse_existing(text)?;
        let (local, _) = email.parts();
        if local.nfkc().eq(local.chars()) { Ok(email) } else { Err(FieldProblem::NotAnEmail) }
    }

    /// Parses an address that an account may already have. Accepts every local part, as earlier rules did.
    pub fn parse_existing(text: &str) -> Result<Self, FieldProblem> {
        if text.trim().is_empty() {
            return Err(FieldProblem::Blank);
        }
        if text.chars().count() > EMAIL_MAX {
            return Err(FieldProblem::TooLong { max: EMAIL_MAX });
        }
        let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
        if text.chars().any(char::is_control) || EmailAddress::parse_with_options(text, options).is_err() {
            return Err(FieldProblem::NotAnEmail);
        }
        Ok(Self(text.to_owned()))
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
        normalise(&self.0)
    }

    /// Whether both addresses belong to one mailbox: they are equal after ASCII letters are lower-cased and the domain
    /// is converted to A-labels (RFC 5890 §2.3.2.1). Stricter than a comparison of keys, because two mailboxes may have
    /// the same key.
    pub fn is_same_mailbox(&self, other: &Self) -> bool {
        let (local, domain) = self.parts();
        let (other_local, other_domain) = other.parts();
        local.eq_ignore_ascii_case(other_local)
            && Host::parse(domain).is_ok_and(|ascii| Host::parse(other_domain).is_ok_and(|other| ascii == other))
    }

    /// The local part and the domain.
    fn parts(&self) -> (&str, &str) {
        self.0.rsplit_once('@').unwrap_or((&self.0, ""))
    }
}

macro_rules! compared_by_key {
    ($($name:ty),*) => {$(
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.key() == other.key()
            }
        }
        impl Eq for $name {}
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}
compared_by_key!(Username, Email);

/// The user name or e-mail address that a caller entered at a sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Login {
    key: String,
}

impl Login {
    /// Accepts any text.
    pub fn new(text: &str) -> Self {
        // No user name has a longer key, so a longer text matches no user name. Cutting it limits the size of the keys
        // that are compared and counted.
        Self { key: normalise(text).chars().take(LOGIN_MAX).collect() }
    }

    /// The normalised form, by which user names and addresses are looked up.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether the text is looked up among e-mail addresses before user names. If it were not, a user could choose
    /// another user's address as user name, and the sign-ins with this address would find the wrong user.
    pub fn looks_like_email(&self) -> bool {
        self.key.contains('@')
    }
}

/// Normalises all spellings to one form: NFKC in lower case.
fn normalise(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_unique_ignoring_case() {
        assert_eq!(Username::parse("Ann"), Username::parse("aNN"));
        assert_eq!(Username::parse("ﬁne"), Username::parse("FINE"));
        assert_ne!(Username::parse("Ann"), Username::parse("Anne"));
        assert_eq!(Username::parse("John Smith").map(|name| name.to_string()), Ok("John Smith".to_owned()));
    }

    #[test]
    fn invalid_names_are_rejected() {
        assert_eq!(Username::parse(" "), Err(FieldProblem::Blank));
        assert_eq!(Username::parse("a\nb"), Err(FieldProblem::Unprintable));
        assert_eq!(Username::parse(" ann"), Err(FieldProblem::Unprintable));
        for invisible in ["\u{200b}", "\u{3164}", "\u{fe0f}", "\u{34f}", "\u{e0100}"] {
            assert_eq!(Username::parse(&format!("ann{invisible}")), Err(FieldProblem::Unprintable), "{invisible:?}");
        }
        assert!(Username::parse(&"é".repeat(150)).is_ok());
        assert_eq!(
            Username::parse(&"\u{fdfa}".repeat(60)),
            Err(FieldProblem::TooLong { max: 150 }),
            "the key has 1080 characters"
        );
        assert_eq!(Username::parse(&"é".repeat(151)), Err(FieldProblem::TooLong { max: 150 }));
    }

    #[test]
    fn real_names_may_be_empty_and_of_any_script() {
        for (given, kept) in [("", ""), (" Ann ", "Ann"), ("O'Hara-Łęcka", "O'Hara-Łęcka"), ("李", "李")] {
            assert_eq!(RealName::parse(given).map(|name| name.0), Ok(kept.to_owned()));
        }
        assert_eq!(RealName::parse("a\u{202e}b"), Err(FieldProblem::Unprintable));
        assert_eq!(RealName::parse(&"é".repeat(151)), Err(FieldProblem::TooLong { max: 150 }));
    }

    #[test]
    fn email_addresses_are_validated_by_a_parser() {
        for valid in ["ann@example.com", "a.b+c@sub.example.org", "\"odd name\"@example.com"] {
            assert!(Email::parse(valid).is_ok(), "{valid}");
        }
        for invalid in [
            "ann",
            "ann@",
            "@example.com",
            "a b@example.com",
            "Ann <ann@example.com>",
            "a@b@c.com",
            "ann@example.com\r\nBcc: x@y.z",
        ] {
            assert_eq!(Email::parse(invalid), Err(FieldProblem::NotAnEmail), "{invalid}");
        }
        assert_eq!(Email::parse("ANN@example.COM"), Email::parse("ann@example.com"));
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
            ("mike@example.org", "mike@example.com", false),
            ("mike", "mike", false),
        ] {
            assert_eq!(email(one).is_same_mailbox(&email(other)), same, "{one} {other}");
        }
    }
}
